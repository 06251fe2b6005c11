//! Labels and annotations that are configuration, fields that Git hands to machines, and what is done at runtime.

use serde_json::{Value, json};

use super::cases::{GIT, assert_allowed, assert_denied, case, check};
use super::controllers::front_deployment;
use crate::harness::reviews::{Review, review_of_yaml, set_at};
use driftwall_core::policy::Outcome;

/// A write to the object of `GIT` whose manifest contains this text.
fn declared(plural: &str, text: &str) -> Review {
    let document = GIT.split("---\n").find(|document| document.contains(text));
    review_of_yaml(plural, document.unwrap())
}

/// An undeclared label or annotation on the declared Deployment.
fn with_key(key: &str) -> Review {
    let at = format!("/metadata/annotations/{}", key.replace('/', "~1"));
    front_deployment().with_object(|new| set_at(new, &at, "x".into()))
}

const DENIED: [&str; 17] = [
    "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size",
    "autoscaling.keda.sh/paused",
    "autoscaling.keda.sh/paused-replicas",
    "strimzi.io/pause-reconciliation",
    "crossplane.io/paused",
    "cluster.x-k8s.io/paused",
    "field.cattle.io/projectId",
    "admission.gatekeeper.sh/ignore",
    "rbac.authorization.k8s.io/aggregate-to-admin",
    "downscaler/force-downtime",
    "cleanup.kyverno.io/ttl",
    "capsule.clastix.io/tenant",
    "argocd.argoproj.io/managed-by",
    "kubernetes.io/legacy-token-invalid-since",
    "endpointslice.kubernetes.io/managed-by",
    "volume.beta.kubernetes.io/storage-class",
    "service.alpha.kubernetes.io/tolerate-unready-endpoints",
];

const WARNED: [&str; 12] = [
    "nginx.ingress.kubernetes.io/permanent-redirect",
    "alb.ingress.kubernetes.io/scheme",
    "kubernetes.io/ingress.class",
    "service.beta.kubernetes.io/aws-load-balancer-scheme",
    "cloud.google.com/neg",
    "external-dns.alpha.kubernetes.io/hostname",
    "cert-manager.io/cluster-issuer",
    "sidecar.istio.io/inject",
    "storageclass.kubernetes.io/is-default-class",
    "reflector.v1.k8s.emberstack.com/reflection-auto-enabled",
    "argocd-image-updater.argoproj.io/image-list",
    "scheduler.alpha.kubernetes.io/node-selector",
];

#[test]
fn keys_that_are_configuration_are_told_from_notes() {
    check(DENIED.map(|key| case(key, with_key(key), "drift")).into(), Outcome::Deny);
    check(WARNED.map(|key| case(key, with_key(key), "drift")).into(), Outcome::Warn);
    let notes = ["team", "example.org/owner", "reconcile.fluxcd.io/requestedAt", "argocd.argoproj.io/refresh"];
    assert_allowed(notes.map(|key| case(key, with_key(key), "conforms")).into());
    let by_controllers =
        DENIED.iter().chain(&WARNED).map(|key| case(key, with_key(key).by("ops/operator"), "conforms"));
    assert_allowed(by_controllers.collect());
}

#[test]
fn no_workload_may_take_an_object_from_its_tool() {
    let opt_outs = ["driftwall.io/ignore", "argocd.argoproj.io/sync-options", "kustomize.toolkit.fluxcd.io/reconcile"];
    assert_denied(opt_outs.map(|key| case(key, with_key(key).by("ci/deployer"), "drift")).into());
    // What the control plane does for whoever asks it so is asked by nobody.
    let asked = [
        "deprecated.deployment.rollback.to",
        "kube-aggregator.kubernetes.io/automanaged",
        "apf.kubernetes.io/autoupdate-spec",
    ];
    for by in ["alice", "ci/deployer"] {
        assert_denied(asked.map(|key| case(key, with_key(key).by(by), "drift")).into());
    }
    let by_server = asked.map(|key| case(key, with_key(key).by("system:apiserver"), "exempt"));
    assert_allowed(by_server.into());
    let tracked =
        |object: &mut Value| set_at(object, "/metadata/annotations/argocd.argoproj.io~1tracking-id", "a:x".into());
    let moved = with_key("argocd.argoproj.io/tracking-id").with_old_object(tracked);
    assert_denied(vec![case("a tracking mark is changed", moved.by("ci/deployer"), "drift")]);
}

#[test]
fn the_label_by_which_argo_cd_may_know_an_object_is_not_turned_in_silence() {
    let labelled = |name: &'static str| {
        move |object: &mut Value| set_at(object, "/metadata/labels", json!({"app.kubernetes.io/instance": name}))
    };
    let service = || declared("services", "kind: Service\n");
    let turned = || service().with_old_object(labelled("shop")).with_object(labelled("other"));
    check(vec![case("to another application", turned(), "drift").preset("argocd")], Outcome::Warn);
    assert_allowed(vec![
        case("it is new", service().with_object(labelled("shop")), "conforms").preset("argocd"),
        case("it stays", service().with_both(labelled("shop")), "conforms").preset("argocd"),
        case("by an operator", turned().by("ops/operator"), "conforms").preset("argocd"),
        case("where there is no Argo CD", turned(), "conforms"),
    ]);
}

const PATHS: &str = "/spec/rules/0/http/paths";

fn challenge() -> Value {
    let backend = json!({"service": {"name": "cm-acme-http-solver-x", "port": {"number": 8089}}});
    json!({"path": "/.well-known/acme-challenge/t0ken", "pathType": "ImplementationSpecific", "backend": backend})
}

#[test]
fn cert_manager_may_answer_challenges_in_an_ingress_that_asks_for_it() {
    let ingress = || declared("ingresses", "name: shop, namespace: prod, annotations");
    let with_challenge = |object: &mut Value| set_at(object, &format!("{PATHS}/-"), challenge());
    let other_host = json!({"host": "www.example.org", "http": {"paths": [challenge()]}});
    assert_allowed(vec![
        case("a path is added", ingress().with_object(with_challenge).by("cert-manager/cert-manager"), "conforms"),
        case("by its name elsewhere", ingress().with_object(with_challenge).by("ops/cert-manager"), "conforms"),
        case(
            "it is first",
            ingress()
                .with_object(|new| {
                    let paths = new.pointer_mut(PATHS).and_then(Value::as_array_mut).unwrap();
                    paths.insert(0, challenge());
                })
                .by("cert-manager/cert-manager"),
            "conforms",
        ),
        case(
            "a host of its own",
            ingress()
                .with_object(|new| set_at(new, "/spec/rules/-", other_host.clone()))
                .by("cert-manager/cert-manager"),
            "conforms",
        ),
        case("it is taken away", ingress().with_old_object(with_challenge).by("cert-manager/cert-manager"), "conforms"),
    ]);
    assert_denied(vec![
        case("a person adds it", ingress().with_object(with_challenge), "drift"),
        case(
            "another path",
            ingress()
                .with_object(|new| {
                    let mut path = challenge();
                    path["path"] = "/admin".into();
                    set_at(new, &format!("{PATHS}/-"), path);
                })
                .by("cert-manager/cert-manager"),
            "drift",
        ),
        case(
            "the host changes beside it",
            ingress()
                .with_object(|new| {
                    with_challenge(new);
                    set_at(new, "/spec/rules/0/host", "evil.example.org".into());
                })
                .by("cert-manager/cert-manager"),
            "drift",
        ),
        case(
            "the backend changes beside it",
            ingress()
                .with_object(|new| {
                    with_challenge(new);
                    set_at(new, &format!("{PATHS}/0/backend/service/name"), "other".into());
                })
                .by("cert-manager/cert-manager"),
            "drift",
        ),
    ]);
}

const KUEUE: &str = "kueue-system/kueue-controller-manager";

#[test]
fn machines_may_change_what_git_hands_to_them() {
    let nightly = |pointer: &str, value: Value| {
        declared("deployments", "name: nightly").with_object(|new| set_at(new, pointer, value))
    };
    let machines =
        || declared("machinedeployments", "name: pool").with_object(|new| set_at(new, "/spec/replicas", 7.into()));
    let external = || {
        declared("awsmanagedmachinepools", "name: external").with_object(|new| set_at(new, "/spec/replicas", 7.into()))
    };
    let queued =
        |pointer: &str, value: Value| declared("jobs", "name: queued").with_object(|new| set_at(new, pointer, value));
    let parameter = |index: usize| {
        let at = format!("/spec/source/helm/parameters/{index}/value");
        declared("applications", "name: updated").with_object(|new| set_at(new, &at, "2".into()))
    };
    let image = "/spec/template/spec/containers/0/image";
    assert_allowed(vec![
        case("a downscaler", nightly("/spec/replicas", 0.into()).by("ops/downscaler"), "conforms"),
        case(
            "an image trigger",
            nightly(image, "web:2".into()).by("openshift-infra/image-trigger-controller"),
            "conforms",
        ),
        case("a node group", machines().by("kube-system/cluster-autoscaler"), "conforms"),
        case("a pool of an autoscaler", external().by("capi/capi-controller"), "conforms"),
        case("a job that is admitted", queued("/spec/suspend", false.into()).by(KUEUE), "conforms"),
        case("where it runs", queued("/spec/template/spec/nodeSelector/pool", "gpu".into()).by(KUEUE), "conforms"),
        case("a parameter", parameter(0).by("argocd/argocd-image-updater"), "conforms"),
    ]);
    assert_denied(vec![
        case("a person scales", nightly("/spec/replicas", 0.into()), "drift"),
        case("a person sets the image", nightly(image, "web:2".into()), "drift"),
        case("another image", nightly("/spec/template/spec/containers/1/image", "p:2".into()).by("ops/x"), "drift"),
        case("a person resizes a node group", machines(), "drift"),
        case("a person resizes a pool", external(), "drift"),
        case("a person starts a job", queued("/spec/suspend", false.into()), "drift"),
        case("more than Git lets Kueue change", queued("/spec/parallelism", 2.into()).by(KUEUE), "drift"),
        case("another image", queued("/spec/template/spec/containers/0/image", "x:1".into()).by(KUEUE), "drift"),
        case("another parameter", parameter(1).by("argocd/argocd-image-updater"), "drift"),
        case("a person sets a parameter", parameter(0), "drift"),
    ]);
}

#[test]
fn restarts_and_cordons_are_runtime_and_excuse_nothing_else() {
    let template = |key: &str| format!("/spec/template/metadata/annotations/{}", key.replace('/', "~1"));
    let restart = |key: &'static str| {
        case(key, front_deployment().with_object(|new| set_at(new, &template(key), "2026-05-04".into())), "runtime")
    };
    let node = || declared("nodes", "name: worker-3").with_request(|request| request["namespace"] = "".into());
    let taint = |object: &mut Value, key: &str| {
        set_at(object, "/spec/taints/-", json!({"key": key, "effect": "NoSchedule"}));
    };
    let cordon = |object: &mut Value| set_at(object, "/spec/unschedulable", true.into());
    assert_allowed(vec![
        restart("kubectl.kubernetes.io/restartedAt"),
        restart("openshift.openshift.io/restartedAt"),
        restart("kubesphere.io/restartedAt"),
        restart("cattle.io/timestamp"),
        case("cordon", node().with_object(cordon), "runtime"),
        case("uncordon", node().with_old_object(cordon), "runtime"),
        case(
            "cordon with its taint",
            node().with_object(|new| {
                cordon(new);
                taint(new, "node.kubernetes.io/unschedulable");
            }),
            "runtime",
        ),
        case(
            "an autoscaler taints",
            node().with_object(|new| taint(new, "ToBeDeletedByClusterAutoscaler")).by("kube-system/cluster-autoscaler"),
            "conforms",
        ),
    ]);
    assert_denied(vec![
        case(
            "another annotation",
            front_deployment().with_object(|new| set_at(new, &template("x/y"), "z".into())),
            "drift",
        ),
        case(
            "an image beside a restart",
            front_deployment().with_object(|new| {
                set_at(new, &template("cattle.io/timestamp"), "now".into());
                set_at(new, "/spec/template/spec/containers/0/image", "evil".into());
            }),
            "drift",
        ),
        case(
            "a taint beside a cordon",
            node().with_object(|new| {
                cordon(new);
                taint(new, "mine");
            }),
            "drift",
        ),
        case(
            "a label beside a cordon",
            node().with_object(|new| {
                cordon(new);
                set_at(new, "/metadata/labels/pool", "cpu".into());
            }),
            "drift",
        ),
        case(
            "restartAt of another kind",
            front_deployment().with_object(|new| set_at(new, "/spec/restartAt", "x".into())),
            "drift",
        ),
    ]);
}

#[test]
fn presets_follow_all_backends_of_a_tool() {
    let traefik = || {
        declared("traefikservices", "kind: TraefikService")
            .with_object(|new| set_at(new, "/spec/weighted/services/0/weight", 80.into()))
    };
    let route = || declared("routes", "kind: Route\n").with_object(|new| set_at(new, "/spec/to/weight", 80.into()));
    let proxy = || {
        declared("httpproxies", "kind: HTTPProxy")
            .with_object(|new| set_at(new, "/spec/routes/0/services/0/weight", 80.into()))
    };
    let nightly =
        || declared("deployments", "name: nightly").with_object(|new| set_at(new, "/spec/replicas", 0.into()));
    let rollouts = "argo-rollouts/argo-rollouts";
    assert_allowed(vec![
        case("Traefik", traefik().by(rollouts), "conforms").preset("argo-rollouts"),
        case("a Route", route().by(rollouts), "conforms").preset("argo-rollouts"),
        case("Contour", proxy().by("flagger-system/flagger"), "conforms").preset("flagger"),
        case("kube-green", nightly().by("kube-green/kube-green-controller-manager"), "conforms").preset("kube-green"),
    ]);
    assert_denied(vec![
        case("a person", traefik(), "drift").preset("argo-rollouts"),
        case("another account", traefik().by("ops/x"), "drift").preset("argo-rollouts"),
        case(
            "another field",
            route().with_object(|new| set_at(new, "/spec/host", "evil".into())).by(rollouts),
            "drift",
        )
        .preset("argo-rollouts"),
    ]);
}
