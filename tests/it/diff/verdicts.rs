//! The verdict on each sort of write, by a person and by a workload.

use crate::diff::table::{
    CONFIG_MAP, DEPLOYMENT, DeclaredState, ONE_CONTAINER, ObjectWrite, Person, SECRET, SERVICE, THING, Workload, case,
    manifest_text, parse_object, table,
};

const JOB: &str = "batch/v1 Job";
const ROLLOUT: &str = "argoproj.io/v1alpha1 Rollout";

#[test]
fn changing_a_declared_field_is_drift_and_restoring_it_is_not() {
    table(
        DEPLOYMENT,
        [
            case("no change").git("spec: {replicas: 3}").update("=").expect("conforms").reverse("conforms"),
            case("a value")
                .git("spec: {replicas: 3}")
                .update("spec: {replicas: 7}")
                .expect("drift spec.replicas")
                .reverse("conforms"),
            case("a value taken away")
                .git("spec: {paused: true}")
                .update("spec: {}")
                .expect("drift spec.paused")
                .reverse("conforms"),
            case("drifted before, not touched")
                .git("spec: {replicas: 3, paused: true}")
                .update_from("spec: {replicas: 5}", "spec: {replicas: 5, paused: true}")
                .expect("conforms")
                .reverse("drift spec.paused"),
            case("from one wrong value to another")
                .git("spec: {replicas: 3}")
                .update_from("spec: {replicas: 5}", "spec: {replicas: 6}")
                .expect("drift spec.replicas")
                .reverse("drift spec.replicas"),
            case("several at once")
                .git("spec: {replicas: 3, paused: true}")
                .update("spec: {replicas: 4, paused: false}")
                .expect("drift spec.paused spec.replicas")
                .reverse("conforms"),
            case("another type")
                .git("spec: {strategy: {type: Recreate}}")
                .update("spec: {strategy: Recreate}")
                .expect("drift spec.strategy")
                .reverse("conforms"),
            case("a whole section")
                .git("spec: {template: {spec: {securityContext: {runAsNonRoot: true}}}}")
                .update("spec: {template: {spec: {}}}")
                .expect("drift spec.template.spec.securityContext.runAsNonRoot")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn a_workload_may_add_undeclared_fields_and_a_person_may_not() {
    table(
        DEPLOYMENT,
        [
            case("a sidecar")
                .git(ONE_CONTAINER)
                .update("spec: {template: {spec: {containers: [{name: a, image: i}, {name: b, image: j}]}}}")
                .expect("drift spec.template.spec.containers[name=\"b\"] | conforms")
                .reverse("conforms"),
            case("a variable")
                .git(ONE_CONTAINER)
                .update("spec: {template: {spec: {containers: [{name: a, image: i, env: [{name: A, value: x}]}]}}}")
                .expect("drift spec.template.spec.containers[name=\"a\"].env[name=\"A\"] | conforms")
                .reverse("conforms"),
            case("the host's network")
                .git(ONE_CONTAINER)
                .update("spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: i}]}}}")
                .expect("drift spec.template.spec.hostNetwork | conforms")
                .reverse("conforms"),
            case("a template's label")
                .git(ONE_CONTAINER)
                .update("spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: i}]}}}")
                .expect("drift spec.template.metadata | conforms")
                .reverse("conforms"),
            case("a flag")
                .git("spec: {replicas: 1}")
                .update("spec: {replicas: 1, paused: true}")
                .expect("drift spec.paused | conforms")
                .reverse("conforms"),
            case("replicas left to an autoscaler")
                .git("spec: {paused: true}")
                .update_from("spec: {paused: true, replicas: 2}", "spec: {paused: true, replicas: 5}")
                .expect("warned spec.replicas | conforms")
                .reverse("warned spec.replicas | conforms"),
        ],
    );
    table(
        CONFIG_MAP,
        [case("a key")
            .git("data: {a: x}")
            .update("data: {a: x, b: y}")
            .expect("drift data[\"b\"] | conforms")
            .reverse("conforms")],
    );
    table(
        SERVICE,
        [
            case("a selector made narrower")
                .git("spec: {selector: {app: a}}")
                .update("spec: {selector: {app: a, rollouts-pod-template-hash: x}}")
                .expect("drift spec.selector | conforms")
                .reverse("conforms"),
            case("a selector exchanged")
                .git("spec: {selector: {app: a}}")
                .update("spec: {selector: {app: b}}")
                .expect("drift spec.selector")
                .reverse("conforms"),
            case("a selector that loses a key")
                .git("spec: {selector: {app: a, b: c}}")
                .update("spec: {selector: {app: a}}")
                .expect("drift spec.selector")
                .reverse("conforms"),
            case("another hash in a widened selector")
                .git("spec: {selector: {app: a}}")
                .update_from("spec: {selector: {app: a, hash: x}}", "spec: {selector: {app: a, hash: y}}")
                .expect("drift spec.selector | conforms")
                .reverse("drift spec.selector | conforms"),
        ],
    );
}

#[test]
fn a_workload_may_fill_what_git_leaves_empty_and_a_person_may_not() {
    let webhook = "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration";
    let hooks = |ca: &str| format!("webhooks: [{{name: a.b.c, clientConfig: {{url: u{ca}}}}}]");
    let bundle = "webhooks[name=\"a.b.c\"].clientConfig.caBundle";
    let person = format!("drift {bundle} | conforms");
    table(
        webhook,
        [
            case("a bundle that Git leaves out")
                .git(&hooks(""))
                .update(&hooks(", caBundle: QQ=="))
                .expect(&person)
                .reverse("conforms"),
            case("an empty bundle")
                .git(&hooks(", caBundle: ''"))
                .update(&hooks(", caBundle: QQ=="))
                .expect(&person)
                .reverse("conforms"),
            case("a placeholder")
                .git(&hooks(", caBundle: Cg=="))
                .update(&hooks(", caBundle: QQ=="))
                .expect(&person)
                .reverse("conforms"),
        ],
    );
    table(
        THING,
        [
            case("a text")
                .git("spec: {a: ''}")
                .update("spec: {a: x}")
                .expect("drift spec.a | conforms")
                .reverse("conforms"),
            case("a list")
                .git("spec: {a: []}")
                .update("spec: {a: [x]}")
                .expect("drift spec.a | conforms")
                .reverse("conforms"),
            case("a map")
                .git("spec: {a: {}}")
                .update("spec: {a: {b: x}}")
                .expect("drift spec.a.b | conforms")
                .reverse("conforms"),
            case("inside a list that is one value")
                .git("spec: {a: [{b: ''}]}")
                .update("spec: {a: [{b: x}]}")
                .expect("drift spec.a | conforms")
                .reverse("conforms"),
            case("a list inside it")
                .git("spec: {a: [{b: []}]}")
                .update("spec: {a: [{b: [x]}]}")
                .expect("drift spec.a | conforms")
                .reverse("conforms"),
            case("false is not empty")
                .git("spec: {a: false}")
                .update("spec: {a: true}")
                .expect("drift spec.a")
                .reverse("conforms"),
            case("zero is not empty")
                .git("spec: {a: 0}")
                .update("spec: {a: 1}")
                .expect("drift spec.a")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn runtime_fields_are_never_drift() {
    let restarted =
        "spec: {template: {metadata: {annotations: {kubectl.kubernetes.io/restartedAt: x}, labels: {a: b}}}}";
    table(
        DEPLOYMENT,
        [
            case("a restart")
                .git("spec: {template: {metadata: {labels: {a: b}}}}")
                .update(restarted)
                .expect("runtime")
                .reverse("conforms"),
            case("a restart that Git wrote down")
                .git(restarted)
                .update(&restarted.replace(": x", ": y"))
                .expect("runtime")
                .reverse("conforms"),
            case("a restart with a change")
                .git("spec: {replicas: 1, template: {metadata: {labels: {a: b}}}}")
                .update(&restarted.replace("{template", "{replicas: 2, template"))
                .expect("drift spec.replicas")
                .reverse("conforms"),
            case("a revision")
                .git("metadata: {annotations: {deployment.kubernetes.io/revision: '1'}}")
                .update("metadata: {annotations: {deployment.kubernetes.io/revision: '2'}}")
                .expect("conforms")
                .reverse("conforms"),
            case("what was applied last")
                .git("spec: {}")
                .update("metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}}\nspec: {}")
                .expect("conforms")
                .reverse("conforms"),
            case("the status")
                .git("spec: {}\nstatus: {replicas: 1}")
                .update_from("spec: {}", "spec: {}\nstatus: {replicas: 2}")
                .expect("conforms")
                .reverse("conforms"),
        ],
    );
    table(
        ROLLOUT,
        [case("a restart of a Rollout")
            .git("spec: {a: 1}")
            .update("spec: {a: 1, restartAt: x}")
            .expect("runtime")
            .reverse("runtime")],
    );
}

#[test]
fn a_workload_may_change_a_value_that_git_hides_and_a_person_may_not() {
    table(
        DEPLOYMENT,
        [
            case("a placeholder")
                .git("spec: {replicas: '${N}'}")
                .substituted()
                .update_from("spec: {replicas: 2}", "spec: {replicas: 3}")
                .expect("drift spec.replicas | conforms")
                .reverse("drift spec.replicas | conforms"),
            case("not touched")
                .git("spec: {replicas: '${N}'}")
                .substituted()
                .update_from("spec: {replicas: 2}", "spec: {replicas: 2}")
                .expect("conforms"),
            case("written out").git("spec: {replicas: '${N}'}").substituted().update("=").expect("conforms"),
        ],
    );
    let args = |list: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, args: [{list}]}}]}}}}}}");
    let path = "drift spec.template.spec.containers[name=\"a\"].args";
    let open = format!("{path} | conforms");
    let git = args("'--in=${C}', --v=2");
    table(
        DEPLOYMENT,
        [
            case("the declared part of a list")
                .git(&git)
                .substituted()
                .update_from(&args("--in=c, --v=2"), &args("--in=c, --v=5"))
                .expect(path)
                .reverse("conforms"),
            case("the open part of a list")
                .git(&git)
                .substituted()
                .update_from(&args("--in=c, --v=2"), &args("--in=d, --v=2"))
                .expect(&open)
                .reverse(&open),
        ],
    );
    table(
        SECRET,
        [
            case("encrypted")
                .git("data: {a: 'ENC[AES256_GCM,data:x]'}\nsops: {mac: x}")
                .update_from("data: {a: QQ==}", "data: {a: Qg==}")
                .expect("drift data[\"a\"] | conforms")
                .reverse("drift data[\"a\"] | conforms"),
            case("encrypted, created")
                .git("data: {a: 'ENC[AES256_GCM,data:x]'}\nsops: {mac: x}")
                .create("data: {a: Qg==}")
                .expect("conforms")
                .reverse("drift"),
            case("a path in a vault")
                .git("stringData: {a: <path:b#c>}")
                .update_from("data: {a: QQ==}", "data: {a: Qg==}")
                .expect("drift data[\"a\"] | conforms")
                .reverse("drift data[\"a\"] | conforms"),
        ],
    );
}

#[test]
fn an_object_in_another_api_version_is_compared_by_its_metadata_and_by_fields_that_are_alike() {
    let git = DeclaredState::parse(&manifest_text(
        "autoscaling/v2 HorizontalPodAutoscaler",
        "metadata: {labels: {a: b}}\nspec: {maxReplicas: 3}",
    ));
    let v1 = |fields: &str| parse_object("autoscaling/v1 HorizontalPodAutoscaler", fields);
    let old = v1("metadata: {labels: {a: b}}\nspec: {maxReplicas: 3}");
    for (fields, expected) in [
        ("metadata: {labels: {a: b, c: d}}\nspec: {maxReplicas: 3}", "conforms"),
        ("metadata: {labels: {a: c}}\nspec: {maxReplicas: 3}", "drift metadata.labels[\"a\"]"),
    ] {
        for by in [Person, Workload] {
            let seen = git.update(by, &old, &v1(fields));
            assert_eq!(seen.summary(), expected, "{fields} by a {by:?}");
        }
    }
    for (fields, of_person, of_workload) in [
        ("{maxReplicas: 4}", "drift spec.maxReplicas", "drift spec.maxReplicas"),
        ("{maxReplicas: 3, targetCPUUtilizationPercentage: 9}", "drift spec.targetCPUUtilizationPercentage", "error"),
    ] {
        let changed = v1(&format!("metadata: {{labels: {{a: b}}}}\nspec: {fields}"));
        for (by, expected) in [(Person, of_person), (Workload, of_workload)] {
            assert_eq!(git.update(by, &old, &changed).summary(), expected, "{fields} by a {by:?}");
        }
    }
}

#[test]
fn a_status_write_is_judged_by_its_metadata_only() {
    let git =
        DeclaredState::parse(&manifest_text(DEPLOYMENT, "metadata: {annotations: {owner: a}}\nspec: {replicas: 3}"));
    let old = parse_object(DEPLOYMENT, "metadata: {annotations: {owner: a}}\nspec: {replicas: 3}");
    for (fields, expected) in [
        ("metadata: {annotations: {owner: a}}\nspec: {replicas: 3}\nstatus: {replicas: 3}", "conforms"),
        ("metadata: {annotations: {owner: b}}\nspec: {replicas: 3}", "drift metadata.annotations[\"owner\"]"),
        ("metadata: {annotations: {owner: a}, finalizers: [x/y]}", "drift metadata.finalizers | conforms"),
        // The server keeps the old spec, whatever the write brings.
        ("metadata: {annotations: {owner: a}}\nspec: {replicas: 4}", "conforms"),
    ] {
        let new = parse_object(DEPLOYMENT, fields);
        let write = ObjectWrite { operation: "UPDATE", subresource: "status", old: Some(&old), new: Some(&new) };
        for by in [Person, Workload] {
            let (of_person, of_workload) = expected.split_once(" | ").unwrap_or((expected, expected));
            let expected = if by == Person { of_person } else { of_workload };
            assert_eq!(git.evaluate(by, &write).summary(), expected, "{fields} by a {by:?}");
        }
    }
}

#[test]
fn a_finished_job_may_be_deleted_and_a_running_one_may_not() {
    for (status, expected) in [
        ("{conditions: [{type: Complete, status: 'True'}]}", "runtime"),
        ("{conditions: [{type: Suspended, status: 'True'}, {type: Failed, status: 'True'}]}", "runtime"),
        ("{conditions: [{type: Complete, status: 'False'}]}", "drift"),
        ("{active: 1}", "drift"),
        ("{}", "drift"),
    ] {
        table(
            JOB,
            [case(status)
                .git("spec: {parallelism: 1}")
                .delete(&format!("spec: {{parallelism: 1}}\nstatus: {status}"))
                .expect(expected)],
        );
    }
}
