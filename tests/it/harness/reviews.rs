//! Admission reviews made from the recorded ones.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::common::recordings;
use crate::harness::snapshots::objects;

static ACTIONS: LazyLock<String> = LazyLock::new(|| recordings::text("actions.jsonl.gz"));
static TRAFFIC: LazyLock<String> = LazyLock::new(|| recordings::text("traffic.jsonl.gz"));

/// The first recorded review of an action that a user sent, as JSON.
pub(crate) fn recorded_review(action: &str, user: &str) -> Value {
    let is_it = |line: &Value| line["action"] == action && line["review"]["request"]["userInfo"]["username"] == user;
    let mut found = ACTIONS.lines().map(parsed).find(is_it);
    found.as_mut().unwrap_or_else(|| panic!("{user} has no action {action}"))["review"].take()
}

/// An AdmissionReview on its way to become another.
#[derive(Clone)]
pub(crate) struct Review(pub(crate) Value);

/// The review that a recorded action is about: the one that was not simply
/// allowed, else the first that was not sent by a controller of the cluster.
pub(crate) fn recorded_action(id: &str) -> Review {
    let wanted = format!("{{\"action\":\"{id}\",");
    let of_action = || ACTIONS.lines().filter(|line| line.starts_with(&wanted)).map(parsed);
    let found = of_action()
        .find(|line| line["expect"] != "allow")
        .or_else(|| of_action().find(|line| line["actor"] != "control plane"));
    Review(found.unwrap_or_else(|| panic!("there is no action {id}"))["review"].take())
}

/// A write to a recorded object that changes nothing yet: it is as Git says.
pub(crate) fn review_of(plural: &str, name: &str) -> Review {
    let is_it =
        |line: &&str| line.contains(":kustomize-controller\"") && line.contains(&format!("\"resource\":\"{plural}\""));
    let mut reviews = TRAFFIC.lines().filter(is_it).map(parsed);
    let found = reviews.find(|review| review["request"]["name"] == name);
    let review = Review(found.unwrap_or_else(|| panic!("there is no {plural} {name}")));
    let object = review.0["request"]["object"].clone();
    review.by("alice").with_old_object(|old| *old = object)
}

/// A write to an object of any kind that changes nothing yet: the object is as
/// the text says, with what the server keeps in its metadata.
pub(crate) fn review_of_yaml(plural: &str, yaml: &str) -> Review {
    let object = objects("object.yaml", yaml).remove(0);
    let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
    let mut value = object.value;
    let metadata = &mut value["metadata"];
    metadata["uid"] = "0b0c4c5e-6c3a-4c7b-9b0e-3f1d2a4b5c6d".into();
    metadata["resourceVersion"] = "4711".into();
    metadata["generation"] = 1.into();
    metadata["creationTimestamp"] = "2026-05-04T03:02:01Z".into();
    review_of("deployments", "web").with_request(|request| {
        let kind = json!({"group": group, "version": version, "kind": object.kind});
        let resource = json!({"group": group, "version": version, "resource": plural});
        for (name, is) in [("kind", &kind), ("requestKind", &kind)] {
            request[name] = is.clone();
        }
        for (name, is) in [("resource", &resource), ("requestResource", &resource)] {
            request[name] = is.clone();
        }
        request["name"] = object.name.into();
        request["namespace"] = object.namespace.unwrap_or_default().into();
        request["object"] = value.clone();
        request["oldObject"] = value;
    })
}

impl Review {
    /// A write that makes `new` of `old`, or creates it.
    pub(crate) fn of(old: Option<&Value>, new: &Value) -> Self {
        let (api_version, kind) = (new["apiVersion"].as_str().unwrap(), new["kind"].as_str().unwrap());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind_of = json!({"group": group, "version": version, "kind": kind});
        let resource = json!({"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())});
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        Self(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "8f5c2b0e", "operation": operation, "kind": kind_of, "resource": resource,
            "name": new["metadata"]["name"], "namespace": new["metadata"]["namespace"],
            "userInfo": {"username": "alice"}, "object": new, "oldObject": old,
        }}))
    }

    /// Written by `user`: a name, or `namespace/name` of a service account,
    /// with the groups that such a user has.
    pub(crate) fn by(self, user: &str) -> Self {
        let mut groups = vec!["system:authenticated".to_owned()];
        let name = match user.split_once('/') {
            Some((namespace, name)) => {
                groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
                format!("system:serviceaccount:{namespace}:{name}")
            }
            None => user.to_owned(),
        };
        if name.starts_with("system:node:") {
            groups.push("system:nodes".into());
        }
        self.with_request(|request| request["userInfo"] = json!({"username": name, "groups": groups}))
    }

    /// Written by someone who merely has the name, and not the groups.
    pub(crate) fn by_name_only(self, name: &str) -> Self {
        let groups = ["system:masters", "system:authenticated"];
        self.with_request(|request| request["userInfo"] = json!({"username": name, "groups": groups}))
    }

    pub(crate) fn with_request(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.0["request"]);
        self
    }

    /// Edits what the write brings. What was recorded of the owners of its fields would not tell of the edit.
    pub(crate) fn with_object(self, edit: impl FnOnce(&mut Value)) -> Self {
        self.with_request(|request| {
            if request.pointer("/object/metadata/managedFields").is_some() {
                for side in ["object", "oldObject"] {
                    if let Some(Value::Object(metadata)) = request[side].get_mut("metadata") {
                        metadata.remove("managedFields");
                    }
                }
            }
            edit(&mut request["object"]);
        })
    }

    /// Edits what was there before.
    pub(crate) fn with_old_object(self, edit: impl FnOnce(&mut Value)) -> Self {
        self.with_request(|request| edit(&mut request["oldObject"]))
    }

    /// Edits both.
    pub(crate) fn with_both(self, edit: impl Fn(&mut Value)) -> Self {
        self.with_object(&edit).with_old_object(&edit)
    }

    pub(crate) fn subresource(self, name: &str) -> Self {
        self.with_request(|request| request["subResource"] = name.into())
    }

    /// The same object, created.
    pub(crate) fn into_create(self) -> Self {
        self.with_request(|request| {
            request["operation"] = "CREATE".into();
            request["oldObject"] = Value::Null;
        })
    }

    /// The same object, deleted.
    pub(crate) fn into_delete(self) -> Self {
        self.with_request(|request| {
            request["operation"] = "DELETE".into();
            request["object"] = Value::Null;
        })
    }

    pub(crate) fn into_dry_run(self) -> Self {
        self.with_request(|request| request["dryRun"] = true.into())
    }
}

/// Puts `value` at a JSON pointer, making the maps on the way; `-` is a new item of a list.
pub(crate) fn set_at(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for part in pointer.trim_start_matches('/').split('/') {
        let part = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Array(items) => {
                let is_new = part == "-";
                items.extend(is_new.then_some(Value::Null));
                let index = if is_new { items.len() - 1 } else { part.parse().unwrap() };
                &mut items[index]
            }
            other => &mut other[part],
        };
    }
    *at = value;
}

/// Takes away what is at a JSON pointer.
pub(crate) fn remove_at(object: &mut Value, pointer: &str) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent).unwrap() {
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        Value::Object(fields) => drop(fields.remove(&last).unwrap()),
        other => panic!("{other} has no {last}"),
    }
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
