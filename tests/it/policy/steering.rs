//! Objects that Git does not declare, and that act on what it declares.

use serde_json::{Value, json};

use super::answers::{allowed, check, denied, warned};
use crate::harness::reviews::{Review, recorded_action, review_of_yaml, set_at};

/// An autoscaler of Git's own.
const GIT: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: front, namespace: prod}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: front}, maxReplicas: 3}
---
{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: prod}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: routes, namespace: prod}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: entry, namespace: prod}}
";

const DECLARED: &str = "{apiVersion: apps/v1, kind: Deployment, name: python-app-prod}";
const ANOTHER: &str = "{apiVersion: apps/v1, kind: Deployment, name: nobodys}";

fn object(plural: &str, api_version: &str, kind: &str, spec: &str) -> Review {
    let metadata = "{name: mine, namespace: prod}";
    review_of_yaml(plural, &format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {metadata}, spec: {spec}}}"))
}

fn autoscaler(target: &str) -> Review {
    let spec = format!("{{scaleTargetRef: {target}, minReplicas: 1, maxReplicas: 5}}");
    object("horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler", &spec)
}

/// An object of an operator that nobody listed.
fn scaling(api_version: &str, kind: &str) -> Review {
    object("things", api_version, kind, &format!("{{scaleTargetRef: {DECLARED}}}"))
}

fn rollout(strategy: &str) -> Review {
    object("rollouts", "argoproj.io/v1alpha1", "Rollout", &format!("{{replicas: 1, strategy: {strategy}}}"))
}

/// A canary whose Service has this name.
fn serving(service: &str) -> Review {
    let spec = format!("{{targetRef: {ANOTHER}, service: {{name: {service}, port: 80}}}}");
    object("canaries", "flagger.app/v1beta1", "Canary", &spec)
}

fn schedule(deployment: &str) -> Review {
    let spec = format!("{{wakeTime: 8am, deployments: [{{name: {deployment}}}]}}");
    object("sleepschedules", "snorlax.moonbeam.nyc/v1beta1", "SleepSchedule", &spec)
}

fn sleep_info() -> Review {
    object("sleepinfos", "kube-green.com/v1alpha1", "SleepInfo", "{weekdays: '*', sleepAt: '20:00', wakeUpAt: '8:00'}")
}

fn scaled_object() -> Review {
    let spec = "{scaleTargetRef: {name: python-app-prod}, minReplicaCount: 1}";
    object("scaledobjects", "keda.sh/v1alpha1", "ScaledObject", spec)
}

fn vertical(mode: &str) -> Review {
    let spec = format!("{{targetRef: {DECLARED}, updatePolicy: {{updateMode: '{mode}'}}}}");
    object("verticalpodautoscalers", "autoscaling.k8s.io/v1", "VerticalPodAutoscaler", &spec)
}

fn canary(autoscaler: &str) -> Review {
    let reference = format!("{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: {autoscaler}}}");
    let spec = format!("{{targetRef: {ANOTHER}, autoscalerRef: {reference}}}");
    object("canaries", "flagger.app/v1beta1", "Canary", &spec)
}

#[test]
fn an_undeclared_object_that_acts_on_a_declared_one_is_drift_however_it_is_changed() {
    // A ReplicaSet that the recording has for a Deployment of Git's.
    let replica_set = recorded_action("scale-replicaset").0["request"]["name"].as_str().unwrap().to_owned();
    let of_replica_set = format!("{{apiVersion: apps/v1, kind: ReplicaSet, name: {replica_set}}}");
    let at = |review: Review, pointer: &'static str, value: Value| {
        review.with_object(move |new| set_at(new, pointer, value))
    };
    let elsewhere = |old: &mut Value| set_at(old, "/spec/scaleTargetRef/name", "nobodys".into());
    let here = |old: &mut Value| set_at(old, "/spec/scaleTargetRef/name", "python-app-prod".into());
    let mode = |mode: &'static str| move |old: &mut Value| set_at(old, "/spec/updatePolicy/updateMode", mode.into());
    let keda = "/metadata/annotations/autoscaling.keda.sh~1paused-replicas";
    check(
        GIT,
        vec![
            denied("made", autoscaler(DECLARED).into_create()),
            denied("led here", autoscaler(DECLARED).with_old_object(elsewhere)),
            denied("other bounds", at(autoscaler(DECLARED), "/spec/minReplicas", 100.into())),
            denied("other metrics", at(autoscaler(DECLARED), "/spec/metrics", json!([]))),
            denied("at the ReplicaSet instead", autoscaler(&of_replica_set).into_create()),
            denied("other bounds for the ReplicaSet", at(autoscaler(&of_replica_set), "/spec/maxReplicas", 9.into())),
            denied("KEDA", scaled_object().into_create()),
            denied(
                "a field that means something elsewhere",
                at(scaled_object(), "/spec/updatePolicy", json!({"updateMode": "Off"})).into_create(),
            ),
            denied("KEDA's bounds", at(scaled_object(), "/spec/minReplicaCount", 99.into())),
            denied("KEDA, by an annotation", at(scaled_object(), keda, "0".into())),
            denied("a vertical one", vertical("Auto").into_create()),
            denied("one that only recommended", vertical("Auto").with_old_object(mode("Off"))),
            denied("a canary with the autoscaler of Git's", canary("front").into_create()),
            denied("of a kind that nobody listed", scaling("http.keda.sh/v1alpha1", "HTTPScaledObject").into_create()),
            denied("blue and green, a Service of Git's", rollout("{blueGreen: {activeService: shop}}").into_create()),
            denied("a stable one", rollout("{canary: {stableService: shop, canaryService: x}}").into_create()),
            denied(
                "a route",
                rollout("{canary: {trafficRouting: {istio: {virtualService: {name: routes}}}}}").into_create(),
            ),
            denied("an Ingress", rollout("{canary: {trafficRouting: {nginx: {stableIngress: entry}}}}").into_create()),
            denied(
                "led to one",
                rollout("{blueGreen: {activeService: shop}}")
                    .with_old_object(|old| set_at(old, "/spec/strategy/blueGreen/activeService", "mine".into())),
            ),
            denied("the Service of a canary", serving("shop").into_create()),
            denied("a schedule", schedule("python-app-prod").into_create()),
            warned("of all in the namespace", sleep_info().into_create()),
            allowed("a Service of its own", rollout("{blueGreen: {activeService: mine}}").into_create()),
            allowed(
                "another name of the same letters",
                rollout("{canary: {canaryService: x, steps: [{analysis: {templates: [{templateName: shop}]}}]}}")
                    .into_create(),
            ),
            allowed("a canary of its own", serving("mine").into_create()),
            allowed("a schedule of its own", schedule("mine").into_create()),
            allowed("only recommends", vertical("Off").into_create()),
            allowed("comes to only recommend", vertical("Off").with_old_object(mode("Auto"))),
            allowed("a canary with another one", canary("other").into_create()),
            allowed("for another object", autoscaler(ANOTHER).into_create()),
            allowed("led away", autoscaler(ANOTHER).with_old_object(here)),
            allowed("a label", at(autoscaler(DECLARED), "/metadata/labels/team", "a".into())),
            allowed("unchanged", autoscaler(DECLARED)),
            allowed("deleted", autoscaler(DECLARED).into_delete()),
            allowed("by a controller", autoscaler(DECLARED).by("keda/keda-operator").into_create()),
        ],
    );
}
