//! Decodes the request of an AdmissionReview.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::head::{Head, read_head};
use super::plain::decode_plain;
use super::write::{Operation, Resource, User, Write};

/// A body that is not an AdmissionReview that can be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON, or not a review: without a uid it cannot be answered.
    #[error("failed to read an AdmissionReview: {0}")]
    Unreadable(String),
    /// A review whose request cannot be decoded; it has a uid, so it can be answered.
    #[error("failed to read the request of AdmissionReview {uid}: {reason}")]
    Request {
        /// The review's uid.
        uid: String,
        /// What is wrong.
        reason: String,
    },
}

/// The API version of the reviews that are accepted, and of the answers.
pub(super) const API_VERSION: &str = "admission.k8s.io/v1";

/// Decodes the envelope of an AdmissionReview. One that cannot be read whole is
/// decoded as far as it can be, if that says who does what to which object.
pub fn decode(body: &[u8]) -> Result<Write<'_>, ReviewError> {
    if let Some(write) = decode_plain(body) {
        return Ok(write);
    }
    decode_any(body)
}

/// Decodes a review however it is written, and says what is wrong with it.
pub(super) fn decode_any(body: &[u8]) -> Result<Write<'_>, ReviewError> {
    match serde_json::from_slice::<Envelope<'_>>(body) {
        Ok(Envelope { api_version, kind, request: Some(request) })
            if api_version == API_VERSION && kind == "AdmissionReview" =>
        {
            Ok(request.into())
        }
        Ok(_) => from_head(body, "it is not an AdmissionReview of admission.k8s.io/v1 with a request"),
        Err(error) => from_head(body, &json_problem(&error)),
    }
}

impl Write<'_> {
    /// The write without its objects, where one of them is no JSON: who is exempt writes what they want, and for others
    /// that is found out here. `None` where they are JSON.
    pub(crate) fn as_unreadable(&self) -> Option<Self> {
        let outlines = [self.object_outline(), self.old_object_outline()];
        if outlines.into_iter().flatten().all(|outline| outline.is_json) {
            return None;
        }
        let problem = serde_json::from_slice::<Envelope<'_>>(self.unread?).err().map(|error| json_problem(&error))?;
        Some(Self { object: None, old_object: None, unreadable: Some(problem), ..self.clone() })
    }
}

/// Why a body cannot be decoded.
fn json_problem(error: &serde_json::Error) -> String {
    let problem = match error.classify() {
        Category::Eof => "it is cut off",
        Category::Data => "a part of it is not as in admission.k8s.io/v1",
        Category::Io | Category::Syntax => "it is no JSON",
    };
    format!("{problem}, at line {}, column {}", error.line(), error.column())
}

/// Decodes what stands before the objects in an AdmissionReview of which only the
/// first bytes are left: the API server sends user, kind, name and operation first.
/// `reason` says why there is no more.
pub fn decode_head<'a>(start: &'a [u8], reason: &str) -> Result<Write<'a>, ReviewError> {
    from_head(start, reason)
}

fn from_head<'a>(body: &'a [u8], reason: &str) -> Result<Write<'a>, ReviewError> {
    match read_head(body) {
        Head {
            uid: Some(uid),
            kind: Some(kind),
            resource: Some(resource),
            subresource,
            name,
            namespace,
            operation: Some(operation),
            user: Some(user),
            dry_run,
        } if !uid.is_empty() => Ok(Write {
            uid,
            user,
            operation: operation.into(),
            resource: resource_of(kind, resource, subresource),
            namespace,
            name,
            object: None,
            old_object: None,
            dry_run,
            options: None,
            unreadable: Some(reason.to_owned()),
            unread: None,
            outlines: Default::default(),
        }),
        Head { uid: Some(uid), .. } if !uid.is_empty() => {
            Err(ReviewError::Request { uid: uid.into_owned(), reason: reason.to_owned() })
        }
        _ => Err(ReviewError::Unreadable(reason.to_owned())),
    }
}

// === impl ReviewError ===

impl ReviewError {
    /// The uid to answer with, where there is one.
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Request { uid, .. } => Some(uid),
            Self::Unreadable(_) => None,
        }
    }
}

// === the wire format ===

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    kind: GroupVersionKind<'a>,
    #[serde(borrow)]
    resource: GroupVersionResource<'a>,
    #[serde(borrow, default)]
    sub_resource: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    operation: WireOperation,
    #[serde(borrow)]
    user_info: User<'a>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default)]
    options: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct GroupVersionKind<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct GroupVersionResource<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum WireOperation {
    Connect,
    Create,
    Delete,
    Update,
}

impl<'a> From<Request<'a>> for Write<'a> {
    fn from(wire: Request<'a>) -> Self {
        let text = |raw: Option<&'a RawValue>| raw.map(RawValue::get).filter(|text| *text != "null");
        Self {
            uid: wire.uid,
            user: wire.user_info,
            operation: wire.operation.into(),
            resource: resource_of(wire.kind, wire.resource, wire.sub_resource),
            namespace: wire.namespace,
            name: wire.name,
            object: text(wire.object),
            old_object: text(wire.old_object),
            dry_run: wire.dry_run.unwrap_or(false),
            options: text(wire.options),
            unreadable: None,
            unread: None,
            outlines: Default::default(),
        }
    }
}

fn resource_of<'a>(
    kind: GroupVersionKind<'a>,
    resource: GroupVersionResource<'a>,
    subresource: Cow<'a, str>,
) -> Resource<'a> {
    Resource::of(resource.group, [kind.version, resource.version], kind.kind, resource.resource, subresource)
}

impl From<WireOperation> for Operation {
    fn from(wire: WireOperation) -> Self {
        match wire {
            WireOperation::Connect => Self::Connect,
            WireOperation::Create => Self::Create,
            WireOperation::Delete => Self::Delete,
            WireOperation::Update => Self::Update,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn review(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut review = json!({
            "apiVersion": API_VERSION, "kind": "AdmissionReview",
            "request": {
                "uid": "u1", "operation": "UPDATE", "name": "web", "namespace": "prod",
                "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
                "userInfo": {"username": "alice\n", "groups": ["a", "b\"c"], "extra": {"k": ["v"]}},
                "object": {"spec": 1}, "oldObject": null, "dryRun": false, "options": null,
            },
        });
        edit(&mut review);
        serde_json::to_vec(&review).unwrap()
    }

    #[test]
    fn the_envelope_is_decoded_and_the_objects_stay_text() {
        let body = review(|_| ());
        let write = decode(&body).unwrap();
        assert_eq!((&*write.uid, write.operation, &*write.user.name), ("u1", Operation::Update, "alice\n"));
        assert!(write.user.is_in_group("b\"c"));
        assert_eq!(write.object.unwrap(), r#"{"spec":1}"#);
        assert!(write.old_object.is_none());
    }

    #[test]
    fn what_cannot_be_read_whole_is_decoded_as_far_as_it_can_be() {
        let body = review(|_| ());
        let at = |text: &str| String::from_utf8_lossy(&body).find(text).unwrap();
        let whole = decode(&body).unwrap();
        // The maps of a test sort their keys, so that `userInfo` is the last one.
        let cut = decode_head(&body[..at(r#""userInfo""#)], "x");
        assert!(matches!(cut, Err(ReviewError::Request { uid, .. }) if uid == "u1"));
        let mut extra = body.clone();
        extra.truncate(extra.len() - 2);
        for (case, start) in [("cut", extra), ("old version", review(|review| review["apiVersion"] = "x/v1".into()))] {
            let write = decode(&start).unwrap();
            assert!(write.unreadable.is_some() && write.object.is_none(), "{case}");
            assert_eq!((&write.uid, &write.name, write.operation), (&whole.uid, &whole.name, whole.operation));
            assert_eq!(write.resource.kind, whole.resource.kind);
            assert_eq!(write.user.groups, whole.user.groups);
        }
        assert!(decode(&body).unwrap().unreadable.is_none());
    }

    #[test]
    fn what_is_no_json_is_found_when_it_is_looked_into() {
        let body = review(|_| ());
        assert!(decode(&body).unwrap().as_unreadable().is_none());
        let body = String::from_utf8(body).unwrap();
        for bad in
            [r#"{"spec":}"#, r#"{"spec":[1,]}"#, r#"{"spec":01}"#, r#"{"a":"\x"}"#, "{]", "nul", r#"{"a":1 "b":2}"#]
        {
            let body = body.replace(r#"{"spec":1}"#, bad);
            let write = decode(body.as_bytes()).unwrap();
            let unreadable = write.as_unreadable().unwrap_or(write);
            let reason = match decode_any(body.as_bytes()) {
                Ok(write) => write.unreadable.unwrap(),
                Err(ReviewError::Unreadable(reason) | ReviewError::Request { reason, .. }) => reason,
            };
            assert_eq!(unreadable.unreadable, Some(reason), "{bad}");
            assert!(unreadable.object.is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_said_twice_counts_as_it_is_said_first() {
        let body = String::from_utf8(review(|_| ())).unwrap();
        let user = r#""userInfo":{"username":"root","groups":[]}"#;
        let request = &body[body.find(r#""request":"#).unwrap()..body.len() - 1];
        let second = request.replace(r#""alice\n""#, r#""root""#);
        for twice in [
            // The API server's order, in which the user stands first.
            body.replacen(r#""userInfo":{"#, r#""userInfo":{"username":"alice\n"},"userInfo":{"#, 1),
            format!("{},{user}}}}}", &body[..body.len() - 2]),
            format!("{},{second}}}", &body[..body.len() - 1]),
        ] {
            let write = decode(twice.as_bytes()).unwrap();
            assert_eq!((&*write.user.name, write.unreadable.is_some()), ("alice\n", true), "{twice}");
        }
    }

    #[test]
    fn the_error_for_a_bad_review_has_its_uid() {
        for (case, edit) in [
            (
                "no operation",
                (|review| drop(review["request"].as_object_mut().unwrap().remove("operation"))) as fn(&mut Value),
            ),
            ("unknown operation", |review| review["request"]["operation"] = "MELT".into()),
            ("no user", |review| review["request"]["userInfo"] = Value::Null),
        ] {
            match decode(&review(edit)) {
                Err(ReviewError::Request { uid, .. }) => assert_eq!(uid, "u1", "{case}"),
                other => panic!("{case}: {other:?}"),
            }
        }
        for body in ["", "{", "[]", "{}", "null", r#"{"request":{"uid":""}}"#, "\u{0}"] {
            assert!(matches!(decode(body.as_bytes()), Err(ReviewError::Unreadable(_))), "{body}");
        }
    }
}
