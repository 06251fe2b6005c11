//! The kinds of false drift that come from what the API server defaults and allocates: an object is created or
//! restored, and has more fields than its manifest.

use crate::diff::table::{DEPLOYMENT, SERVICE, THING, case, table};

#[test]
fn defaults_of_a_deployment_are_no_drift() {
    let spec = |fields: &str| format!("spec: {{template: {{spec: {{{fields}}}}}}}");
    let pod = spec(
        "containers: [{name: a, image: i:1, ports: [{containerPort: 80}], livenessProbe: {tcpSocket: {port: 80}}}]",
    );
    let full = "spec: {replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, \
        strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}, \
        template: {spec: {dnsPolicy: ClusterFirst, restartPolicy: Always, schedulerName: default-scheduler, \
        securityContext: {}, terminationGracePeriodSeconds: 30, containers: [{name: a, image: 'i:1', \
        imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File, \
        resources: {}, ports: [{containerPort: 80, protocol: TCP}], livenessProbe: {tcpSocket: {port: 80}, \
        periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}}]}}}";
    let gone = "drift spec.template.spec.containers[name=\"a\"]";
    let other = spec("containers: [{name: b, image: i}]");
    let account = spec("serviceAccount: x");
    let both = |name: &str| spec(&format!("serviceAccount: {name}, serviceAccountName: {name}"));
    let (by_alias, tolerate) = ("drift spec.template.spec.serviceAccount", "drift spec.template.spec.tolerations");
    let volume = |rest: &str| {
        spec(&format!(
            "volumes: [{{name: a, downwardAPI: {{items: [{{path: p, \
             resourceFieldRef: {{resource: limits.cpu{rest}}}}}]}}}}]"
        ))
    };
    table(
        DEPLOYMENT,
        [
            case("a default protocol and 22 template defaults, created")
                .git(&pod)
                .create(full)
                .expect("conforms")
                .reverse("drift"),
            case("and 22, restored")
                .git(&pod)
                .update_from(&other, full)
                .expect("conforms")
                .reverse(&format!("{gone} spec.template.spec.containers[name=\"b\"] | {gone}")),
            case("a divisor")
                .git(&volume(""))
                .update_from(&spec("volumes: []"), &volume(", divisor: '0'"))
                .expect("conforms")
                .reverse("drift spec.template.spec.volumes[name=\"a\"]"),
            case("an account by its alias")
                .git(&account)
                .update_from(&both("y"), &both("x"))
                .expect("conforms")
                .reverse(by_alias),
            case("an atomic list with an item more")
                .git(&spec("tolerations: [{key: a}]"))
                .update(&spec("tolerations: [{key: a}, {key: b}]"))
                .expect(tolerate)
                .reverse("conforms"),
        ],
    );
}

#[test]
fn defaults_and_allocations_of_a_service_are_no_drift() {
    let git = "spec: {ports: [{port: 80}]}";
    let live = "spec: {type: ClusterIP, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4], \
        ipFamilyPolicy: SingleStack, internalTrafficPolicy: Cluster, sessionAffinity: None, ports: [{port: 80, \
        protocol: TCP, targetPort: 80}]}";
    let port = |rest: &str| format!("spec: {{type: NodePort, ports: [{{port: 80, protocol: TCP{rest}}}]}}");
    let eighty = "drift spec.ports[port=80,protocol=\"TCP\"]";
    table(
        SERVICE,
        [
            case("addresses").git(git).create(live).expect("conforms").reverse("drift"),
            case("an address that is rendered empty")
                .git("spec: {type: '', clusterIP: '', clusterIPs: [], ports: [{port: 80, targetPort: ''}]}")
                .create(live)
                .expect("conforms")
                .reverse("drift"),
            case("addresses, filled in").git(git).update_from(git, live).expect("conforms").reverse("conforms"),
            case("a node port")
                .git(&port(""))
                .update_from(&port(""), &port(", nodePort: 30000"))
                .expect("conforms")
                .reverse("conforms"),
            case("a null node port")
                .git(&port(", nodePort: null"))
                .create(&port(", nodePort: 30000"))
                .expect("conforms")
                .reverse("drift"),
            case("a node port of 0")
                .git(&port(", nodePort: 0, targetPort: 0"))
                .create(&port(", nodePort: 30000, targetPort: 80"))
                .expect("conforms")
                .reverse("drift"),
            case("a field that is newer than our facts")
                .git("spec: {brandNew: false, ports: [{port: 80}]}")
                .update_from(
                    "spec: {ports: [{port: 81, protocol: TCP}]}",
                    "spec: {brandNew: false, ports: [{port: 80, protocol: TCP}]}",
                )
                .expect("conforms"),
            case("another port, as Git has it now")
                .git(git)
                .update_from(
                    "spec: {ports: [{port: 8080, protocol: TCP}]}",
                    "spec: {ports: [{port: 80, protocol: TCP}]}",
                )
                .expect("conforms")
                .reverse(&format!("{eighty} spec.ports[port=8080,protocol=\"TCP\"] | {eighty}")),
            case("a stickiness")
                .git("spec: {sessionAffinity: ClientIP}")
                .update_from(
                    "spec: {sessionAffinity: None}",
                    "spec: {sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 10800}}}",
                )
                .expect("conforms")
                .reverse("drift spec.sessionAffinity"),
        ],
    );
}

#[test]
fn defaults_of_an_autoscaler_are_no_drift() {
    let metric = |name: &str| {
        format!("{{type: Resource, resource: {{name: {name}, target: {{type: Utilization, averageUtilization: 80}}}}}}")
    };
    let up = "scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, policies: [{type: Pods, value: 4, \
        periodSeconds: 15}, {type: Percent, value: 100, periodSeconds: 15}]}";
    let down = "scaleDown: {stabilizationWindowSeconds: 60, selectPolicy: Max, policies: [{type: Percent, value: 100, \
        periodSeconds: 15}]}";
    let behavior = format!("spec: {{maxReplicas: 3, behavior: {{{up}, {down}}}}}");
    let [ab, ba] = [["cpu", "memory"], ["memory", "cpu"]]
        .map(|names| format!("spec: {{maxReplicas: 3, metrics: [{}]}}", names.map(metric).join(", ")));
    table(
        "autoscaling/v2 HorizontalPodAutoscaler",
        [
            case("a metric")
                .git("spec: {maxReplicas: 3}")
                .update(&format!("spec: {{maxReplicas: 3, minReplicas: 1, metrics: [{}]}}", metric("cpu")))
                .expect("conforms")
                .reverse("conforms"),
            case("a behaviour")
                .git("spec: {maxReplicas: 3, behavior: {scaleDown: {stabilizationWindowSeconds: 60}}}")
                .update_from("spec: {maxReplicas: 3}", &behavior)
                .expect("conforms")
                .reverse("drift spec.behavior"),
            case("a behaviour of one's own")
                .git("spec: {maxReplicas: 3, behavior: {scaleDown: {stabilizationWindowSeconds: 60}}}")
                .update_from(&behavior, &behavior.replace("value: 4", "value: 9"))
                .expect("drift spec.behavior.scaleUp.policies | conforms")
                .reverse("conforms"),
            case("metrics that the server turned round")
                .git(&ab)
                .update_from(&ba, &ba.replace("maxReplicas: 3", "maxReplicas: 4"))
                .expect("drift spec.maxReplicas")
                .reverse("conforms"),
            case("metrics in Git's order again")
                .git(&ab)
                .update_from(&ba, &ab)
                .expect("conforms")
                .reverse("drift spec.metrics"),
        ],
    );
}

#[test]
fn defaults_of_volume_claims_are_no_drift() {
    let template = |rest: &str, spec: &str| {
        format!(
            "spec: {{volumeClaimTemplates: [{{metadata: {{name: d{rest}}}, \
             spec: {{accessModes: [ReadWriteOnce]{spec}}}}}]}}"
        )
    };
    let live = template("", ", volumeMode: Filesystem")
        .replace("[{metadata", "[{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}, metadata");
    table(
        "apps/v1 StatefulSet",
        [
            case("claim templates, created")
                .git(&template(", creationTimestamp: null", ""))
                .create(&live)
                .expect("conforms")
                .reverse("drift"),
            case("claim templates, kept")
                .git(&template("", ""))
                .update_from(&live, &live.replace("spec: {volume", "spec: {paused: true, volume"))
                .expect("drift spec.paused | conforms")
                .reverse("conforms"),
            case("a claim template changed")
                .git(&template("", ""))
                .update_from(&live, &live.replace("Once", "Many"))
                .expect("drift spec.volumeClaimTemplates")
                .reverse("conforms"),
        ],
    );
    table(
        "v1 PersistentVolumeClaim",
        [
            case("a class and a mode")
                .git("spec: {accessModes: [ReadWriteOnce]}")
                .update("spec: {accessModes: [ReadWriteOnce], storageClassName: s, volumeMode: Filesystem}")
                .expect("conforms")
                .reverse("conforms"),
            case("what a bound claim gets")
                .git("spec: {accessModes: [ReadWriteOnce]}")
                .update(
                    "metadata: {annotations: {pv.kubernetes.io/bind-completed: 'yes'}}\nspec: {accessModes: \
                     [ReadWriteOnce], volumeName: v}",
                )
                .expect("drift spec.volumeName | conforms")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn defaults_of_webhooks_role_bindings_and_crds_are_no_drift() {
    let rule = |rest: &str| {
        format!("rules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]{rest}}}]")
    };
    let git = format!(
        "webhooks: [{{name: a.b.c, sideEffects: None, clientConfig: {{service: {{name: a, namespace: b}}}}, {}}}]",
        rule("")
    );
    let live = format!(
        "webhooks: [{{name: a.b.c, sideEffects: None, failurePolicy: Fail, matchPolicy: Equivalent, \
         timeoutSeconds: 10, namespaceSelector: {{}}, objectSelector: {{}}, clientConfig: {{service: {{name: a, \
         namespace: b, port: 443}}}}, {}}}]",
        rule(", scope: '*'")
    );
    table(
        "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration",
        [
            case("a webhook").git(&git).create(&live).expect("conforms").reverse("drift"),
            case("a webhook, restored")
                .git(&git)
                .update_from("webhooks: []", &live.replace("failurePolicy", "reinvocationPolicy: Never, failurePolicy"))
                .expect("conforms")
                .reverse("drift webhooks[name=\"a.b.c\"]"),
            case("a policy that is flipped")
                .git(&git.replace("sideEffects", "failurePolicy: Ignore, sideEffects"))
                .update(&live)
                .expect("drift webhooks[name=\"a.b.c\"].failurePolicy")
                .reverse("conforms"),
        ],
    );
    let binding =
        |group: &str| format!("roleRef: {{kind: Role, name: a{group}}}\nsubjects: [{{kind: User, name: u{group}}}]");
    let full = binding(", apiGroup: rbac.authorization.k8s.io");
    table(
        "rbac.authorization.k8s.io/v1 RoleBinding",
        [
            case("a group left out").git(&binding("")).create(&full).expect("conforms").reverse("drift"),
            case("a group written out empty")
                .git(&binding(", apiGroup: ''"))
                .create(&full)
                .expect("conforms")
                .reverse("drift"),
        ],
    );
    let names =
        |names: &str| format!("spec: {{group: a.b, scope: Namespaced, names: {{kind: Web, plural: webs{names}}}");
    table(
        "apiextensions.k8s.io/v1 CustomResourceDefinition",
        [case("names and a conversion")
            .git(&format!("{}}}", names("")))
            .create(&format!("{}, conversion: {{strategy: None}}}}", names(", singular: web, listKind: WebList")))
            .expect("conforms")
            .reverse("drift")],
    );
}

#[test]
fn defaults_of_a_custom_resource_and_duplicate_variables_are_no_drift() {
    let rules = |back: &str| format!("spec: {{rules: [{{backendRefs: [{{{back}}}]}}]}}");
    let (git, live) = (rules("name: a, port: 80"), rules("name: a, port: 80, group: '', kind: Service, weight: 1"));
    let env = |list: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, env: [{list}]}}]}}}}}}");
    let twice = env("{name: A, value: '1'}, {name: A, value: '2'}");
    let named = "drift spec.template.spec.containers[name=\"a\"].env[name=\"A\"]";
    table(
        THING,
        [
            case("defaults of its schema").git(&git).create(&live).expect("conforms").reverse("drift"),
            case("defaults, restored")
                .git(&git)
                .update_from(&live.replace("port: 80", "port: 81"), &live)
                .expect("conforms")
                .reverse("drift spec.rules"),
            case("a subtree that nobody knows")
                .git("spec: {a: {b: {c: [1, {d: 2}]}}}")
                .update("spec: {a: {b: {c: [1, {d: 2, e: 3}]}}}")
                .expect("drift spec.a.b.c | conforms")
                .reverse("conforms"),
        ],
    );
    table(
        DEPLOYMENT,
        [
            case("a variable twice, turned round")
                .git(&twice)
                .update(&env("{name: A, value: '2'}, {name: A, value: '1'}"))
                .expect("drift spec.template.spec.containers[name=\"a\"].env")
                .reverse("conforms"),
            case("a variable twice, once left")
                .git(&twice)
                .update(&env("{name: A, value: '2'}"))
                .expect("conforms")
                .reverse("conforms"),
            case("a variable twice, with another value")
                .git(&twice)
                .update(&env("{name: A, value: '3'}"))
                .expect(&format!("{named}.value"))
                .reverse("conforms"),
            case("a variable twice, gone")
                .git(&twice)
                .update(&env(""))
                .expect(&format!("{named}{}", named.trim_start_matches("drift")))
                .reverse("conforms"),
        ],
    );
}
