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
    /// The keys, by whom they are read.
    pub keys: &'static [KeysOfTool],
    /// The strictest answer to a write that sets one which Git does not declare.
    pub answer: Outcome,
    /// Whose writes are drift.
    pub from: ProtectedFrom,
    /// What the keys do.
    pub does: &'static str,
}

/// Keys that one tool reads.
#[derive(Debug)]
pub struct KeysOfTool {
    /// Globs; `*` matches any text.
    pub keys: &'static [&'static str],
    /// Where it is written what they do.
    pub source: &'static str,
}

pub(super) const fn of(keys: &'static [&'static str], source: &'static str) -> KeysOfTool {
    KeysOfTool { keys, source }
}

const fn denied(from: ProtectedFrom, does: &'static str, keys: &'static [KeysOfTool]) -> ProtectedKeys {
    ProtectedKeys { keys, answer: Outcome::Deny, from, does }
}

impl ProtectedKeys {
    /// All globs of the row.
    pub fn globs(&self) -> Vec<&'static str> {
        self.keys.iter().flat_map(|of_tool| of_tool.keys).copied().collect()
    }
}

/// The keys that are denied.
pub(super) const DENIED: &[ProtectedKeys] = &[
    denied(Everyone, "steer driftwall", &[of(&["driftwall.io/*"], "driftwall")]),
    denied(
        Everyone,
        "make Argo CD leave the object alone, or sync it otherwise",
        &[of(
            &[
                "argocd.argoproj.io/compare-options",
                "argocd.argoproj.io/hook",
                "argocd.argoproj.io/skip-reconcile",
                "argocd.argoproj.io/sync-options",
            ],
            "https://argo-cd.readthedocs.io/en/stable/user-guide/annotations-and-labels/",
        )],
    ),
    denied(
        Everyone,
        "make Helm leave the object alone",
        &[of(&["helm.sh/hook", "helm.sh/resource-policy"], "https://helm.sh/docs/topics/charts_hooks/")],
    ),
    denied(
        Everyone,
        "make Flux leave the object alone, or apply it otherwise",
        &[
            of(
                &["helm.toolkit.fluxcd.io/driftDetection"],
                "https://fluxcd.io/flux/components/helm/helmreleases/#drift-detection",
            ),
            of(
                &[
                    "kustomize.toolkit.fluxcd.io/force",
                    "kustomize.toolkit.fluxcd.io/prune",
                    "kustomize.toolkit.fluxcd.io/reconcile",
                    "kustomize.toolkit.fluxcd.io/ssa",
                ],
                "https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources",
            ),
        ],
    ),
    // The control plane is exempt, whoever asks it so. Nobody else sets these.
    denied(
        Everyone,
        "make the control plane roll a Deployment back, or delete the object",
        &[
            of(
                &["deprecated.deployment.rollback.to"],
                "https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/deployment/rollback.go",
            ),
            of(
                &["kube-aggregator.kubernetes.io/automanaged"],
                "https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kube-aggregator/pkg/controllers/autoregister/autoregister_controller.go",
            ),
            of(
                &["apf.kubernetes.io/autoupdate-spec"],
                "https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#maintenance-of-the-mandatory-and-suggested-configuration-objects",
            ),
        ],
    ),
    denied(
        Tracking,
        "say which application or release owns the object",
        &[
            of(
                &[
                    "argocd.argoproj.io/installation-id",
                    "argocd.argoproj.io/instance",
                    "argocd.argoproj.io/tracking-id",
                ],
                "https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/",
            ),
            of(
                &[
                    "helm.toolkit.fluxcd.io/name",
                    "helm.toolkit.fluxcd.io/namespace",
                    "kustomize.toolkit.fluxcd.io/name",
                    "kustomize.toolkit.fluxcd.io/namespace",
                ],
                "https://fluxcd.io/flux/components/kustomize/kustomizations/#garbage-collection",
            ),
            of(
                &["meta.helm.sh/release-name", "meta.helm.sh/release-namespace"],
                "https://helm.sh/docs/faq/changes_since_helm2/",
            ),
        ],
    ),
    denied(
        People,
        "give Argo CD rights in a namespace, or make a Secret its credential",
        &[
            of(
                &["argocd.argoproj.io/managed-by*"],
                "https://argocd-operator.readthedocs.io/en/latest/usage/custom_roles/",
            ),
            of(
                &["argocd.argoproj.io/secret-type"],
                "https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/",
            ),
        ],
    ),
    denied(
        People,
        "say what Pods of a namespace may do",
        &[
            of(
                &["pod-security.kubernetes.io/*"],
                "https://kubernetes.io/docs/concepts/security/pod-security-admission/",
            ),
            of(
                &["security.openshift.io/scc.podSecurityLabelSync", "openshift.io/sa.scc.*"],
                "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/authentication_and_authorization/understanding-and-managing-pod-security-admission",
            ),
        ],
    ),
    denied(
        People,
        "take a container's confinement away",
        &[of(
            &["container.apparmor.security.beta.kubernetes.io/*", "*seccomp.security.alpha.kubernetes.io/*"],
            "https://kubernetes.io/docs/reference/labels-annotations-taints/",
        )],
    ),
    denied(
        People,
        "make the control plane delete a Secret with a token, or take an EndpointSlice over",
        &[
            of(
                &["kubernetes.io/legacy-token-invalid-since"],
                "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#legacy-serviceaccount-token-cleaner",
            ),
            of(
                &["endpointslice.kubernetes.io/managed-by"],
                "https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#management",
            ),
        ],
    ),
    denied(
        People,
        "say under an older name what the spec says",
        &[of(
            &[
                "service.alpha.kubernetes.io/tolerate-unready-endpoints",
                "volume.beta.kubernetes.io/mount-options",
                "volume.beta.kubernetes.io/storage-class",
            ],
            "https://kubernetes.io/docs/reference/labels-annotations-taints/",
        )],
    ),
    denied(
        People,
        "give an account rights in a cloud",
        &[
            of(
                &["eks.amazonaws.com/*"],
                "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
            ),
            of(&["iam.amazonaws.com/*"], "https://github.com/jtblin/kube2iam"),
            of(&["iam.gke.io/*"], "https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity"),
            of(
                &["azure.workload.identity/*"],
                "https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html",
            ),
            of(&["aadpodidbinding"], "https://azure.github.io/aad-pod-identity/docs/"),
            of(
                &["pod-identity.alibabacloud.com/*"],
                "https://github.com/AliyunContainerService/ack-pod-identity-webhook",
            ),
        ],
    ),
    denied(
        People,
        "add rules to another ClusterRole, or lift a limit of a ServiceAccount",
        &[
            of(
                &["rbac.authorization.k8s.io/aggregate-to-*"],
                "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles",
            ),
            of(
                &["kubernetes.io/enforce-mountable-secrets"],
                "https://kubernetes.io/docs/reference/labels-annotations-taints/",
            ),
        ],
    ),
    denied(
        People,
        "let a ServiceAccount act as an OAuth client",
        &[of(
            &["serviceaccounts.openshift.io/oauth-redirect*"],
            "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/authentication_and_authorization/using-service-accounts-as-oauth-client",
        )],
    ),
    denied(
        People,
        "move a namespace into a project or tenant, whose members get rights in it",
        &[
            of(
                &["field.cattle.io/projectId"],
                "https://ranchermanager.docs.rancher.com/how-to-guides/new-user-guides/manage-clusters/projects-and-namespaces",
            ),
            of(&["capsule.clastix.io/*"], "https://projectcapsule.dev/docs/tenants/"),
            of(
                &["hnc.x-k8s.io/*", "*.tree.hnc.x-k8s.io/*"],
                "https://github.com/kubernetes-retired/hierarchical-namespaces/blob/master/docs/user-guide/concepts.md",
            ),
            of(&["kubesphere.io/workspace"], "https://github.com/kubesphere/kubesphere"),
        ],
    ),
    denied(
        People,
        "switch a policy engine or a validating webhook off",
        &[
            of(
                &["admission.gatekeeper.sh/*"],
                "https://open-policy-agent.github.io/gatekeeper/website/docs/exempt-namespaces/",
            ),
            of(&["openpolicyagent.org/webhook"], "https://www.openpolicyagent.org/docs/latest/kubernetes-tutorial/"),
            of(&["admissions.enforcer/disabled"], "https://learn.microsoft.com/en-us/azure/aks/faq"),
            of(&["cert-manager.io/disable-validation"], "https://cert-manager.io/docs/concepts/webhook/"),
        ],
    ),
    denied(
        People,
        "exempt an object or namespace from Kyverno, by a convention that policies and selectors of its webhooks follow",
        &[of(
            &["policies.kyverno.io/exclude*", "webhooks.kyverno.io/*", "*kyverno.io/ignore"],
            "https://kyverno.io/docs/installation/customization/",
        )],
    ),
    denied(
        People,
        "make KEDA stop scaling, or scale to a fixed count",
        &[of(
            &["autoscaling.keda.sh/*"],
            "https://keda.sh/docs/latest/concepts/scaling-deployments/#pausing-autoscaling",
        )],
    ),
    denied(
        People,
        "make the operator leave the object alone",
        &[
            of(
                &["strimzi.io/pause-reconciliation"],
                "https://strimzi.io/docs/operators/latest/deploying#proc-pausing-reconciliation-str",
            ),
            of(&["crossplane.io/paused"], "https://docs.crossplane.io/latest/concepts/managed-resources/#paused"),
            of(&["cluster.x-k8s.io/paused"], "https://cluster-api.sigs.k8s.io/reference/api/labels-and-annotations"),
            of(
                &["cnpg.io/hibernation", "cnpg.io/reconciliationLoop"],
                "https://cloudnative-pg.io/documentation/current/labels_annotations/",
            ),
            of(
                &["cnrm.cloud.google.com/*"],
                "https://cloud.google.com/config-connector/docs/how-to/managing-deleting-resources",
            ),
            of(
                &[
                    "eck.k8s.elastic.co/managed",
                    "eck.k8s.elastic.co/pause-orchestration",
                    "common.k8s.elastic.co/pause",
                ],
                "https://github.com/elastic/cloud-on-k8s/tree/main/pkg/controller/common",
            ),
            of(&["platform.confluent.io/block-reconcile"], "https://docs.confluent.io/operator/current/"),
            of(
                &["ceph.rook.io/do-not-reconcile"],
                "https://github.com/rook/rook/blob/master/pkg/apis/ceph.rook.io/v1/labels.go",
            ),
            of(
                &["serviceoperator.azure.com/reconcile-policy"],
                "https://azure.github.io/azure-service-operator/guide/annotations/",
            ),
        ],
    ),
    denied(
        People,
        "make Flagger leave an object out of its canaries",
        &[of(&["flagger.app/*"], "https://docs.flagger.app/usage/how-it-works")],
    ),
    denied(
        People,
        "switch the controller off whose domain it is, with the value `disabled`",
        &[of(&["*/reconcile"], "https://fluxcd.io/flux/components/kustomize/kustomizations/")],
    ),
    denied(
        People,
        "bound the size of a node group",
        &[of(
            &[
                "cluster.x-k8s.io/cluster-api-autoscaler-node-group-*",
                "machine.openshift.io/cluster-api-autoscaler-node-group-*",
            ],
            "https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/clusterapi/README.md",
        )],
    ),
    denied(
        People,
        "scale a workload to zero, or delete the object",
        &[
            of(&["downscaler/*"], "https://github.com/caas-team/py-kube-downscaler"),
            of(&["janitor/*"], "https://codeberg.org/hjacobs/kube-janitor"),
            of(&["cleanup.kyverno.io/ttl"], "https://kyverno.io/docs/policy-types/cleanup-policy/"),
        ],
    ),
];
