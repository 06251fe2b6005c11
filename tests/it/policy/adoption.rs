//! A person's own object that the controller of a declared one takes over.

use serde_json::Value;

use super::answers::{allowed, check, denied, warned};
use crate::harness::reviews::{Review, review_of_yaml, set_at};

const GIT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: prod}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: web, image: 'web:1', args: [serve], env: [{name: LEVEL, value: info}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ledger, namespace: prod}
spec:
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: 'db:1'}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: prod}
spec:
  selector: {matchExpressions: [{key: app, operator: In, values: [agent, old-agent]}, {key: beta, operator: DoesNotExist}]}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: web, image: 'agent:1'}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: prod}
spec:
  schedule: '0 0 * * *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: run, image: 'run:1'}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: prod}, spec: {selector: {app: shop}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: outside, namespace: prod}, spec: {ports: [{port: 80}]}}
";

fn pod(labels: &str, containers: &str) -> Review {
    let metadata = format!("{{name: mine, namespace: prod, labels: {labels}}}");
    review_of_yaml(
        "pods",
        &format!("{{apiVersion: v1, kind: Pod, metadata: {metadata}, spec: {{containers: [{containers}]}}}}"),
    )
}

fn member(name: &str) -> Review {
    let metadata = format!("{{name: {name}, namespace: prod, labels: {{app: db}}}}");
    let spec = "{containers: [{name: db, image: 'db:2'}]}";
    review_of_yaml("pods", &format!("{{apiVersion: v1, kind: Pod, metadata: {metadata}, spec: {spec}}}"))
}

/// Its labels turned by this write.
fn turned(review: Review) -> Review {
    review.with_old_object(|old| set_at(old, "/metadata/labels", serde_json::json!({"app": "aside"})))
}

fn job(name: &str, owner: &str, image: &str) -> Review {
    let metadata = format!("{{name: {name}, namespace: prod, ownerReferences: [{owner}]}}");
    let spec =
        format!("{{template: {{spec: {{restartPolicy: Never, containers: [{{name: run, image: '{image}'}}]}}}}}}");
    review_of_yaml("jobs", &format!("{{apiVersion: batch/v1, kind: Job, metadata: {metadata}, spec: {spec}}}"))
}

#[test]
fn what_a_declared_controller_takes_over_runs_what_git_says() {
    const OF_SET: &str = "{app: shop, pod-template-hash: 5c56d97996}";
    const CLAIM: &str = "{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: '1', controller: true}";
    const OF_GIT: &str = "{name: web, image: 'web:1', args: [serve], env: [{name: LEVEL, value: info}]}";
    let by_other = &OF_GIT.replace("web:1", "web:2");
    let with_arguments = &OF_GIT.replace("[serve]", "[serve, '--admin']");
    let with_another = format!("{OF_GIT}, {{name: proxy, image: 'proxy:1'}}");
    let with_other_env = &OF_GIT.replace("info", "debug");
    let without_env = "{name: web, image: 'web:1', args: [serve]}";
    let with_added_env = &OF_GIT.replace("info}", "info}, {name: NODE_IP, value: '10.0.0.1'}");
    let on_host = |object: &mut Value| set_at(object, "/spec/hostNetwork", true.into());
    let owned_by_set = |object: &mut Value| {
        let owner = serde_json::json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger", "uid": "1", "controller": true});
        set_at(object, "/metadata/ownerReferences", serde_json::json!([owner]));
    };
    check(
        GIT,
        vec![
            denied("put back with another image", turned(pod(OF_SET, by_other))),
            denied("with other arguments", turned(pod(OF_SET, with_arguments))),
            denied("in another environment", turned(pod(OF_SET, with_other_env))),
            denied("without its environment", pod(OF_SET, without_env).into_create()),
            allowed("with what admission has added to it", pod(OF_SET, with_added_env).into_create()),
            denied("on the host's network", pod(OF_SET, OF_GIT).with_object(on_host).into_create()),
            allowed("put back as it was", turned(pod(OF_SET, OF_GIT))),
            allowed("with what admission has added", turned(pod(OF_SET, &with_another))),
            denied("a new one with another image", pod(OF_SET, by_other).into_create()),
            denied("a new one with another container", pod(OF_SET, &with_another).into_create()),
            allowed("a new one as in Git", pod(OF_SET, OF_GIT).into_create()),
            allowed("no ReplicaSet selects it", pod("{app: shop}", by_other).into_create()),
            allowed("another label", turned(pod("{app: other}", by_other))),
            denied("selected by an expression", turned(pod("{app: old-agent}", by_other))),
            allowed("not selected by one", turned(pod("{app: agent, beta: '1'}", by_other))),
            denied("for a StatefulSet", member("ledger-3").into_create()),
            allowed("for a StatefulSet that takes others", member("client").into_create()),
            denied(
                "that claims its owner",
                pod("{app: x}", "{name: db, image: 'db:2'}").with_object(owned_by_set).into_create(),
            ),
            allowed("by a pipeline", pod(OF_SET, by_other).by("ci/deployer").into_create()),
            warned("a run of another image", job("mine", CLAIM, "run:2").into_create()),
            allowed("a run as in Git", job("mine", CLAIM, "run:1").into_create()),
            warned("in the place of the next run", job("nightly-29000000", "", "run:2").into_create()),
            allowed("a Job of one's own", job("nightly-mine", "", "run:2").into_create()),
        ],
    );
}

fn endpoints(service: &str) -> Review {
    let subsets = "[{addresses: [{ip: 7.7.7.7}], ports: [{port: 80}]}]";
    let metadata = format!("{{name: {service}, namespace: prod}}");
    review_of_yaml(
        "endpoints",
        &format!("{{apiVersion: v1, kind: Endpoints, metadata: {metadata}, subsets: {subsets}}}"),
    )
}

fn slice(service: &str) -> Review {
    let metadata = format!("{{name: mine, namespace: prod, labels: {{kubernetes.io/service-name: {service}}}}}");
    let content = "addressType: IPv4, endpoints: [{addresses: [7.7.7.7]}], ports: [{port: 80}]";
    review_of_yaml(
        "endpointslices",
        &format!("{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {metadata}, {content}}}"),
    )
}

#[test]
fn a_declared_service_leads_where_git_says() {
    let elsewhere = |object: &mut Value| set_at(object, "/subsets/0/addresses/0/ip", "10.0.0.1".into());
    let of_another = |object: &mut Value| set_at(object, "/metadata/labels/kubernetes.io~1service-name", "x".into());
    let noted = |object: &mut Value| set_at(object, "/metadata/annotations", serde_json::json!({"a": "b"}));
    check(
        GIT,
        vec![
            denied("one more slice of a Service with a selector", slice("shop").into_create()),
            denied("a slice that comes to be one", slice("shop").with_old_object(of_another)),
            warned("of one without", slice("outside").into_create()),
            warned("Endpoints of one without", endpoints("outside").into_create()),
            warned("they lead elsewhere", endpoints("outside").with_old_object(elsewhere)),
            allowed("of a Service that Git does not declare", slice("nobodys").into_create()),
            allowed("a note", endpoints("outside").with_object(noted)),
            allowed("by a mesh", slice("shop").by("mesh/controller").into_create()),
        ],
    );
}
