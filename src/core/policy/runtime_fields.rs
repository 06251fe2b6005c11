//! Fields that are written while a cluster runs, by tools as by people: a change
//! of them is never drift.

use serde_json::Value;

use super::evaluation::Evaluation;
use super::review_object::{parse_new, parse_old};
use crate::diff::Path;

/// An annotation by which something is done while a cluster runs.
#[derive(Debug)]
pub struct RuntimeAnnotation {
    /// The key.
    pub key: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it does, or who writes it.
    pub does: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

/// Where an annotation stands that is written at runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the object: a tool's own note.
    Object,
    /// On the object or its Pod template: it restarts the Pods.
    ObjectOrTemplate,
}

const fn note(key: &'static str, does: &'static str, source: &'static str) -> RuntimeAnnotation {
    RuntimeAnnotation { key, place: Place::Object, does, source }
}

const fn restart(key: &'static str, does: &'static str, source: &'static str) -> RuntimeAnnotation {
    RuntimeAnnotation { key, place: Place::ObjectOrTemplate, does, source }
}

const WELL_KNOWN: &str = "https://kubernetes.io/docs/reference/labels-annotations-taints/";

/// All annotations that are written at runtime.
pub const RUNTIME_ANNOTATIONS: &[RuntimeAnnotation] = &[
    restart(
        "kubectl.kubernetes.io/restartedAt",
        "`kubectl rollout restart`, k9s, Lens, Headlamp",
        "https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/kubectl_rollout_restart/",
    ),
    restart(
        "openshift.openshift.io/restartedAt",
        "a restart from OpenShift's console",
        "https://github.com/openshift/console",
    ),
    restart(
        "kubesphere.io/restartedAt",
        "a restart from KubeSphere's console",
        "https://github.com/kubesphere/console",
    ),
    restart("cattle.io/timestamp", "a redeployment from Rancher's page", "https://github.com/rancher/dashboard"),
    note("control-plane.alpha.kubernetes.io/leader", "leader election", WELL_KNOWN),
    note("deployment.kubernetes.io/desired-replicas", "the Deployment's controller", WELL_KNOWN),
    note("deployment.kubernetes.io/max-replicas", "the Deployment's controller", WELL_KNOWN),
    note("deployment.kubernetes.io/revision", "the Deployment's controller", WELL_KNOWN),
    note("deprecated.daemonset.template.generation", "the DaemonSet's controller", WELL_KNOWN),
    note("autoscaling.alpha.kubernetes.io/conditions", "the autoscaler's status, as v1 has it", WELL_KNOWN),
    note("autoscaling.alpha.kubernetes.io/current-metrics", "the autoscaler's status, as v1 has it", WELL_KNOWN),
    note("endpoints.kubernetes.io/last-change-trigger-time", "the controller of Endpoints", WELL_KNOWN),
    note("kubectl.kubernetes.io/last-applied-configuration", "`kubectl apply`", WELL_KNOWN),
    note("kubernetes.io/change-cause", "`kubectl annotate` for a rollout's history", WELL_KNOWN),
    note("pv.kubernetes.io/bind-completed", "the binder of volumes", WELL_KNOWN),
    note("pv.kubernetes.io/bound-by-controller", "the binder of volumes", WELL_KNOWN),
    note("volume.kubernetes.io/selected-node", "the scheduler", WELL_KNOWN),
    note("volume.kubernetes.io/storage-provisioner", "the binder of volumes", WELL_KNOWN),
    note("volume.beta.kubernetes.io/storage-provisioner", "the binder of volumes", WELL_KNOWN),
    note("rollout.argoproj.io/revision", "Argo Rollouts", "https://github.com/argoproj/argo-rollouts"),
    note("field.cattle.io/publicEndpoints", "Rancher", "https://github.com/rancher/rancher"),
];

/// What taints a node that is cordoned.
const UNSCHEDULABLE_TAINT: &str = "node.kubernetes.io/unschedulable";

/// Whether a tool keeps notes of its own in the field.
pub(super) fn is_tool_managed(path: &Path) -> bool {
    path.is_exactly(&["spec", "templateGeneration"])
        || annotation_of(path, &["metadata", "annotations"]).is_some_and(|known| known.place == Place::Object)
}

/// Whether the field restarts the object.
pub(super) fn is_restart(path: &Path) -> bool {
    let places: [&[&str]; 2] = [&["metadata", "annotations"], &["spec", "template", "metadata", "annotations"]];
    places.into_iter().filter_map(|place| annotation_of(path, place)).any(|known| known.place != Place::Object)
}

fn annotation_of(path: &Path, place: &[&str]) -> Option<&'static RuntimeAnnotation> {
    let key = path.last_field().filter(|_| path.starts_with(place) && path.elements().len() == place.len() + 1)?;
    RUNTIME_ANNOTATIONS.iter().find(|known| known.key == key)
}

/// Whether a change of the field is never drift, whoever writes it.
pub(super) fn is_runtime_field(path: &Path) -> bool {
    is_tool_managed(path) || is_restart(path)
}

/// Whether a change of the field starts something, and changes no configuration: a restart, a node that is
/// cordoned or drained, a sync that Argo CD is asked for on an Application.
pub(super) fn is_runtime_operation(evaluation: &Evaluation<'_, '_>, path: &Path) -> bool {
    if is_restart(path) {
        return true;
    }
    if evaluation.is_kind("", "Node") {
        return path.is_exactly(&["spec", "unschedulable"])
            || (path.starts_with(&["spec", "taints"]) && only_cordons(evaluation));
    }
    if *evaluation.write.resource.group != *"argoproj.io" {
        return false;
    }
    path.starts_with(&["operation"]) || (evaluation.kind == "Rollout" && path.is_exactly(&["spec", "restartAt"]))
}

/// Whether the write changes no taint of a node but the one of a cordon.
fn only_cordons(evaluation: &Evaluation<'_, '_>) -> bool {
    let (Ok(Some(old)), Ok(new)) = (parse_old(evaluation.write), parse_new(evaluation.write)) else { return false };
    other_taints(&old) == other_taints(&new)
}

fn other_taints(node: &Value) -> Vec<&Value> {
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    taints.filter(|taint| taint["key"] != UNSCHEDULABLE_TAINT).collect()
}
