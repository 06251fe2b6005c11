//! The canary: a write of driftwall's own, by which it sees whether the API server calls it.
//!
//! It is a server-side apply of a ConfigMap by dry run, so nothing is ever stored. A webhook of its own with the same
//! address, path and CA as the others is called for it, and whichever replica answers adds a warning. Whoever wrote
//! sees by that warning that the webhook was called, and by what else the API server says why it was not.

mod answer;
mod state;

pub use answer::{CanaryAnswer, CanaryResult};
pub use state::{CanaryChange, CanaryState};

use serde_json::{Value, json};

use crate::admission::Write;

/// The webhook that is called for the canary.
pub const CANARY_WEBHOOK: &str = "canary.driftwall.io";

/// The label by which the canary is told from other objects; its value is the Service's name.
pub const CANARY_LABEL: &str = "driftwall.io/canary";

/// The warning that a replica adds to its answer to the canary.
pub const CANARY_WARNING: &str = "driftwall: the canary was answered";

/// How many seconds the API server waits at most for the answer to the canary.
pub const CANARY_TIMEOUT_SECONDS: u8 = 10;

/// The ConfigMap that the canary writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryObject {
    /// driftwall's own namespace.
    pub namespace: String,
    /// The name of the Service in front of the webhook.
    pub service: String,
}

impl CanaryObject {
    /// The ConfigMap's name.
    pub fn name(&self) -> String {
        format!("{}-canary", self.service)
    }

    /// The ConfigMap, as it is applied.
    pub fn manifest(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name(), "namespace": self.namespace, "labels": {CANARY_LABEL: self.service}},
        })
    }

    /// Whether a write is the canary. Anybody may write an object of that name in driftwall's namespace who has the
    /// right to: nothing of it is compared with Git, as of nothing there.
    pub fn is_written_by(&self, write: &Write<'_>) -> bool {
        let resource = &write.resource;
        resource.group.is_empty()
            && resource.kind == "ConfigMap"
            && write.namespace == self.namespace
            && write.name == self.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::decode;

    #[test]
    fn only_a_write_of_that_object_is_the_canary() {
        let canary = CanaryObject { namespace: "ops".into(), service: "wall".into() };
        let is_canary = |group: &str, kind: &str, namespace: &str, name: &str| {
            let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
                "uid": "1",
                "kind": {"group": group, "version": "v1", "kind": kind},
                "resource": {"group": group, "version": "v1", "resource": "configmaps"},
                "namespace": namespace,
                "name": name,
                "operation": "CREATE",
                "userInfo": {"username": "system:serviceaccount:ops:wall"},
                "object": canary.manifest(),
                "dryRun": true,
            }});
            canary.is_written_by(&decode(review.to_string().as_bytes()).unwrap())
        };
        assert_eq!(canary.manifest()["metadata"]["name"], "wall-canary");
        assert!(is_canary("", "ConfigMap", "ops", "wall-canary"));
        assert!(!is_canary("", "ConfigMap", "prod", "wall-canary"));
        assert!(!is_canary("", "ConfigMap", "ops", "wall"));
        assert!(!is_canary("", "Secret", "ops", "wall-canary"));
        assert!(!is_canary("example.org", "ConfigMap", "ops", "wall-canary"));
    }
}
