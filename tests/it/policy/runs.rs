//! Runs of what Git declares: whoever may delete one may end or hold it, too.

use driftwall_core::policy::Outcome;
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, review_of_yaml, set_at};

const GIT: &str = "
{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web, namespace: prod}, spec: {replicas: 1}}
---
{apiVersion: argoproj.io/v1alpha1, kind: CronWorkflow, metadata: {name: nightly, namespace: prod}, spec: {schedules: ['* * * * *']}}
---
{apiVersion: triggers.tekton.dev/v1beta1, kind: EventListener, metadata: {name: push, namespace: prod}, spec: {}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: report, namespace: prod}, spec: {schedule: '* * * * *'}}
---
{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: once, namespace: prod}, spec: {entrypoint: a}}
";

/// A run, with its controller.
fn run(plural: &str, api_version: &str, kind: &str, owner: &str) -> Review {
    let (owner_kind, owner_name) = owner.split_once('/').unwrap();
    let group = match owner_kind {
        "CronJob" => "batch/v1",
        "EventListener" => "triggers.tekton.dev/v1beta1",
        _ => "argoproj.io/v1alpha1",
    };
    review_of_yaml(
        plural,
        &format!(
            "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: run, namespace: prod, ownerReferences: [
               {{apiVersion: {group}, kind: {owner_kind}, name: {owner_name}, uid: u, controller: true}}]}}, spec: {{}}}}"
        ),
    )
}

#[test]
fn a_person_ends_and_holds_a_run_of_what_git_declares() {
    const ARGO: &str = "argoproj.io/v1alpha1";
    let evaluator = Evaluator::new(GIT, &["argo-rollouts"]);
    for (what, review, field, value) in [
        ("terminate", run("analysisruns", ARGO, "AnalysisRun", "Rollout/web"), "/spec/terminate", json!(true)),
        ("terminate", run("experiments", ARGO, "Experiment", "Rollout/web"), "/spec/terminate", json!(true)),
        ("stop", run("workflows", ARGO, "Workflow", "CronWorkflow/nightly"), "/spec/shutdown", json!("Stop")),
        ("suspend", run("workflows", ARGO, "Workflow", "CronWorkflow/nightly"), "/spec/suspend", json!(true)),
        ("suspend", run("jobs", "batch/v1", "Job", "CronJob/report"), "/spec/suspend", json!(true)),
        (
            "suspend",
            run("jobsets", "jobset.x-k8s.io/v1alpha2", "JobSet", "CronJob/report"),
            "/spec/suspend",
            json!(true),
        ),
        (
            "cancel",
            run("pipelineruns", "tekton.dev/v1", "PipelineRun", "EventListener/push"),
            "/spec/status",
            json!("Cancelled"),
        ),
        (
            "restart",
            run("rollouts", ARGO, "Rollout", "CronWorkflow/nightly"),
            "/spec/restartAt",
            json!("2026-01-01T00:00:00Z"),
        ),
    ] {
        let set = |object: &mut Value| set_at(object, field, value.clone());
        let other = |object: &mut Value| set_at(object, "/spec/other", json!("x"));
        let ended = review.clone().with_object(set);
        assert_eq!(evaluator.evaluate(&ended).outcome, Outcome::Allow, "{what} {field}");
        assert_eq!(evaluator.evaluate(&review.clone().with_old_object(set)).outcome, Outcome::Allow, "undo {field}");
        assert_eq!(evaluator.evaluate(&ended.with_object(other)).outcome, Outcome::Deny, "something else with {field}");
    }
}

#[test]
fn a_run_that_git_declares_is_as_git_says() {
    let evaluator = Evaluator::new(GIT, &[]);
    let declared = review_of_yaml("workflows", GIT.split("---\n").last().unwrap());
    let suspended = declared.with_object(|new| set_at(new, "/spec/suspend", json!(true)));
    assert_eq!(evaluator.evaluate(&suspended).outcome, Outcome::Deny);
}
