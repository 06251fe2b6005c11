//! The canary: driftwall notices by itself that the API server does not call it, and why, and that it does again.

use crate::cluster::{REGISTER_AGAIN, TestCluster, WEBHOOK_CONFIG, failed_open, test_cluster};
use crate::load_balancer::Way;
use crate::process::{log_folder, report, wait_for};

/// Waits until the only replica, which leads, knows this of the canary.
fn wait_for_result(cluster: &TestCluster, result: &str) {
    let begun = std::time::Instant::now();
    let series = format!("driftwall_canary{{result=\"{result}\"}}");
    wait_for(&format!("the canary's result is {result}"), || cluster.replicas.all_have(&series, "1").then_some(()));
    report(&format!("canary: {result} after {:.1} s", begun.elapsed().as_secs_f64()));
}

/// The lines that the newest replica has logged of the canary: message and result.
fn logged(cluster: &TestCluster) -> Vec<(String, String)> {
    let name = cluster.replicas.newest();
    let log = std::fs::read_to_string(log_folder().join(format!("{name}.log"))).unwrap();
    let path = cluster
        .control_plane
        .admin(&format!("kubectl get {WEBHOOK_CONFIG} -o jsonpath='{{.webhooks[0].clientConfig.service.path}}'"));
    assert!(path.len() > 30 && !log.contains(path.trim()), "the path at which reviews are received is in the log");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let of_canary = lines.filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("API server ")));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    of_canary.map(|line| (text(&line["message"]), text(&line["result"]))).collect()
}

#[test]
fn a_canary_notices_that_the_api_server_cannot_call_driftwall_and_why() {
    let Some(mut cluster) = test_cluster() else { return };
    wait_for_result(&cluster, "called");
    let api_server = format!("127.0.0.1:{}", cluster.control_plane.port);
    for (way, result) in [
        (Way::Firewall, "timeout"),
        (Way::Closed, "refused"),
        // A server whose certificate is of another CA than caBundle.
        (Way::Other(api_server), "certificate"),
    ] {
        cluster.replicas.load_balancer.set_way(way);
        wait_for_result(&cluster, result);
        cluster.replicas.load_balancer.set_way(Way::Replicas);
        wait_for_result(&cluster, "called");
        // The log is written a moment later.
        let lines = wait_for("it is logged", || {
            Some(logged(&cluster))
                .filter(|lines| lines.last().is_some_and(|(last, _)| last == "API server calls driftwall again"))
        });
        let [.., (failed, reason), _] = &lines[..] else { panic!("{lines:?}") };
        assert!(failed.starts_with("API server does not call driftwall") && reason == result, "{lines:?}");
    }
    // What was written meanwhile passed without an answer.
    cluster.failed_open = failed_open();
}

#[test]
fn a_canary_notices_a_removed_and_a_weakened_registration() {
    let Some(mut cluster) = test_cluster() else { return };
    wait_for_result(&cluster, "called");
    cluster.alice(&format!("kubectl delete {WEBHOOK_CONFIG}")).expect_success();
    wait_for_result(&cluster, "not_registered");
    cluster.alice(REGISTER_AGAIN).expect_success();
    wait_for_result(&cluster, "called");

    // With Ignore, and behind a firewall, the canary passes: nothing says why, but that nobody was asked is seen.
    let webhooks =
        cluster.control_plane.admin(&format!("kubectl get {WEBHOOK_CONFIG} -o jsonpath='{{.webhooks[*].name}}'"));
    let index = webhooks.split_whitespace().position(|name| name == "canary.driftwall.io").unwrap();
    let ignore = format!(r#"[{{"op": "replace", "path": "/webhooks/{index}/failurePolicy", "value": "Ignore"}}]"#);
    cluster.alice(&format!("kubectl patch {WEBHOOK_CONFIG} --type=json -p '{ignore}'")).expect_success();
    cluster.replicas.load_balancer.set_way(Way::Firewall);
    wait_for_result(&cluster, "not_asked");
    cluster.replicas.load_balancer.set_way(Way::Replicas);
    wait_for_result(&cluster, "called");
    cluster.failed_open = failed_open();
}

#[test]
fn the_canary_can_be_switched_off_and_is_never_stored() {
    let Some(mut cluster) = test_cluster() else { return };
    let mut config = cluster.replicas.config();
    config["registration"]["canary"] = false.into();
    cluster.replicas.configure(config);
    wait_for_result(&cluster, "off");
    let names = format!("kubectl get {WEBHOOK_CONFIG} -o jsonpath='{{.webhooks[*].name}}'");
    cluster.wait_for("it is not registered any more", &names, |names| !names.contains("canary.driftwall.io"));
    let stored = cluster.alice("kubectl get configmap driftwall-canary -n driftwall");
    assert!(stored.stderr.contains("not found"), "a canary is never stored: {stored:?}");
}
