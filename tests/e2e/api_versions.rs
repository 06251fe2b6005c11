//! What an older API server has instead of what Git and `deploy/` name, found out by asking it.

use driftwall_core::manifest::{self, Object};
use serde_json::Value;

use crate::control_plane::Plane;

/// A kind in the API version that Git names, and in the one before it.
struct Moved {
    group: &'static str,
    kind: &'static str,
    resource: &'static str,
    now: &'static str,
    then: &'static str,
}

const MOVED: [Moved; 3] = [
    moved("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "v2", "v2beta2"),
    moved("batch", "CronJob", "cronjobs", "v1", "v1beta1"),
    moved("policy", "PodDisruptionBudget", "poddisruptionbudgets", "v1", "v1beta1"),
];

const fn moved(
    group: &'static str,
    kind: &'static str,
    resource: &'static str,
    now: &'static str,
    then: &'static str,
) -> Moved {
    Moved { group, kind, resource, now, then }
}

/// Fields of what is shipped that came later than the older server, which would drop them.
const LATER: [&str; 3] = ["matchConditions", "unhealthyPodEvictionPolicy", "x-kubernetes-validations"];

/// What a server lacks; nothing, where it is as new as driftwall asks for.
pub(crate) struct Lacks(Vec<&'static Moved>);

impl Lacks {
    pub(crate) fn of(plane: &Plane) -> Self {
        let is_there = |kind: &Moved| {
            let list = plane.shell.run("admin", &format!("kubectl get --raw /apis/{}/{}", kind.group, kind.now));
            list.succeeded && list.out.contains(&format!("\"{}\"", kind.resource))
        };
        Self(MOVED.iter().filter(|kind| !is_there(kind)).collect())
    }

    pub(crate) fn nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Manifests in the versions of the server. No line above a change moves. The older server's
    /// server-side apply does not fill in the protocol of a Service's port.
    pub(crate) fn manifests(&self, text: &str) -> String {
        if self.nothing() {
            return text.to_owned();
        }
        let port = "    - port: 80\n";
        assert!(text.contains(port), "Git has no Service");
        let text = self.versions(text);
        text.replace(port, &format!("{port}      protocol: TCP\n"))
    }

    /// The same for any manifests, as they come out of kustomize and Helm.
    fn versions(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, kind| {
            let named = |version: &str| format!("apiVersion: {}/{version}\nkind: {}\n", kind.group, kind.kind);
            text.replace(&named(kind.now), &named(kind.then))
        })
    }

    /// What is shipped, as this server knows it.
    pub(crate) fn objects(&self, name: &str, rendered: &str) -> Vec<Object> {
        let reading = manifest::parse(name, self.versions(rendered).as_bytes());
        assert!(reading.errors.is_empty(), "{name}: {:?}", reading.errors);
        let mut objects = reading.objects;
        if !self.nothing() {
            for object in &mut objects {
                strip(&mut object.value);
            }
        }
        objects
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !LATER.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
