//! The webhook configuration that is to be in the cluster, with what others may have set in it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::WebhookSpec;
use super::client_config::{ignore_failures, keep_live_ca, names_a_ca};
use driftwall_core::webhook_config::{
    APPLIED_ANNOTATION, WebhookParameters, applied_hash, build, preserve_failure_policies, preserve_rules,
};

/// The CA that the webhooks name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DesiredCa {
    /// Whatever somebody else sets.
    External,
    /// driftwall's own, PEM; `None` where it has not been created yet.
    Own(Option<String>),
}

/// The webhook configuration that is to be in the cluster.
pub(super) struct BuiltConfig {
    pub(super) config: Value,
    /// The webhooks whose failure policy an operator set, each with that policy: it is kept.
    pub(super) kept_policies: Vec<(String, String)>,
}

impl BuiltConfig {
    pub(super) fn new(spec: &WebhookSpec, ca: &DesiredCa, live: Option<&Value>) -> Self {
        let ca_bundle = match ca {
            DesiredCa::External => None,
            DesiredCa::Own(pem) => pem.as_ref().map(|pem| STANDARD.encode(pem)),
        };
        let parameters = WebhookParameters { ca_bundle, ..spec.parameters.clone() };
        let mut config = build(&spec.snapshot, &parameters);
        if let Some(live) = live.filter(|_| !spec.snapshot.is_complete()) {
            preserve_rules(&mut config, live);
        }
        if *ca == DesiredCa::External {
            keep_live_ca(&mut config, live);
        }
        let mut kept_policies = match live {
            Some(live) => preserve_failure_policies(&mut config, live),
            None => Vec::new(),
        };
        if *ca == DesiredCa::External && !names_a_ca(&config) {
            ignore_failures(&mut config);
            kept_policies.clear();
        }
        config["metadata"]["annotations"][APPLIED_ANNOTATION] = applied_hash(&config, hash).into();
        Self { config, kept_policies }
    }
}

pub(super) fn hash(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}
