//! Fields where empty differs from absent, and fields where it does not.

use crate::diff::table::{DEPLOYMENT, THING, case, table};

const POLICY: &str = "networking.k8s.io/v1 NetworkPolicy";

#[test]
fn adding_an_empty_selector_is_drift_since_it_selects_everything() {
    let from =
        |peer: &str| format!("spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{{from: [{{{peer}}}]}}]}}");
    let (api, all) = (
        from("podSelector: {matchLabels: {app: api}}"),
        from("podSelector: {matchLabels: {app: api}}, namespaceSelector: {}"),
    );
    table(
        POLICY,
        [
            case("opened to all namespaces")
                .git(&api)
                .update(&all)
                .expect("drift spec.ingress | conforms")
                .reverse("conforms"),
            case("a declared one taken away").git(&all).update(&api).expect("drift spec.ingress").reverse("conforms"),
        ],
    );
    table(
        THING,
        [
            case("a selector of rules")
                .git("spec: {size: 1}")
                .update("spec: {size: 1, ruleSelector: {}}")
                .expect("drift spec.ruleSelector | conforms")
                .reverse("conforms"),
            case("a part of another kind")
                .git("spec: {acme: {email: a}}")
                .update("spec: {acme: {email: a}, vault: {}}")
                .expect("drift spec.vault | conforms")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn an_empty_map_from_the_server_is_no_drift() {
    let pod = |more: &str| format!("spec: {{template: {{spec: {{containers: [{{name: a, image: 'i:1'{more}}}]}}}}}}");
    table(
        DEPLOYMENT,
        [case("no resources")
            .git(&pod(""))
            .update_from(&pod(", stdin: true"), &pod(", resources: {}"))
            .expect("conforms")
            .reverse("drift spec.template.spec.containers[name=\"a\"].stdin | conforms")],
    );
}

#[test]
fn policy_types_that_the_server_derives_are_no_drift() {
    let open = "spec: {podSelector: {}, egress: [{}]}";
    table(
        POLICY,
        [
            case("as the server makes them")
                .git(open)
                .update_from(
                    "spec: {podSelector: {}, policyTypes: [Ingress]}",
                    "spec: {podSelector: {}, egress: [{}], policyTypes: [Ingress, Egress]}",
                )
                .expect("conforms")
                .reverse("drift spec.egress"),
            case("one taken away by hand")
                .git(open)
                .update_from(
                    "spec: {podSelector: {}, egress: [{}], policyTypes: [Ingress, Egress]}",
                    "spec: {podSelector: {}, egress: [{}], policyTypes: [Egress]}",
                )
                .expect("drift spec.policyTypes | conforms")
                .reverse("conforms"),
        ],
    );
}
