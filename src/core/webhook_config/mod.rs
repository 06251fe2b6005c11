//! Which writes the API server sends to driftwall: a
//! `ValidatingWebhookConfiguration` built from what Git declares, and no wider;
//! and how a live one compares with it.

mod build;
mod kinds;
mod live_state;
mod match_conditions;
mod parameters;
mod people;
mod review_path;
mod rules;

pub use build::{WRITES_WEBHOOK, build};
pub use kinds::{kinds_in_several_versions, kinds_in_unserved_versions, kinds_never_sent};
pub use live_state::{
    APPLIED_ANNOTATION, FAILURE_POLICY_ANNOTATION, LiveState, applied_hash, live_state, preserve_failure_policies,
    preserve_rules,
};
pub use parameters::{Endpoint, ServedKind, ServedKinds, WebhookParameters, Writers};
pub use review_path::{AcceptedPath, ReviewPath, chooses_path_of, path_of_url};
