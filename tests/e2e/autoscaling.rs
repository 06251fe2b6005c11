//! The HorizontalPodAutoscaler that Git declares scales, and a person may not.

use crate::cluster::{TestCluster, test_cluster};

/// What all pods of `web` use together, in millicores: more than the autoscaler's target, and far less.
const BUSY: u32 = 200;
const IDLE: u32 = 20;

const REPLICAS: &str = "kubectl get deployment web -n prod -o jsonpath={.spec.replicas}";
const PODS: &str = "kubectl get pods -n prod -l app=web --no-headers -o custom-columns=:.metadata.name,:.status.phase";

#[test]
fn the_autoscaler_that_git_declares_is_never_denied_and_a_person_who_scales_is() {
    let Some(cluster) = test_cluster() else { return };
    let allowed = |cluster: &TestCluster| cluster.count_reviews(r#"actor="autoscaler",answer="allow""#);
    let before = allowed(&cluster);
    put_load(&cluster, BUSY, "4");
    // The replicas differ from Git, because of the autoscaler; this write does not touch them.
    let noted = cluster.alice("kubectl annotate deployment web -n prod --overwrite note=hi");
    assert_eq!(noted.answer(), "allow", "{noted:?}");
    let scaled = cluster.alice("kubectl scale deployment web -n prod --replicas=6");
    assert_eq!(scaled.answer(), "deny", "{scaled:?}");
    put_load(&cluster, IDLE, "2");
    if cluster.reviews_controllers() {
        assert!(allowed(&cluster) >= before + 2, "{} reviews of the autoscaler, {before} before", allowed(&cluster));
    }
    // An autoscaler's Event may be dropped after many others; its status says the same.
    let events = cluster.alice("kubectl get events -n prod -o jsonpath='{.items[*].reason}'").expect_success();
    let described = cluster.alice("kubectl describe hpa web -n prod").expect_success();
    assert!(described.contains("AbleToScale"), "{described}");
    assert!(!events.contains("FailedRescale") && !described.contains("FailedUpdateScale"), "{events}\n{described}");
    cluster.metrics.set_cpu_usage("prod", &[], "0");
}

/// Puts load on the pods, and waits until the autoscaler has set the replicas for it.
fn put_load(cluster: &TestCluster, load: u32, replicas: &str) {
    cluster.wait_for("the autoscaler scales", REPLICAS, |now| {
        let pods = cluster.alice(PODS).expect_success();
        let pods: Vec<_> = pods.lines().filter_map(|line| line.split_once(char::is_whitespace)).collect();
        for (name, _) in pods.iter().filter(|(_, phase)| phase.trim() == "Pending") {
            report_running(cluster, name);
        }
        let names: Vec<_> = pods.iter().map(|(name, _)| (*name).to_owned()).collect();
        let each = load.checked_div(names.len().try_into().unwrap()).unwrap_or_default();
        cluster.metrics.set_cpu_usage("prod", &names, &format!("{each}m"));
        now == replicas
    });
}

/// Writes the status that the kubelet would write for a running pod.
fn report_running(cluster: &TestCluster, pod: &str) {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let status = format!(
        r#"{{"status": {{"phase": "Running", "startTime": "{now}", "conditions":
            [{{"type": "Ready", "status": "True", "lastTransitionTime": "{now}"}}]}}}}"#
    );
    // It may be gone by now.
    cluster.alice(&format!("unreviewed patch pod {pod} -n prod --subresource=status --type=merge -p '{status}'"));
}
