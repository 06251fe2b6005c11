//! What a person's CREATE brings that Git does not declare, and which of it matters: much of a
//! created object is filled in by the server.

use serde_json::Value;

use super::evaluation::Evaluation;
use crate::diff::{Difference, Path};

/// Finalizers that the API server itself puts on what is created
/// (its admission plugin `StorageObjectInUseProtection`).
const SERVER_FINALIZERS: [&str; 3] =
    ["kubernetes.io/pv-protection", "kubernetes.io/pvc-protection", "kubernetes.io/vac-protection"];

/// Whether all finalizers of the object are Git's or the API server's own.
pub(super) fn is_server_finalizer(difference: &Difference) -> bool {
    let Difference { path, new, declared, .. } = difference;
    if !path.is_exactly(&["metadata", "finalizers"]) {
        return false;
    }
    let Some(Value::Array(finalizers)) = new else { return false };
    let declared = declared.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    finalizers.iter().all(|finalizer| {
        declared.contains(finalizer) || finalizer.as_str().is_some_and(|name| SERVER_FINALIZERS.contains(&name))
    })
}

/// Whether an extra gives the object something that matters: items of keyed
/// lists, data keys, access to the host.
pub(super) fn is_sensitive_extra(evaluation: &Evaluation<'_, '_>, path: &Path, new: Option<&Value>) -> bool {
    let is_data = path.starts_with(&["data"]) || path.starts_with(&["binaryData"]);
    let is_item = path.ends_at_item() && !is_injected_by_admission(evaluation, path, new);
    let name = path.last_field().unwrap_or_default();
    is_data || is_item || new.is_some_and(|new| grants_host_access(name, new))
}

/// What the ServiceAccount admission plugin puts into every Pod.
fn is_injected_by_admission(evaluation: &Evaluation<'_, '_>, path: &Path, new: Option<&Value>) -> bool {
    let text = |field: &str| new.and_then(|new| new[field].as_str()).unwrap_or_default();
    evaluation.kind == "Pod"
        && (path.starts_with(&["spec", "imagePullSecrets"])
            || text("name").starts_with("kube-api-access-")
            || text("mountPath") == "/var/run/secrets/kubernetes.io/serviceaccount")
}

/// Whether a field, or any field below it, is a `host…` or `privileged` that is on.
fn grants_host_access(name: &str, value: &Value) -> bool {
    let is_on = !matches!(value, Value::Bool(false) | Value::Null);
    if is_on && (name.starts_with("host") || name == "privileged") {
        return true;
    }
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| grants_host_access(name, value)),
        Value::Array(items) => items.iter().any(|item| grants_host_access("", item)),
        _ => false,
    }
}
