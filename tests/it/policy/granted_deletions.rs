//! A rule of `actors` may let a machine delete objects of some kinds, and nothing else.

use driftwall_core::actor::{ActorRule, ActorRules, Class, Grant};

use super::answers::{allowed, check_with, denied};
use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{review_of, review_of_yaml, set_at};

#[test]
fn a_machine_may_delete_what_a_rule_grants_it_and_nothing_else() {
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: import, namespace: prod}, spec: {}}";
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: prod}}";
    let mut evaluator = Evaluator::new(job, &["argocd"]);
    let grants = || ["Job", "Namespace"].map(|kind| Grant::to_delete("*", kind).unwrap()).into();
    let rule = |class, user: &str| ActorRule::new(class, &[user], &[""; 0], grants()).unwrap();
    let fields = Grant::new("*", "*", &["spec"]).unwrap();
    let none = Grant::new("*", "Job", &[""; 0]).unwrap();
    let rules = vec![
        rule(Class::Workload, "system:serviceaccount:ci:deployer"),
        ActorRule::new(Class::Workload, &["system:serviceaccount:ci:other"], &[""; 0], vec![fields, none]).unwrap(),
    ];
    evaluator.actors = ActorRules::new(rules, &["argocd".to_owned()]).unwrap();
    let delete_job = || review_of_yaml("jobs", job).into_delete();
    let delete_namespace =
        || review_of_yaml("namespaces", namespace).with_request(|request| request["namespace"] = "prod".into());
    let delete_deployment = || review_of("deployments", "web").into_delete();
    let scaled = || review_of("deployments", "web").with_object(|new| set_at(new, "/spec/replicas", 9.into()));
    check_with(
        &evaluator,
        vec![
            allowed("what is granted", delete_job().by("ci/deployer")),
            allowed("a Namespace with declared objects", delete_namespace().into_delete().by("ci/deployer")),
            denied("another kind", delete_deployment().by("ci/deployer")),
            denied("a field", scaled().by("ci/deployer")),
            denied("another machine", delete_job().by("ci/runner")),
            denied("one with fields alone", delete_job().by("ci/other")),
            denied("a person", delete_job()),
        ],
    );
}
