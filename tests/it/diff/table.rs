//! Cases of writes as YAML texts, and their evaluation.

use driftwall_core::actor::ActorRules;
use driftwall_core::admission;
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{ObjectKey, Snapshot, hide_variables};
use driftwall_core::policy::{EvaluationContext, NoCluster, Outcome, Policy, Verdict, evaluate};
use serde_json::{Value, json};

use crate::harness::snapshots::{objects, snapshot, snapshot_of};

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Person,
    Workload,
}

pub(crate) use Writer::{Person, Workload};

/// The evaluation of a write.
#[derive(Debug)]
pub(crate) struct WriteResult {
    pub(crate) verdict: Verdict,
    pub(crate) outcome: Outcome,
    pub(crate) fields: Vec<String>,
}

/// What Git declares.
pub(crate) struct DeclaredState(Snapshot);

/// A write without its author.
#[derive(Clone, Debug)]
pub(crate) struct ObjectWrite<'a> {
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
/// A Deployment with one container.
pub(crate) const ONE_CONTAINER: &str = "spec: {template: {spec: {containers: [{name: a, image: i}]}}}";
/// A custom resource of which nothing is known.
pub(crate) const THING: &str = "example.org/v1 Thing";

impl DeclaredState {
    /// Reads whole manifests.
    pub(crate) fn parse(yaml: &str) -> Self {
        Self(snapshot(Some("prod"), yaml))
    }

    /// Reads whole manifests in which Flux substitutes variables.
    pub(crate) fn parse_substituted(yaml: &str) -> Self {
        let mut objects = objects("app.yaml", yaml);
        for object in &mut objects {
            hide_variables(&mut object.value);
        }
        Self(snapshot_of(Some("prod"), objects))
    }

    /// The declared object of a manifest, as the API server would have it.
    pub(crate) fn desired(&self, manifest: &Value) -> Value {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let group = text(&manifest["apiVersion"]).split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        let (kind, name) = (text(&manifest["kind"]), text(&manifest["metadata"]["name"]));
        let key = ObjectKey { group: &group, kind: &kind, namespace: "prod", name: &name };
        self.0.get(key).unwrap().0.object()
    }

    pub(crate) fn update(&self, writer: Writer, old: &Value, new: &Value) -> WriteResult {
        self.evaluate(writer, &ObjectWrite { operation: "UPDATE", subresource: "", old: Some(old), new: Some(new) })
    }

    pub(crate) fn create(&self, writer: Writer, new: &Value) -> WriteResult {
        self.evaluate(writer, &ObjectWrite { operation: "CREATE", subresource: "", old: None, new: Some(new) })
    }

    pub(crate) fn delete(&self, writer: Writer, old: &Value) -> WriteResult {
        self.evaluate(writer, &ObjectWrite { operation: "DELETE", subresource: "", old: Some(old), new: None })
    }

    /// Takes a write the whole way, from the review that the API server would send.
    pub(crate) fn evaluate(&self, writer: Writer, write: &ObjectWrite<'_>) -> WriteResult {
        let ObjectWrite { operation, subresource, old, new } = write;
        let object = new.or(*old).unwrap();
        let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let namespace = match object["metadata"]["namespace"].as_str() {
            Some(namespace) if !is_cluster_scoped(kind) => namespace,
            _ => "",
        };
        let user = match writer {
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
            "namespace": namespace,
            "name": object["metadata"]["name"],
            "object": new, "oldObject": old,
        }});
        let body = serde_json::to_vec(&body).unwrap();
        let write = admission::decode(&body).unwrap();
        let (actors, policy) = (ActorRules::default(), Policy::default());
        let context = EvaluationContext { snapshot: &self.0, actors: &actors, policy: &policy, cluster: &NoCluster };
        let assessment = evaluate(&write, context);
        let decision = decide(&write, &assessment, &policy, DecisionContext::default());
        WriteResult {
            verdict: assessment.verdict,
            outcome: decision.outcome,
            fields: assessment.findings.iter().map(|finding| finding.path.to_string()).collect(),
        }
    }
}

fn is_cluster_scoped(kind: &str) -> bool {
    kind.ends_with("WebhookConfiguration")
        || kind.starts_with("Cluster")
        || matches!(kind, "APIService" | "CertificateSigningRequest" | "CustomResourceDefinition")
}

impl WriteResult {
    /// On one line: the verdict, and the fields; drift that is only warned about is `warned`.
    pub(crate) fn summary(&self) -> String {
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
pub(crate) fn manifest_text(kind: &str, fields: &str) -> String {
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
pub(crate) fn parse_object(kind: &str, fields: &str) -> Value {
    objects("object.yaml", &manifest_text(kind, fields)).remove(0).value
}

/// One write, what Git declares of its object, and what has to come out.
///
/// Texts are the fields of an object besides its kind and name; `=` is Git's own text. An outcome is a verdict and
/// the fields that it names, such as `drift spec.paused`. One outcome is everyone's; two are the person's and the
/// workload's: `drift spec.paused | conforms`.
pub(crate) struct Case {
    guards: String,
    git: String,
    substituted: bool,
    old: Option<String>,
    new: Option<String>,
    forward: String,
    reverse: Option<String>,
}

/// A case, by what it guards.
pub(crate) fn case(guards: &str) -> Case {
    let (guards, git, forward) = (guards.to_owned(), String::new(), String::new());
    Case { guards, git, substituted: false, old: None, new: None, forward, reverse: None }
}

impl Case {
    /// What Git declares.
    pub(crate) fn git(self, fields: &str) -> Self {
        Self { git: fields.to_owned(), ..self }
    }

    /// Flux substitutes the variables in what Git declares.
    pub(crate) fn substituted(self) -> Self {
        Self { substituted: true, ..self }
    }

    /// The object is created with these fields.
    pub(crate) fn create(self, new: &str) -> Self {
        Self { new: Some(new.to_owned()), ..self }
    }

    /// The object, which has these fields, is deleted.
    pub(crate) fn delete(self, old: &str) -> Self {
        Self { old: Some(old.to_owned()), ..self }
    }

    /// The object is as Git declares it, and is updated to these fields.
    pub(crate) fn update(self, new: &str) -> Self {
        self.update_from("=", new)
    }

    /// The object is updated from these fields to those.
    pub(crate) fn update_from(self, old: &str, new: &str) -> Self {
        Self { old: Some(old.to_owned()), new: Some(new.to_owned()), ..self }
    }

    /// The outcome of the write.
    pub(crate) fn expect(self, outcome: &str) -> Self {
        Self { forward: outcome.to_owned(), ..self }
    }

    /// The outcome of the reverse write, from the new object to the old one.
    pub(crate) fn reverse(self, outcome: &str) -> Self {
        Self { reverse: Some(outcome.to_owned()), ..self }
    }

    /// What comes out otherwise.
    fn failures(&self, kind: &str) -> Vec<String> {
        let read = if self.substituted { DeclaredState::parse_substituted } else { DeclaredState::parse };
        let git = read(&manifest_text(kind, &self.git));
        let parse = |fields: &String| parse_object(kind, if fields == "=" { &self.git } else { fields });
        let (old, new) = (self.old.as_ref().map(parse), self.new.as_ref().map(parse));
        let mut failures = Vec::new();
        let mut check = |direction: &str, old: Option<&Value>, new: Option<&Value>, outcome: &str| {
            let operation = match (old, new) {
                (None, _) => "CREATE",
                (_, None) => "DELETE",
                _ => "UPDATE",
            };
            let (person, workload) = outcome.split_once(" | ").unwrap_or((outcome, outcome));
            for (writer, expected) in [(Person, person), (Workload, workload)] {
                let write = ObjectWrite { operation, subresource: "", old, new };
                let found = git.evaluate(writer, &write).summary();
                if found != expected {
                    let guards = &self.guards;
                    failures.push(format!("{guards}, {direction}, {writer:?}: `{found}` where `{expected}` is right"));
                }
            }
        };
        check("forward", old.as_ref(), new.as_ref(), &self.forward);
        if let Some(reverse) = &self.reverse {
            check("reverse", new.as_ref(), old.as_ref(), reverse);
        }
        failures
    }
}

/// Checks cases about objects of a kind, each by a person and by a workload. All failures are reported at once.
pub(crate) fn table(kind: &str, cases: impl IntoIterator<Item = Case>) {
    let failures: Vec<_> = cases.into_iter().flat_map(|case| case.failures(kind)).collect();
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}
