//! Fields in which nothing is left open: who may reach what, and who may do what. What
//! Git leaves empty or out there is meant so, and no machine fills it in.

use super::evaluation::Evaluation;
use crate::diff::{ChangeKind, DifferenceRef};

/// Whether the difference adds to what Git says in a field in which nothing is left open.
pub(super) fn adds_to_what_is_exact(evaluation: &Evaluation<'_, '_>, difference: DifferenceRef<'_>) -> bool {
    let adds = matches!(difference.change, ChangeKind::Extended | ChangeKind::Extra | ChangeKind::Filled);
    adds && is_exact(evaluation, difference)
}

fn is_exact(evaluation: &Evaluation<'_, '_>, difference: DifferenceRef<'_>) -> bool {
    let path = difference.path;
    let is_in = |fields: &[&[&str]]| fields.iter().any(|field| path.starts_with(field));
    match (&*evaluation.write.resource.group, &*evaluation.kind) {
        // The rules of an aggregated role, which Git leaves out, are the aggregation controller's.
        // https://kubernetes.io/docs/reference/access-authn-authz/rbac/
        // A role that becomes an aggregated one loses the rules that Git says: that controller replaces them.
        ("rbac.authorization.k8s.io", "ClusterRole" | "Role") => {
            is_in(&[&["aggregationRule"]]) || difference.declared.is_some() && is_in(&[&["rules"]])
        }
        ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") => {
            difference.declared.is_some() && is_in(&[&["subjects"]])
        }
        // No rule lets nothing in, and an empty one everything.
        // https://kubernetes.io/docs/concepts/services-networking/network-policies/
        // https://network-policy-api.sigs.k8s.io/reference/spec/
        // Istio: `spec: {}` denies everything, `rules: [{}]` allows it.
        // https://istio.io/latest/docs/reference/config/security/authorization-policy/
        // https://gateway-api.sigs.k8s.io/api-types/referencegrant/
        ("networking.k8s.io", "NetworkPolicy")
        | ("policy.networking.k8s.io", _)
        | ("security.istio.io", "AuthorizationPolicy")
        | ("gateway.networking.k8s.io", "ReferenceGrant") => is_in(&[&["spec"]]),
        // https://docs.cilium.io/en/stable/security/policy/intro/
        ("cilium.io", "CiliumClusterwideNetworkPolicy" | "CiliumNetworkPolicy") => is_in(&[&["spec"], &["specs"]]),
        // Its API server fills in `types`, `order` and `tier`.
        // https://docs.tigera.io/calico/latest/reference/resources/networkpolicy
        ("crd.projectcalico.org" | "projectcalico.org", "GlobalNetworkPolicy" | "NetworkPolicy") => {
            is_in(&[&["spec", "egress"], &["spec", "ingress"], &["spec", "selector"]])
        }
        _ => false,
    }
}
