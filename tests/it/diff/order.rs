//! Lists whose order is a part of their meaning, and lists where it is not.

use crate::diff::table::{
    DEPLOYMENT, DeclaredState, Person, THING, Workload, case, manifest_text, parse_object, table,
};

const ROLLOUT: &str = "argoproj.io/v1alpha1 Rollout";

fn pod(fields: &str) -> String {
    format!("spec: {{template: {{spec: {{{fields}}}}}}}")
}

fn env(variables: &str) -> String {
    pod(&format!("containers: [{{name: a, image: i, env: [{variables}]}}]"))
}

#[test]
fn init_containers_run_in_the_order_of_the_list() {
    let list = |items: &str| pod(&format!("initContainers: [{items}]"));
    let (git, turned) = (list("{name: migrate}, {name: seed}"), list("{name: seed}, {name: migrate}"));
    let drift = "drift spec.template.spec.initContainers";
    for kind in [DEPLOYMENT, ROLLOUT, "batch/v1 Job"] {
        table(
            kind,
            [
                case("turned round").git(&git).update(&turned).expect(drift).reverse("conforms"),
                case("created the other way").git(&git).create(&turned).expect(drift),
                case("turned round before, not touched")
                    .git(&git)
                    .update_from(&turned, &list("{name: seed}, {name: migrate}, {name: mesh}"))
                    .expect("drift spec.template.spec.initContainers[name=\"mesh\"] | conforms")
                    .reverse("conforms"),
                case("one in front")
                    .git(&git)
                    .update(&list("{name: mesh}, {name: migrate}, {name: seed}"))
                    .expect("drift spec.template.spec.initContainers[name=\"mesh\"] | conforms")
                    .reverse("conforms"),
                case("one in between")
                    .git(&git)
                    .update(&list("{name: migrate}, {name: mesh}, {name: seed}"))
                    .expect("drift spec.template.spec.initContainers[name=\"mesh\"] | conforms")
                    .reverse("conforms"),
                case("one put back in the wrong place")
                    .git(&git)
                    .update_from(&list("{name: seed}"), &turned)
                    .expect(drift)
                    .reverse("drift spec.template.spec.initContainers[name=\"migrate\"]"),
                case("an addition that moves")
                    .git(&git)
                    .update_from(
                        &list("{name: mesh}, {name: migrate}, {name: seed}"),
                        &list("{name: migrate}, {name: seed}, {name: mesh}"),
                    )
                    .expect("conforms")
                    .reverse("conforms"),
            ],
        );
    }
}

#[test]
fn variables_that_refer_to_others_come_after_them() {
    let (base, data) = ("{name: BASE, value: /srv}", "{name: DATA, value: $(BASE)/data}");
    let drift = "drift spec.template.spec.containers[name=\"a\"].env";
    for kind in [DEPLOYMENT, ROLLOUT] {
        table(
            kind,
            [
                case("a reference before what it refers to")
                    .git(&env(&format!("{base}, {data}")))
                    .update(&env(&format!("{data}, {base}")))
                    .expect(drift)
                    .reverse("conforms"),
                case("one in between")
                    .git(&env(&format!("{base}, {data}")))
                    .update(&env(&format!("{base}, {{name: X, value: x}}, {data}")))
                    .expect("drift spec.template.spec.containers[name=\"a\"].env[name=\"X\"] | conforms")
                    .reverse("conforms"),
                case("no reference")
                    .git(&env("{name: A, value: a}, {name: B, value: $B}"))
                    .update(&env("{name: B, value: $B}, {name: A, value: a}"))
                    .expect("conforms")
                    .reverse("conforms"),
                case("an escaped one")
                    .git(&env("{name: A, value: a}, {name: B, value: $$(A)}"))
                    .update(&env("{name: B, value: $$(A)}, {name: A, value: a}"))
                    .expect("conforms")
                    .reverse("conforms"),
                case("one after an escape")
                    .git(&env("{name: A, value: a}, {name: B, value: $$$(A)}"))
                    .update(&env("{name: B, value: $$$(A)}, {name: A, value: a}"))
                    .expect(drift)
                    .reverse("conforms"),
            ],
        );
    }
}

#[test]
fn of_a_variable_that_git_names_twice_the_last_one_counts() {
    let (info, debug) = ("{name: LOG, value: info}", "{name: LOG, value: debug}");
    let git = env(&format!("{info}, {debug}"));
    let drift = "drift spec.template.spec.containers[name=\"a\"].env";
    table(
        DEPLOYMENT,
        [
            case("the other one last")
                .git(&git)
                .update(&env(&format!("{debug}, {info}")))
                .expect(drift)
                .reverse("conforms"),
            case("the one that counts dropped").git(&git).update(&env(info)).expect(drift).reverse("conforms"),
            case("the one that does not count dropped")
                .git(&git)
                .update(&env(debug))
                .expect("conforms")
                .reverse("conforms"),
            case("a server's default in the last one")
                .git(&env("{name: A, value: a}, {name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}"))
                .create(&env(
                    "{name: A, value: a}, {name: A, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}",
                ))
                .expect("conforms"),
        ],
    );
}

#[test]
fn the_lists_of_a_custom_resource_are_one_value_to_the_server() {
    let steps = |items: &str| format!("spec: {{steps: [{items}]}}");
    table(
        THING,
        [
            case("steps turned round")
                .git(&steps("{name: test}, {name: push}"))
                .update(&steps("{name: push}, {name: test}"))
                .expect("drift spec.steps")
                .reverse("conforms"),
            case("a step added by a machine")
                .git(&steps("{name: test}, {name: push}"))
                .update(&steps("{name: test}, {name: scan}, {name: push}"))
                .expect("drift spec.steps[name=\"scan\"] | conforms")
                .reverse("conforms"),
            case("steps inside items")
                .git(&steps("{name: a, tasks: [{name: x}, {name: y}]}"))
                .update(&steps("{name: a, tasks: [{name: y}, {name: x}]}"))
                .expect("drift spec.steps[name=\"a\"].tasks")
                .reverse("conforms"),
            case("steps inside items without names")
                .git(&steps("{id: a, tasks: [{name: x}, {name: y}]}"))
                .update(&steps("{id: a, tasks: [{name: y}, {name: x}]}"))
                .expect("drift spec.steps")
                .reverse("conforms"),
        ],
    );
    // A Pod's lists have no order there either.
    for list in ["containers", "volumes", "imagePullSecrets", "env", "ports"] {
        let both = |a: &str, b: &str| pod(&format!("{list}: [{{name: {a}}}, {{name: {b}}}]"));
        table(
            ROLLOUT,
            [case(list).git(&both("a", "b")).update(&both("b", "a")).expect("conforms").reverse("conforms")],
        );
    }
}

#[test]
fn lists_with_a_type_are_compared_by_their_type() {
    let named = "{type: object, properties: {name: {type: string}}}";
    let list = |kind: &str| format!("{{type: array, items: {named}{kind}}}");
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: things.example.org}}\n\
         spec: {{group: example.org, scope: Namespaced, names: {{kind: Thing, plural: things}}, versions: [{{name: v1, \
         schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {{type: object, properties: {{keyed: {}, \
         atomic: {}, plain: {}}}}}}}}}}}}}]}}\n---\n",
        list(", x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name]"),
        list(", x-kubernetes-list-type: atomic"),
        list(""),
    );
    for (field, expected) in [("keyed", "conforms"), ("atomic", "drift spec.atomic"), ("plain", "drift spec.plain")] {
        let spec = |items: &str| format!("spec: {{{field}: [{items}]}}");
        let (git, turned) = (spec("{name: a}, {name: b}"), spec("{name: b}, {name: a}"));
        let state = DeclaredState::parse(&format!("{definition}{}", manifest_text(THING, &git)));
        let [git, turned] = [git, turned].map(|fields| parse_object(THING, &fields));
        for by in [Person, Workload] {
            assert_eq!(state.update(by, &git, &turned).summary(), expected, "{field} by a {by:?}");
            assert_eq!(state.update(by, &turned, &git).summary(), "conforms", "{field} back by a {by:?}");
        }
    }
}
