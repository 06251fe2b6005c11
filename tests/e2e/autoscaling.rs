//! The autoscaler of Git at work: its writes pass, and a person's beside it are judged as ever.

use crate::cluster::{Stage, stage};

/// All pods of `web` together use this much: over what their number may have, and far below it.
const BUSY: u32 = 200;
const IDLE: u32 = 20;

const REPLICAS: &str = "kubectl get deployment web -n prod -o jsonpath={.spec.replicas}";
const PODS: &str = "kubectl get pods -n prod -l app=web --no-headers -o custom-columns=:.metadata.name,:.status.phase";

#[test]
fn the_autoscaler_that_git_declares_scales_up_and_down_and_nobody_stops_it() {
    let Some(stage) = stage() else { return };
    let allowed = |stage: &Stage| stage.counted(r#"actor="autoscaler",answer="allow""#);
    let before = allowed(&stage);
    load(&stage, BUSY, "4");
    // Live differs from Git, by the autoscaler's doing; this write does not touch it.
    let noted = stage.alice("kubectl annotate deployment web -n prod --overwrite note=hi");
    assert_eq!(noted.answer(), "allow", "{noted:?}");
    let scaled = stage.alice("kubectl scale deployment web -n prod --replicas=6");
    assert_eq!(scaled.answer(), "deny", "{scaled:?}");
    load(&stage, IDLE, "2");
    assert!(allowed(&stage) >= before + 2, "{} reviews of the autoscaler, {before} before", allowed(&stage));
    // The last Event of an autoscaler may be left out, after many; what it came to is in its status too.
    let events = stage.alice("kubectl get events -n prod -o jsonpath='{.items[*].reason}'").must();
    let described = stage.alice("kubectl describe hpa web -n prod").must();
    assert!(described.contains("AbleToScale"), "{described}");
    assert!(!events.contains("FailedRescale") && !described.contains("FailedUpdateScale"), "{events}\n{described}");
    stage.cluster.metrics.say("prod", &[], "0");
}

/// Waits until the autoscaler has set as many replicas as go with a load.
fn load(stage: &Stage, load: u32, replicas: &str) {
    stage.until("the autoscaler scales", REPLICAS, |now| {
        let pods = stage.alice(PODS).must();
        let pods: Vec<_> = pods.lines().filter_map(|line| line.split_once(char::is_whitespace)).collect();
        for (name, _) in pods.iter().filter(|(_, phase)| phase.trim() == "Pending") {
            run(stage, name);
        }
        let names: Vec<_> = pods.iter().map(|(name, _)| (*name).to_owned()).collect();
        let each = load.checked_div(names.len().try_into().unwrap()).unwrap_or_default();
        stage.cluster.metrics.say("prod", &names, &format!("{each}m"));
        now == replicas
    });
}

/// Says what the node's agent would say of a pod that runs.
fn run(stage: &Stage, pod: &str) {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let status = format!(
        r#"{{"status": {{"phase": "Running", "startTime": "{now}", "conditions":
            [{{"type": "Ready", "status": "True", "lastTransitionTime": "{now}"}}]}}}}"#
    );
    // It may be gone by now.
    stage.alice(&format!("behind patch pod {pod} -n prod --subresource=status --type=merge -p '{status}'"));
}
