//! With `failurePolicy: Fail` and driftwall down, everything that repairs or disables it still works.

use serde_json::json;

use crate::cluster::{REGISTER_AGAIN, WEBHOOK_CONFIG, test_cluster};
use crate::kubectl::CommandResult;

const SCALE: &str = "kubectl scale deployment python-app-prod -n prod --replicas=7";

/// What must be possible for whoever repairs the cluster.
const REPAIRS: [(&str, &str); 11] = [
    ("driftwall's configuration", "kubectl annotate configmap driftwall -n driftwall repaired=1 --overwrite"),
    ("its Deployment", "kubectl annotate deployment driftwall -n driftwall repaired=1 --overwrite"),
    ("its replicas", "kubectl scale deployment driftwall -n driftwall --replicas=3"),
    ("its pods", CREATE_POD),
    ("the deletion of its pods", "kubectl delete pod repair -n driftwall --wait=false"),
    ("its Service", "kubectl annotate service driftwall -n driftwall repaired=1 --overwrite"),
    ("its certificate", "kubectl annotate secret driftwall-certificates -n driftwall repaired=1 --overwrite"),
    ("its lease", "kubectl annotate lease driftwall -n driftwall repaired=1 --overwrite"),
    ("its account", "kubectl annotate serviceaccount driftwall -n driftwall repaired=1 --overwrite"),
    (
        "the control plane's namespace",
        "kubectl create configmap repair -n kube-system && kubectl delete configmap repair -n kube-system",
    ),
    ("nodes", "kubectl annotate node n1 repaired=1 --overwrite"),
];

/// The namespace enforces the Pod Security level `restricted`.
const CREATE_POD: &str = "kubectl create -f - <<END
apiVersion: v1
kind: Pod
metadata: {name: repair, namespace: driftwall}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65534, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: repair
      image: busybox
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
END";

#[test]
fn what_repairs_or_disables_driftwall_works_while_it_is_down() {
    let Some(mut cluster) = test_cluster() else { return };
    let fail = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]);
    cluster.alice(&format!("kubectl patch {WEBHOOK_CONFIG} --type=json -p '{fail}'")).expect_success();
    cluster.replicas.scale_to(0);
    let blocked = cluster
        .wait_for("writes are blocked", &format!("{SCALE} 2>&1 || true"), |out| out.contains("failed calling webhook"));
    assert!(blocked.contains("InternalError"), "{blocked}");
    for (what, script) in REPAIRS {
        let CommandResult { succeeded, stderr, .. } = cluster.alice(script);
        assert!(succeeded, "{what}: {stderr}");
    }
    // One command disables driftwall, although it is down and everything is blocked.
    cluster.alice(&format!("kubectl delete {WEBHOOK_CONFIG}")).expect_success();
    cluster.wait_for("driftwall is disabled", SCALE, |out| out.contains("scaled"));

    cluster.alice("argocd_sync").expect_success();

    cluster.replicas.scale_to(1);
    cluster.alice(REGISTER_AGAIN).expect_success();
    cluster.wait_for("driftwall is back", &format!("{SCALE} --dry-run=server 2>&1"), |out| out.contains("Git says 3"));
}
