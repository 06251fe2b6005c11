//! Properties of every manifest, live state and write.

use std::collections::HashSet;
use std::sync::LazyLock;

use driftwall_core::diff::{ItemPosition, Path, PathElement};
use driftwall_core::manifest;
use driftwall_core::policy::Verdict;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::diff::table::{DeclaredState, Person, Workload, Writer};

// === what is generated ===

/// Any JSON, with the names that mean something more often than not.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "name",
        "env",
        "ports",
        "port",
        "containers",
        "template",
        "spec",
        "limits",
        "cpu",
        "selector",
        "data",
        "a",
        "b",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "100m", "${A}", "ENC[x]", "1h", "QQ=="]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..5).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
            }),
        ]
    })
}

/// An object with this kind and content, and a name.
pub(crate) fn named(kind: &str, mut fields: Map<String, Value>) -> Value {
    let (api_version, kind) = kind.split_once(' ').unwrap();
    fields.insert("apiVersion".into(), api_version.into());
    fields.insert("kind".into(), kind.into());
    let metadata = fields.entry("metadata").or_insert_with(|| Map::new().into());
    metadata["name"] = "web".into();
    metadata["namespace"] = "prod".into();
    fields.into()
}

/// The manifests of the recorded repository, but the Namespace, and one that is wide.
static MANIFESTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut objects = Vec::new();
    for file in ["app.yaml", "widget.yaml"] {
        let bytes = std::fs::read(format!("tests/data/reviews/git/apps/prod/{file}")).unwrap();
        objects.extend(manifest::parse(file, &bytes).objects.into_iter().map(|object| object.value));
    }
    objects.retain(|object| object["kind"] != "Namespace");
    objects.push(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "wide", "namespace": "prod", "labels": {"a": "b"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {
                "serviceAccountName": "x", "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "value": "c"}],
                "volumes": [
                    {"name": "v", "emptyDir": {}},
                    {"name": "w", "configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}},
                ],
                "containers": [
                    {"name": "a", "image": "i:1", "args": ["-a", "-b"],
                     "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}],
                     "env": [
                         {"name": "A", "value": "1"},
                         {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                     ],
                     "volumeMounts": [
                         {"name": "v", "mountPath": "/v"},
                         {"name": "w", "mountPath": "/w", "readOnly": true},
                     ],
                     "livenessProbe": {"httpGet": {"port": 80}, "initialDelaySeconds": 3}},
                    {"name": "b", "image": "j", "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1}},
                ],
            },
        }},
    }));
    objects
});

/// A change at the node that the number points at.
#[derive(Clone, Debug)]
enum Edit {
    Add(usize, u8),
    Remove(usize),
    Reverse(usize),
    Set(usize, Value),
    Twice(usize),
}

fn edits(at_most: usize) -> impl Strategy<Value = Vec<Edit>> {
    let value = prop_oneof![json(), prop::sample::select(vec!["x", "", "1", "2Gi", "${V}"]).prop_map(Value::from)];
    let edit = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, n)| Edit::Add(at, n)),
        any::<usize>().prop_map(Edit::Remove),
        any::<usize>().prop_map(Edit::Reverse),
        (any::<usize>(), value).prop_map(|(at, value)| Edit::Set(at, value)),
        any::<usize>().prop_map(Edit::Twice),
    ];
    prop::collection::vec(edit, 0..=at_most)
}

/// The pointers of all nodes that an edit may touch: content, labels and annotations.
fn pointers(object: &Value) -> Vec<String> {
    fn walk(value: &Value, at: String, found: &mut Vec<String>) {
        let below = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| walk(value, below(name), found)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| walk(item, below(&n.to_string()), found));
            }
            _ => {}
        }
        found.push(at);
    }
    let mut found = Vec::new();
    walk(object, String::new(), &mut found);
    let is_free = |at: &&String| {
        let in_metadata = at.starts_with("/metadata");
        let is_mark = at.starts_with("/metadata/labels/") || at.starts_with("/metadata/annotations/");
        !matches!(&***at, "" | "/apiVersion" | "/kind" | "/status") && (!in_metadata || is_mark)
    };
    found.iter().filter(is_free).cloned().collect()
}

fn edited(object: &Value, edits: &[Edit]) -> Value {
    let mut object = object.clone();
    for edit in edits {
        let all = pointers(&object);
        let (Edit::Add(at, _) | Edit::Remove(at) | Edit::Reverse(at) | Edit::Set(at, _) | Edit::Twice(at)) = edit;
        if all.is_empty() {
            continue;
        }
        let pointer = &all[at % all.len()];
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match (edit, object.pointer_mut(pointer)) {
            (Edit::Add(_, n), Some(Value::Object(fields))) => {
                drop(fields.insert(format!("extra{}", n % 4), (*n).into()));
            }
            (Edit::Add(_, n), Some(Value::Array(items))) => items.push(json!({"name": format!("extra{}", n % 4)})),
            (Edit::Reverse(_), Some(Value::Array(items))) => items.reverse(),
            (Edit::Set(_, value), Some(there)) => *there = value.clone(),
            (Edit::Twice(_), Some(Value::Array(items))) => items.extend(items.clone()),
            (Edit::Remove(_), Some(_)) => match object.pointer_mut(parent) {
                Some(Value::Object(fields)) => drop(fields.remove(&last.replace("~1", "/").replace("~0", "~"))),
                Some(Value::Array(items)) => drop(items.remove(last.parse().unwrap())),
                _ => {}
            },
            _ => {}
        }
    }
    object
}

fn base() -> impl Strategy<Value = Value> {
    (0..MANIFESTS.len()).prop_map(|n| MANIFESTS[n].clone())
}

/// A manifest, and what it looks like as the server would hold it.
fn declared(manifest: &Value) -> (DeclaredState, Value) {
    let git = DeclaredState::parse(&manifest.to_string());
    let mut desired = git.desired(manifest);
    desired["metadata"]["namespace"] = "prod".into();
    (git, desired)
}

/// The server's own additions to what is declared.
fn filled(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(filled),
        Value::Object(fields) => {
            fields.values_mut().for_each(filled);
            if fields.contains_key("image") {
                fields.entry("terminationMessagePolicy").or_insert_with(|| "File".into());
                fields.entry("resources").or_insert_with(|| json!({}));
            }
            if fields.contains_key("containerPort") {
                fields.entry("protocol").or_insert_with(|| "TCP".into());
            }
            if fields.contains_key("containers") {
                fields.entry("dnsPolicy").or_insert_with(|| "ClusterFirst".into());
                fields.entry("securityContext").or_insert_with(|| json!({}));
            }
        }
        _ => {}
    }
}

// === what holds ===

fn is_no_drift(git: &DeclaredState, by: Writer, old: &Value, new: &Value) -> Result<(), TestCaseError> {
    let seen = git.update(by, old, new);
    prop_assert!(matches!(seen.verdict, Verdict::Conforms | Verdict::Runtime), "{:?}: {:?}", by, seen);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_write_that_changes_nothing_is_never_drift(base in base(), in_git in edits(4), live in edits(8)) {
        let git = DeclaredState::parse(&edited(&base, &in_git).to_string());
        let live = edited(&base, &live);
        for by in [Person, Workload] {
            is_no_drift(&git, by, &live, &live)?;
        }
    }

    #[test]
    fn a_write_of_what_git_says_is_never_drift(base in base(), in_git in edits(4), live in edits(8)) {
        let (git, desired) = declared(&edited(&base, &in_git));
        let live = edited(&base, &live);
        let mut full = desired.clone();
        if in_git.is_empty() {
            filled(&mut full);
        }
        for by in [Person, Workload] {
            is_no_drift(&git, by, &live, &desired)?;
            is_no_drift(&git, by, &live, &full)?;
        }
    }

    #[test]
    fn another_value_of_a_declared_field_is_drift_for_everyone(base in base(), at in any::<usize>()) {
        let (git, desired) = declared(&base);
        let mut leaves = pointers(&desired);
        leaves.retain(|at| match desired.pointer(at) {
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Bool(_) | Value::Number(_)) => true,
            _ => false,
        });
        prop_assume!(!leaves.is_empty());
        let leaf = &leaves[at % leaves.len()];
        let mut new = desired.clone();
        let there = new.pointer_mut(leaf).unwrap();
        *there = match &*there {
            Value::String(text) => format!("{text}x").into(),
            Value::Bool(is) => (!is).into(),
            number => (number.as_i64().unwrap() + 1).into(),
        };
        for by in [Person, Workload] {
            let seen = git.update(by, &desired, &new);
            prop_assert_eq!(seen.verdict, Verdict::Drift, "{} by a {:?}: {:?}", leaf, by, &seen);
            // Another key makes another item, which the person also answers for.
            let named = seen.fields.iter().any(|field| {
                pointer(&desired, &field.parse().unwrap())
                    .is_some_and(|at| *leaf == at || leaf.starts_with(&format!("{at}/")))
            });
            prop_assert!(named, "{}: {:?}", leaf, seen);
        }
    }

    #[test]
    fn the_order_of_keyed_items_never_matters(base in base(), live in edits(4), write in edits(4)) {
        let (git, desired) = declared(&base);
        let mut turned = desired.clone();
        turn(&mut turned);
        for by in [Person, Workload] {
            is_no_drift(&git, by, &desired, &turned)?;
        }
        let gentle = |edits: Vec<Edit>| -> Vec<_> {
            edits.into_iter().filter(|edit| matches!(edit, Edit::Remove(_) | Edit::Add(..))).collect()
        };
        let (old, new) = (edited(&desired, &gentle(live)), edited(&desired, &gentle(write)));
        // Items without keys, or several with the same, cannot be told apart but by their order.
        prop_assume!([&old, &new].into_iter().all(has_clear_keys));
        let mut turned = new.clone();
        turn(&mut turned);
        for by in [Person, Workload] {
            let sorted = |new: &Value| {
                let mut seen = git.update(by, &old, new);
                seen.fields.sort();
                (seen.verdict, seen.fields)
            };
            let (straight, turned) = (sorted(&new), sorted(&turned));
            prop_assert_eq!(straight, turned);
        }
    }

    #[test]
    fn a_printed_path_parses_back_to_itself(steps in prop::collection::vec(step(), 1..6)) {
        let mut path = Path::default();
        for step in steps {
            path.push(step);
        }
        let text = path.to_string();
        prop_assert_eq!(text.parse::<Path>(), Ok(path), "{}", text);
    }
}

fn step() -> impl Strategy<Value = PathElement> {
    let field = prop_oneof![
        prop::sample::select(vec![
            "spec",
            "labels",
            "annotations",
            "data",
            "matchLabels",
            "a.b/c",
            "",
            "0",
            "[*]",
            "a*"
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z]{1,8}",
        any::<String>(),
    ];
    let value = prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ];
    let key = ("[a-zA-Z][a-zA-Z0-9]{0,8}", value).prop_map(|(name, value)| (name.into(), value));
    prop_oneof![
        3 => field.prop_map(|name| PathElement::Field(name.into())),
        1 => any::<usize>().prop_map(PathElement::Index),
        1 => prop::collection::vec(key, 1..4).prop_map(|keys| PathElement::Item(ItemPosition::new(keys, None))),
    ]
}

/// Where a path leads to in an object.
fn pointer(object: &Value, path: &Path) -> Option<String> {
    let (mut at, mut pointer) = (object, String::new());
    for step in path.elements() {
        let part = match step {
            PathElement::Field(name) => name.replace('~', "~0").replace('/', "~1"),
            PathElement::Index(index) => index.to_string(),
            PathElement::Item(position) => {
                let is = |item: &Value| {
                    position.keys().iter().all(|(key, is)| item.get(&**key).is_none_or(|there| there == is))
                };
                at.as_array()?.iter().position(is)?.to_string()
            }
        };
        at = at.pointer(&format!("/{part}"))?;
        pointer = format!("{pointer}/{part}");
    }
    Some(pointer)
}

/// The keyed lists of the manifests above, each with the first of its keys.
const KEYED: [(&str, &[&str]); 5] = [
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ports", &["containerPort", "port"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

fn keys_of(list: &str) -> Option<&'static [&'static str]> {
    KEYED.iter().find(|(name, _)| *name == list).map(|(_, keys)| *keys)
}

/// Whether every item of every keyed list has a key that no other has.
fn has_clear_keys(value: &Value) -> bool {
    let is_clear = |items: &[Value], keys: &[&str]| {
        let mut seen = HashSet::new();
        items
            .iter()
            .all(|item| keys.iter().find_map(|key| item.get(key)).is_some_and(|key| seen.insert(key.to_string())))
    };
    match value {
        Value::Array(items) => items.iter().all(has_clear_keys),
        Value::Object(fields) => fields.iter().all(|(name, value)| {
            has_clear_keys(value)
                && keys_of(name).is_none_or(|keys| value.as_array().is_none_or(|items| is_clear(items, keys)))
        }),
        _ => true,
    }
}

/// Turns every keyed list round.
fn turn(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(turn),
        Value::Object(fields) => {
            for (name, value) in fields {
                turn(value);
                if let (Some(_), Value::Array(items)) = (keys_of(name), value) {
                    items.reverse();
                }
            }
        }
        _ => {}
    }
}
