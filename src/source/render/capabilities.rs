//! What a cluster serves, as charts ask for it in `.Capabilities`, and which API
//! versions a chart asks for.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// What a cluster serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedApis {
    /// The Kubernetes version, such as `v1.33.1`.
    pub version: String,
    /// Each API version alone, and with each of its kinds: `apps/v1`, `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
}

/// What the cluster serves, where that is known; all clones share it.
#[derive(Clone, Debug, Default)]
pub struct Capabilities(Arc<ArcSwapOption<ServedApis>>);

impl Capabilities {
    /// From now on the cluster serves this.
    pub fn set(&self, served: ServedApis) {
        self.0.store(Some(Arc::new(served)));
    }

    /// What the cluster serves.
    pub(super) fn served(&self) -> Option<Arc<ServedApis>> {
        self.0.load_full()
    }
}

/// What the cluster serves is no setting: a source whose cluster gets a new kind
/// is not configured otherwise, and the next commit is rendered for it.
impl PartialEq for Capabilities {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Capabilities {}

/// The groups that every cluster serves; Helm knows their versions. A template asks
/// for an old version of theirs to go without it where it is gone.
/// Source: <https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/>
const BUILTIN_GROUPS: [&str; 22] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// The API versions of other groups that a template asks for by name, each with its
/// line. What it puts together from variables is not found.
pub(super) fn asked_for(template: &str) -> Vec<(u32, &str)> {
    let mut found = Vec::new();
    for (text, line) in template.lines().zip(1..) {
        if !text.contains("Capabilities.APIVersions") {
            continue;
        }
        // Every second part is between quotes.
        for quoted in text.split(['"', '`']).skip(1).step_by(2) {
            let Some((group, _)) = quoted.split_once('/') else { continue };
            if is_api_version(quoted) && !BUILTIN_GROUPS.contains(&group) {
                found.push((line, quoted));
            }
        }
    }
    found
}

/// Whether a text is `GROUP/VERSION` or `GROUP/VERSION/KIND`.
fn is_api_version(text: &str) -> bool {
    let parts: Vec<_> = text.split('/').collect();
    let is_name = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    // `v1/Pod` is of the core group, which every cluster serves.
    matches!(parts.len(), 2 | 3)
        && parts.iter().all(is_name)
        && parts[0].contains(|c: char| c != 'v' && !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_asks_for_api_versions_by_name() {
        for (template, expected) in [
            ("{{- if .Capabilities.APIVersions.Has \"monitoring.coreos.com/v1\" }}", vec!["monitoring.coreos.com/v1"]),
            ("{{ if $.Capabilities.APIVersions.Has `cert-manager.io/v1/Issuer` }}", vec!["cert-manager.io/v1/Issuer"]),
            (
                "{{ if and (.Capabilities.APIVersions.Has \"a.io/v1\") (not (.Capabilities.APIVersions.Has \"b.io/v1\")) }}",
                vec!["a.io/v1", "b.io/v1"],
            ),
            (
                "{{ if has \"gateway.networking.k8s.io/v1\" .Capabilities.APIVersions }}",
                vec!["gateway.networking.k8s.io/v1"],
            ),
            // Every cluster serves these groups, if in another version.
            ("{{ if .Capabilities.APIVersions.Has \"policy/v1beta1\" }}", vec![]),
            ("{{ if .Capabilities.APIVersions.Has \"networking.k8s.io/v1/Ingress\" }}", vec![]),
            ("{{ if .Capabilities.APIVersions.Has \"v1/Pod\" }}", vec![]),
            ("{{ if .Capabilities.APIVersions.Has .Values.api }}", vec![]),
            ("image: \"registry.example.org/v1\"", vec![]),
        ] {
            let found: Vec<_> = asked_for(template).into_iter().map(|(_, version)| version).collect();
            assert_eq!(found, expected, "{template}");
        }
        assert_eq!(asked_for("a: b\n{{ .Capabilities.APIVersions.Has \"a.io/v1\" }}\n"), [(2, "a.io/v1")]);
    }
}
