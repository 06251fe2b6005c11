//! Reviews from an API server's audit log. An audit event has what a write stored (`responseObject`, at level
//! `RequestResponse`), but not what was there before: that is what an earlier event of the same object stored or read.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// The objects of an audit log, as they were last seen.
#[derive(Debug, Default)]
pub(super) struct AuditLog {
    /// By uid and kind: a `Scale` has the uid of what it scales.
    seen: HashMap<(String, String), Value>,
    /// The uid and kind at a place: a DELETE is answered without the object.
    places: HashMap<Place, (String, String)>,
}

/// Resource, namespace and name.
type Place = (String, String, String);

/// What a value of a file is for judging.
pub(super) enum ReviewInput<'a> {
    /// An AdmissionReview, or what should be one.
    Review(Cow<'a, str>),
    /// A write that cannot be judged, with its id and why.
    NotJudgeable(String, &'static str),
    /// No write.
    NoWrite,
}

/// What an audit event is for judging.
#[derive(Debug, PartialEq)]
enum AuditEvent {
    /// A write, as an AdmissionReview.
    Review(Value),
    /// A write that cannot be judged, with its id and why.
    NotJudgeable(String, &'static str),
    /// No write, or not the end of one.
    Other,
}

/// The kind and version of audit events (`k8s.io/apiserver/pkg/apis/audit/v1`).
const API_VERSION: &str = "audit.k8s.io/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    kind: String,
    api_version: String,
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    verb: String,
    #[serde(default, rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    user: Value,
    impersonated_user: Option<Value>,
    #[serde(default)]
    object_ref: ObjectReference,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(default)]
    response_object: Value,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectReference {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    api_version: String,
    subresource: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl AuditLog {
    /// Reads a value, in the order of the log: a review as it is, and what an audit event comes to.
    pub(super) fn review_input<'a>(&mut self, text: &'a str) -> ReviewInput<'a> {
        match self.read(text) {
            None => ReviewInput::Review(Cow::Borrowed(text)),
            Some(AuditEvent::Review(review)) => ReviewInput::Review(Cow::Owned(review.to_string())),
            Some(AuditEvent::NotJudgeable(id, reason)) => ReviewInput::NotJudgeable(id, reason),
            Some(AuditEvent::Other) => ReviewInput::NoWrite,
        }
    }

    /// Reads an event, in the order of the log; `None` where this is no audit event.
    fn read(&mut self, text: &str) -> Option<AuditEvent> {
        // Most values are reviews, which need not be parsed twice.
        if !text.contains(API_VERSION) {
            return None;
        }
        let event: Event = serde_json::from_str(text).ok()?;
        if event.kind != "Event" || event.api_version != API_VERSION {
            return None;
        }
        Some(self.review(event))
    }

    fn review(&mut self, event: Event) -> AuditEvent {
        let Event { audit_id, verb, user, impersonated_user, object_ref: at, response_object: stored, .. } = event;
        let not_judgeable = |reason| AuditEvent::NotJudgeable(audit_id.clone(), reason);
        if event.stage != "ResponseComplete" || !(200..300).contains(&event.response_status.code) {
            return AuditEvent::Other;
        }
        let operation = match verb.as_str() {
            "create" => "CREATE",
            "update" | "patch" => "UPDATE",
            "delete" => "DELETE",
            "deletecollection" => return not_judgeable("the log does not say what a deletecollection deleted"),
            _ => {
                self.remember(&at, &stored);
                return AuditEvent::Other;
            }
        };
        let place = (at.resource.clone(), at.namespace.clone(), at.name.clone());
        let uid_and_kind = identity(&stored);
        let known = match (&uid_and_kind, operation) {
            (Some(identity), "UPDATE") => self.seen.get(identity),
            (_, "DELETE") => self.places.get(&place).and_then(|identity| self.seen.get(identity)),
            _ => None,
        };
        let old = known.cloned();
        if operation != "DELETE" && uid_and_kind.is_none() {
            return not_judgeable(
                "the event has no responseObject with a uid: it was logged below level RequestResponse",
            );
        }
        let is_dry_run = event.request_uri.split(['?', '&']).any(|part| part.starts_with("dryRun="));
        if !is_dry_run && operation != "DELETE" {
            self.remember(&at, &stored);
        }
        let (object, old) = match (operation, old) {
            ("CREATE", _) => (stored, Value::Null),
            (_, None) => return not_judgeable("no earlier event has the object as it was before"),
            ("DELETE", Some(old)) => (Value::Null, old),
            (_, Some(old)) => (stored, old),
        };
        let kind = if object.is_null() { old["kind"].clone() } else { object["kind"].clone() };
        let name = if at.name.is_empty() { object["metadata"]["name"].clone() } else { at.name.clone().into() };
        let resource = json!({"group": at.api_group, "version": at.api_version, "resource": at.resource});
        let mut request = json!({
            "uid": audit_id, "operation": operation, "dryRun": is_dry_run,
            "kind": {"group": at.api_group, "version": at.api_version, "kind": kind}, "resource": resource,
            "name": name, "namespace": at.namespace, "userInfo": impersonated_user.unwrap_or(user),
            "object": object, "oldObject": old,
        });
        if !at.subresource.is_empty() {
            request["subResource"] = at.subresource.into();
        }
        AuditEvent::Review(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}))
    }

    /// Remembers an object that was stored or read.
    fn remember(&mut self, at: &ObjectReference, object: &Value) {
        let Some(identity) = identity(object) else { return };
        if at.subresource.is_empty() {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            self.places.insert((at.resource.clone(), text("namespace"), text("name")), identity.clone());
        }
        self.seen.insert(identity, object.clone());
    }
}

/// The uid and kind of an object.
fn identity(object: &Value) -> Option<(String, String)> {
    Some((object["metadata"]["uid"].as_str()?.to_owned(), object["kind"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(verb: &str, uri: &str, response: &Value) -> String {
        json!({
            "kind": "Event", "apiVersion": API_VERSION, "auditID": "a", "stage": "ResponseComplete", "verb": verb,
            "requestURI": uri, "user": {"username": "alice", "groups": ["dev"]},
            "objectRef": {"resource": "deployments", "namespace": "prod", "name": "web", "apiGroup": "apps",
                "apiVersion": "v1"},
            "responseStatus": {"code": 200}, "responseObject": response,
        })
        .to_string()
    }

    fn deployment(replicas: u32) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": replicas},
            "metadata": {"name": "web", "namespace": "prod", "uid": "u"}})
    }

    /// What an event is: operation and replicas before and after, or nothing, or why it cannot be judged.
    fn read(log: &mut AuditLog, text: &str) -> String {
        match log.read(text) {
            None => "no event".into(),
            Some(AuditEvent::Other) => "other".into(),
            Some(AuditEvent::NotJudgeable(id, reason)) => format!("{id}: {reason}"),
            Some(AuditEvent::Review(review)) => {
                assert!(driftwall_core::admission::decode(review.to_string().as_bytes()).is_ok(), "{review}");
                let request = &review["request"];
                let replicas = |field: &str| request[field]["spec"]["replicas"].to_string();
                let dry = if request["dryRun"] == true { " dry" } else { "" };
                format!(
                    "{} {}→{}{dry}",
                    request["operation"].as_str().unwrap(),
                    replicas("oldObject"),
                    replicas("object")
                )
            }
        }
    }

    #[test]
    fn a_write_is_judged_where_an_earlier_event_has_what_was_there() {
        let (mut log, status) = (AuditLog::default(), json!({"kind": "Status"}));
        let unknown = "a: no earlier event has the object as it was before";
        for (verb, uri, response, expected) in [
            ("delete", "/d", &status, unknown),
            ("patch", "/d", &deployment(3), unknown),
            ("patch", "/d", &deployment(5), "UPDATE 3→5"),
            ("update", "/d?dryRun=All", &deployment(9), "UPDATE 5→9 dry"),
            ("update", "/d", &deployment(6), "UPDATE 5→6"),
            ("get", "/d", &deployment(7), "other"),
            ("update", "/d?fieldManager=x", &deployment(8), "UPDATE 7→8"),
            (
                "update",
                "/d",
                &Value::Null,
                "a: the event has no responseObject with a uid: it was logged below level RequestResponse",
            ),
            ("delete", "/d", &status, "DELETE 8→null"),
            ("create", "/d", &deployment(1), "CREATE null→1"),
            ("deletecollection", "/d", &status, "a: the log does not say what a deletecollection deleted"),
        ] {
            assert_eq!(read(&mut log, &event(verb, uri, response)), expected, "{verb} {uri}");
        }
        let failed = event("update", "/d", &status).replace("200", "409");
        assert_eq!(read(&mut log, &failed), "other");
        assert_eq!(read(&mut log, r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}"#), "no event");
    }
}
