//! How each fault is caused, while the writes go on.

use serde_json::{Value, json};

use crate::git_server::Behavior;
use crate::process::wait_for;
use crate::zero_downtime::{Certificates, registered_paths};

use super::admissions::{Admissions, sync};
use super::stage::{SETTINGS, Stage};

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
    let before = registered_paths(stage.cluster);
    stage.cluster.control_plane.admin("kubectl delete secret driftwall-path -n driftwall");
    wait_for("another path is registered", || {
        let now = registered_paths(stage.cluster);
        (now.len() == 1 && now.is_disjoint(&before)).then_some(())
    });
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
