//! What an API server of 1.20 has instead of what Git and `deploy/` name.

use serde_json::{Value, json};

/// API versions of kinds, of the rules' resources too: group, kind, resource, now, then.
const VERSIONS: [(&str, &str, &str, &str, &str); 3] = [
    ("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "v2", "v2beta2"),
    ("batch", "CronJob", "cronjobs", "v1", "v1beta1"),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", "v1", "v1beta1"),
];

/// Manifests in the versions of the older server, whose server-side apply does not fill in
/// the protocol of a Service's port. No line above moves.
pub(crate) fn manifests(text: &str) -> String {
    let mut text = text.to_owned();
    for (group, kind, _, now, then) in VERSIONS {
        let named = |version: &str| format!("apiVersion: {group}/{version}\nkind: {kind}\n");
        assert!(text.contains(&named(now)), "Git has no {kind}");
        text = text.replace(&named(now), &named(then));
    }
    let port = "    - port: 80\n";
    assert!(text.contains(port), "Git has no Service");
    text.replace(port, &format!("{port}      protocol: TCP\n"))
}

/// The usual rules of the chart in `deploy/`, called at a URL.
pub(crate) fn webhook(url: &str, ca: &str) -> Value {
    let mut rules: Vec<Value> =
        serde_saphyr::from_str(&std::fs::read_to_string("deploy/chart/files/rules.yaml").unwrap()).unwrap();
    for (group, _, resource, _, then) in VERSIONS {
        rules.push(rule(group, then, &[resource, &format!("{resource}/status")]));
    }
    rules.push(rule("example.com", "v1", &["widgets", "widgets/scale", "widgets/status"]));
    let left_out =
        json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["driftwall", "kube-system"]});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "driftwall"},
        "webhooks": [{
            "name": "writes.driftwall.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": url, "caBundle": ca},
            // Else a webhook out of reach would pass for one that allows.
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": [left_out]},
            "rules": rules,
            "sideEffects": "None",
            "timeoutSeconds": 30,
        }],
    })
}

fn rule(group: &str, version: &str, resources: &[&str]) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": resources,
    })
}
