//! What an API server of 1.20 has instead of what Git and `deploy/` name.

use std::path::Path;

use driftwall::manifest;
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

/// The webhook of `deploy/`, called at a URL.
pub(crate) fn webhook(url: &str, ca: &str) -> Value {
    let file = Path::new("deploy/40-webhook.yaml");
    let reading = manifest::read(file.to_str().unwrap(), &std::fs::read(file).unwrap());
    let mut configuration = reading.objects.into_iter().next().unwrap().value;
    let webhook = &mut configuration["webhooks"][0];
    webhook["clientConfig"] = json!({"url": url, "caBundle": ca});
    // Else a webhook out of reach would pass for one that allows.
    webhook["failurePolicy"] = "Fail".into();
    webhook["timeoutSeconds"] = 30.into();
    webhook.as_object_mut().unwrap().remove("matchConditions").unwrap();
    let rules = webhook["rules"].as_array_mut().unwrap();
    for (group, _, resource, _, then) in VERSIONS {
        rules.push(rule(group, then, &[resource, &format!("{resource}/status")]));
    }
    rules.push(rule("example.com", "v1", &["widgets", "widgets/scale", "widgets/status"]));
    configuration
}

fn rule(group: &str, version: &str, resources: &[&str]) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": resources,
    })
}
