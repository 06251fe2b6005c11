//! driftwall is down and nothing passes without it: what it, the control plane and
//! the way out need does.

use serde_json::json;

use crate::cluster::stage;
use crate::kubectl::Outcome;

const SCALE: &str = "kubectl scale deployment python-app-prod -n prod --replicas=7";

/// What must be possible, by whoever mends the cluster.
const NEEDED: [(&str, &str); 11] = [
    ("driftwall's configuration", "kubectl annotate configmap driftwall -n driftwall mended=1 --overwrite"),
    ("its Deployment", "kubectl annotate deployment driftwall -n driftwall mended=1 --overwrite"),
    ("its replicas", "kubectl scale deployment driftwall -n driftwall --replicas=3"),
    (
        "its pods",
        "kubectl run mend -n driftwall --image=busybox --overrides='{\"spec\": {\"securityContext\": {\"runAsNonRoot\": true}}}'",
    ),
    ("their end", "kubectl delete pod mend -n driftwall --wait=false"),
    ("its Service", "kubectl annotate service driftwall -n driftwall mended=1 --overwrite"),
    ("its certificate", "kubectl annotate secret driftwall-certificates -n driftwall mended=1 --overwrite"),
    ("its lease", "kubectl annotate lease driftwall -n driftwall mended=1 --overwrite"),
    ("its account", "kubectl annotate serviceaccount driftwall -n driftwall mended=1 --overwrite"),
    (
        "the control plane's namespace",
        "kubectl create configmap mend -n kube-system && kubectl delete configmap mend -n kube-system",
    ),
    ("nodes", "kubectl annotate node n1 mended=1 --overwrite"),
];

#[test]
fn what_brings_driftwall_back_does_not_wait_for_driftwall() {
    let Some(mut stage) = stage() else { return };
    let policy = |policy: &str| {
        let patch = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": policy}]);
        format!("kubectl patch validatingwebhookconfiguration driftwall --type=json -p '{patch}'")
    };
    stage.alice(&policy("Fail")).must();
    stage.cluster.replicas.number(0);
    let closed = stage
        .until("the wall is closed", &format!("{SCALE} 2>&1 || true"), |out| out.contains("failed calling webhook"));
    assert!(closed.contains("InternalError"), "{closed}");
    for (what, script) in NEEDED {
        let Outcome { succeeded, err, .. } = stage.alice(script);
        assert!(succeeded, "{what}: {err}");
    }
    // One command is the way out, with driftwall gone and everything shut.
    stage.alice("kubectl delete validatingwebhookconfiguration driftwall").must();
    stage.until("the way out", SCALE, |out| out.contains("scaled"));

    stage.alice("sync").must();

    stage.cluster.replicas.number(1);
    stage.alice("kubectl annotate lease driftwall -n driftwall driftwall.io/registered-").must();
    stage.until("it is back", &format!("{SCALE} --dry-run=server 2>&1"), |out| out.contains("Git says 3"));
}
