//! Controllers, operators and clouds at their work.

use serde_json::json;

use super::cases::{allowed, case};
use crate::harness::world::{Review, action, drop_at, live, put, stored};

/// An object of `GIT`, as the cluster has it.
pub(super) fn declared(plural: &str, kind: &str) -> Review {
    let document = super::cases::GIT.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n")));
    stored(plural, document.unwrap())
}

/// A Deployment of `GIT` with two containers.
pub(super) fn front() -> Review {
    declared("deployments", "Deployment")
}

/// A StatefulSet that an operator made for a Postgres of Git.
pub(super) fn made_by_operator() -> Review {
    live("statefulsets", "db")
        .request(|request| request["name"] = "orders".into())
        .both(|object| {
            object["metadata"]["name"] = "orders".into();
            object["metadata"]["ownerReferences"] = json!([
                {"apiVersion": "db.example.org/v1", "kind": "Postgres", "name": "orders", "uid": "u", "controller": true},
            ]);
        })
        .by("postgres/operator")
}

/// An autoscaler that KEDA makes for the `ScaledObject` of Git.
pub(super) fn made_by_keda() -> Review {
    live("horizontalpodautoscalers", "web")
        .request(|request| request["name"] = "keda-hpa-python-app".into())
        .both(|object| {
            object["metadata"]["name"] = "keda-hpa-python-app".into();
            object["metadata"]["ownerReferences"] = json!([
                {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "python-app", "uid": "u", "controller": true},
            ]);
            object["spec"]["scaleTargetRef"]["name"] = "python-app-prod".into();
        })
        .by("keda/keda-operator")
}

/// Scales a Deployment of Git through its `scale` subresource.
pub(super) fn scaled(from: u32, to: u32) -> Review {
    action("scale-5").had(|scale| put(scale, "/spec/replicas", from.into())).sends(|scale| match to {
        // Zero is left out on the wire.
        0 => drop_at(scale, "/spec/replicas"),
        to => put(scale, "/spec/replicas", to.into()),
    })
}

#[test]
fn operators_keep_what_they_made_and_sign_what_they_watch() {
    let finalizer = json!(["postgres.example.org/finalizer"]);
    let owner = json!([{"apiVersion": "example.com/v1", "kind": "Widget", "name": "gizmo", "uid": "u"}]);
    let adopted = |object: &mut serde_json::Value| object["metadata"]["ownerReferences"] = owner.clone();
    allowed(vec![
        case(
            "an operator changes the StatefulSet that it made for a resource of Git",
            made_by_operator().sends(|new| {
                put(new, "/spec/replicas", 5.into());
                put(new, "/spec/template/spec/containers/0/image", "postgres:17".into());
            }),
            "unmanaged",
        ),
        case(
            "an operator scales what it made",
            {
                let scale = action("scale-statefulset").by("postgres/operator");
                scale.request(|request| request["name"] = "orders".into())
            },
            "unmanaged",
        ),
        case("an operator deletes what it made", made_by_operator().deleted(), "unmanaged"),
        case(
            "an operator adds its finalizer to an object of Git",
            declared("postgreses", "Postgres")
                .by("postgres/operator")
                .sends(|new| new["metadata"]["finalizers"] = finalizer.clone()),
            "conforms",
        ),
        case(
            "an operator takes its finalizer away again",
            declared("postgreses", "Postgres")
                .by("postgres/operator")
                .had(|old| old["metadata"]["finalizers"] = finalizer.clone()),
            "conforms",
        ),
        case(
            "an operator adopts an object of Git",
            live("configmaps", "app-config").by("widgets/operator").sends(adopted),
            "conforms",
        ),
        case(
            "Crossplane fills in what a resource leaves open",
            declared("buckets", "Bucket").by("crossplane-system/provider-aws").sends(|new| {
                put(new, "/metadata/annotations", json!({"crossplane.io/external-name": "assets-x7"}));
                put(new, "/spec/deletionPolicy", "Delete".into());
                put(new, "/spec/forProvider/objectLock", json!({"enabled": false}));
                put(new, "/spec/forProvider/tags/0/value", "web".into());
                put(new, "/spec/forProvider/acl", "private".into());
                put(new, "/spec/forProvider/grants", json!([{"id": 1}]));
            }),
            "conforms",
        ),
        case(
            "a mutating policy puts a sidecar beside the container",
            live("deployments", "python-app-prod").by("istio-system/istiod").sends(|new| {
                put(new, "/spec/template/spec/containers/-", json!({"name": "istio-proxy", "image": "proxyv2"}));
                put(new, "/spec/template/spec/volumes", json!([{"name": "istio-data", "emptyDir": {}}]));
                put(new, "/spec/template/metadata/annotations", json!({"sidecar.istio.io/status": "{}"}));
                put(new, "/spec/template/spec/containers/0/securityContext", json!({"runAsNonRoot": true}));
            }),
            "conforms",
        ),
        case(
            "OpenShift adds its pull secrets to a ServiceAccount that lists some itself",
            declared("serviceaccounts", "ServiceAccount")
                .by("openshift-infra/serviceaccount-pull-secrets-controller")
                .sends(|new| {
                    put(new, "/imagePullSecrets/-", json!({"name": "puller-dockercfg-x7k2p"}));
                    put(new, "/secrets/-", json!({"name": "puller-dockercfg-x7k2p"}));
                }),
            "conforms",
        ),
    ]);
}

#[test]
fn autoscalers_scale() {
    allowed(vec![
        case("KEDA makes an autoscaler for a ScaledObject of Git", made_by_keda().created(), "unmanaged")
            .preset("keda"),
        case(
            "KEDA changes its autoscaler",
            made_by_keda().sends(|new| put(new, "/spec/maxReplicas", 9.into())),
            "unmanaged",
        )
        .preset("keda"),
        case("KEDA scales to zero where Git declares replicas", scaled(3, 0).by("keda/keda-operator"), "conforms")
            .preset("keda"),
        case("KEDA scales from zero", scaled(0, 1).by("keda/keda-operator"), "conforms").preset("keda"),
        case("KEDA scales a custom resource", action("scale-widget").by("keda/keda-operator"), "conforms")
            .preset("keda"),
        case("the autoscaler's controller scales", scaled(3, 5).by("kube-system/horizontal-pod-autoscaler"), "exempt"),
        case(
            "the vertical autoscaler resizes a Pod in place",
            action("image-pod").by("kube-system/vpa-updater").subresource("resize"),
            "unmanaged",
        )
        .preset("vpa"),
        case(
            "the vertical autoscaler without its preset evicts",
            action("evict-pod").by("kube-system/vpa-updater"),
            "runtime",
        ),
        case(
            "the cluster autoscaler taints a node",
            action("taint-node").by("kube-system/cluster-autoscaler"),
            "unmanaged",
        ),
    ]);
}

#[test]
fn clouds_and_nodes_write_what_is_theirs() {
    let service = || declared("services", "Service");
    allowed(vec![
        case(
            "a cloud's load-balancer controller adds its finalizer",
            service().by("eks:aws-load-balancer-controller").sends(|new| {
                put(new, "/metadata/finalizers", json!(["service.k8s.aws/resources"]));
            }),
            "conforms",
        ),
        case(
            "a cloud controller writes a Service's status and annotations",
            service().by("kube-system/cloud-controller-manager").subresource("status").sends(|new| {
                put(new, "/status/loadBalancer", json!({"ingress": [{"ip": "192.0.2.7"}]}));
                put(new, "/metadata/annotations", json!({"cloud.example.org/address": "192.0.2.7"}));
            }),
            "conforms",
        ),
        case(
            "a cloud controller without a service account allocates node ports",
            service().by("system:cloud-controller-manager").sends(|new| {
                put(new, "/spec/ports/0/nodePort", 30_080.into());
                put(new, "/spec/healthCheckNodePort", 31_000.into());
            }),
            "conforms",
        ),
        case(
            "a cloud adds a namespace selector to a webhook",
            declared("validatingwebhookconfigurations", "ValidatingWebhookConfiguration").by("aksService").sends(
                |new| {
                    let rule = json!({"key": "control-plane", "operator": "DoesNotExist"});
                    put(new, "/webhooks/0/namespaceSelector/matchExpressions/-", rule);
                },
            ),
            "conforms",
        ),
        case("a kubelet writes its node", action("cordon").by("system:node:n1"), "exempt"),
        case("a kubelet deletes a Pod", action("delete-pod").by("system:node:n1"), "exempt"),
        case(
            "the volume binder fills in the volume",
            declared("persistentvolumeclaims", "PersistentVolumeClaim")
                .by("kube-system/persistent-volume-binder")
                .sends(|new| put(new, "/spec/volumeName", "pvc-1".into())),
            "exempt",
        ),
        case(
            "a provisioner of another vendor does the same",
            declared("persistentvolumeclaims", "PersistentVolumeClaim").by("ceph/csi-provisioner").sends(|new| {
                put(new, "/spec/volumeName", "pvc-1".into());
                put(new, "/spec/storageClassName", "ceph".into());
                put(new, "/metadata/annotations", json!({"pv.kubernetes.io/bind-completed": "yes"}));
            }),
            "conforms",
        ),
        case(
            "a controller has the name of the control plane's own in a namespace of its own",
            live("deployments", "python-app-prod")
                .by("kruise/deployment-controller")
                .sends(|new| put(new, "/metadata/annotations/kruise.io~1x", "y".into())),
            "conforms",
        ),
    ]);
}

#[test]
fn certificates_and_routes_are_filled_in() {
    let webhook = || declared("validatingwebhookconfigurations", "ValidatingWebhookConfiguration");
    let selected = || {
        live("services", "python-app-prod").sends(|new| {
            put(new, "/spec/selector/rollouts-pod-template-hash", "6f64645d54".into());
        })
    };
    allowed(vec![
        case(
            "a CA injector fills an empty bundle",
            webhook().by("cert-manager/cert-manager-cainjector").sends(|new| {
                put(new, "/webhooks/0/clientConfig/caBundle", "LS0tCg==".into());
            }),
            "conforms",
        ),
        case(
            "a CA injector renews a bundle",
            webhook()
                .by("cert-manager/cert-manager-cainjector")
                .had(|old| put(old, "/webhooks/0/clientConfig/caBundle", "LS0tCg==".into()))
                .sends(|new| put(new, "/webhooks/0/clientConfig/caBundle", "LS0tLQ==".into())),
            "conforms",
        )
        .preset("cert-manager"),
        case("Argo Rollouts points a Service at a hash", selected().by("argo-rollouts/argo-rollouts"), "conforms"),
        case("the same with its preset", selected().by("argo-rollouts/argo-rollouts"), "conforms")
            .preset("argo-rollouts"),
        case(
            "Argo Rollouts takes the hash away again",
            {
                let there = selected().0["request"]["object"].clone();
                live("services", "python-app-prod").by("argo-rollouts/argo-rollouts").had(|old| *old = there)
            },
            "conforms",
        ),
    ]);
}

#[test]
fn gitops_tools_under_other_names_write_what_git_says() {
    let marks = |object: &mut serde_json::Value| {
        put(object, "/metadata/labels/app.kubernetes.io~1instance", "shop".into());
        put(object, "/metadata/labels/app.kubernetes.io~1managed-by", "Helm".into());
        put(object, "/metadata/annotations/meta.helm.sh~1release-name", "shop".into());
        put(object, "/metadata/annotations/meta.helm.sh~1release-namespace", "prod".into());
        put(object, "/metadata/annotations/argocd.argoproj.io~1tracking-id", "shop:apps/Deployment:prod/x".into());
    };
    let application = || declared("applications", "Application").by("argocd/argocd-server");
    allowed(vec![
        case(
            "a tenant's service account syncs what Git says",
            live("deployments", "python-app-prod")
                .by("prod/tenant")
                .had(|old| put(old, "/spec/replicas", 9.into()))
                .sends(marks),
            "conforms",
        ),
        case(
            "it creates what Git says",
            live("deployments", "python-app-prod").by("prod/tenant").sends(marks).created(),
            "conforms",
        ),
        case(
            "a tracking label of the tool's own replaces the chart's",
            front().by("prod/tenant").sends(|new| {
                put(new, "/metadata/labels/app.kubernetes.io~1instance", "shop".into());
            }),
            "conforms",
        ),
        case(
            "Argo CD's server starts an operation for an Application in its namespace",
            application().sends(|new| {
                put(new, "/operation", json!({"initiatedBy": {"username": "alice"}, "sync": {"revision": "main"}}));
            }),
            "runtime",
        ),
        case(
            "Argo CD's server asks for a refresh",
            application().sends(|new| put(new, "/metadata/annotations/argocd.argoproj.io~1refresh", "hard".into())),
            "conforms",
        ),
    ]);
}
