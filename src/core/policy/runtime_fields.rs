//! Fields that are written while a cluster runs, by tools as by people: a change
//! of them is never drift.

use crate::diff::Path;

/// Fields in which tools keep their own notes.
const TOOL_MANAGED_FIELDS: [&[&str]; 8] = [
    &["metadata", "annotations", "control-plane.alpha.kubernetes.io/leader"],
    &["metadata", "annotations", "deployment.kubernetes.io/desired-replicas"],
    &["metadata", "annotations", "deployment.kubernetes.io/max-replicas"],
    &["metadata", "annotations", "deployment.kubernetes.io/revision"],
    &["metadata", "annotations", "deprecated.daemonset.template.generation"],
    &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
    &["metadata", "annotations", "kubernetes.io/change-cause"],
    &["spec", "templateGeneration"],
];

/// Fields that restart what Git declares, without changing it.
const RESTART_FIELDS: [&[&str]; 3] = [
    &["metadata", "annotations", "kubectl.kubernetes.io/restartedAt"],
    &["spec", "restartAt"],
    &["spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"],
];

/// Whether a tool keeps notes of its own in the field.
pub(super) fn is_tool_managed(path: &Path) -> bool {
    TOOL_MANAGED_FIELDS.iter().any(|field| path.is_exactly(field))
}

/// Whether the field restarts the object.
pub(super) fn is_restart(path: &Path) -> bool {
    RESTART_FIELDS.iter().any(|field| path.is_exactly(field))
}

/// Whether a change of the field is never drift, whoever writes it.
pub(super) fn is_runtime_field(path: &Path) -> bool {
    is_tool_managed(path) || is_restart(path)
}
