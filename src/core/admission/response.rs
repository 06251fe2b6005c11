//! Encodes the response of an AdmissionReview.

use std::collections::BTreeMap;

use serde::Serialize;

use super::request::API_VERSION;

/// The answer to the API server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Why the write is denied; `None` allows it.
    pub denial: Option<Denial>,
    /// Warnings for the client, each under 120 characters.
    pub warnings: Vec<String>,
    /// Keys and values for the API server's audit log; it prefixes the keys with the webhook's name.
    pub annotations: BTreeMap<&'static str, String>,
}

/// A denial, as a client sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Denial {
    /// The text after `denied the request: `; it may have several lines.
    pub message: String,
    /// The object.
    pub name: String,
    /// Its API group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Every drifting field.
    pub causes: Vec<Cause>,
}

/// One drifting field, as `details.causes` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A reason for programs: one word.
    pub reason: &'static str,
    /// The new value and Git's.
    pub message: String,
    /// The field's path.
    pub field: String,
}

/// A Kubernetes `Status`: how the API reports a failure to a client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(rename = "status")]
    result: &'static str,
    message: &'a str,
    reason: &'a str,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

/// Encodes the answer to the review `uid`.
pub fn encode(uid: &str, answer: &Answer) -> Vec<u8> {
    let Answer { denial, warnings, annotations } = answer;
    let status = denial.as_ref().map(|denial| Status {
        details: Some(Details { name: &denial.name, group: &denial.group, kind: &denial.kind, causes: &denial.causes }),
        // Code and reason are both needed: without a reason kubectl prints no `(Forbidden)`.
        ..Status::failure(403, "Forbidden", &denial.message)
    });
    let response = Response { uid, allowed: denial.is_none(), status, warnings, audit_annotations: annotations };
    let review = Review { api_version: API_VERSION, kind: "AdmissionReview", response };
    serde_json::to_vec(&review).expect("an answer holds only texts and numbers")
}

impl<'a> Status<'a> {
    /// A failure with an HTTP status code and one of Kubernetes' reasons (`metav1.StatusReason`).
    pub fn failure(code: u16, reason: &'a str, message: &'a str) -> Self {
        Self { api_version: "v1", kind: "Status", result: "Failure", message, reason, code, details: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct Details<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    causes: &'a [Cause],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_server_can_decode_an_answer() {
        let denial = Denial {
            message: "no\nno".into(),
            name: "web".into(),
            group: "apps".into(),
            kind: "Deployment".into(),
            causes: vec![Cause { reason: "Drift", message: "7, Git says 3".into(), field: "spec.replicas".into() }],
        };
        let answer =
            Answer { denial: Some(denial), annotations: [("verdict", "drift".into())].into(), ..Answer::default() };
        let review: kube::core::admission::AdmissionReview<kube::core::DynamicObject> =
            serde_json::from_slice(&encode("u1", &answer)).unwrap();
        let response = review.response.unwrap();
        assert_eq!((response.uid.as_str(), response.allowed), ("u1", false));
        assert_eq!(response.result.code, 403);
        assert_eq!(response.result.reason, "Forbidden");
        assert_eq!(response.result.message, "no\nno");
        let details = response.result.details.unwrap();
        assert_eq!((details.name.as_str(), details.causes[0].field.as_str()), ("web", "spec.replicas"));
        assert_eq!(response.audit_annotations["verdict"], "drift");

        let allowed: serde_json::Value = serde_json::from_slice(&encode("u2", &Answer::default())).unwrap();
        assert_eq!(allowed["response"], serde_json::json!({"uid": "u2", "allowed": true}));
    }
}
