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
    #[serde(default = "ca_validity", alias = "authorityLife")]
    pub(in crate::config) ca_validity: String,
    #[serde(default = "certificate_validity", alias = "certificateLife")]
    pub(in crate::config) certificate_validity: String,
}

/// A year and ninety days.
fn ca_validity() -> String {
    "8760h".into()
}

fn certificate_validity() -> String {
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
    #[serde(alias = "leaveOut")]
    pub(in crate::config) exclude_namespaces: Vec<String>,
    #[serde(alias = "restore")]
    pub(in crate::config) self_heal: bool,
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
    #[serde(alias = "longest")]
    pub(in crate::config) max_duration: String,
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
            exclude_namespaces: vec!["kube-system".into()],
            self_heal: false,
        }
    }
}

impl Default for BreakGlass {
    fn default() -> Self {
        Self { enabled: true, max_duration: "4h".into() }
    }
}
