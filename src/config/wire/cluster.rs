//! What is written of driftwall's part in a cluster.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Tls {
    pub(in crate::config) cert_file: Option<String>,
    pub(in crate::config) key_file: Option<String>,
    pub(in crate::config) client_ca_file: Option<String>,
    #[serde(default)]
    pub(in crate::config) self_managed: bool,
    #[serde(default = "authority_life")]
    pub(in crate::config) authority_life: String,
    #[serde(default = "certificate_life")]
    pub(in crate::config) certificate_life: String,
}

/// A year and ninety days.
fn authority_life() -> String {
    "8760h".into()
}

fn certificate_life() -> String {
    "2160h".into()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct Registration {
    pub(in crate::config) manage: bool,
    pub(in crate::config) name: String,
    pub(in crate::config) service: String,
    pub(in crate::config) port: u16,
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) failure_policy: FailurePolicy,
    pub(in crate::config) timeout_seconds: u8,
    pub(in crate::config) leave_out: Vec<String>,
    pub(in crate::config) restore: bool,
}

#[derive(Clone, Copy, Deserialize)]
pub(in crate::config) enum FailurePolicy {
    Fail,
    Ignore,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct BreakGlass {
    pub(in crate::config) enabled: bool,
    pub(in crate::config) longest: String,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            manage: false,
            name: "driftwall".into(),
            service: "driftwall".into(),
            port: 443,
            url: None,
            failure_policy: FailurePolicy::Ignore,
            timeout_seconds: 5,
            leave_out: vec!["kube-system".into()],
            restore: false,
        }
    }
}

impl Default for BreakGlass {
    fn default() -> Self {
        Self { enabled: true, longest: "4h".into() }
    }
}
