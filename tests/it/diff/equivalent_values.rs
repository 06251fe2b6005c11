//! The kinds of false drift that users of Argo CD and Flux report: one value in several spellings, and what is
//! empty, null or absent. Each case also changes something beside it, so that the tolerance stays narrow.

use crate::diff::table::{CONFIG_MAP, DEPLOYMENT, SECRET, SERVICE, THING, case, table};

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
    let (cpus, env, delay) =
        (drift("resources.limits.cpu"), drift("env[name=\"A\"].value"), drift("livenessProbe.initialDelaySeconds"));
    let wrong = cpu("'3'");
    table(
        DEPLOYMENT,
        [
            case("quantity spelling")
                .git(&cpu("1000m"))
                .update_from(&wrong, &cpu("'1'"))
                .expect("conforms")
                .reverse(&cpus),
            case("quantity as a fraction")
                .git(&cpu("0.5"))
                .update_from(&wrong, &cpu("500m"))
                .expect("conforms")
                .reverse(&cpus),
            case("an unknown field beside it")
                .git(&with("foo: 1, resources: {limits: {cpu: 1000m}}"))
                .update_from(&wrong, &cpu("'1'"))
                .expect("conforms")
                .reverse(&cpus),
            case("a number where a text is stored")
                .git(&cpu("1"))
                .update_from(&wrong, &cpu("'1'"))
                .expect("conforms")
                .reverse(&cpus),
            case("zero written out")
                .git(&with("livenessProbe: {initialDelaySeconds: 0, periodSeconds: 1}"))
                .update_from(
                    &with("livenessProbe: {initialDelaySeconds: 5, periodSeconds: 1}"),
                    &with("livenessProbe: {periodSeconds: 1}"),
                )
                .expect("conforms")
                .reverse(&delay),
            case("false written out")
                .git("spec: {template: {spec: {hostNetwork: false}}}")
                .update_from("spec: {template: {spec: {hostNetwork: true}}}", "spec: {template: {spec: {}}}")
                .expect("conforms")
                .reverse("drift spec.template.spec.hostNetwork"),
            case("an empty variable")
                .git(&with("env: [{name: A, value: ''}]"))
                .update_from(&with("env: [{name: A, value: x}]"), &with("env: [{name: A}]"))
                .expect("conforms")
                .reverse(&format!("{env} | conforms")),
        ],
    );
    table(
        SERVICE,
        [
            case("a port by name is another port")
                .git("spec: {ports: [{port: 80, targetPort: http}]}")
                .update("spec: {ports: [{port: 80, targetPort: 8080}]}")
                .expect("drift spec.ports[port=80,protocol=\"TCP\"].targetPort")
                .reverse("conforms"),
            case("no ranges")
                .git("spec: {type: LoadBalancer, loadBalancerSourceRanges: []}")
                .update("spec: {type: LoadBalancer}")
                .expect("conforms")
                .reverse("conforms"),
        ],
    );
    table(
        THING,
        [
            // Without a schema nobody knows that it is a quantity: a way there is blocked, nothing else is.
            case("a core type inside a custom resource")
                .git("spec: {resources: {limits: {cpu: 1000m}}}")
                .update_from("spec: {resources: {limits: {cpu: '1'}}, a: 1}", "spec: {resources: {limits: {cpu: '1'}}}")
                .expect("conforms")
                .reverse("drift spec.a | conforms"),
            case("a duration")
                .git("spec: {duration: 8760h}")
                .update_from("spec: {duration: 1h}", "spec: {duration: 8760h0m0s}")
                .expect("conforms")
                .reverse("drift spec.duration"),
            case("a duration in minutes")
                .git("spec: {interval: 90m}")
                .update_from("spec: {interval: 90s}", "spec: {interval: 1h30m0s}")
                .expect("conforms")
                .reverse("drift spec.interval"),
            case("a number from Helm's values")
                .git("spec: {size: 8.388608e+06}")
                .update_from("spec: {size: 1}", "spec: {size: 8388608}")
                .expect("conforms")
                .reverse("drift spec.size"),
            case("false in a custom resource")
                .git("spec: {a: 1, disabled: false}")
                .update_from("spec: {a: 1, disabled: true}", "spec: {a: 1}")
                .expect("conforms")
                .reverse("drift spec.disabled"),
            case("a field that the server drops")
                .git("spec: {a: 1, foo: 1}")
                .update_from("spec: {a: 2}", "spec: {a: 1}")
                .expect("conforms")
                .reverse("drift spec.a"),
        ],
    );
    table(
        CONFIG_MAP,
        [
            case("the block style")
                .git("data:\n  k: |\n    a\n    b\n")
                .update_from("data: {k: other}", "data: {k: \"a\\nb\\n\"}")
                .expect("conforms")
                .reverse("drift data[\"k\"]"),
            case("a missing last newline is a difference")
                .git("data:\n  k: |\n    a\n")
                .update("data: {k: a}")
                .expect("drift data[\"k\"]")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn a_secret_is_the_same_as_string_data_and_as_base64() {
    table(
        SECRET,
        [
            case("stringData")
                .git("stringData: {k: v}")
                .update_from("data: {k: eA==}", "data: {k: dg==}")
                .expect("conforms")
                .reverse("drift data[\"k\"]"),
            case("stringData over data")
                .git("data: {k: eA==}\nstringData: {k: v}")
                .update_from("data: {k: eA==}", "data: {k: dg==}")
                .expect("conforms")
                .reverse("drift data[\"k\"]"),
            case("a key that Git dropped")
                .git("stringData: {k: v}")
                .update_from("data: {k: dg==, old: eA==}", "data: {k: dg==}")
                .expect("conforms")
                .reverse("drift data[\"old\"] | conforms"),
            case("a null value")
                .git("data: {k: null, l: eA==}")
                .update_from("data: {l: eA==}", "data: {k: '', l: eA==}")
                .expect("conforms")
                .reverse("conforms"),
            case("a null value that a mirror fills")
                .git("data: {k: null}")
                .update_from("data: {k: ''}", "data: {k: eA==}")
                .expect("drift data[\"k\"] | conforms")
                .reverse("conforms"),
            case("base64 over several lines")
                .git("data:\n  k: |\n    dmFs\n    dWU=\n")
                .update_from("data: {k: eA==}", "data: {k: dmFsdWU=}")
                .expect("conforms")
                .reverse("drift data[\"k\"]"),
        ],
    );
}

#[test]
fn empty_null_and_absent_are_the_same() {
    table(
        CONFIG_MAP,
        [
            case("a null value, dropped")
                .git("data: {url: null, a: x}")
                .update_from("data: {a: y}", "data: {a: x}")
                .expect("conforms")
                .reverse("drift data[\"a\"]"),
            case("a null value, kept")
                .git("data: {url: null, a: x}")
                .update_from("data: {a: x}", "data: {url: '', a: x}")
                .expect("conforms")
                .reverse("conforms"),
            case("no annotations")
                .git("metadata: {annotations: null, labels: {}}\ndata: {a: x}")
                .update_from("metadata: {labels: {}}\ndata: {a: y}", "metadata: {}\ndata: {a: x}")
                .expect("conforms")
                .reverse("drift data[\"a\"]"),
            case("a status in Git")
                .git("data: {a: x}\nstatus: {}")
                .update_from("data: {a: y}", "data: {a: x}")
                .expect("conforms")
                .reverse("drift data[\"a\"]"),
            case("a status in Git, created")
                .git("data: {a: x}\nstatus: {b: c}")
                .create("data: {a: x}")
                .expect("conforms")
                .reverse("drift"),
        ],
    );
    table(
        DEPLOYMENT,
        [
            case("no resources")
                .git(&with("resources: {requests: {}, limits: {}}"))
                .create(&with("resources: {}"))
                .expect("conforms")
                .reverse("drift"),
            case("resources that go")
                .git(&with("resources: {requests: {}, limits: {}}"))
                .update_from(&with("resources: {limits: {cpu: 1}}"), &with("resources: {}"))
                .expect("conforms")
                .reverse(&format!("{} | conforms", drift("resources.limits.cpu"))),
            case("a null creationTimestamp")
                .git("spec: {template: {metadata: {creationTimestamp: null, labels: {a: b}}}}")
                .create("spec: {template: {metadata: {labels: {a: b}}}}")
                .expect("conforms")
                .reverse("drift"),
        ],
    );
    let crd =
        |names: &str| format!("spec: {{group: a.b, names: {{kind: Web, plural: webs{names}}}, scope: Namespaced}}");
    table(
        "apiextensions.k8s.io/v1 CustomResourceDefinition",
        [
            case("empty lists dropped")
                .git(&crd(", shortNames: [], categories: []"))
                .create(&crd(""))
                .expect("conforms")
                .reverse("drift"),
            case("an empty list that goes")
                .git(&crd(", shortNames: []"))
                .update_from(&crd(", shortNames: [w]"), &crd(""))
                .expect("conforms")
                .reverse("drift spec.names.shortNames | conforms"),
            case("preserveUnknownFields")
                .git(&format!("{}\n", crd("").replace("spec: {", "spec: {preserveUnknownFields: false, ")))
                .create(&crd(""))
                .expect("conforms")
                .reverse("drift"),
        ],
    );
    let ingress = |rest: &str| format!("spec: {{podSelector: {{}}, policyTypes: [Ingress]{rest}}}");
    table(
        "networking.k8s.io/v1 NetworkPolicy",
        [
            case("deny all, with and without the list")
                .git(&ingress(", ingress: []"))
                .update(&ingress(""))
                .expect("conforms")
                .reverse("conforms"),
            case("allow all is no deny all")
                .git(&ingress(", ingress: []"))
                .update(&ingress(", ingress: [{}]"))
                .expect("drift spec.ingress")
                .reverse("conforms"),
            case("deny all is no allow all")
                .git(&ingress(", ingress: [{}]"))
                .update(&ingress(", ingress: []"))
                .expect("drift spec.ingress")
                .reverse("conforms"),
        ],
    );
    table(
        ROLE,
        [
            case("null rules").git("rules: null").update("rules: []").expect("conforms").reverse("conforms"),
            case("no rules").git("rules: []").update("rules: null").expect("conforms").reverse("conforms"),
            case("a rule").git("rules: []").update("rules: [{verbs: [get]}]").expect("drift rules").reverse("conforms"),
        ],
    );
    table(
        "rbac.authorization.k8s.io/v1 ClusterRole",
        [
            case("the aggregator's rules")
                .git("aggregationRule: {clusterRoleSelectors: [{}]}\nrules: [{verbs: [get]}]")
                .update_from(
                    "aggregationRule: {clusterRoleSelectors: [{}]}\nrules: []",
                    "aggregationRule: {clusterRoleSelectors: [{}]}\nrules: [{verbs: [list]}]",
                )
                .expect("drift rules | conforms")
                .reverse("conforms"),
            case("rules that would be the aggregator's")
                .git("rules: [{verbs: [get]}]")
                .update("aggregationRule: {clusterRoleSelectors: [{}]}\nrules: [{verbs: [get]}]")
                .expect("drift aggregationRule")
                .reverse("conforms"),
        ],
    );
}
