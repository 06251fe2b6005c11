//! Names that Kubernetes takes, and the names that driftwall's webhook configuration uses.

use axum::http::Uri;

use super::WebhookSettings;
use super::values::KeyProblem;

/// What may be wrong with a name.
const LABEL: &str = "write one of small letters, digits and `-`";

impl WebhookSettings {
    /// The first key whose value the API server would refuse, and what is wrong with it.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let Self { name, service, url, exclude_namespaces, .. } = self;
        if !is_subdomain(name) {
            let message = format!("`{name}` is no name for an object of a cluster; {LABEL}, such as driftwall");
            return Some(("name", message));
        }
        if !is_label(service) || service.starts_with(|first: char| first.is_ascii_digit()) {
            let message = format!("`{service}` is no name of a Service; {LABEL}, such as driftwall");
            return Some(("service", message));
        }
        if let Some(url) = url
            && let Some(problem) = url_problem(url)
        {
            return Some(("url", format!("{problem}; write one such as https://driftwall.example:8443/validate")));
        }
        let wrong = exclude_namespaces.iter().find(|namespace| !is_label(namespace))?;
        let message = format!("`{wrong}` is no name of a namespace, and no pattern can be one; {LABEL}");
        Some(("excludeNamespaces", message))
    }
}

/// Characters of a cluster's name: it is in every series and every log line.
const MAX_CLUSTER_NAME: usize = 253;

/// The name of a cluster, which may be empty: people use DNS names, and ARNs or paths of their provider.
pub(super) fn cluster_name(name: String) -> Result<String, KeyProblem> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if name.len() <= MAX_CLUSTER_NAME && name.chars().all(is_plain) {
        return Ok(name);
    }
    let message =
        format!("write at most {MAX_CLUSTER_NAME} letters, digits and characters of `-_./:@`, such as prod-eu-1");
    Err(KeyProblem::new("clusterName", message))
}

/// What keeps the API server from calling a webhook at a URL
/// (`k8s.io/apiserver/pkg/util/webhook/validation.go`).
fn url_problem(url: &str) -> Option<&'static str> {
    if !url.starts_with("https://") {
        return Some("the API server calls webhooks by https:// only");
    }
    let Ok(uri) = url.parse::<Uri>() else { return Some("this is no URL") };
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Some("the API server calls no URL with a user in it");
    }
    (uri.query().is_some() || url.contains('#')).then_some("the API server calls no URL with `?` or `#` in it")
}

/// Whether this can be the name of a namespace (DNS-1123 label).
pub(crate) fn is_label(name: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.chars().all(|c| is_alphanumeric(c) || c == '-')
        && name.starts_with(is_alphanumeric)
        && name.ends_with(is_alphanumeric)
}

/// Whether this can be the name of most objects (DNS-1123 subdomain).
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FailurePolicy;

    fn settings(name: &str, service: &str, url: Option<&str>, exclude: &[&str]) -> WebhookSettings {
        WebhookSettings {
            manage: true,
            name: name.into(),
            service: service.into(),
            port: 443,
            url: url.map(str::to_owned),
            path_file: None,
            failure_policy: FailurePolicy::Ignore,
            timeout_seconds: 5,
            exclude_namespaces: exclude.iter().map(|name| (*name).to_owned()).collect(),
            self_heal: false,
            canary: false,
        }
    }

    #[test]
    fn what_the_api_server_refuses_is_named() {
        for (settings, expected) in [
            (settings("driftwall", "driftwall", None, &["kube-system"]), None),
            (settings("driftwall.acme.org", "wall-2", Some("https://10.0.0.1:8443/validate"), &[]), None),
            (settings("Driftwall", "driftwall", None, &[]), Some("name")),
            (settings("a b", "driftwall", None, &[]), Some("name")),
            (settings("a..b", "driftwall", None, &[]), Some("name")),
            (settings("-a", "driftwall", None, &[]), Some("name")),
            (settings("a", "drift.wall", None, &[]), Some("service")),
            (settings("a", "2wall", None, &[]), Some("service")),
            (settings("a", &"w".repeat(64), None, &[]), Some("service")),
            (settings("a", "b", Some("http://wall"), &[]), Some("url")),
            (settings("a", "b", Some("https://"), &[]), Some("url")),
            (settings("a", "b", Some("https://me@wall"), &[]), Some("url")),
            (settings("a", "b", Some("https://wall/?a=b"), &[]), Some("url")),
            (settings("a", "b", Some("https://wall/#a"), &[]), Some("url")),
            (settings("a", "b", Some("https://wall/a b"), &[]), Some("url")),
            (settings("a", "b", None, &["kube-*"]), Some("excludeNamespaces")),
        ] {
            assert_eq!(settings.problem().map(|(key, _)| key), expected, "{settings:?}");
        }
    }

    #[test]
    fn a_cluster_may_have_the_name_that_its_provider_gives_it() {
        let arn = "arn:aws:eks:eu-central-1:111122223333:cluster/prod";
        for name in ["", "prod-eu-1", "gke_acme_europe-west1_prod", arn, "admin@prod.example.org"] {
            assert_eq!(cluster_name(name.into()).ok().as_deref(), Some(name));
        }
        for name in ["a b", "a\"b", "a\nb", "{{a}}", "ü", &"a".repeat(254)] {
            assert!(cluster_name(name.into()).is_err(), "{name}");
        }
    }
}
