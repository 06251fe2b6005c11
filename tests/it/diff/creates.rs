//! Creates, and updates that restore a whole field: what the API server fills in below it is no extra.

use crate::diff::table::{CONFIG_MAP, DEPLOYMENT, ONE_CONTAINER, SERVICE, THING, case, table};

#[test]
fn a_create_must_have_what_git_declares_and_nothing_more() {
    table(
        DEPLOYMENT,
        [
            case("as declared").git(ONE_CONTAINER).create("=").expect("conforms").reverse("drift"),
            case("another value")
                .git("spec: {replicas: 3}")
                .create("spec: {replicas: 4}")
                .expect("drift spec.replicas"),
            case("left out").git("spec: {paused: true}").create("spec: {}").expect("drift spec.paused"),
            case("an extra value")
                .git("spec: {replicas: 3}")
                .create("spec: {replicas: 3, paused: true}")
                .expect("drift spec.paused | conforms"),
            case("a count that Git leaves out")
                .git("spec: {paused: true}")
                .create("spec: {paused: true, replicas: 5}")
                .expect("warned spec.replicas | conforms"),
            case("fields of a container")
                .git(ONE_CONTAINER)
                .create(
                    "spec: {template: {spec: {containers: [{name: a, image: i, command: [x], envFrom: \
                     [{configMapRef: {name: e}}], securityContext: {runAsUser: 0}}]}}}",
                )
                .expect(
                    "drift spec.template.spec.containers[name=\"a\"].command \
                     spec.template.spec.containers[name=\"a\"].envFrom \
                     spec.template.spec.containers[name=\"a\"].securityContext.runAsUser | conforms",
                ),
            case("a declared `false` that is left out, and means true then")
                .git("spec: {template: {spec: {hostUsers: false}}}")
                .create("spec: {template: {spec: {}}}")
                .expect("drift spec.template.spec.hostUsers"),
            case("a zero that is no default")
                .git("spec: {template: {spec: {securityContext: {runAsUser: 0}}}}")
                .create("spec: {template: {spec: {securityContext: {}}}}")
                .expect("drift spec.template.spec.securityContext.runAsUser"),
            case("with what it is in")
                .git("spec: {template: {spec: {securityContext: {runAsUser: 0}}}}")
                .create("spec: {template: {spec: {}}}")
                .expect("drift spec.template.spec.securityContext.runAsUser"),
            case("a switch that its Pod turns otherwise")
                .git("spec: {template: {spec: {containers: [{name: a, image: i, securityContext: {runAsNonRoot: false}}]}}}")
                .create("spec: {template: {spec: {containers: [{name: a, image: i, securityContext: {}}]}}}")
                .expect("drift spec.template.spec.containers[name=\"a\"].securityContext.runAsNonRoot"),
            case("one in a list")
                .git("spec: {template: {spec: {tolerations: [{key: a, effect: NoExecute, tolerationSeconds: 0}]}}}")
                .create("spec: {template: {spec: {tolerations: [{key: a, effect: NoExecute}]}}}")
                .expect("drift spec.template.spec.tolerations"),
            case("a zero that the server drops")
                .git("spec: {minReadySeconds: 0}")
                .create("spec: {}")
                .expect("conforms"),
            case("a sidecar")
                .git(ONE_CONTAINER)
                .create("spec: {template: {spec: {containers: [{name: a, image: i}, {name: b, image: j}]}}}")
                .expect("drift spec.template.spec.containers[name=\"b\"] | conforms"),
            case("the host's network")
                .git(ONE_CONTAINER)
                .create("spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: i}]}}}")
                .expect("drift spec.template.spec.hostNetwork | conforms"),
            case("a label less")
                .git("metadata: {labels: {a: b}}")
                .create("metadata: {}")
                .expect("drift metadata.labels[\"a\"]"),
        ],
    );
    table(
        "policy/v1 PodDisruptionBudget",
        [
            case("none may be away")
                .git("spec: {maxUnavailable: 0}")
                .create("spec: {}")
                .expect("drift spec.maxUnavailable"),
            case("as declared").git("spec: {maxUnavailable: 0}").create("=").expect("conforms"),
        ],
    );
    table(
        "v1 ResourceQuota",
        [case("none of a kind")
            .git("spec: {hard: {pods: 10, services: 0}}")
            .create("spec: {hard: {pods: '10'}}")
            .expect("drift spec.hard.services")],
    );
    table(
        "batch/v1 Job",
        [
            case("some have to succeed, where Git leaves open how many")
                .git("spec: {parallelism: 3}")
                .create("spec: {parallelism: 3, completions: 1}")
                .expect("drift spec.completions | conforms"),
            case("the server's")
                .git("spec: {backoffLimit: 1}")
                .create("spec: {backoffLimit: 1, parallelism: 1, completions: 1}")
                .expect("conforms"),
        ],
    );
    table(
        CONFIG_MAP,
        [
            case("a key more").git("data: {a: x}").create("data: {a: x, b: y}").expect("drift data[\"b\"] | conforms"),
            case("keys without values").git("data: {a: x, b: null}").create("data: {a: x, b: ''}").expect("conforms"),
            case("keys without values, dropped").git("data: {a: x, b: null}").create("data: {a: x}").expect("conforms"),
            case("an empty value").git("data: {a: x, b: ''}").create("data: {a: x}").expect("drift data[\"b\"]"),
            case("the only one").git("data: {b: ''}").create("metadata: {}").expect("drift data[\"b\"]"),
        ],
    );
    table(
        THING,
        [
            case("a field more").git("spec: {a: x}").create("spec: {a: x, b: y}").expect("drift spec.b | conforms"),
            case("an item more")
                .git("spec: {list: [{name: a}]}")
                .create("spec: {list: [{name: a}, {name: b}]}")
                .expect("drift spec.list[name=\"b\"] | conforms"),
        ],
    );
    table(
        "v1 PersistentVolumeClaim",
        [
            case("the server's own finalizer")
                .git("spec: {accessModes: [ReadWriteOnce]}")
                .create(
                    "metadata: {finalizers: [kubernetes.io/pvc-protection]}\nspec: {accessModes: [ReadWriteOnce], \
                     volumeMode: Filesystem, storageClassName: fast}",
                )
                .expect("conforms")
                .reverse("drift"),
            case("another finalizer")
                .git("spec: {accessModes: [ReadWriteOnce]}")
                .create("metadata: {finalizers: [example.com/hold]}\nspec: {accessModes: [ReadWriteOnce]}")
                .expect("drift metadata.finalizers | conforms"),
        ],
    );
}

#[test]
fn server_defaults_below_a_restored_field_are_no_drift() {
    let pod =
        |fields: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, image: i:1, {fields}}}]}}}}}}");
    let probe = pod("livenessProbe: {httpGet: {port: 80}}");
    let filled =
        pod("livenessProbe: {httpGet: {port: 80, path: /, scheme: HTTP}, periodSeconds: 10, timeoutSeconds: 1, \
            successThreshold: 1, failureThreshold: 3}");
    let other = pod("livenessProbe: {httpGet: {port: 80, path: /, scheme: HTTP}, periodSeconds: 99}");
    let grpc = pod("livenessProbe: {grpc: {port: 80}}");
    let path = |field: &str| format!("spec.template.spec.containers[name=\"a\"].{field}");
    let gone = format!("drift {}", path("livenessProbe"));
    let period = format!("drift {} | conforms", path("livenessProbe.periodSeconds"));
    let container = "spec: {template: {spec: {containers: [{name: a, image: i, imagePullPolicy: Always, \
        terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File, resources: {}}]}}}";
    let never = "spec: {template: {spec: {containers: [{name: a, image: i, imagePullPolicy: Never}]}}}";
    table(
        DEPLOYMENT,
        [
            case("a probe").git(&probe).update_from(&pod(""), &filled).expect("conforms").reverse(&gone),
            case("a probe with more than that")
                .git(&probe)
                .update_from(&pod(""), &other)
                .expect(&period)
                .reverse(&gone),
            case("a probe of another kind")
                .git(&grpc)
                .update_from(&pod(""), &pod("livenessProbe: {grpc: {port: 80, service: ''}}"))
                .expect("conforms")
                .reverse(&gone),
            case("a container")
                .git(ONE_CONTAINER)
                .update_from("spec: {template: {spec: {containers: []}}}", container)
                .expect("conforms")
                .reverse("drift spec.template.spec.containers[name=\"a\"]"),
            case("a container with more than that")
                .git(ONE_CONTAINER)
                .update_from("spec: {template: {spec: {containers: []}}}", never)
                .expect("drift spec.template.spec.containers[name=\"a\"].imagePullPolicy | conforms"),
            case("an account and its alias")
                .git("spec: {template: {spec: {serviceAccountName: a}}}")
                .update_from(
                    "spec: {template: {spec: {}}}",
                    "spec: {template: {spec: {serviceAccountName: a, serviceAccount: a}}}",
                )
                .expect("conforms")
                .reverse("drift spec.template.spec.serviceAccountName"),
            case("an account by its alias")
                .git("spec: {template: {spec: {serviceAccount: a}}}")
                .update_from(
                    "spec: {template: {spec: {}}}",
                    "spec: {template: {spec: {serviceAccountName: a, serviceAccount: a}}}",
                )
                .expect("conforms")
                .reverse("drift spec.template.spec.serviceAccount"),
            case("an account that Git leaves out")
                .git("spec: {}")
                .update("spec: {template: {spec: {serviceAccountName: a, serviceAccount: a}}}")
                .expect("drift spec.template | conforms")
                .reverse("conforms"),
        ],
    );
    table(
        SERVICE,
        [
            case("a type and its allocations")
                .git("spec: {type: NodePort, ports: [{port: 80}]}")
                .update_from(
                    "spec: {type: ExternalName, externalName: x}",
                    "spec: {type: NodePort, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4], \
                     ipFamilyPolicy: SingleStack, externalTrafficPolicy: Cluster, internalTrafficPolicy: Cluster, \
                     sessionAffinity: None, ports: [{port: 80, protocol: TCP, targetPort: 80, nodePort: 30000}]}",
                )
                .expect("conforms"),
            case("another node port")
                .git("spec: {type: NodePort, ports: [{port: 80}]}")
                .update_from(
                    "spec: {type: NodePort, ports: [{port: 80, protocol: TCP, nodePort: 30000}]}",
                    "spec: {type: NodePort, ports: [{port: 80, protocol: TCP, nodePort: 30001}]}",
                )
                .expect("drift spec.ports[port=80,protocol=\"TCP\"].nodePort | conforms")
                .reverse("drift spec.ports[port=80,protocol=\"TCP\"].nodePort | conforms"),
            case("a type that Git leaves out")
                .git("spec: {ports: [{port: 80}]}")
                .update_from(
                    "spec: {type: ClusterIP, ports: [{port: 80, protocol: TCP}]}",
                    "spec: {type: LoadBalancer, ports: [{port: 80, protocol: TCP}]}",
                )
                .expect("drift spec.type | conforms")
                .reverse("conforms"),
        ],
    );
}
