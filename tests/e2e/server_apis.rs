//! What the API server offers, found out by asking it: the suite runs on servers of several versions.

use driftwall_core::manifest::{self, Object};
use serde_json::Value;

use crate::control_plane::ControlPlane;

/// A kind in the API version that Git and `deploy/` name, and in the one that an older server has instead.
struct KindVersions {
    group: &'static str,
    kind: &'static str,
    resource: &'static str,
    current: &'static str,
    older: &'static str,
}

const KINDS: [KindVersions; 3] = [
    KindVersions {
        group: "autoscaling",
        kind: "HorizontalPodAutoscaler",
        resource: "horizontalpodautoscalers",
        current: "v2",
        older: "v2beta2",
    },
    KindVersions { group: "batch", kind: "CronJob", resource: "cronjobs", current: "v1", older: "v1beta1" },
    KindVersions {
        group: "policy",
        kind: "PodDisruptionBudget",
        resource: "poddisruptionbudgets",
        current: "v1",
        older: "v1beta1",
    },
];

/// Fields of what is shipped that older servers drop.
const RECENT_FIELDS: [&str; 3] = ["matchConditions", "unhealthyPodEvictionPolicy", "x-kubernetes-validations"];

/// The answers of one API server.
pub(crate) struct ServerApis {
    /// Kinds that it serves in their older version only.
    older_kinds: Vec<&'static KindVersions>,
    /// Fields that its API description does not have.
    missing_fields: Vec<&'static str>,
    /// The resources of the core group.
    core_resources: Vec<Value>,
}

impl ServerApis {
    pub(crate) fn discover(control_plane: &ControlPlane) -> Self {
        let get = |path: &str| control_plane.shell.run("admin", &format!("kubectl get --raw {path}"));
        let is_served = |kind: &KindVersions| {
            let list = get(&format!("/apis/{}/{}", kind.group, kind.current));
            list.succeeded && list.stdout.contains(&format!("\"{}\"", kind.resource))
        };
        let description = get("/openapi/v2").expect_success();
        let core: Value = serde_json::from_str(&get("/api/v1").expect_success()).unwrap();
        Self {
            older_kinds: KINDS.iter().filter(|kind| !is_served(kind)).collect(),
            missing_fields: RECENT_FIELDS
                .into_iter()
                .filter(|field| !description.contains(&format!("\"{field}\"")))
                .collect(),
            core_resources: core["resources"].as_array().unwrap().clone(),
        }
    }

    /// Whether a kind is served in the version that Git names.
    pub(crate) fn is_current(&self, kind: &str) -> bool {
        self.older_kinds.iter().all(|older| older.kind != kind)
    }

    /// Whether objects keep a field that older servers drop.
    pub(crate) fn keeps_field(&self, field: &str) -> bool {
        assert!(RECENT_FIELDS.contains(&field), "{field} is not looked for");
        !self.missing_fields.contains(&field)
    }

    /// The API version of the objects that a subresource of a core resource takes; none where it is not served.
    pub(crate) fn subresource_version(&self, name: &str) -> Option<String> {
        let resource = self.core_resources.iter().find(|resource| resource["name"] == name)?;
        match (resource["group"].as_str(), resource["version"].as_str()) {
            (Some(group), Some(version)) => Some(format!("{group}/{version}")),
            _ => Some("v1".to_owned()),
        }
    }

    /// Git's manifests in the versions of the server. Only additions below a line, so that no line number
    /// of what is above changes.
    pub(crate) fn manifests(&self, text: &str) -> String {
        if self.older_kinds.is_empty() {
            return text.to_owned();
        }
        // The server-side apply of an older server does not fill in the protocol of a Service's port.
        let port = "    - port: 80\n";
        assert!(text.contains(port), "Git has no Service");
        self.in_served_versions(text).replace(port, &format!("{port}      protocol: TCP\n"))
    }

    /// An object of Git's, as this server knows it.
    pub(crate) fn object(&self, mut object: Value) -> Value {
        for kind in &self.older_kinds {
            let KindVersions { group, current, older, .. } = kind;
            if object["kind"] == kind.kind && object["apiVersion"] == format!("{group}/{current}") {
                object["apiVersion"] = format!("{group}/{older}").into();
            }
        }
        let is_older = !self.older_kinds.is_empty() && object["kind"] == "Service";
        let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter(|_| is_older) {
            if port["protocol"].is_null() {
                port["protocol"] = "TCP".into();
            }
        }
        self.remove_missing_fields(&mut object);
        object
    }

    /// The objects of rendered manifests, as this server knows them.
    pub(crate) fn objects(&self, name: &str, rendered: &str) -> Vec<Object> {
        let reading = manifest::parse(name, self.in_served_versions(rendered).as_bytes());
        assert!(reading.errors.is_empty(), "{name}: {:?}", reading.errors);
        let mut objects = reading.objects;
        for object in &mut objects {
            self.remove_missing_fields(&mut object.value);
        }
        objects
    }

    /// Manifests in the versions of the server.
    pub(crate) fn in_served_versions(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for kind in &self.older_kinds {
            let head = |version: &str| format!("apiVersion: {}/{version}\nkind: {}\n", kind.group, kind.kind);
            text = text.replace(&head(kind.current), &head(kind.older));
        }
        text
    }

    fn remove_missing_fields(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !self.missing_fields.contains(&name.as_str()));
                fields.values_mut().for_each(|value| self.remove_missing_fields(value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.remove_missing_fields(item)),
            _ => {}
        }
    }
}
