//! The accounts of well-known tools in default installations, and what these tools
//! change of what Git declares: all backends of a tool, since which one is used, the
//! objects in the cluster say.

use super::Class;
use super::presets::{Preset, PresetFields};

const REPLICAS: &[&str] = &["spec.replicas"];
const CA_BUNDLES: &[PresetFields] = &[
    ("admissionregistration.k8s.io", "*WebhookConfiguration", &["webhooks[*].clientConfig.caBundle"]),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &["spec.conversion.webhook.clientConfig.caBundle"]),
    ("apiregistration.k8s.io", "APIService", &["spec.caBundle"]),
];
/// What downscalers scale to nothing at night, and the notes that they leave.
const DOWNSCALED: &[PresetFields] = &[
    ("apps", "*", &["spec.replicas", "metadata.annotations"]),
    ("argoproj.io", "Rollout", &["spec.replicas", "metadata.annotations"]),
    ("autoscaling", "HorizontalPodAutoscaler", &["spec.minReplicas", "metadata.annotations"]),
    ("batch", "CronJob", &["spec.suspend", "metadata.annotations"]),
    ("batch", "Job", &["spec.suspend", "metadata.annotations"]),
    ("keda.sh", "ScaledObject", &["metadata.annotations"]),
    ("policy", "PodDisruptionBudget", &["spec.minAvailable", "spec.maxUnavailable", "metadata.annotations"]),
    ("zalando.org", "Stack", &["spec.replicas", "metadata.annotations"]),
];
/// What cluster-autoscaler changes: sizes of node groups, and taints of nodes that it takes away.
const NODE_GROUPS: &[PresetFields] = &[
    ("cluster.x-k8s.io", "*", REPLICAS),
    ("exp.cluster.x-k8s.io", "*", REPLICAS),
    ("machine.openshift.io", "*", REPLICAS),
    ("", "Node", &["spec.taints", "spec.unschedulable"]),
];

/// All presets.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "argo-rollouts",
        class: Class::Controller,
        users: &["system:serviceaccount:argo-rollouts:argo-rollouts"],
        fields: &[
            ("", "Service", &["spec.selector"]),
            ("apps", "Deployment", REPLICAS),
            ("apisix.apache.org", "ApisixRoute", &["spec.http"]),
            ("appmesh.k8s.aws", "VirtualNode", &["spec.podSelector"]),
            ("appmesh.k8s.aws", "VirtualRouter", &["spec.routes"]),
            ("gateway.networking.k8s.io", "*Route", &["spec.rules"]),
            ("gateway.solo.io", "*", &["spec.virtualHost", "spec.routes"]),
            ("getambassador.io", "Mapping", &["spec.weight"]),
            ("gloo.solo.io", "UpstreamGroup", &["spec.destinations"]),
            ("networking.gloo.solo.io", "RouteTable", &["spec.http", "spec.tcp", "spec.tls"]),
            ("networking.istio.io", "VirtualService", &["spec.http", "spec.tcp", "spec.tls"]),
            ("networking.istio.io", "DestinationRule", &["spec.subsets"]),
            ("networking.k8s.io", "Ingress", &["metadata.annotations"]),
            ("projectcontour.io", "HTTPProxy", &["spec.routes"]),
            ("route.openshift.io", "Route", &["spec.to", "spec.alternateBackends"]),
            ("split.smi-spec.io", "TrafficSplit", &["spec.backends"]),
            ("traefik.containo.us", "TraefikService", &["spec.weighted"]),
            ("traefik.io", "TraefikService", &["spec.weighted"]),
            ("x.getambassador.io", "AmbassadorMapping", &["spec.weight"]),
        ],
        source: "https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/",
    },
    Preset {
        name: "argocd",
        class: Class::Gitops,
        users: &[
            "system:serviceaccount:argocd:argocd-application-controller",
            "system:serviceaccount:argocd:argocd-applicationset-controller",
            // On a remote cluster, for syncs and for clicks in the web page alike.
            "system:serviceaccount:kube-system:argocd-manager",
            "system:serviceaccount:openshift-gitops:openshift-gitops-applicationset-controller",
            "system:serviceaccount:openshift-gitops:openshift-gitops-argocd-application-controller",
        ],
        fields: &[],
        source: "https://argo-cd.readthedocs.io/en/stable/operator-manual/installation/",
    },
    Preset {
        name: "cert-manager",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:cert-manager:cert-manager",
            "system:serviceaccount:cert-manager:cert-manager-cainjector",
        ],
        fields: CA_BUNDLES,
        source: "https://cert-manager.io/docs/concepts/ca-injector/",
    },
    Preset {
        name: "cluster-autoscaler",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:kube-system:cluster-autoscaler",
            "system:serviceaccount:kube-system:cluster-autoscaler-*",
        ],
        fields: NODE_GROUPS,
        source: "https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/clusterapi/README.md",
    },
    Preset {
        name: "flagger",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:appmesh-system:flagger",
            "system:serviceaccount:flagger-system:flagger",
            "system:serviceaccount:gloo-system:flagger",
            "system:serviceaccount:ingress-nginx:flagger",
            "system:serviceaccount:istio-system:flagger",
            "system:serviceaccount:kuma-system:flagger",
            "system:serviceaccount:linkerd:flagger",
            "system:serviceaccount:projectcontour:flagger",
            "system:serviceaccount:traefik:flagger",
        ],
        fields: &[
            ("", "Service", &["spec.selector"]),
            ("apisix.apache.org", "ApisixRoute", &["spec.http"]),
            ("apps", "*", REPLICAS),
            ("apps", "DaemonSet", &["spec.template.spec.nodeSelector"]),
            ("appmesh.k8s.aws", "VirtualRouter", &["spec.routes"]),
            ("autoscaling", "HorizontalPodAutoscaler", &["spec.minReplicas", "spec.maxReplicas"]),
            ("gateway.networking.k8s.io", "*Route", &["spec.rules"]),
            ("gateway.solo.io", "RouteTable", &["spec.routes"]),
            ("keda.sh", "ScaledObject", &["metadata.annotations"]),
            ("kuma.io", "TrafficRoute", &["spec.conf", "conf"]),
            ("networking.istio.io", "DestinationRule", &["spec.subsets"]),
            ("networking.istio.io", "VirtualService", &["spec.http", "spec.tcp", "spec.tls"]),
            ("networking.k8s.io", "Ingress", &["metadata.annotations"]),
            ("projectcontour.io", "HTTPProxy", &["spec.routes"]),
            ("serving.knative.dev", "Service", &["spec.traffic"]),
            ("split.smi-spec.io", "TrafficSplit", &["spec.backends"]),
            ("traefik.containo.us", "TraefikService", &["spec.weighted"]),
            ("traefik.io", "TraefikService", &["spec.weighted"]),
        ],
        source: "https://docs.flagger.app/usage/how-it-works",
    },
    Preset {
        name: "flux",
        class: Class::Gitops,
        users: &[
            "system:serviceaccount:flux-system:kustomize-controller",
            "system:serviceaccount:flux-system:helm-controller",
        ],
        fields: &[],
        source: "https://fluxcd.io/flux/components/",
    },
    Preset {
        name: "istio",
        class: Class::Controller,
        users: &["system:serviceaccount:istio-system:istiod", "system:serviceaccount:istio-system:istiod-*"],
        fields: &[(
            "admissionregistration.k8s.io",
            "*WebhookConfiguration",
            &["webhooks[*].clientConfig.caBundle", "webhooks[*].failurePolicy"],
        )],
        source: "https://istio.io/latest/docs/ops/configuration/mesh/webhook/",
    },
    Preset {
        name: "keda",
        class: Class::Controller,
        users: &["system:serviceaccount:keda:keda-operator"],
        fields: &[("*", "*", REPLICAS)],
        source: "https://keda.sh/docs/latest/concepts/scaling-deployments/",
    },
    Preset {
        name: "kube-downscaler",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:kube-downscaler:kube-downscaler",
            "system:serviceaccount:kube-downscaler:py-kube-downscaler",
            "system:serviceaccount:py-kube-downscaler:py-kube-downscaler",
            "system:serviceaccount:default:kube-downscaler",
            "system:serviceaccount:go-kube-downscaler:go-kube-downscaler",
        ],
        fields: DOWNSCALED,
        source: "https://github.com/caas-team/py-kube-downscaler",
    },
    Preset {
        name: "kube-green",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:kube-green:kube-green-controller-manager",
            "system:serviceaccount:kube-green-system:kube-green-controller-manager",
        ],
        fields: DOWNSCALED,
        source: "https://kube-green.dev/docs/",
    },
    Preset {
        name: "openshift-machines",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:openshift-machine-api:cluster-autoscaler",
            "system:serviceaccount:openshift-machine-api:cluster-autoscaler-operator",
            "system:serviceaccount:openshift-machine-api:machine-api-controllers",
            "system:serviceaccount:openshift-machine-config-operator:machine-config-controller",
        ],
        fields: NODE_GROUPS,
        source: "https://github.com/openshift/cluster-autoscaler-operator/blob/master/install/03_rbac.yaml",
    },
    Preset {
        name: "rancher",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:cattle-system:rancher",
            "system:serviceaccount:cattle-provisioning-capi-system:*",
            "system:serviceaccount:cattle-capi-system:*",
        ],
        fields: &[
            ("cluster.x-k8s.io", "*", REPLICAS),
            ("provisioning.cattle.io", "Cluster", &["spec.rkeConfig.machinePools[*].quantity"]),
        ],
        source: "https://github.com/rancher/rancher/pull/52243",
    },
    Preset {
        name: "snorlax",
        class: Class::Controller,
        users: &["system:serviceaccount:snorlax:snorlax"],
        fields: &[("apps", "Deployment", REPLICAS), ("networking.k8s.io", "Ingress", &["spec.rules"])],
        source: "https://github.com/moonbeam-nyc/snorlax/blob/main/operator/internal/controller/sleepschedule_controller.go",
    },
    Preset {
        name: "vpa",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:kube-system:vpa-admission-controller",
            "system:serviceaccount:kube-system:vpa-recommender",
            "system:serviceaccount:kube-system:vpa-updater",
        ],
        fields: &[("", "Pod", &["spec.containers[*].resources", "spec.initContainers[*].resources"])],
        source: "https://github.com/kubernetes/autoscaler/tree/master/vertical-pod-autoscaler",
    },
];
