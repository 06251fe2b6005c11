//! Positions by which an object asks to be left alone, and manifests that are no
//! desired state.

use serde_json::Value;

/// A mark: its key, and the values that switch it on (Flux compares them
/// without case, in labels and annotations: `fluxcd/pkg/ssa/utils/meta.go`).
type Mark = (&'static str, &'static [&'static str]);

const IN_GIT: &[Mark] = &[
    ("driftwall.io/ignore", &["true"]),
    ("helm.toolkit.fluxcd.io/driftDetection", &["disabled"]),
    ("kustomize.toolkit.fluxcd.io/reconcile", &["disabled"]),
    ("kustomize.toolkit.fluxcd.io/ssa", &["ignore", "ifnotpresent"]),
];

/// The marks that their own tool also honours on the live object.
const LIVE: &[Mark] =
    &[("kustomize.toolkit.fluxcd.io/reconcile", &["disabled"]), ("kustomize.toolkit.fluxcd.io/ssa", &["ignore"])];

const HOOKS: [&str; 2] = ["argocd.argoproj.io/hook", "helm.sh/hook"];

/// The mark by which a manifest in Git asks to be left alone.
pub(super) fn left_alone_in_git(object: &Value) -> Option<&'static str> {
    marked(object, IN_GIT)
}

/// The mark by which the stored object asks to be left alone. Never look at
/// the object that a write brings: the mark would excuse itself.
pub fn left_alone_live(old_object: &Value) -> Option<&'static str> {
    marked(old_object, LIVE)
}

/// Whether a manifest is a hook: run at a sync, not a desired state.
pub(super) fn is_hook(object: &Value) -> bool {
    HOOKS.iter().any(|key| object["metadata"]["annotations"].get(key).is_some())
}

fn marked(object: &Value, marks: &[Mark]) -> Option<&'static str> {
    let metadata = &object["metadata"];
    let is_on = |(key, on): &&Mark| {
        ["annotations", "labels"].iter().any(|map| {
            let value = metadata[map].get(key).and_then(Value::as_str).unwrap_or_default();
            on.iter().any(|on| value.eq_ignore_ascii_case(on))
        })
    };
    marks.iter().find(is_on).map(|(key, _)| *key)
}
