//! Fields where empty differs from absent, and fields where it does not.

use driftwall_core::policy::Verdict;

use crate::diff::table::{
    DEPLOYMENT, DeclaredState, Person, THING, Workload, case, manifest_text, parse_object, table,
};

const ROLLOUT: &str = "argoproj.io/v1alpha1 Rollout";
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
            case("opened to all namespaces").git(&api).update(&all).expect("drift spec.ingress").reverse("conforms"),
            case("a declared one taken away").git(&all).update(&api).expect("drift spec.ingress").reverse("conforms"),
        ],
    );
    table(
        THING,
        [
            case("a selector of rules that Git has empty")
                .git("spec: {ruleSelector: {}}")
                .update("spec: {ruleSelector: {matchLabels: {a: b}}}")
                .expect("drift spec.ruleSelector")
                .reverse("conforms"),
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
                .expect("drift spec.policyTypes")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn an_empty_list_of_rules_is_filled_by_nobody() {
    let policy = |rest: &str| format!("spec: {{podSelector: {{}}, policyTypes: [Ingress]{rest}}}");
    let (none, all) = (policy(", ingress: []"), policy(", ingress: [{}]"));
    let narrow = policy(", ingress: [{from: [{podSelector: {matchLabels: {a: b}}}]}]");
    table(
        POLICY,
        [
            case("all let in").git(&none).update(&all).expect("drift spec.ingress").reverse("conforms"),
            case("where Git leaves the list out")
                .git(&policy(""))
                .update(&all)
                .expect("drift spec.ingress")
                .reverse("conforms"),
            case("a rule that lets all in").git(&all).update(&narrow).expect("drift spec.ingress").reverse("conforms"),
            case("fewer Pods")
                .git(&policy(""))
                .update(&policy("").replace("podSelector: {}", "podSelector: {matchLabels: {no: one}}"))
                .expect("drift spec.podSelector")
                .reverse("conforms"),
            case("an empty list in the selector")
                .git(&policy("").replace("podSelector: {}", "podSelector: {matchLabels: {}}"))
                .update(&policy("").replace("podSelector: {}", "podSelector: {matchLabels: {no: one}}"))
                .expect("drift spec.podSelector")
                .reverse("conforms"),
        ],
    );
    let role = |groups: &str| format!("rules: [{{apiGroups: [{groups}], resources: [pods], verbs: [get]}}]");
    table(
        "rbac.authorization.k8s.io/v1 Role",
        [
            case("every group").git(&role("''")).update(&role("'*'")).expect("drift rules").reverse("conforms"),
            case("another group").git(&role("''")).update(&role("apps")).expect("drift rules").reverse("conforms"),
            case("one of two")
                .git(&role("'', apps"))
                .update(&role("x, apps"))
                .expect("drift rules")
                .reverse("conforms"),
            case("no rule").git("rules: []").update(&role("''")).expect("drift rules").reverse("conforms"),
            case("no resource")
                .git("rules: [{apiGroups: [''], resources: [], verbs: [get]}]")
                .update(&role("''"))
                .expect("drift rules")
                .reverse("conforms"),
        ],
    );
    table(
        "rbac.authorization.k8s.io/v1 RoleBinding",
        [case("nobody")
            .git("roleRef: {kind: Role, name: a}\nsubjects: []")
            .update("roleRef: {kind: Role, name: a}\nsubjects: [{kind: User, name: mallory}]")
            .expect("drift subjects")
            .reverse("conforms")],
    );
    for (kind, nothing, something) in [
        ("security.istio.io/v1 AuthorizationPolicy", "spec: {}", "spec: {rules: [{}]}"),
        (
            "security.istio.io/v1 AuthorizationPolicy",
            "spec: {rules: [{}]}",
            "spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}",
        ),
        ("cilium.io/v2 CiliumNetworkPolicy", "spec: {ingress: []}", "spec: {ingress: [{}]}"),
        ("projectcalico.org/v3 NetworkPolicy", "spec: {ingress: []}", "spec: {ingress: [{action: Allow}]}"),
    ] {
        for by in [Person, Workload] {
            let git = DeclaredState::parse(&manifest_text(kind, nothing));
            let [old, new] = [nothing, something].map(|fields| parse_object(kind, fields));
            let seen = git.update(by, &old, &new);
            assert_eq!(seen.verdict, Verdict::Drift, "{kind}, {nothing} to {something} by a {by:?}: {seen:?}");
        }
    }
}

#[test]
fn an_empty_struct_that_says_something_is_filled_by_nobody() {
    let volume = |disk: &str| format!("spec: {{template: {{spec: {{volumes: [{{name: v, emptyDir: {{{disk}}}}}]}}}}}}");
    let path = "drift spec.template.spec.volumes[name=\"v\"].emptyDir";
    for kind in [DEPLOYMENT, ROLLOUT] {
        table(
            kind,
            [case("memory").git(&volume("")).update(&volume("medium: Memory")).expect(path).reverse("conforms")],
        );
    }
    let budget = |selector: &str| format!("spec: {{minAvailable: 1, selector: {{{selector}}}}}");
    table(
        "policy/v1 PodDisruptionBudget",
        [case("all Pods")
            .git(&budget(""))
            .update(&budget("matchLabels: {a: b}"))
            .expect("drift spec.selector")
            .reverse("conforms")],
    );
    let steps = |pause: &str| format!("spec: {{strategy: {{canary: {{steps: [{{pause: {{{pause}}}}}]}}}}}}");
    table(
        ROLLOUT,
        [case("a pause without an end")
            .git(&steps(""))
            .update(&steps("duration: 1s"))
            .expect("drift spec.strategy.canary.steps")
            .reverse("conforms")],
    );
    let hook = |selector: &str| format!("webhooks: [{{name: a.b.c, namespaceSelector: {selector}}}]");
    let selector = "webhooks[name=\"a.b.c\"].namespaceSelector";
    table(
        "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration",
        [
            case("the provider's own namespaces left out")
                .git(&hook("{}"))
                .update(&hook("{matchExpressions: [{key: control-plane, operator: DoesNotExist}]}"))
                .expect(&format!("drift {selector} | conforms"))
                .reverse("conforms"),
            case("only some namespaces")
                .git(&hook("{}"))
                .update(&hook("{matchLabels: {a: b}}"))
                .expect(&format!("drift {selector}"))
                .reverse("conforms"),
        ],
    );
}

#[test]
fn an_empty_text_that_says_something_is_filled_by_nobody() {
    let grant = |group: &str| format!("spec: {{to: [{{group: '{group}', kind: Secret}}]}}");
    table(
        "gateway.networking.k8s.io/v1 ReferenceGrant",
        [
            case("another group").git(&grant("")).update(&grant("a.b")).expect("drift spec.to").reverse("conforms"),
            case("another group, created").git(&grant("")).create(&grant("a.b")).expect("drift spec.to"),
        ],
    );
    let claim = |class: &str| format!("spec: {{accessModes: [ReadWriteOnce], storageClassName: '{class}'}}");
    table(
        "v1 PersistentVolumeClaim",
        [
            case("no class, created").git(&claim("")).create(&claim("fast")).expect("drift spec.storageClassName"),
            case("no class").git(&claim("")).create(&claim("")).expect("conforms"),
        ],
    );
    table(
        THING,
        [
            case("an item of a list")
                .git("spec: {groups: ['', a]}")
                .update("spec: {groups: ['*', a]}")
                .expect("drift spec.groups")
                .reverse("conforms"),
            case("what charts leave open")
                .git("spec: {resources: {}, affinity: {}, nodeSelector: {}, tolerations: []}")
                .update("spec: {resources: {cpu: 1}, affinity: {a: b}, nodeSelector: {a: b}, tolerations: [{key: a}]}")
                .expect("drift spec.affinity.a spec.nodeSelector.a spec.resources.cpu spec.tolerations | conforms")
                .reverse("conforms"),
        ],
    );
}
