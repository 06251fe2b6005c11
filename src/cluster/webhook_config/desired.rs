//! The configuration that is wanted, where others may have set some of it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::WebhookSpec;
use super::ca_bundle::{keep_bundles, names_a_ca, open};
use driftwall_core::webhook_config::{
    APPLIED_ANNOTATION, WebhookParameters, applied_hash, build, preserve_failure_policies,
};

/// The configuration that is wanted, with the failure policies that an operator
/// set, and which those are. Where the CA `is_left` to others, theirs stays.
pub(super) fn wanted(
    plan: &WebhookSpec,
    bundle: Option<String>,
    is_left: bool,
    live: Option<&Value>,
) -> (Value, Vec<(String, String)>) {
    let ca_bundle = bundle.map(|pem| STANDARD.encode(pem));
    let mut wanted = build(&plan.snapshot, &WebhookParameters { ca_bundle, ..plan.registration.clone() });
    if is_left {
        keep_bundles(&mut wanted, live);
    }
    let mut kept = live.map(|live| preserve_failure_policies(&mut wanted, live)).unwrap_or_default();
    if is_left && !names_a_ca(&wanted) {
        open(&mut wanted);
        kept.clear();
    }
    wanted["metadata"]["annotations"][APPLIED_ANNOTATION] = applied_hash(&wanted, hash).into();
    (wanted, kept)
}

pub(super) fn hash(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}
