//! Properties of what admission adds to a write, whatever it adds and to whatever.

use std::sync::LazyLock;

use driftwall_core::diff::{ListKind, SchemaRef, StructOwnership, builtin_schema};
use driftwall_core::manifest;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::diff::table::{DeclaredState, Person};
use crate::harness::managed_fields::{applied, entry, updated};

/// The built-in objects of the recorded repository.
static MANIFESTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let bytes = std::fs::read("tests/data/reviews/git/apps/prod/app.yaml").unwrap();
    let objects = manifest::parse("app.yaml", &bytes).objects.into_iter().map(|object| object.value);
    objects.filter(|object| object["kind"] != "Namespace").collect()
});

/// Something that admission can add.
#[derive(Clone, Debug)]
enum Addition {
    /// A field of a struct or map, by its pointer.
    Field(String),
    /// An item of a keyed list, by the list's pointer and the item's keys.
    Item(String, Map<String, Value>),
}

/// Everything that can be added to an object.
fn additions(object: &Value) -> Vec<Addition> {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let schema = builtin_schema(group, version, object["kind"].as_str().unwrap()).unwrap();
    let mut found = Vec::new();
    for (name, value) in object.as_object().unwrap() {
        if !["apiVersion", "kind", "metadata", "status", "type"].contains(&name.as_str()) {
            collect(value, schema.field(name), format!("/{name}"), &mut found);
        }
    }
    found
}

fn collect(value: &Value, schema: SchemaRef<'_>, at: String, found: &mut Vec<Addition>) {
    let below = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match (value, schema.list()) {
        (Value::Object(fields), _) if schema.ownership() == StructOwnership::ByField => {
            for (name, value) in fields {
                collect(value, schema.field(name), below(name), found);
            }
            found.push(Addition::Field(below("addedByAdmission")));
        }
        (Value::Array(items), ListKind::Map(keys)) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, schema.items(), below(&index.to_string()), found);
            }
            let key = |key: &driftwall_core::diff::ListKey| {
                let number = key.name.to_lowercase().ends_with("port");
                let value = if number { 65_001.into() } else { "added-by-admission".into() };
                (key.name.to_string(), key.default.clone().unwrap_or(value))
            };
            found.push(Addition::Item(at, keys.iter().map(key).collect()));
        }
        _ => {}
    }
}

fn add(object: &mut Value, addition: &Addition, value: &Value) {
    match addition {
        Addition::Field(pointer) => {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        Addition::Item(pointer, keys) => {
            let mut item = keys.clone();
            item.insert("addedByAdmission".into(), value.clone());
            object.pointer_mut(pointer).unwrap().as_array_mut().unwrap().push(item.into());
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("x")),
        Just(json!(true)),
        Just(json!(7)),
        Just(json!({"a": {"b": ["c"]}})),
        Just(json!(["a", "b"])),
        Just(json!([{"name": "a"}])),
    ]
}

/// Lists that no API server writes.
fn malformed() -> impl Strategy<Value = Value> {
    let fields = json!({"f:spec": {}});
    prop::sample::select(vec![
        Value::Null,
        json!([]),
        json!({}),
        json!([{}]),
        json!("x"),
        json!([1]),
        json!([{"manager": "a", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}]),
        json!([{"manager": "a", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields.clone()}]),
        json!([{"manager": "a", "operation": "Update", "apiVersion": "v1", "fieldsV1": fields}]),
        json!([entry("a", "Update", "example.org/v1", "", json!({"f:spec": {}}))]),
        json!([entry("a", "Update", "v1", "", json!("f:spec"))]),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_write_that_brings_nothing_beside_git_is_never_drift(
        at in 0..MANIFESTS.len(),
        added in prop::collection::vec((any::<usize>(), value()), 0..6),
        is_applied in any::<bool>(),
        creates in any::<bool>(),
        finalizer in any::<bool>(),
    ) {
        let git = DeclaredState::parse(&MANIFESTS[at].to_string());
        let mut desired = git.desired(&MANIFESTS[at]);
        desired["metadata"]["namespace"] = "prod".into();
        let owned = if is_applied { applied("kubectl", &desired) } else { updated("kubectl", &desired) };
        let mut new = desired.clone();
        new["metadata"]["managedFields"] = json!([owned]);
        let places = additions(&desired);
        for (place, value) in &added {
            if !places.is_empty() {
                add(&mut new, &places[place % places.len()], value);
            }
        }
        if finalizer {
            new["metadata"]["finalizers"] = json!(["example.org/hook"]);
        }
        let found = if creates { git.create(Person, &new) } else { git.update(Person, &desired, &new) };
        prop_assert!(found.conforms(), "{:?}: {}", found, new);
    }

    #[test]
    fn an_addition_that_the_writer_owns_is_drift(
        at in 0..MANIFESTS.len(), place in any::<usize>(), value in value(), creates in any::<bool>(),
    ) {
        let git = DeclaredState::parse(&MANIFESTS[at].to_string());
        let mut desired = git.desired(&MANIFESTS[at]);
        desired["metadata"]["namespace"] = "prod".into();
        let places = additions(&desired);
        prop_assume!(!places.is_empty());
        let mut new = desired.clone();
        add(&mut new, &places[place % places.len()], &value);
        new["metadata"]["managedFields"] = json!([applied("tool", &desired), updated("kubectl", &new)]);
        let found = if creates { git.create(Person, &new) } else { git.update(Person, &desired, &new) };
        prop_assert!(!found.conforms(), "{:?}: {}", found, new);
    }

    #[test]
    fn entries_that_are_not_an_api_servers_excuse_nothing(
        at in 0..MANIFESTS.len(), place in any::<usize>(), value in value(), entries in malformed(), creates in any::<bool>(),
    ) {
        let git = DeclaredState::parse(&MANIFESTS[at].to_string());
        let mut desired = git.desired(&MANIFESTS[at]);
        desired["metadata"]["namespace"] = "prod".into();
        let places = additions(&desired);
        prop_assume!(!places.is_empty());
        let mut new = desired.clone();
        add(&mut new, &places[place % places.len()], &value);
        new["metadata"]["managedFields"] = entries;
        let found = if creates { git.create(Person, &new) } else { git.update(Person, &desired, &new) };
        prop_assert!(!found.conforms(), "{:?}: {}", found, new);
    }
}
