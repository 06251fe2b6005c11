//! How each fault is caused, while the writes go on.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{WEBHOOK_CONFIG, failed_open};
use crate::git_server::Behavior;
use crate::process::{log_folder, report, wait_for};

use super::admissions::{Admissions, sync};
use super::certificates::Certificates;
use super::clients::{Flood, IdleConnections, SlowClients};
use super::stage::{SETTINGS, Stage, registered_paths};

pub(super) fn none(_: &mut Stage<'_>, _: &Admissions) {}

pub(super) fn rolling_restart(stage: &mut Stage<'_>, _: &Admissions) {
    stage.cluster.replicas.rolling_restart();
}

/// Another CA, and certificates of it.
pub(super) fn certificate_rotation(stage: &mut Stage<'_>, _: &Admissions) {
    let before = Certificates::of(stage.cluster).trusted[0].fingerprint.clone();
    stage.cluster.control_plane.admin("kubectl delete secret driftwall-certificates -n driftwall");
    wait_for("another CA is the only one", || {
        Certificates::of(stage.cluster).only().is_some_and(|ca| ca.fingerprint != before).then_some(())
    });
    stage.wait_for_metric("driftwall_certificate_trusted ", "1");
}

pub(super) fn path_rotation(stage: &mut Stage<'_>, writes: &Admissions) {
    stage.paths.extend(registered_paths(stage.cluster));
    stage.cluster.control_plane.admin("kubectl delete secret driftwall-path -n driftwall");
    let new = wait_for("another path is registered", || {
        Some(registered_paths(stage.cluster)).filter(|now| now.len() == 1 && now.is_disjoint(&stage.paths))
    });
    stage.paths.extend(new);
    writes.wait_for_more(2 * writes.writers());
}

/// Other settings, audit mode and enforce mode again, and a file that is rejected.
pub(super) fn configuration_swap(stage: &mut Stage<'_>, writes: &Admissions) {
    let usual = stage.cluster.replicas.config();
    let mut other = usual.clone();
    other["modes"] = json!([{"namespaces": ["staging-*"], "mode": "audit"}]);
    for _ in 0..2 {
        stage.cluster.replicas.configure(other.clone());
        writes.wait_for_more(2 * writes.writers());
        stage.cluster.replicas.configure(usual.clone());
    }
    writes.change_expectation(false, || stage.cluster.set_mode("audit"));
    writes.wait_for_more(2 * writes.writers());
    writes.change_expectation(true, || {
        stage.cluster.replicas.configure(usual.clone());
        sync(&stage.cluster.control_plane.shell);
    });
    let mut rejected = usual.clone();
    rejected["mode"] = "block".into();
    stage.cluster.replicas.configure_wrongly(&rejected);
    writes.wait_for_more(2 * writes.writers());
    stage.cluster.replicas.configure(other);
    stage.cluster.replicas.configure(usual);
}

/// What was read last stays in force, and what is pushed meanwhile is read afterwards.
pub(super) fn git_fails(stage: &mut Stage<'_>, writes: &Admissions) {
    stage.git.set_behavior(Behavior::Fails);
    stage.wait_for_metric("driftwall_source_failing{source=\"prod\"}", "1");
    stage.commit("git/apps/prod/settings.yaml", &SETTINGS.replace("info", "debug"));
    writes.wait_for_more(4 * writes.writers());
    stage.assert_answer("settings", "deny");
    stage.git.set_behavior(Behavior::Serves);
    stage.wait_for_head();
    stage.commit("git/apps/prod/settings.yaml", SETTINGS);
    stage.wait_for_head();
}

/// Every denial waits for it as long as it may. Nothing is pushed meanwhile: who has waited so long when a newer commit
/// comes is warned, since nothing says yet that it is not what they pushed.
pub(super) fn git_is_silent(stage: &mut Stage<'_>, writes: &Admissions) {
    stage.git.set_behavior(Behavior::Silent);
    writes.wait_for_more(4 * writes.writers());
    stage.assert_answer("settings", "deny");
    stage.git.set_behavior(Behavior::Serves);
    writes.wait_for_more(4 * writes.writers());
    stage.wait_for_head();
}

/// What is rendered stays as it was, and what changes in Git meanwhile is a warning until it is rendered.
pub(super) fn renderer_away(stage: &mut Stage<'_>, writes: &Admissions) {
    stage.kill_renderer();
    stage.assert_answer("rendered-settings", "deny");
    stage.commit("git/rendered/settings.yaml", &SETTINGS.replace("info", "debug"));
    stage.wait_for_metric("driftwall_source_failing{source=\"rendered\"}", "1");
    stage.assert_answer("rendered-settings", "warn");
    writes.wait_for_more(2 * writes.writers());
    stage.start_renderer();
    stage.wait_for_head();
    stage.commit("git/rendered/settings.yaml", SETTINGS);
    stage.wait_for_head();
    stage.assert_answer("rendered-settings", "deny");
}

/// What the broken file declares is a warning at most, the rest is as before.
pub(super) fn broken_commit(stage: &mut Stage<'_>, writes: &Admissions) {
    stage.assert_answer("settings", "deny");
    stage.commit("git/apps/prod/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n");
    stage.wait_for_metric("driftwall_source_failing{source=\"prod\"}", "1");
    stage.assert_answer("settings", "warn");
    writes.wait_for_more(2 * writes.writers());
    stage.commit("git/apps/prod/settings.yaml", SETTINGS);
    stage.wait_for_head();
    stage.assert_answer("settings", "deny");
}

/// Argo CD brings another schema of a kind whose objects are written to, and the old one again.
pub(super) fn definition_changed(stage: &mut Stage<'_>, writes: &Admissions) {
    let old = std::fs::read_to_string(stage.cluster.path("git/apps/prod/crd.json")).unwrap();
    let mut new: Value = serde_json::from_str(&old).unwrap();
    new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["note"] =
        json!({"type": "string"});
    for definition in [new.to_string(), old] {
        stage.commit("git/apps/prod/crd.json", &definition);
        stage.wait_for_head();
        sync(&stage.cluster.control_plane.shell);
        writes.wait_for_more(2 * writes.writers());
    }
}

/// Other API servers ask three times as fast as the replicas answer.
pub(super) fn overload(stage: &mut Stage<'_>, writes: &Admissions) {
    let flood = Flood::start(stage.cluster);
    writes.wait_for_most(stage.admissions);
    flood.stop_and_check();
}

pub(super) fn slow_clients(stage: &mut Stage<'_>, writes: &Admissions) {
    let clients = SlowClients::start(stage.cluster);
    writes.wait_for_most(stage.admissions);
    clients.stop();
}

pub(super) fn idle_connections(stage: &mut Stage<'_>, writes: &Admissions) {
    let connections = IdleConnections::start(stage.cluster);
    writes.wait_for_most(stage.admissions);
    connections.stop();
}

/// Kills one replica, and waits until new connections go to the other and every writer has met it.
pub(super) fn killed(stage: &mut Stage<'_>, writes: &Admissions) {
    let before = failed_open();
    let gone = stage.cluster.replicas.stop_oldest(Signal::KILL);
    wait_for("its end is noticed", || (stage.cluster.replicas.load_balancer.ready() == 1).then_some(()));
    writes.wait_for_each();
    let lost = failed_open();
    writes.wait_for_each();
    assert_eq!(failed_open(), lost, "writes pass without an answer long after the end");
    report(&format!("{} calls got no answer: {:?}", lost - before, reasons(lost - before)));
    // The next rotation of the CA would wait a minute for the report of this replica.
    stage.cluster.control_plane.admin(&format!(
        "kubectl delete -n driftwall $(kubectl get leases -n driftwall -o name | grep /driftwall-{gone}-)"
    ));
}

pub(super) fn killed_under_fail(stage: &mut Stage<'_>, writes: &Admissions) {
    let change = |stage: &Stage<'_>, from: &str, to: &str| {
        let shown = stage.cluster.control_plane.admin(&format!("kubectl get {WEBHOOK_CONFIG} -o json"));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let mut patch = Vec::new();
        for (index, webhook) in shown["webhooks"].as_array().unwrap().iter().enumerate() {
            // That of the canary is always `Fail`, and concerns no other write.
            if webhook["failurePolicy"] == from && webhook["name"] != "canary.driftwall.io" {
                let field = format!("/webhooks/{index}/failurePolicy");
                patch.push(json!({"op": "replace", "path": field, "value": to}));
            }
        }
        let patch = Value::from(patch);
        stage.cluster.control_plane.admin(&format!("kubectl patch {WEBHOOK_CONFIG} --type=json -p '{patch}'"));
        stage.wait_for_metric(&format!("driftwall_registration_failure_policy{{policy=\"{to}\"}}"), "1");
        // The API server looks at the policy when a write comes.
        writes.wait_for_each();
    };
    change(stage, "Ignore", "Fail");
    killed(stage, writes);
    change(stage, "Fail", "Ignore");
}

/// The last so many reasons for which the API server says that a call failed.
fn reasons(number: usize) -> std::collections::BTreeSet<String> {
    let log = std::fs::read_to_string(log_folder().join("kube-apiserver.log")).unwrap();
    let failures = log.lines().rev().filter(|line| line.contains("failing open"));
    let reason = |line: &str| line.rsplit(": ").next().unwrap_or_default().to_owned();
    failures.take(number).map(reason).collect()
}
