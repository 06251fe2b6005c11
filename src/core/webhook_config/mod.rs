//! Which writes the API server sends to driftwall: a
//! `ValidatingWebhookConfiguration` built from what Git declares, and no wider;
//! and how a live one compares with it.

mod build;
mod live_state;
mod match_conditions;
mod parameters;
mod people;
mod review_path;
mod rules;

pub use build::{WRITES_WEBHOOK, build};
pub use live_state::{
    APPLIED_ANNOTATION, FAILURE_POLICY_ANNOTATION, LiveState, applied_hash, live_state, preserve_failure_policies,
    preserve_rules,
};
pub use parameters::{Endpoint, Plurals, WebhookParameters, Writers};
pub use review_path::{AcceptedPath, ReviewPath, chooses_path_of, path_of_url};
pub use rules::{kinds_in_several_versions, kinds_never_sent};
