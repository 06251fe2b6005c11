//! driftwall's own requests: the rights that `deploy/` grants are all that it needs.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::test_cluster;
use crate::process::report;

const AUDIT_LOG: &str = "audit.log";
const AUDIT_POLICY: &str = "audit-policy.json";
const ACCOUNT: &str = "system:serviceaccount:driftwall:driftwall";

/// The flags by which the API server logs what driftwall asks for.
pub(crate) fn audit_flags(folder: &Path) -> [(&'static str, String); 2] {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [{"level": "Metadata", "users": [ACCOUNT]}, {"level": "None"}],
        "omitStages": ["RequestReceived"],
    });
    std::fs::write(folder.join(AUDIT_POLICY), policy.to_string()).unwrap();
    let file = |name| folder.join(name).display().to_string();
    [("audit-log-path", file(AUDIT_LOG)), ("audit-policy-file", file(AUDIT_POLICY))]
}

#[test]
fn nothing_that_driftwall_asks_for_is_forbidden() {
    let Some(cluster) = test_cluster() else { return };
    let log = std::fs::read_to_string(cluster.path(AUDIT_LOG)).unwrap();
    let (mut used, mut forbidden) = (BTreeSet::new(), Vec::new());
    // The last line may not be complete yet.
    for event in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            forbidden.push(event.to_string());
        }
        let text = |field: &str| event["objectRef"][field].as_str().unwrap_or_default();
        if event["objectRef"].is_object() {
            let verb = event["verb"].as_str().unwrap_or_default();
            used.insert(format!("{verb} {}/{}", text("apiGroup"), text("resource")));
        }
    }
    report(&format!("driftwall used these rights: {used:?}"));
    assert!(used.contains("list /secrets") && used.contains("patch coordination.k8s.io/leases"), "{used:?}");
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}
