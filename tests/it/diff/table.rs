//! Judged cases out of YAML texts.

use driftwall_core::actor::ActorRules;
use driftwall_core::admission;
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{ObjectKey, Snapshot};
use driftwall_core::policy::{EvaluationContext, NoCluster, Outcome, Policy, Verdict, evaluate};
use serde_json::{Value, json};

use crate::harness::snapshots::{objects, snapshot};

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Person,
    Workload,
}

pub(crate) use By::{Person, Workload};

/// What came out.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) verdict: Verdict,
    pub(crate) outcome: Outcome,
    pub(crate) fields: Vec<String>,
}

/// What Git declares.
pub(crate) struct Git(Snapshot);

/// A write without its author.
#[derive(Clone, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) operation: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) old: Option<&'a Value>,
    pub(crate) new: Option<&'a Value>,
}

/// An object's `apiVersion`, a space, and its kind.
pub(crate) const CONFIG_MAP: &str = "v1 ConfigMap";
pub(crate) const DEPLOYMENT: &str = "apps/v1 Deployment";
pub(crate) const SECRET: &str = "v1 Secret";
pub(crate) const SERVICE: &str = "v1 Service";
/// A custom resource of which nothing is known.
pub(crate) const THING: &str = "example.org/v1 Thing";

impl Git {
    /// Reads whole manifests.
    pub(crate) fn of(text: &str) -> Self {
        Self(snapshot(Some("prod"), text))
    }

    /// What is declared of the object that a manifest writes, as the server would hold it.
    pub(crate) fn desired(&self, manifest: &Value) -> Value {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let group = text(&manifest["apiVersion"]).split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        let (kind, name) = (text(&manifest["kind"]), text(&manifest["metadata"]["name"]));
        let key = ObjectKey { group: &group, kind: &kind, namespace: "prod", name: &name };
        self.0.get(key).unwrap().0.object()
    }

    pub(crate) fn update(&self, by: By, old: &Value, new: &Value) -> Seen {
        self.judge(by, &Write { operation: "UPDATE", subresource: "", old: Some(old), new: Some(new) })
    }

    pub(crate) fn create(&self, by: By, new: &Value) -> Seen {
        self.judge(by, &Write { operation: "CREATE", subresource: "", old: None, new: Some(new) })
    }

    pub(crate) fn delete(&self, by: By, old: &Value) -> Seen {
        self.judge(by, &Write { operation: "DELETE", subresource: "", old: Some(old), new: None })
    }

    /// Sends the write as the API server would, and takes the answer.
    pub(crate) fn judge(&self, by: By, write: &Write<'_>) -> Seen {
        let Write { operation, subresource, old, new } = write;
        let object = new.or(*old).unwrap();
        let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let user = match by {
            Person => json!({"username": "alice", "groups": ["system:masters", "system:authenticated"]}),
            Workload => json!({
                "username": "system:serviceaccount:ops:tuner",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:ops", "system:authenticated"],
            }),
        };
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": operation, "subResource": subresource, "userInfo": user,
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
            "namespace": if is_cluster_scoped(kind) { "" } else { object["metadata"]["namespace"].as_str().unwrap_or_default() },
            "name": object["metadata"]["name"],
            "object": new, "oldObject": old,
        }});
        let body = serde_json::to_vec(&body).unwrap();
        let write = admission::decode(&body).unwrap();
        let (actors, policy) = (ActorRules::default(), Policy::default());
        let context = EvaluationContext { snapshot: &self.0, actors: &actors, policy: &policy, cluster: &NoCluster };
        let assessment = evaluate(&write, context);
        let decision = decide(&write, &assessment, &policy, DecisionContext::default());
        Seen {
            verdict: assessment.verdict,
            outcome: decision.outcome,
            fields: assessment.findings.iter().map(|finding| finding.path.to_string()).collect(),
        }
    }
}

fn is_cluster_scoped(kind: &str) -> bool {
    kind.ends_with("WebhookConfiguration") || kind.starts_with("Cluster") || kind == "CustomResourceDefinition"
}

impl Seen {
    /// On one line: the verdict, and the fields; drift that is only warned about is `warned`.
    pub(crate) fn line(&self) -> String {
        let word = match (self.verdict, self.outcome) {
            (Verdict::Drift, Outcome::Warn) => "warned",
            (verdict, _) => verdict.as_str(),
        };
        [&[word.to_owned()], &*self.fields].concat().join(" ")
    }

    pub(crate) fn conforms(&self) -> bool {
        self.verdict == Verdict::Conforms
    }
}

/// The text of an object of this kind, from its fields besides kind and name.
pub(crate) fn text(kind: &str, fields: &str) -> String {
    let (api_version, kind) = kind.split_once(' ').unwrap();
    let name = "name: web, namespace: prod";
    let fields = match fields.split_once("metadata: {") {
        Some((before, rest)) if before.is_empty() || before.ends_with('\n') => {
            format!("{before}metadata: {{{name}, {rest}")
        }
        _ => format!("metadata: {{{name}}}\n{fields}"),
    };
    format!("apiVersion: {api_version}\nkind: {kind}\n{fields}\n")
}

/// An object as a client sends it.
pub(crate) fn object(kind: &str, fields: &str) -> Value {
    objects("object.yaml", &text(kind, fields)).remove(0).value
}

/// A case: what it guards, what Git says, the old object, the new one, and what
/// comes out: there, and on the way back (`-`: not asked). `=` is Git's own
/// text, `none` is no object. One outcome is everyone's; two are the person's
/// and the workload's: `drift spec.paused | conforms`.
pub(crate) type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str);

/// Judges every case in both directions, by both writers.
pub(crate) fn table(kind: &str, cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for (guards, git, old, new, there, back) in cases {
        let declared = Git::of(&text(kind, git));
        let read = |fields: &str| match fields {
            "none" => None,
            "=" => Some(object(kind, git)),
            fields => Some(object(kind, fields)),
        };
        let (old, new) = (read(old), read(new));
        for (direction, old, new, expected) in [("there", &old, &new, there), ("back", &new, &old, back)] {
            if *expected == "-" {
                continue;
            }
            let (person, workload) = expected.split_once(" | ").unwrap_or((expected, expected));
            let operation = match (old, new) {
                (None, _) => "CREATE",
                (_, None) => "DELETE",
                _ => "UPDATE",
            };
            for (by, expected) in [(Person, person), (Workload, workload)] {
                let write = Write { operation, subresource: "", old: old.as_ref(), new: new.as_ref() };
                let seen = declared.judge(by, &write).line();
                if seen != expected {
                    wrong.push(format!("{guards}, {direction}, {by:?}: `{seen}` where `{expected}` is right"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
