//! Malformed, very deep and very wide objects: none causes a panic, and none costs more than its size. A test that
//! never ends fails.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::diff::properties::{json, named};
use crate::diff::table::{DeclaredState, ObjectWrite, Person, Workload};

/// As many fields of a write are named.
const MAX_NAMED: usize = 1000;

const KINDS: [&str; 6] =
    ["v1 Secret", "v1 Service", "apps/v1 Deployment", "example.org/v1 Thing", "batch/v1 Job", "v1 Namespace"];

/// An object of this kind of any content: fields that the schema knows, with values that it does not.
fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    let field = prop::sample::select(vec!["spec", "data", "rules", "status", "stringData", "type", "sops"]);
    let marks = prop::sample::select(vec!["labels", "annotations", "finalizers", "ownerReferences"]);
    (prop::collection::hash_map(field, json(), 0..4), prop::collection::hash_map(marks, json(), 0..3)).prop_map(
        |(fields, marks)| {
            let mut fields: Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let marks: Map<_, _> = marks.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            fields.insert("metadata".into(), marks.into());
            fields
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_json_is_judged_without_a_panic(
        kind in prop::sample::select(KINDS.to_vec()),
        contents in prop::array::uniform3(any_object()),
        operation in prop::sample::select(vec!["UPDATE", "CREATE", "DELETE"]),
        subresource in prop::sample::select(vec!["", "status", "scale", "ephemeralcontainers"]),
    ) {
        let [git, old, new] = contents.map(|fields| named(kind, fields));
        let git = DeclaredState::parse(&git.to_string());
        for by in [Person, Workload] {
            let write = ObjectWrite {
                operation,
                subresource,
                old: (operation != "CREATE").then_some(&old),
                new: (operation != "DELETE").then_some(&new),
            };
            let seen = git.evaluate(by, &write);
            prop_assert!(seen.fields.iter().all(|field| !field.is_empty()), "{:?}", seen);
        }
    }
}

fn thing(spec: Value) -> Value {
    named("example.org/v1 Thing", [("spec".to_owned(), spec)].into_iter().collect())
}

/// `depth` lists of one named item inside each other, and at last a value.
fn deep(depth: usize, value: &str) -> Value {
    (0..depth).fold(value.into(), |inside, _| json!([{"name": "a", "in": inside}]))
}

#[test]
fn a_deep_object_costs_no_more_than_its_depth() {
    let [git, old, new] = ["1", "1", "2"].map(|value| thing(deep(55, value)));
    let git = DeclaredState::parse(&git.to_string());
    for by in [Person, Workload] {
        assert!(git.update(by, &old, &old).conforms());
        let seen = git.update(by, &old, &new);
        assert_eq!(seen.fields.len(), 1, "{seen:?}");
        assert!(git.update(by, &new, &old).conforms());
    }
}

#[test]
fn a_deep_object_in_atomic_lists_costs_no_more_than_its_depth() {
    let deep = |value: &str| thing((0..55).fold(value.into(), |inside, _| json!([{"in": inside}])));
    let git = DeclaredState::parse(&deep("1").to_string());
    assert_eq!(git.update(Workload, &deep("1"), &deep("2")).summary(), "drift spec");
    assert!(git.update(Person, &deep("2"), &deep("1")).conforms());
}

#[test]
fn a_manifest_deeper_than_any_review_causes_no_panic() {
    let value = (0..180).fold("x".to_owned(), |inside, _| format!("[{inside}]"));
    let git = DeclaredState::parse(&format!(
        "{{apiVersion: example.org/v1, kind: Thing, metadata: {{name: web, namespace: prod}}, spec: {{a: {value}}}}}"
    ));
    let seen = git.update(Workload, &thing(json!({"a": 1})), &thing(json!({"a": 2})));
    assert_eq!(seen.summary(), "drift spec.a");
}

#[test]
fn a_wide_list_costs_no_more_than_its_width() {
    const WIDTH: usize = 20_000;
    let items = |value: &str, of: &dyn Fn(usize, &str) -> Value| thing((0..WIDTH).map(|n| of(n, value)).collect());
    let keyed = |n: usize, value: &str| json!({"name": format!("n{n}"), "value": value});
    let atomic = |n: usize, value: &str| json!({"id": n, "value": value});
    let twins = |_: usize, value: &str| json!({"name": "same", "value": value});
    for (what, of, fields) in [
        ("keyed", &keyed as &dyn Fn(usize, &str) -> Value, MAX_NAMED),
        ("atomic", &atomic, 1),
        ("all of one name", &twins, 1),
    ] {
        let (right, other) = (items("1", of), items("2", of));
        let git = DeclaredState::parse(&right.to_string());
        for by in [Person, Workload] {
            assert!(git.update(by, &right, &right).conforms(), "{what}");
            assert!(git.update(by, &other, &right).conforms(), "{what}");
            assert_eq!(git.update(by, &right, &other).fields.len(), fields, "{what}");
            assert_eq!(git.create(by, &other).fields.len(), fields, "{what}");
        }
        let turned = match right["spec"].clone() {
            Value::Array(items) => thing(items.into_iter().rev().collect()),
            other => panic!("{other}"),
        };
        assert_eq!(git.update(Person, &right, &turned).conforms(), what == "all of one name", "{what}");
    }
}

#[test]
fn duplicates_and_many_members_cost_no_more_than_their_number() {
    const WIDTH: usize = 20_000;
    let env = |value: &str| {
        let env: Vec<_> = (0..WIDTH).map(|_| json!({"name": "A", "value": value})).collect();
        let spec = json!({"template": {"spec": {"containers": [{"name": "a", "env": env}]}}});
        named("apps/v1 Deployment", [("spec".to_owned(), spec)].into_iter().collect())
    };
    let git = DeclaredState::parse(&env("1").to_string());
    assert!(git.update(Workload, &env("2"), &env("1")).conforms());
    assert_eq!(git.update(Workload, &env("1"), &env("2")).fields.len(), MAX_NAMED);
    let held = |from: usize| {
        let names: Vec<_> = (from..from + WIDTH).map(|n| format!("x/n{n}")).collect();
        named("v1 ConfigMap", [("metadata".to_owned(), json!({"finalizers": names}))].into_iter().collect())
    };
    assert_eq!(
        DeclaredState::parse(&held(0).to_string()).update(Workload, &held(0), &held(1)).summary(),
        "drift metadata.finalizers"
    );
}

#[test]
fn what_is_not_named_still_makes_the_answer_as_strict() {
    // A thousand warnings come first; the denial is the last of the walk.
    let with = |labels: usize, image: &str| {
        let labels: Map<_, _> = (0..labels).map(|n| (format!("app.kubernetes.io/x{n}"), json!("x"))).collect();
        let mut object = thing(json!({"zz": image}));
        object["metadata"]["labels"] = labels.into();
        object
    };
    let git = DeclaredState::parse(&with(0, "a").to_string());
    let seen = git.update(Person, &with(0, "a"), &with(5000, "b"));
    assert_eq!(seen.summary(), "drift spec.zz");
}
