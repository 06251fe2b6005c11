//! What each sort of write comes to, by a person and by a workload.

use crate::diff::table::{CONFIG_MAP, DEPLOYMENT, Git, Person, SECRET, SERVICE, THING, Workload, Write, object, table, text};

const JOB: &str = "batch/v1 Job";
const ROLLOUT: &str = "argoproj.io/v1alpha1 Rollout";
const STEP: &str = "spec: {template: {spec: {containers: [{name: a, image: i}]}}}";

#[test]
fn a_declared_field_is_held_and_a_way_back_is_open() {
    table(
        DEPLOYMENT,
        &[
            ("no change", "spec: {replicas: 3}", "=", "=", "conforms", "conforms"),
            ("a value", "spec: {replicas: 3}", "=", "spec: {replicas: 7}", "drift spec.replicas", "conforms"),
            ("a value taken away", "spec: {paused: true}", "=", "spec: {}", "drift spec.paused", "conforms"),
            ("drifted before, not touched", "spec: {replicas: 3, paused: true}", "spec: {replicas: 5}", "spec: {replicas: 5, paused: true}", "conforms", "drift spec.paused"),
            ("from one wrong value to another", "spec: {replicas: 3}", "spec: {replicas: 5}", "spec: {replicas: 6}", "drift spec.replicas", "drift spec.replicas"),
            ("several at once", "spec: {replicas: 3, paused: true}", "=", "spec: {replicas: 4, paused: false}", "drift spec.paused spec.replicas", "conforms"),
            ("another type", "spec: {strategy: {type: Recreate}}", "=", "spec: {strategy: Recreate}", "drift spec.strategy", "conforms"),
            ("a whole section", "spec: {template: {spec: {securityContext: {runAsNonRoot: true}}}}", "=", "spec: {template: {spec: {}}}", "drift spec.template.spec.securityContext.runAsNonRoot", "conforms"),
        ],
    );
}

#[test]
fn what_git_does_not_declare_is_a_workloads_and_no_persons() {
    table(
        DEPLOYMENT,
        &[
            ("a sidecar", STEP, "=", "spec: {template: {spec: {containers: [{name: a, image: i}, {name: b, image: j}]}}}", "drift spec.template.spec.containers[name=\"b\"] | conforms", "conforms"),
            ("a variable", STEP, "=", "spec: {template: {spec: {containers: [{name: a, image: i, env: [{name: A, value: x}]}]}}}", "drift spec.template.spec.containers[name=\"a\"].env[name=\"A\"] | conforms", "conforms"),
            ("the host's network", STEP, "=", "spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: i}]}}}", "drift spec.template.spec.hostNetwork | conforms", "conforms"),
            ("a template's label", STEP, "=", "spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: i}]}}}", "drift spec.template.metadata | conforms", "conforms"),
            ("a flag", "spec: {replicas: 1}", "=", "spec: {replicas: 1, paused: true}", "drift spec.paused | conforms", "conforms"),
            ("replicas left to an autoscaler", "spec: {paused: true}", "spec: {paused: true, replicas: 2}", "spec: {paused: true, replicas: 5}", "warned spec.replicas | conforms", "warned spec.replicas | conforms"),
        ],
    );
    table(CONFIG_MAP, &[("a key", "data: {a: x}", "=", "data: {a: x, b: y}", "drift data[\"b\"] | conforms", "conforms")]);
    table(
        SERVICE,
        &[
            ("a selector made narrower", "spec: {selector: {app: a}}", "=", "spec: {selector: {app: a, rollouts-pod-template-hash: x}}", "drift spec.selector | conforms", "conforms"),
            ("a selector exchanged", "spec: {selector: {app: a}}", "=", "spec: {selector: {app: b}}", "drift spec.selector", "conforms"),
            ("a selector that loses a key", "spec: {selector: {app: a, b: c}}", "=", "spec: {selector: {app: a}}", "drift spec.selector", "conforms"),
            ("another hash in a widened selector", "spec: {selector: {app: a}}", "spec: {selector: {app: a, hash: x}}", "spec: {selector: {app: a, hash: y}}", "drift spec.selector | conforms", "drift spec.selector | conforms"),
        ],
    );
}

#[test]
fn what_git_leaves_empty_is_filled_by_whoever_it_is_left_to() {
    let webhook = "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration";
    let hooks = |ca: &str| format!("webhooks: [{{name: a.b.c, clientConfig: {{url: u{ca}}}}}]");
    let bundle = "webhooks[name=\"a.b.c\"].clientConfig.caBundle";
    let person = format!("drift {bundle} | conforms");
    table(
        webhook,
        &[
            ("a bundle that Git leaves out", &hooks(""), "=", &hooks(", caBundle: QQ=="), &person, "conforms"),
            ("an empty bundle", &hooks(", caBundle: ''"), "=", &hooks(", caBundle: QQ=="), &person, "conforms"),
            ("a placeholder", &hooks(", caBundle: Cg=="), "=", &hooks(", caBundle: QQ=="), &person, "conforms"),
        ],
    );
    table(
        THING,
        &[
            ("a text", "spec: {a: ''}", "=", "spec: {a: x}", "drift spec.a | conforms", "conforms"),
            ("a list", "spec: {a: []}", "=", "spec: {a: [x]}", "drift spec.a | conforms", "conforms"),
            ("a map", "spec: {a: {}}", "=", "spec: {a: {b: x}}", "drift spec.a.b | conforms", "conforms"),
            ("inside a list that is one value", "spec: {a: [{b: ''}]}", "=", "spec: {a: [{b: x}]}", "drift spec.a | conforms", "conforms"),
            ("a list inside it", "spec: {a: [{b: []}]}", "=", "spec: {a: [{b: [x]}]}", "drift spec.a | conforms", "conforms"),
            ("false is not empty", "spec: {a: false}", "=", "spec: {a: true}", "drift spec.a", "conforms"),
            ("zero is not empty", "spec: {a: 0}", "=", "spec: {a: 1}", "drift spec.a", "conforms"),
        ],
    );
}

#[test]
fn what_the_server_fills_in_below_a_restored_field_is_no_extra() {
    let pod = |fields: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, image: i:1, {fields}}}]}}}}}}");
    let probe = pod("livenessProbe: {httpGet: {port: 80}}");
    let filled = pod("livenessProbe: {httpGet: {port: 80, path: /, scheme: HTTP}, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}");
    let other = pod("livenessProbe: {httpGet: {port: 80, path: /, scheme: HTTP}, periodSeconds: 99}");
    let grpc = pod("livenessProbe: {grpc: {port: 80}}");
    let path = |field: &str| format!("spec.template.spec.containers[name=\"a\"].{field}");
    let gone = format!("drift {}", path("livenessProbe"));
    let period = format!("drift {} | conforms", path("livenessProbe.periodSeconds"));
    let container = "spec: {template: {spec: {containers: [{name: a, image: i, imagePullPolicy: Always, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File, resources: {}}]}}}";
    let never = "spec: {template: {spec: {containers: [{name: a, image: i, imagePullPolicy: Never}]}}}";
    table(
        DEPLOYMENT,
        &[
            ("a probe", &probe, &pod(""), &filled, "conforms", &gone),
            ("a probe with more than that", &probe, &pod(""), &other, &period, &gone),
            ("a probe of another kind", &grpc, &pod(""), &pod("livenessProbe: {grpc: {port: 80, service: ''}}"), "conforms", &gone),
            ("a container", STEP, "spec: {template: {spec: {containers: []}}}", container, "conforms", "drift spec.template.spec.containers[name=\"a\"]"),
            ("a container with more than that", STEP, "spec: {template: {spec: {containers: []}}}", never, "drift spec.template.spec.containers[name=\"a\"].imagePullPolicy | conforms", "-"),
            ("an account and its alias", "spec: {template: {spec: {serviceAccountName: a}}}", "spec: {template: {spec: {}}}", "spec: {template: {spec: {serviceAccountName: a, serviceAccount: a}}}", "conforms", "drift spec.template.spec.serviceAccountName"),
            ("an account by its alias", "spec: {template: {spec: {serviceAccount: a}}}", "spec: {template: {spec: {}}}", "spec: {template: {spec: {serviceAccountName: a, serviceAccount: a}}}", "conforms", "drift spec.template.spec.serviceAccount"),
            ("an account that Git leaves out", "spec: {}", "=", "spec: {template: {spec: {serviceAccountName: a, serviceAccount: a}}}", "drift spec.template | conforms", "conforms"),
        ],
    );
    table(
        SERVICE,
        &[
            ("a type and its allocations", "spec: {type: NodePort, ports: [{port: 80}]}", "spec: {type: ExternalName, externalName: x}", "spec: {type: NodePort, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, externalTrafficPolicy: Cluster, internalTrafficPolicy: Cluster, sessionAffinity: None, ports: [{port: 80, protocol: TCP, targetPort: 80, nodePort: 30000}]}", "conforms", "-"),
            ("another node port", "spec: {type: NodePort, ports: [{port: 80}]}", "spec: {type: NodePort, ports: [{port: 80, protocol: TCP, nodePort: 30000}]}", "spec: {type: NodePort, ports: [{port: 80, protocol: TCP, nodePort: 30001}]}", "drift spec.ports[port=80,protocol=\"TCP\"].nodePort | conforms", "drift spec.ports[port=80,protocol=\"TCP\"].nodePort | conforms"),
            ("a type that Git leaves out", "spec: {ports: [{port: 80}]}", "spec: {type: ClusterIP, ports: [{port: 80, protocol: TCP}]}", "spec: {type: LoadBalancer, ports: [{port: 80, protocol: TCP}]}", "drift spec.type | conforms", "conforms"),
        ],
    );
}

#[test]
fn a_create_must_bring_what_git_declares_and_little_more() {
    table(
        DEPLOYMENT,
        &[
            ("as declared", STEP, "none", "=", "conforms", "drift"),
            ("another value", "spec: {replicas: 3}", "none", "spec: {replicas: 4}", "drift spec.replicas", "-"),
            ("left out", "spec: {paused: true}", "none", "spec: {}", "drift spec.paused", "-"),
            ("an extra value", "spec: {replicas: 3}", "none", "spec: {replicas: 3, paused: true}", "conforms", "-"),
            ("a sidecar", STEP, "none", "spec: {template: {spec: {containers: [{name: a, image: i}, {name: b, image: j}]}}}", "drift spec.template.spec.containers[name=\"b\"] | conforms", "-"),
            ("the host's network", STEP, "none", "spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: i}]}}}", "drift spec.template.spec.hostNetwork | conforms", "-"),
            ("a label less", "metadata: {labels: {a: b}}", "none", "metadata: {}", "drift metadata.labels[\"a\"]", "-"),
        ],
    );
    table(
        CONFIG_MAP,
        &[
            ("a key more", "data: {a: x}", "none", "data: {a: x, b: y}", "drift data[\"b\"] | conforms", "-"),
            ("keys without values", "data: {a: x, b: null}", "none", "data: {a: x, b: ''}", "conforms", "-"),
            ("keys without values, dropped", "data: {a: x, b: null}", "none", "data: {a: x}", "conforms", "-"),
        ],
    );
    table(
        "v1 PersistentVolumeClaim",
        &[
            ("the server's own finalizer", "spec: {accessModes: [ReadWriteOnce]}", "none", "metadata: {finalizers: [kubernetes.io/pvc-protection]}\nspec: {accessModes: [ReadWriteOnce], volumeMode: Filesystem, storageClassName: fast}", "conforms", "drift"),
            ("another finalizer", "spec: {accessModes: [ReadWriteOnce]}", "none", "metadata: {finalizers: [example.com/hold]}\nspec: {accessModes: [ReadWriteOnce]}", "drift metadata.finalizers | conforms", "-"),
        ],
    );
}

#[test]
fn runtime_fields_are_never_drift() {
    let restarted = "spec: {template: {metadata: {annotations: {kubectl.kubernetes.io/restartedAt: x}, labels: {a: b}}}}";
    table(
        DEPLOYMENT,
        &[
            ("a restart", "spec: {template: {metadata: {labels: {a: b}}}}", "=", restarted, "runtime", "conforms"),
            ("a restart that Git wrote down", restarted, "=", &restarted.replace(": x", ": y"), "runtime", "conforms"),
            ("a restart with a change", "spec: {replicas: 1, template: {metadata: {labels: {a: b}}}}", "=", &restarted.replace("{template", "{replicas: 2, template"), "drift spec.replicas", "conforms"),
            ("a revision", "metadata: {annotations: {deployment.kubernetes.io/revision: '1'}}", "=", "metadata: {annotations: {deployment.kubernetes.io/revision: '2'}}", "conforms", "conforms"),
            ("what was applied last", "spec: {}", "=", "metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}}\nspec: {}", "conforms", "conforms"),
            ("the status", "spec: {}\nstatus: {replicas: 1}", "spec: {}", "spec: {}\nstatus: {replicas: 2}", "conforms", "conforms"),
        ],
    );
    table(ROLLOUT, &[("a restart of a Rollout", "spec: {a: 1}", "=", "spec: {a: 1, restartAt: x}", "runtime", "runtime")]);
}

#[test]
fn a_value_that_git_does_not_tell_is_a_workloads_and_no_persons() {
    table(
        DEPLOYMENT,
        &[
            ("a placeholder", "spec: {replicas: '${N}'}", "spec: {replicas: 2}", "spec: {replicas: 3}", "drift spec.replicas | conforms", "drift spec.replicas | conforms"),
            ("not touched", "spec: {replicas: '${N}'}", "spec: {replicas: 2}", "spec: {replicas: 2}", "conforms", "-"),
            ("written out", "spec: {replicas: '${N}'}", "=", "=", "conforms", "-"),
        ],
    );
    let args = |list: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, args: [{list}]}}]}}}}}}");
    let path = "drift spec.template.spec.containers[name=\"a\"].args";
    let open = format!("{path} | conforms");
    let git = args("'--in=${C}', --v=2");
    table(
        DEPLOYMENT,
        &[
            ("the declared part of a list", &git, &args("--in=c, --v=2"), &args("--in=c, --v=5"), path, "conforms"),
            ("the open part of a list", &git, &args("--in=c, --v=2"), &args("--in=d, --v=2"), &open, &open),
        ],
    );
    table(
        SECRET,
        &[
            ("encrypted", "data: {a: 'ENC[AES256_GCM,data:x]'}\nsops: {mac: x}", "data: {a: QQ==}", "data: {a: Qg==}", "drift data[\"a\"] | conforms", "drift data[\"a\"] | conforms"),
            ("encrypted, created", "data: {a: 'ENC[AES256_GCM,data:x]'}\nsops: {mac: x}", "none", "data: {a: Qg==}", "conforms", "drift"),
            ("a path in a vault", "stringData: {a: <path:b#c>}", "data: {a: QQ==}", "data: {a: Qg==}", "drift data[\"a\"] | conforms", "drift data[\"a\"] | conforms"),
        ],
    );
}

#[test]
fn another_version_is_compared_in_its_metadata_only() {
    let git = Git::of(&text("autoscaling/v2 HorizontalPodAutoscaler", "metadata: {labels: {a: b}}\nspec: {maxReplicas: 3}"));
    let v1 = |fields: &str| object("autoscaling/v1 HorizontalPodAutoscaler", fields);
    let old = v1("metadata: {labels: {a: b}}\nspec: {maxReplicas: 3}");
    for (fields, expected) in [
        ("metadata: {labels: {a: b, c: d}}\nspec: {maxReplicas: 3}", "conforms"),
        ("metadata: {labels: {a: c}}\nspec: {maxReplicas: 3}", "drift metadata.labels[\"a\"]"),
        ("metadata: {labels: {a: b}}\nspec: {maxReplicas: 4}", "error"),
    ] {
        for by in [Person, Workload] {
            let seen = git.update(by, &old, &v1(fields));
            assert_eq!(seen.line(), expected, "{fields} by a {by:?}");
        }
    }
}

#[test]
fn a_status_is_written_with_labels_and_annotations_at_most() {
    let git = Git::of(&text(DEPLOYMENT, "metadata: {annotations: {owner: a}}\nspec: {replicas: 3}"));
    let old = object(DEPLOYMENT, "metadata: {annotations: {owner: a}}\nspec: {replicas: 3}");
    for (fields, expected) in [
        ("metadata: {annotations: {owner: a}}\nspec: {replicas: 3}\nstatus: {replicas: 3}", "conforms"),
        ("metadata: {annotations: {owner: b}}\nspec: {replicas: 3}", "drift metadata.annotations[\"owner\"]"),
        // The server keeps the old spec, whatever the write brings.
        ("metadata: {annotations: {owner: a}}\nspec: {replicas: 4}", "conforms"),
    ] {
        let new = object(DEPLOYMENT, fields);
        let write = Write { operation: "UPDATE", subresource: "status", old: Some(&old), new: Some(&new) };
        for by in [Person, Workload] {
            assert_eq!(git.judge(by, &write).line(), expected, "{fields} by a {by:?}");
        }
    }
}

#[test]
fn a_finished_job_may_go_and_a_running_one_may_not() {
    for (status, expected) in [
        ("{conditions: [{type: Complete, status: 'True'}]}", "runtime"),
        ("{conditions: [{type: Suspended, status: 'True'}, {type: Failed, status: 'True'}]}", "runtime"),
        ("{conditions: [{type: Complete, status: 'False'}]}", "drift"),
        ("{active: 1}", "drift"),
        ("{}", "drift"),
    ] {
        table(JOB, &[(status, "spec: {parallelism: 1}", &format!("spec: {{parallelism: 1}}\nstatus: {status}"), "none", expected, "-")]);
    }
}
