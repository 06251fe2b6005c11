//! Presets: well-known tools by their service accounts in default installations.
//! None applies unless the configuration names it: where a tool is not installed,
//! anyone who may create service accounts can take its name.

use super::{ActorError, ActorRule, Class, GitopsTool, Grant};

struct Preset {
    name: &'static str,
    class: Class,
    users: &'static [&'static str],
    /// What it may change: API group, kind, paths.
    fields: &'static [(&'static str, &'static str, &'static [&'static str])],
}

const REPLICAS: &[&str] = &["spec.replicas"];
const CA_BUNDLES: &[(&str, &str, &[&str])] = &[
    ("admissionregistration.k8s.io", "*WebhookConfiguration", &["webhooks[*].clientConfig.caBundle"]),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &["spec.conversion.webhook.clientConfig.caBundle"]),
    ("apiregistration.k8s.io", "APIService", &["spec.caBundle"]),
];

const PRESETS: &[Preset] = &[
    Preset {
        name: "argo-rollouts",
        class: Class::Controller,
        users: &["system:serviceaccount:argo-rollouts:argo-rollouts"],
        fields: &[
            ("", "Service", &["spec.selector"]),
            ("apps", "Deployment", REPLICAS),
            ("networking.istio.io", "VirtualService", &["spec.http", "spec.tcp", "spec.tls"]),
            ("networking.istio.io", "DestinationRule", &["spec.subsets"]),
            ("gateway.networking.k8s.io", "*Route", &["spec.rules"]),
            ("networking.k8s.io", "Ingress", &["metadata.annotations"]),
        ],
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
    },
    Preset {
        name: "cert-manager",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:cert-manager:cert-manager",
            "system:serviceaccount:cert-manager:cert-manager-cainjector",
        ],
        fields: CA_BUNDLES,
    },
    Preset {
        name: "flagger",
        class: Class::Controller,
        users: &[
            "system:serviceaccount:flagger-system:flagger",
            "system:serviceaccount:istio-system:flagger",
            "system:serviceaccount:linkerd:flagger",
        ],
        fields: &[
            ("apps", "*", REPLICAS),
            ("networking.istio.io", "VirtualService", &["spec.http"]),
            ("gateway.networking.k8s.io", "*Route", &["spec.rules"]),
            ("", "Service", &["spec.selector"]),
        ],
    },
    Preset {
        name: "flux",
        class: Class::Gitops,
        users: &[
            "system:serviceaccount:flux-system:kustomize-controller",
            "system:serviceaccount:flux-system:helm-controller",
        ],
        fields: &[],
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
    },
    Preset {
        name: "keda",
        class: Class::Controller,
        users: &["system:serviceaccount:keda:keda-operator"],
        fields: &[("*", "*", REPLICAS)],
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
    },
];

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}

/// The rule of a preset.
pub(super) fn rule(name: &str) -> Result<ActorRule, ActorError> {
    let preset =
        PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| ActorError::Preset(name.to_owned()))?;
    let grants = preset.fields.iter().map(|(group, kind, paths)| Grant::new(group, kind, paths));
    let rule = ActorRule::new(preset.class, preset.users, &[""; 0], grants.collect::<Result<_, _>>()?)?;
    Ok(ActorRule { is_preset: true, ..rule })
}

/// The GitOps tool that a preset is for, where it is for one.
pub(super) fn tool(name: &str) -> Option<GitopsTool> {
    match name {
        "argocd" => Some(GitopsTool::ArgoCd),
        "flux" => Some(GitopsTool::Flux),
        _ => None,
    }
}
