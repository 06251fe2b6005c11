//! What the API server makes of other fields of a bare Pod that is created: nobody's, whether or not it is known who
//! owns it; and what a person brings beside Git stays drift.

use serde_json::{Value, json};

use super::answers::{AnswerCase, allowed, check, denied};
use crate::harness::managed_fields::{applied, updated};
use crate::harness::reviews::Review;

/// A Pod of one container that Git declares, with these fields beside its containers, and those in the container.
struct Pod {
    annotations: Value,
    spec: Value,
    container: Value,
}

fn pod(annotations: &Value, spec: &Value, container: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "solo", "namespace": "prod", "labels": {"app": "solo", "version": "1"}},
        "spec": {"containers": [{"name": "solo", "image": "solo:1"}]},
    });
    let add = |to: &mut Value, from: &Value| {
        for (name, value) in from.as_object().into_iter().flatten() {
            to[name] = value.clone();
        }
    };
    add(&mut object["spec"], spec);
    add(&mut object["spec"]["containers"][0], container);
    if !annotations.is_null() {
        object["metadata"]["annotations"] = annotations.clone();
    }
    object
}

impl Pod {
    fn object(&self) -> Value {
        pod(&self.annotations, &self.spec, &self.container)
    }

    /// `stored` is created where Git declares this, in each of the ways in which the server notes who owns it.
    fn created(&self, name: &'static str, stored: &Value, as_case: fn(&'static str, Review) -> AnswerCase) {
        // What kubectl sends is what Git says; where it brings more, that is the writer's.
        let sent = if as_case(name, Review::of(None, stored)).is_denied() { stored.clone() } else { self.object() };
        let mut cases = Vec::new();
        // An update owns defaults too.
        for owners in [Value::Null, json!([updated("kubectl-create", stored)]), json!([applied("kubectl", &sent)])] {
            let mut object = stored.clone();
            if !owners.is_null() {
                object["metadata"]["managedFields"] = owners;
            }
            cases.push(as_case(name, Review::of(None, &object).by("alice")));
        }
        check(&self.object().to_string(), cases);
    }
}

const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/solo";

#[test]
fn confinement_stands_under_both_of_its_names() {
    for (annotation, profile) in [
        ("runtime/default", json!({"type": "RuntimeDefault"})),
        ("unconfined", json!({"type": "Unconfined"})),
        ("localhost/a/b", json!({"type": "Localhost", "localhostProfile": "a/b"})),
    ] {
        let annotations = json!({APPARMOR: annotation});
        let field = json!({"securityContext": {"appArmorProfile": profile}});
        let both = pod(&annotations, &Value::Null, &field);
        let by_annotation = Pod { annotations: annotations.clone(), spec: Value::Null, container: Value::Null };
        by_annotation.created("the field", &both, allowed);
        by_annotation.created("before 1.30", &by_annotation.object(), allowed);
        let other = json!({"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}});
        by_annotation.created("another field", &pod(&annotations, &Value::Null, &other), denied);
        let more = json!({"securityContext": {"appArmorProfile": profile, "privileged": true}});
        by_annotation.created("more beside it", &pod(&annotations, &Value::Null, &more), denied);
        let by_field = Pod { annotations: Value::Null, spec: Value::Null, container: field.clone() };
        by_field.created("the annotation", &both, allowed);
        let unlike = pod(&json!({APPARMOR: "localhost/mine"}), &Value::Null, &field);
        by_field.created("another annotation", &unlike, denied);
        let of_pod = json!({"securityContext": {"appArmorProfile": profile}});
        let by_pod = Pod { annotations: Value::Null, spec: of_pod.clone(), container: Value::Null };
        by_pod.created("the annotation of its container", &pod(&annotations, &of_pod, &Value::Null), allowed);
        let silent = Pod { annotations: Value::Null, spec: Value::Null, container: Value::Null };
        silent.created("of which Git says nothing", &both, denied);
    }
}

#[test]
fn label_keys_are_merged_into_selectors() {
    let with = |expressions: Value| {
        let term = |keys: &str| {
            json!({"topologyKey": "zone", keys: ["version"],
                "labelSelector": {"matchLabels": {"app": "solo"}, "matchExpressions": expressions}})
        };
        let spread = |keys: &str| {
            let mut spread = term(keys);
            spread["maxSkew"] = 1.into();
            spread["whenUnsatisfiable"] = "DoNotSchedule".into();
            spread
        };
        let mut spec = json!({
            "topologySpreadConstraints": [spread("matchLabelKeys")],
            "affinity": {
                "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("matchLabelKeys")]},
                "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": term("matchLabelKeys")},
                ]},
            },
        });
        if expressions.is_null() {
            for at in [
                "/topologySpreadConstraints/0",
                "/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/0",
                "/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm",
            ] {
                spec.pointer_mut(at).unwrap()["labelSelector"].as_object_mut().unwrap().remove("matchExpressions");
            }
        }
        spec
    };
    let own = json!({"key": "tier", "operator": "Exists"});
    let merged = json!({"key": "version", "operator": "In", "values": ["1"]});
    let stored = |expressions: Value| pod(&Value::Null, &with(expressions), &Value::Null);
    let declares =
        |expressions: Value| Pod { annotations: Value::Null, spec: with(expressions), container: Value::Null };
    declares(Value::Null).created("merged", &stored(json!([merged])), allowed);
    declares(Value::Null).created("before 1.34", &stored(Value::Null), allowed);
    declares(json!([own])).created("merged into more", &stored(json!([own, merged])), allowed);
    declares(json!([merged])).created("merged by hand", &stored(json!([merged])), allowed);
    declares(Value::Null).created(
        "another value",
        &stored(json!([{"key": "version", "operator": "In", "values": ["2"]}])),
        denied,
    );
    declares(Value::Null).created("another key", &stored(json!([own, merged])), denied);
    declares(json!([own])).created("without Git's own", &stored(json!([merged])), denied);
}

#[test]
fn a_pod_requests_what_its_containers_do_or_its_limit() {
    let limits = json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}});
    let requests = |cpu: &str, memory: &str| json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": cpu, "memory": memory}}});
    let alone = Pod { annotations: Value::Null, spec: limits.clone(), container: Value::Null };
    alone.created("the limit", &pod(&Value::Null, &requests("2", "1Gi"), &Value::Null), allowed);
    alone.created("less", &pod(&Value::Null, &requests("1", "1Gi"), &Value::Null), denied);
    let container = json!({"resources": {"requests": {"cpu": "500m"}}});
    let both = Pod { annotations: Value::Null, spec: limits, container: container.clone() };
    both.created("what the container requests", &pod(&Value::Null, &requests("0.5", "1Gi"), &container), allowed);
    both.created("the limit instead", &pod(&Value::Null, &requests("2", "1Gi"), &container), denied);
    let huge = json!({"resources": {"requests": {"hugepages-2Mi": "4Mi"}}});
    let of_pod = Pod { annotations: Value::Null, spec: huge, container: Value::Null };
    let limited = json!({"resources": {"requests": {"hugepages-2Mi": "4Mi"}, "limits": {"hugepages-2Mi": "4Mi"}}});
    of_pod.created("huge pages", &pod(&Value::Null, &limited, &Value::Null), allowed);
    let silent = Pod { annotations: Value::Null, spec: Value::Null, container: Value::Null };
    silent.created("of which Git says nothing", &pod(&Value::Null, &requests("2", "1Gi"), &Value::Null), denied);
}
