//! The classes of false drift that come from what the API server defaults and
//! allocates: the manifest is created, or restored, and comes out fuller.

use crate::diff::table::{DEPLOYMENT, SERVICE, THING, table};

#[test]
fn what_the_server_fills_in_is_no_drift() {
    let spec = |fields: &str| format!("spec: {{template: {{spec: {{{fields}}}}}}}");
    let pod = spec("containers: [{name: a, image: i:1, ports: [{containerPort: 80}], livenessProbe: {tcpSocket: {port: 80}}}]");
    let full = "spec: {replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}, template: {spec: {dnsPolicy: ClusterFirst, restartPolicy: Always, schedulerName: default-scheduler, securityContext: {}, terminationGracePeriodSeconds: 30, containers: [{name: a, image: 'i:1', imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File, resources: {}, ports: [{containerPort: 80, protocol: TCP}], livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}}]}}}";
    let gone = "drift spec.template.spec.containers[name=\"a\"]";
    let other = spec("containers: [{name: b, image: i}]");
    let account = spec("serviceAccount: x");
    let both = |name: &str| spec(&format!("serviceAccount: {name}, serviceAccountName: {name}"));
    let (by_alias, tolerate) = ("drift spec.template.spec.serviceAccount", "drift spec.template.spec.tolerations");
    let volume = |rest: &str| spec(&format!("volumes: [{{name: a, downwardAPI: {{items: [{{path: p, resourceFieldRef: {{resource: limits.cpu{rest}}}}}]}}}}]"));
    table(
        DEPLOYMENT,
        &[
            ("21 a default protocol and 22 template defaults, created", &pod, "none", full, "conforms", "drift"),
            ("21 and 22, restored", &pod, &other, full, "conforms", &format!("{gone} spec.template.spec.containers[name=\"b\"] | {gone}")),
            ("37 a divisor", &volume(""), &spec("volumes: []"), &volume(", divisor: '0'"), "conforms", "drift spec.template.spec.volumes[name=\"a\"]"),
            ("39 an account by its alias", &account, &both("y"), &both("x"), "conforms", by_alias),
            ("40 an atomic list with an item more", &spec("tolerations: [{key: a}]"), "=", &spec("tolerations: [{key: a}, {key: b}]"), tolerate, "conforms"),
        ],
    );
}

#[test]
fn what_a_service_is_given_is_no_drift() {
    let git = "spec: {ports: [{port: 80}]}";
    let live = "spec: {type: ClusterIP, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, internalTrafficPolicy: Cluster, sessionAffinity: None, ports: [{port: 80, protocol: TCP, targetPort: 80}]}";
    let port = |rest: &str| format!("spec: {{type: NodePort, ports: [{{port: 80, protocol: TCP{rest}}}]}}");
    let eighty = "drift spec.ports[port=80,protocol=\"TCP\"]";
    table(
        SERVICE,
        &[
            ("23 addresses", git, "none", live, "conforms", "drift"),
            ("23 an address that is rendered empty", "spec: {type: '', clusterIP: '', clusterIPs: [], ports: [{port: 80, targetPort: ''}]}", "none", live, "conforms", "drift"),
            ("23 addresses, filled in", git, git, live, "conforms", "conforms"),
            ("24 a node port", &port(""), &port(""), &port(", nodePort: 30000"), "conforms", "conforms"),
            ("24 a null node port", &port(", nodePort: null"), "none", &port(", nodePort: 30000"), "conforms", "drift"),
            ("24 a node port of 0", &port(", nodePort: 0, targetPort: 0"), "none", &port(", nodePort: 30000, targetPort: 80"), "conforms", "drift"),
            ("25 a field that is newer than our facts", "spec: {brandNew: false, ports: [{port: 80}]}", "spec: {ports: [{port: 81, protocol: TCP}]}", "spec: {brandNew: false, ports: [{port: 80, protocol: TCP}]}", "conforms", "-"),
            ("26 another port, as Git has it now", git, "spec: {ports: [{port: 8080, protocol: TCP}]}", "spec: {ports: [{port: 80, protocol: TCP}]}", "conforms", &format!("{eighty} spec.ports[port=8080,protocol=\"TCP\"] | {eighty}")),
            ("a stickiness", "spec: {sessionAffinity: ClientIP}", "spec: {sessionAffinity: None}", "spec: {sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 10800}}}", "conforms", "drift spec.sessionAffinity"),
        ],
    );
}

#[test]
fn what_an_autoscaler_is_given_is_no_drift() {
    let metric = |name: &str| format!("{{type: Resource, resource: {{name: {name}, target: {{type: Utilization, averageUtilization: 80}}}}}}");
    let up = "scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, policies: [{type: Pods, value: 4, periodSeconds: 15}, {type: Percent, value: 100, periodSeconds: 15}]}";
    let down = "scaleDown: {stabilizationWindowSeconds: 60, selectPolicy: Max, policies: [{type: Percent, value: 100, periodSeconds: 15}]}";
    let behavior = format!("spec: {{maxReplicas: 3, behavior: {{{up}, {down}}}}}");
    let [ab, ba] = [["cpu", "memory"], ["memory", "cpu"]].map(|names| {
        format!("spec: {{maxReplicas: 3, metrics: [{}]}}", names.map(metric).join(", "))
    });
    table(
        "autoscaling/v2 HorizontalPodAutoscaler",
        &[
            ("27 a metric", "spec: {maxReplicas: 3}", "=", &format!("spec: {{maxReplicas: 3, minReplicas: 1, metrics: [{}]}}", metric("cpu")), "conforms", "conforms"),
            ("27 a behaviour", "spec: {maxReplicas: 3, behavior: {scaleDown: {stabilizationWindowSeconds: 60}}}", "spec: {maxReplicas: 3}", &behavior, "conforms", "drift spec.behavior"),
            ("27 a behaviour of one's own", "spec: {maxReplicas: 3, behavior: {scaleDown: {stabilizationWindowSeconds: 60}}}", &behavior, &behavior.replace("value: 4", "value: 9"), "drift spec.behavior.scaleUp.policies | conforms", "conforms"),
            ("28 metrics that the server turned round", &ab, &ba, &ba.replace("maxReplicas: 3", "maxReplicas: 4"), "drift spec.maxReplicas", "conforms"),
            ("28 metrics in Git's order again", &ab, &ba, &ab, "conforms", "drift spec.metrics"),
        ],
    );
}

#[test]
fn what_storage_is_given_is_no_drift() {
    let template = |rest: &str, spec: &str| {
        format!("spec: {{volumeClaimTemplates: [{{metadata: {{name: d{rest}}}, spec: {{accessModes: [ReadWriteOnce]{spec}}}}}]}}")
    };
    let live = template("", ", volumeMode: Filesystem").replace("[{metadata", "[{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}, metadata");
    table(
        "apps/v1 StatefulSet",
        &[
            ("29 claim templates, created", &template(", creationTimestamp: null", ""), "none", &live, "conforms", "drift"),
            ("29 claim templates, kept", &template("", ""), &live, &live.replace("spec: {volume", "spec: {paused: true, volume"), "drift spec.paused | conforms", "conforms"),
            ("29 a claim template changed", &template("", ""), &live, &live.replace("Once", "Many"), "drift spec.volumeClaimTemplates", "conforms"),
        ],
    );
    table(
        "v1 PersistentVolumeClaim",
        &[("30 what a bound claim gets", "spec: {accessModes: [ReadWriteOnce]}", "=", "metadata: {annotations: {pv.kubernetes.io/bind-completed: 'yes'}}\nspec: {accessModes: [ReadWriteOnce], volumeName: v, storageClassName: s, volumeMode: Filesystem}", "conforms", "conforms")],
    );
}

#[test]
fn what_webhooks_roles_and_definitions_are_given_is_no_drift() {
    let rule = |rest: &str| format!("rules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]{rest}}}]");
    let git = format!("webhooks: [{{name: a.b.c, sideEffects: None, clientConfig: {{service: {{name: a, namespace: b}}}}, {}}}]", rule(""));
    let live = format!("webhooks: [{{name: a.b.c, sideEffects: None, failurePolicy: Fail, matchPolicy: Equivalent, timeoutSeconds: 10, namespaceSelector: {{}}, objectSelector: {{}}, clientConfig: {{service: {{name: a, namespace: b, port: 443}}}}, {}}}]", rule(", scope: '*'"));
    table(
        "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration",
        &[
            ("31 a webhook", &git, "none", &live, "conforms", "drift"),
            ("31 a webhook, restored", &git, "webhooks: []", &live.replace("failurePolicy", "reinvocationPolicy: Never, failurePolicy"), "conforms", "drift webhooks[name=\"a.b.c\"]"),
            ("47 a policy that is flipped", &git.replace("sideEffects", "failurePolicy: Ignore, sideEffects"), "=", &live, "drift webhooks[name=\"a.b.c\"].failurePolicy", "conforms"),
        ],
    );
    let binding = |group: &str| format!("roleRef: {{kind: Role, name: a{group}}}\nsubjects: [{{kind: User, name: u{group}}}]");
    let full = binding(", apiGroup: rbac.authorization.k8s.io");
    table(
        "rbac.authorization.k8s.io/v1 RoleBinding",
        &[
            ("38 a group left out", &binding(""), "none", &full, "conforms", "drift"),
            ("38 a group written out empty", &binding(", apiGroup: ''"), "none", &full, "conforms", "drift"),
        ],
    );
    let names = |names: &str| format!("spec: {{group: a.b, scope: Namespaced, names: {{kind: Web, plural: webs{names}}}");
    table(
        "apiextensions.k8s.io/v1 CustomResourceDefinition",
        &[("34 names and a conversion", &format!("{}}}", names("")), "none", &format!("{}, conversion: {{strategy: None}}}}", names(", singular: web, listKind: WebList")), "conforms", "drift")],
    );
}

#[test]
fn what_a_custom_resource_is_given_is_a_workloads_to_give() {
    let rules = |back: &str| format!("spec: {{rules: [{{backendRefs: [{{{back}}}]}}]}}");
    let (git, live) = (rules("name: a, port: 80"), rules("name: a, port: 80, group: '', kind: Service, weight: 1"));
    let env = |list: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, env: [{list}]}}]}}}}}}");
    let twice = env("{name: A, value: '1'}, {name: A, value: '2'}");
    let named = "drift spec.template.spec.containers[name=\"a\"].env[name=\"A\"]";
    table(
        THING,
        &[
            ("35 defaults of its schema", &git, "none", &live, "conforms", "drift"),
            ("35 defaults, restored", &git, &live.replace("port: 80", "port: 81"), &live, "conforms", "drift spec.rules"),
            ("43 a subtree that nobody knows", "spec: {a: {b: {c: [1, {d: 2}]}}}", "=", "spec: {a: {b: {c: [1, {d: 2, e: 3}]}}}", "drift spec.a.b.c | conforms", "conforms"),
        ],
    );
    table(
        DEPLOYMENT,
        &[
            ("41 a variable twice, turned round", &twice, "=", &env("{name: A, value: '2'}, {name: A, value: '1'}"), "conforms", "conforms"),
            ("41 a variable twice, once left", &twice, "=", &env("{name: A, value: '2'}"), "conforms", "conforms"),
            ("41 a variable twice, with another value", &twice, "=", &env("{name: A, value: '3'}"), &format!("{named}.value"), "conforms"),
            ("41 a variable twice, gone", &twice, "=", &env(""), &format!("{named}{}", named.trim_start_matches("drift")), "conforms"),
        ],
    );
}
