//! The classes of false drift that users of Argo CD and Flux report: one value
//! in several spellings, and what is empty, null or absent. What such a write
//! changes beside them is in the tables too, so that tolerance stays narrow.

use crate::diff::table::{CONFIG_MAP, DEPLOYMENT, SECRET, SERVICE, THING, table};

const ROLE: &str = "rbac.authorization.k8s.io/v1 Role";

/// A Deployment with one container of these fields.
fn with(fields: &str) -> String {
    format!("spec: {{template: {{spec: {{containers: [{{name: a, {fields}}}]}}}}}}")
}

fn drift(field: &str) -> String {
    format!("drift spec.template.spec.containers[name=\"a\"].{field}")
}

#[test]
fn the_same_value_in_another_spelling_is_no_drift() {
    let cpu = |value: &str| with(&format!("resources: {{limits: {{cpu: {value}}}}}"));
    let (cpus, env, delay) = (drift("resources.limits.cpu"), drift("env[name=\"A\"].value"), drift("livenessProbe.initialDelaySeconds"));
    let wrong = cpu("'3'");
    table(
        DEPLOYMENT,
        &[
            ("1 quantity spelling", &cpu("1000m"), &wrong, &cpu("'1'"), "conforms", &cpus),
            ("1 quantity as a fraction", &cpu("0.5"), &wrong, &cpu("500m"), "conforms", &cpus),
            ("2 an unknown field beside it", &with("foo: 1, resources: {limits: {cpu: 1000m}}"), &wrong, &cpu("'1'"), "conforms", &cpus),
            ("4 a number where a text is stored", &cpu("1"), &wrong, &cpu("'1'"), "conforms", &cpus),
            ("7 zero written out", &with("livenessProbe: {initialDelaySeconds: 0, periodSeconds: 1}"), &with("livenessProbe: {initialDelaySeconds: 5, periodSeconds: 1}"), &with("livenessProbe: {periodSeconds: 1}"), "conforms", &delay),
            ("7 false written out", "spec: {template: {spec: {hostNetwork: false}}}", "spec: {template: {spec: {hostNetwork: true}}}", "spec: {template: {spec: {}}}", "conforms", "drift spec.template.spec.hostNetwork"),
            ("15 an empty variable", &with("env: [{name: A, value: ''}]"), &with("env: [{name: A, value: x}]"), &with("env: [{name: A}]"), "conforms", &format!("{env} | conforms")),
        ],
    );
    table(
        SERVICE,
        &[
            ("4 a port by name is another port", "spec: {ports: [{port: 80, targetPort: http}]}", "=", "spec: {ports: [{port: 80, targetPort: 8080}]}", "drift spec.ports[port=80,protocol=\"TCP\"].targetPort", "conforms"),
            ("18 no ranges", "spec: {type: LoadBalancer, loadBalancerSourceRanges: []}", "=", "spec: {type: LoadBalancer}", "conforms", "conforms"),
        ],
    );
    table(
        THING,
        &[
            // Without a schema nobody knows that it is a quantity: a way there is blocked, nothing else is.
            ("3 a core type inside a custom resource", "spec: {resources: {limits: {cpu: 1000m}}}", "spec: {resources: {limits: {cpu: '1'}}, a: 1}", "spec: {resources: {limits: {cpu: '1'}}}", "conforms", "drift spec.a | conforms"),
            ("5 a duration", "spec: {duration: 8760h}", "spec: {duration: 1h}", "spec: {duration: 8760h0m0s}", "conforms", "drift spec.duration"),
            ("5 a duration in minutes", "spec: {interval: 90m}", "spec: {interval: 90s}", "spec: {interval: 1h30m0s}", "conforms", "drift spec.interval"),
            ("6 a number from Helm's values", "spec: {size: 8.388608e+06}", "spec: {size: 1}", "spec: {size: 8388608}", "conforms", "drift spec.size"),
            ("7 false in a custom resource", "spec: {a: 1, disabled: false}", "spec: {a: 1, disabled: true}", "spec: {a: 1}", "conforms", "drift spec.disabled"),
            ("42 a field that the server drops", "spec: {a: 1, foo: 1}", "spec: {a: 2}", "spec: {a: 1}", "conforms", "drift spec.a"),
        ],
    );
    table(
        CONFIG_MAP,
        &[
            ("8 the block style", "data:\n  k: |\n    a\n    b\n", "data: {k: other}", "data: {k: \"a\\nb\\n\"}", "conforms", "drift data[\"k\"]"),
            ("8 a missing last newline is a difference", "data:\n  k: |\n    a\n", "=", "data: {k: a}", "drift data[\"k\"]", "conforms"),
        ],
    );
}

#[test]
fn a_secret_is_the_same_as_text_and_in_base64() {
    table(
        SECRET,
        &[
            ("10 stringData", "stringData: {k: v}", "data: {k: eA==}", "data: {k: dg==}", "conforms", "drift data[\"k\"]"),
            ("10 stringData over data", "data: {k: eA==}\nstringData: {k: v}", "data: {k: eA==}", "data: {k: dg==}", "conforms", "drift data[\"k\"]"),
            ("10 a key that Git dropped", "stringData: {k: v}", "data: {k: dg==, old: eA==}", "data: {k: dg==}", "conforms", "drift data[\"old\"] | conforms"),
            ("11 a null value", "data: {k: null, l: eA==}", "data: {l: eA==}", "data: {k: '', l: eA==}", "conforms", "conforms"),
            ("11 a null value that a mirror fills", "data: {k: null}", "data: {k: ''}", "data: {k: eA==}", "drift data[\"k\"] | conforms", "conforms"),
            ("base64 over several lines", "data:\n  k: |\n    dmFs\n    dWU=\n", "data: {k: eA==}", "data: {k: dmFsdWU=}", "conforms", "drift data[\"k\"]"),
        ],
    );
}

#[test]
fn what_is_empty_null_or_absent_is_no_drift() {
    table(
        CONFIG_MAP,
        &[
            ("12 a null value, dropped", "data: {url: null, a: x}", "data: {a: y}", "data: {a: x}", "conforms", "drift data[\"a\"]"),
            ("12 a null value, kept", "data: {url: null, a: x}", "data: {a: x}", "data: {url: '', a: x}", "conforms", "conforms"),
            ("13 no annotations", "metadata: {annotations: null, labels: {}}\ndata: {a: x}", "metadata: {labels: {}}\ndata: {a: y}", "metadata: {}\ndata: {a: x}", "conforms", "drift data[\"a\"]"),
            ("20 a status in Git", "data: {a: x}\nstatus: {}", "data: {a: y}", "data: {a: x}", "conforms", "drift data[\"a\"]"),
            ("20 a status in Git, created", "data: {a: x}\nstatus: {b: c}", "none", "data: {a: x}", "conforms", "drift"),
        ],
    );
    table(
        DEPLOYMENT,
        &[
            ("14 no resources", &with("resources: {requests: {}, limits: {}}"), "none", &with("resources: {}"), "conforms", "drift"),
            ("14 resources that go", &with("resources: {requests: {}, limits: {}}"), &with("resources: {limits: {cpu: 1}}"), &with("resources: {}"), "conforms", &format!("{} | conforms", drift("resources.limits.cpu"))),
            ("16 a null creationTimestamp", "spec: {template: {metadata: {creationTimestamp: null, labels: {a: b}}}}", "none", "spec: {template: {metadata: {labels: {a: b}}}}", "conforms", "drift"),
        ],
    );
    let crd = |names: &str| format!("spec: {{group: a.b, names: {{kind: Web, plural: webs{names}}}, scope: Namespaced}}");
    table(
        "apiextensions.k8s.io/v1 CustomResourceDefinition",
        &[
            ("17 empty lists dropped", &crd(", shortNames: [], categories: []"), "none", &crd(""), "conforms", "drift"),
            ("17 an empty list that goes", &crd(", shortNames: []"), &crd(", shortNames: [w]"), &crd(""), "conforms", "drift spec.names.shortNames | conforms"),
            ("33 preserveUnknownFields", &format!("{}\n", crd("").replace("spec: {", "spec: {preserveUnknownFields: false, ")), "none", &crd(""), "conforms", "drift"),
        ],
    );
    let ingress = |rest: &str| format!("spec: {{podSelector: {{}}, policyTypes: [Ingress]{rest}}}");
    table(
        "networking.k8s.io/v1 NetworkPolicy",
        &[
            ("18 deny all, with and without the list", &ingress(", ingress: []"), "=", &ingress(""), "conforms", "conforms"),
            ("18 allow all is no deny all", &ingress(", ingress: []"), "=", &ingress(", ingress: [{}]"), "drift spec.ingress | conforms", "conforms"),
            ("18 deny all is no allow all", &ingress(", ingress: [{}]"), "=", &ingress(", ingress: []"), "drift spec.ingress", "conforms"),
        ],
    );
    table(
        ROLE,
        &[
            ("19 null rules", "rules: null", "=", "rules: []", "conforms", "conforms"),
            ("19 no rules", "rules: []", "=", "rules: null", "conforms", "conforms"),
            ("19 a rule that a person adds", "rules: []", "=", "rules: [{verbs: [get]}]", "drift rules | conforms", "conforms"),
        ],
    );
    table(
        "rbac.authorization.k8s.io/v1 ClusterRole",
        &[("19 the aggregator's rules", "aggregationRule: {clusterRoleSelectors: [{}]}\nrules: [{verbs: [get]}]", "aggregationRule: {clusterRoleSelectors: [{}]}\nrules: []", "aggregationRule: {clusterRoleSelectors: [{}]}\nrules: [{verbs: [list]}]", "drift rules | conforms", "conforms")],
    );
}
