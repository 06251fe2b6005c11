//! The labels and annotations that are more than notes: for whom they are protected,
//! how strictly, and where it is written what they do.

use super::mode::Outcome;
use ProtectedFrom::{Everyone, People, Tracking};

/// Whose writes of a key are drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectedFrom {
    /// Nobody but what is exempt may set it.
    Everyone,
    /// No person may; the controllers that own it may.
    People,
    /// Nobody may change whose the object is; whoever creates it again from a backup may.
    Tracking,
}

/// Keys of labels and annotations that are protected alike.
#[derive(Debug)]
pub struct ProtectedKeys {
    /// Globs; `*` matches any text.
    pub keys: &'static [&'static str],
    /// The strictest answer to a write that sets one which Git does not declare.
    pub answer: Outcome,
    /// Whose writes are drift.
    pub from: ProtectedFrom,
    /// What the keys do.
    pub does: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

const fn denied(
    from: ProtectedFrom,
    keys: &'static [&'static str],
    does: &'static str,
    source: &'static str,
) -> ProtectedKeys {
    ProtectedKeys { keys, answer: Outcome::Deny, from, does, source }
}

const fn warned(keys: &'static [&'static str], does: &'static str, source: &'static str) -> ProtectedKeys {
    ProtectedKeys { keys, answer: Outcome::Warn, from: People, does, source }
}

/// All protected keys, those first that are denied.
pub const PROTECTED_KEYS: &[ProtectedKeys] = &[
    denied(Everyone, &["driftwall.io/*"], "steer driftwall", "driftwall"),
    denied(
        Everyone,
        &[
            "argocd.argoproj.io/compare-options",
            "argocd.argoproj.io/hook",
            "argocd.argoproj.io/skip-reconcile",
            "argocd.argoproj.io/sync-options",
        ],
        "make Argo CD leave the object alone, or sync it otherwise",
        "https://argo-cd.readthedocs.io/en/stable/user-guide/annotations-and-labels/",
    ),
    denied(
        Everyone,
        &["helm.sh/hook", "helm.sh/resource-policy"],
        "make Helm leave the object alone",
        "https://helm.sh/docs/topics/charts_hooks/",
    ),
    denied(
        Everyone,
        &[
            "helm.toolkit.fluxcd.io/driftDetection",
            "kustomize.toolkit.fluxcd.io/force",
            "kustomize.toolkit.fluxcd.io/prune",
            "kustomize.toolkit.fluxcd.io/reconcile",
            "kustomize.toolkit.fluxcd.io/ssa",
        ],
        "make Flux leave the object alone, or apply it otherwise",
        "https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources",
    ),
    denied(
        Tracking,
        &[
            "argocd.argoproj.io/instance",
            "argocd.argoproj.io/tracking-id",
            "helm.toolkit.fluxcd.io/name",
            "helm.toolkit.fluxcd.io/namespace",
            "kustomize.toolkit.fluxcd.io/name",
            "kustomize.toolkit.fluxcd.io/namespace",
            "meta.helm.sh/release-name",
            "meta.helm.sh/release-namespace",
        ],
        "say which application or release owns the object",
        "https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/",
    ),
    denied(
        People,
        &["argocd.argoproj.io/managed-by*", "argocd.argoproj.io/secret-type"],
        "give Argo CD rights in a namespace, or make a Secret its credential",
        "https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/",
    ),
    denied(
        People,
        &["pod-security.kubernetes.io/*", "security.openshift.io/scc.podSecurityLabelSync", "openshift.io/sa.scc.*"],
        "say what Pods of a namespace may do",
        "https://kubernetes.io/docs/concepts/security/pod-security-admission/",
    ),
    denied(
        People,
        &["container.apparmor.security.beta.kubernetes.io/*", "*seccomp.security.alpha.kubernetes.io/*"],
        "take a container's confinement away",
        "https://kubernetes.io/docs/reference/labels-annotations-taints/",
    ),
    denied(
        People,
        &[
            "aadpodidbinding",
            "azure.workload.identity/*",
            "eks.amazonaws.com/*",
            "iam.amazonaws.com/*",
            "iam.gke.io/*",
            "pod-identity.alibabacloud.com/*",
        ],
        "give an account rights in a cloud",
        "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    ),
    denied(
        People,
        &["rbac.authorization.k8s.io/aggregate-to-*", "kubernetes.io/enforce-mountable-secrets"],
        "add rules to another ClusterRole, or lift a limit of a ServiceAccount",
        "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles",
    ),
    denied(
        People,
        &["serviceaccounts.openshift.io/oauth-redirect*"],
        "let a ServiceAccount act as an OAuth client",
        "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/authentication_and_authorization/",
    ),
    denied(
        People,
        &[
            "field.cattle.io/projectId",
            "capsule.clastix.io/*",
            "hnc.x-k8s.io/*",
            "*.tree.hnc.x-k8s.io/*",
            "kubesphere.io/workspace",
        ],
        "move a namespace into a project or tenant, whose members get rights in it",
        "https://ranchermanager.docs.rancher.com/how-to-guides/new-user-guides/manage-clusters/projects-and-namespaces",
    ),
    denied(
        People,
        &[
            "admission.gatekeeper.sh/*",
            "admissions.enforcer/disabled",
            "cert-manager.io/disable-validation",
            "openpolicyagent.org/webhook",
            "policies.kyverno.io/exclude*",
            "webhooks.kyverno.io/*",
            "*kyverno.io/ignore",
        ],
        "switch a policy engine off",
        "https://open-policy-agent.github.io/gatekeeper/website/docs/exempt-namespaces/",
    ),
    denied(
        People,
        &["autoscaling.keda.sh/*"],
        "make KEDA stop scaling, or scale to a fixed count",
        "https://keda.sh/docs/latest/concepts/scaling-deployments/#pausing-autoscaling",
    ),
    denied(
        People,
        &["strimzi.io/pause-reconciliation", "crossplane.io/paused", "cluster.x-k8s.io/paused"],
        "make the operator leave the object alone",
        "https://strimzi.io/docs/operators/latest/deploying#proc-pausing-reconciliation-str",
    ),
    denied(
        People,
        &[
            "cnpg.io/hibernation",
            "cnpg.io/reconciliationLoop",
            "cnrm.cloud.google.com/*",
            "common.k8s.elastic.co/managed",
            "eck.k8s.elastic.co/managed",
            "platform.confluent.io/block-reconcile",
            "rook.io/do-not-reconcile",
            "ceph.rook.io/do-not-reconcile",
            "serviceoperator.azure.com/reconcile-policy",
        ],
        "make the operator leave the object alone",
        "https://cloudnative-pg.io/documentation/current/labels_annotations/",
    ),
    denied(
        People,
        &["flagger.app/*"],
        "make Flagger leave an object out of its canaries",
        "https://docs.flagger.app/usage/how-it-works",
    ),
    denied(
        People,
        &["*/reconcile"],
        "switch the controller off whose domain it is, with the value `disabled`",
        "https://fluxcd.io/flux/components/kustomize/kustomizations/",
    ),
    denied(
        People,
        &["downscaler/*", "janitor/*", "cleanup.kyverno.io/ttl"],
        "scale a workload to zero, or delete the object",
        "https://github.com/caas-team/py-kube-downscaler",
    ),
    warned(
        &[
            "*ingress.kubernetes.io/*",
            "getambassador.io/*",
            "haproxy-ingress.github.io/*",
            "haproxy.org/*",
            "ingress.bluemix.net/*",
            "ingress.cilium.io/*",
            "k8s.apisix.apache.org/*",
            "konghq.com/*",
            "kubernetes.io/ingress*",
            "nginx.com/*",
            "nginx.org/*",
            "projectcontour.io/*",
            "traefik.io/*",
            "zalando.org/*",
            "haproxy.router.openshift.io/*",
        ],
        "configure an ingress controller",
        "https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/",
    ),
    warned(
        &[
            "*service.beta.kubernetes.io/*",
            "service.kubernetes.io/*",
            "cloud.google.com/*",
            "io.cilium/*",
            "kube-vip.io/*",
            "lbipam.cilium.io/*",
            "load-balancer.hetzner.cloud/*",
            "loadbalancer.openstack.org/*",
            "metallb.io/*",
            "metallb.universe.tf/*",
            "networking.gke.io/*",
            "oci*.oraclecloud.com/*",
            "service.cilium.io/*",
            "tailscale.com/*",
        ],
        "configure a load balancer",
        "https://kubernetes.io/docs/concepts/services-networking/service/#internal-load-balancer",
    ),
    warned(
        &["external-dns.alpha.kubernetes.io/*", "external-dns.kubernetes.io/*"],
        "make names in DNS",
        "https://kubernetes-sigs.github.io/external-dns/latest/docs/annotations/annotations/",
    ),
    warned(
        &["acme.cert-manager.io/*", "cert-manager.io/*", "kubernetes.io/tls-acme"],
        "ask cert-manager for certificates",
        "https://cert-manager.io/docs/reference/annotations/",
    ),
    warned(
        &[
            "istio-injection",
            "istio.io/*",
            "networking.istio.io/*",
            "sidecar.istio.io/*",
            "topology.istio.io/*",
            "traffic.sidecar.istio.io/*",
            "config.linkerd.io/*",
            "linkerd.io/inject",
            "consul.hashicorp.com/*",
            "kuma.io/*",
            "vault.hashicorp.com/*",
        ],
        "put a sidecar beside Pods, or configure it",
        "https://istio.io/latest/docs/reference/config/annotations/",
    ),
    warned(
        &["*/is-default-class", "*/is-default-virt-class"],
        "make a class the default one",
        "https://kubernetes.io/docs/tasks/administer-cluster/change-default-storage-class/",
    ),
    warned(
        &["reflector.v1.k8s.emberstack.com/*", "replicator.v1.mittwald.de/*", "kubed.appscode.com/*"],
        "copy a Secret or ConfigMap into other namespaces",
        "https://github.com/emberstack/kubernetes-reflector",
    ),
    warned(
        &["argocd-image-updater.argoproj.io/*", "keel.sh/*", "image.openshift.io/triggers"],
        "let a machine change images",
        "https://argocd-image-updater.readthedocs.io/en/stable/basics/update/",
    ),
    warned(
        &["scheduler.alpha.kubernetes.io/*", "openshift.io/node-selector"],
        "say where Pods of a namespace run",
        "https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podnodeselector",
    ),
    warned(
        &["node-restriction.kubernetes.io/*", "node-role.kubernetes.io/*"],
        "say what a node is for",
        "https://kubernetes.io/docs/reference/labels-annotations-taints/",
    ),
    warned(
        &["autoscaling.knative.dev/*", "kube-green.stratio.com/*", "goldilocks.fairwinds.com/*", "sablier.*"],
        "say how a workload is scaled",
        "https://knative.dev/docs/serving/autoscaling/",
    ),
    warned(
        &["chaos-mesh.org/*", "litmuschaos.io/*"],
        "let chaos experiments in",
        "https://chaos-mesh.org/docs/configure-enabled-namespace/",
    ),
    warned(
        &["velero.io/exclude-from-backup", "backup.velero.io/*", "k8up.io/*"],
        "say what is backed up",
        "https://velero.io/docs/main/resource-filtering/",
    ),
];
