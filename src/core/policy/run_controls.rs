//! Fields by which a run of what Git declares is ended or held: a Workflow of a `CronWorkflow`, a Job of a `CronJob`.
//! The run itself is not in Git, and may be deleted.

use super::evaluation::Evaluation;
use crate::diff::Path;

/// A field by which a run is ended or held.
#[derive(Debug)]
pub struct RunControl {
    /// The API group of the run.
    pub group: &'static str,
    /// The kind of the run.
    pub kind: &'static str,
    /// The field in its `spec`.
    pub field: &'static str,
    /// Where it is written what the field does.
    pub source: &'static str,
}

const fn row((group, kind): (&'static str, &'static str), field: &'static str, source: &'static str) -> RunControl {
    RunControl { group, kind, field, source }
}

const WORKFLOW: (&str, &str) = ("argoproj.io", "Workflow");
const WORKFLOW_SPEC: &str = "https://argo-workflows.readthedocs.io/en/latest/fields/#workflowspec";

/// All of them.
pub const RUN_CONTROLS: &[RunControl] = &[
    row(
        ("argoproj.io", "AnalysisRun"),
        "terminate",
        "https://argo-rollouts.readthedocs.io/en/stable/generated/kubectl-argo-rollouts/kubectl-argo-rollouts_terminate_analysisrun/",
    ),
    row(
        ("argoproj.io", "Experiment"),
        "terminate",
        "https://argo-rollouts.readthedocs.io/en/stable/generated/kubectl-argo-rollouts/kubectl-argo-rollouts_terminate_experiment/",
    ),
    row(WORKFLOW, "shutdown", WORKFLOW_SPEC),
    row(WORKFLOW, "suspend", WORKFLOW_SPEC),
    row(("batch", "Job"), "suspend", "https://kubernetes.io/docs/concepts/workloads/controllers/job/#suspending-a-job"),
    row(("jobset.x-k8s.io", "JobSet"), "suspend", "https://jobset.sigs.k8s.io/docs/concepts/"),
    row(
        ("ray.io", "RayJob"),
        "suspend",
        "https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/rayjob-quick-start.html",
    ),
    row(("tekton.dev", "CustomRun"), "status", "https://tekton.dev/docs/pipelines/customruns/#cancellation"),
    row(
        ("tekton.dev", "PipelineRun"),
        "status",
        "https://tekton.dev/docs/pipelines/pipelineruns/#cancelling-a-pipelinerun",
    ),
    row(("tekton.dev", "TaskRun"), "status", "https://tekton.dev/docs/pipelines/taskruns/#cancelling-a-taskrun"),
    row(("trainer.kubeflow.org", "TrainJob"), "suspend", "https://www.kubeflow.org/docs/components/trainer/"),
];

/// Whether a change of the field ends or holds a run.
pub(super) fn controls_a_run(evaluation: &Evaluation<'_, '_>, path: &Path) -> bool {
    let is_it = |row: &RunControl| evaluation.is_kind(row.group, row.kind) && path.is_exactly(&["spec", row.field]);
    RUN_CONTROLS.iter().any(is_it)
}
