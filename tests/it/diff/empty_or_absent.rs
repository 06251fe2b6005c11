//! Where being there and being empty means something, and where it does not.

use crate::diff::table::{DEPLOYMENT, THING, table};

const POLICY: &str = "networking.k8s.io/v1 NetworkPolicy";

#[test]
#[rustfmt::skip]
fn an_empty_selector_selects_everything() {
    let from = |peer: &str| format!("spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{{from: [{{{peer}}}]}}]}}");
    let (api, all) = (from("podSelector: {matchLabels: {app: api}}"), from("podSelector: {matchLabels: {app: api}}, namespaceSelector: {}"));
    table(
        POLICY,
        &[
            ("opened to all namespaces", &api, "=", &all, "drift spec.ingress | conforms", "conforms"),
            ("a declared one taken away", &all, "=", &api, "drift spec.ingress", "conforms"),
        ],
    );
    table(
        THING,
        &[
            ("a selector of rules", "spec: {size: 1}", "=", "spec: {size: 1, ruleSelector: {}}", "drift spec.ruleSelector | conforms", "conforms"),
            ("a part of another kind", "spec: {acme: {email: a}}", "=", "spec: {acme: {email: a}, vault: {}}", "drift spec.vault | conforms", "conforms"),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn what_the_server_leaves_empty_is_nothing() {
    let pod = |more: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, image: 'i:1'{more}}}]}}}}}}");
    table(
        DEPLOYMENT,
        &[
            ("no resources", &pod(""), &pod(", stdin: true"), &pod(", resources: {}"), "conforms", "drift spec.template.spec.containers[name=\"a\"].stdin | conforms"),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn policy_types_follow_the_rules() {
    let open = "spec: {podSelector: {}, egress: [{}]}";
    table(
        POLICY,
        &[
            ("as the server makes them", open, "spec: {podSelector: {}, policyTypes: [Ingress]}", "spec: {podSelector: {}, egress: [{}], policyTypes: [Ingress, Egress]}", "conforms", "drift spec.egress"),
            ("one taken away by hand", open, "spec: {podSelector: {}, egress: [{}], policyTypes: [Ingress, Egress]}", "spec: {podSelector: {}, egress: [{}], policyTypes: [Egress]}", "drift spec.policyTypes | conforms", "conforms"),
        ],
    );
}
