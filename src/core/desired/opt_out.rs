//! Opting out: labels and annotations by which an object is not to be compared.

use serde_json::Value;

/// A key, and the values that opt out (Flux ignores their case, and accepts them in
/// labels and annotations: `fluxcd/pkg/ssa/utils/meta.go`).
type OptOut = (&'static str, &'static [&'static str]);

const IN_GIT: &[OptOut] = &[
    ("driftwall.io/ignore", &["true"]),
    ("helm.toolkit.fluxcd.io/driftDetection", &["disabled"]),
    ("kustomize.toolkit.fluxcd.io/reconcile", &["disabled"]),
    ("kustomize.toolkit.fluxcd.io/ssa", &["ignore", "ifnotpresent"]),
];

/// Those that their own tool also respects on the live object.
const LIVE: &[OptOut] =
    &[("kustomize.toolkit.fluxcd.io/reconcile", &["disabled"]), ("kustomize.toolkit.fluxcd.io/ssa", &["ignore"])];

/// The key by which a manifest in Git opts out.
pub(super) fn git_opt_out(object: &Value) -> Option<&'static str> {
    find(object, IN_GIT)
}

/// The key by which the stored object opts out. Never ask this of the new
/// object: the write would exempt itself.
pub fn live_opt_out(old_object: &Value) -> Option<&'static str> {
    find(old_object, LIVE)
}

fn find(object: &Value, opt_outs: &[OptOut]) -> Option<&'static str> {
    let metadata = &object["metadata"];
    for (key, values) in opt_outs {
        for map in ["annotations", "labels"] {
            let value = metadata[map].get(key).and_then(Value::as_str).unwrap_or_default();
            if values.iter().any(|opt_out| value.eq_ignore_ascii_case(opt_out)) {
                return Some(key);
            }
        }
    }
    None
}
