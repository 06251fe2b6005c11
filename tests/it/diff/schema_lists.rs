//! Finds every list in the schema of a kind, and makes objects that have it.

use driftwall_core::diff::{ItemPosition, Path, PathElement};
use serde_json::{Map, Value, json};

use crate::common::recordings;

/// How the items of a list belong together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Of {
    Atomic,
    /// The keys, each with its default.
    Keyed(Vec<(String, Option<Value>)>),
    Set,
}

/// A field on the way to a list; `through` where it is itself a list, whose items the way goes on in.
#[derive(Clone, Debug)]
struct Hop {
    name: String,
    through: Option<Of>,
}

/// A list somewhere in a kind.
#[derive(Clone, Debug)]
pub(crate) struct ListAt {
    hops: Vec<Hop>,
    pub(crate) of: Of,
    pub(crate) scalars: bool,
}

/// No way to a list goes through more types than this.
const DEPTH: usize = 16;

impl ListAt {
    /// The fields of an object that has this list, or has all around it.
    pub(crate) fn around(&self, list: Option<Vec<Value>>) -> Map<String, Value> {
        let (list_hop, above) = self.hops.split_last().unwrap();
        let innermost = list.map(|list| (list_hop.name.clone(), Value::from(list))).into_iter().collect();
        above.iter().rev().fold(innermost, |fields: Map<_, _>, hop| {
            let value = match &hop.through {
                None => Value::from(fields),
                Some(of) => json!([of.item("k").into_iter().chain(fields).collect::<Map<_, _>>()]),
            };
            [(hop.name.clone(), value)].into_iter().collect()
        })
    }

    /// The path by which a change is named: of the list, or of an atomic one around it.
    pub(crate) fn path(&self) -> Path {
        let mut path = Path::default();
        for (depth, hop) in self.hops.iter().enumerate() {
            path.push(PathElement::Field(hop.name.as_str().into()));
            match hop.through.as_ref().filter(|_| depth + 1 < self.hops.len()) {
                None => {}
                Some(of @ Of::Keyed(_)) => path.push(of.step("k")),
                Some(_) => break,
            }
        }
        path
    }

    /// Whether nothing inside is named by itself: the list, or one around it, is one value.
    pub(crate) fn is_one_value(&self) -> bool {
        // Owners and finalizers are named by their list.
        self.hops[0].name == "metadata" || self.hops.iter().any(|hop| matches!(hop.through, Some(Of::Atomic)))
    }
}

impl Of {
    /// The keys of an item as Git writes them: without those that have a default.
    pub(crate) fn item(&self, key: &str) -> Map<String, Value> {
        match self {
            Self::Keyed(keys) => {
                let written = keys.iter().filter(|(_, default)| default.is_none());
                written.map(|(name, _)| (name.clone(), key.into())).collect()
            }
            _ => Map::new(),
        }
    }

    /// The keys that the server fills in.
    pub(crate) fn filled(&self) -> Map<String, Value> {
        match self {
            Self::Keyed(keys) => {
                keys.iter().filter_map(|(name, default)| Some((name.clone(), default.clone()?))).collect()
            }
            _ => Map::new(),
        }
    }

    /// The step to an item.
    pub(crate) fn step(&self, key: &str) -> PathElement {
        let Self::Keyed(keys) = self else { panic!("{self:?} has no keys") };
        let value = |default: &Option<Value>| default.clone().unwrap_or_else(|| key.into());
        let keys = keys.iter().map(|(name, default)| (name.as_str().into(), value(default))).collect();
        PathElement::Item(ItemPosition::new(keys, None))
    }
}

/// The lists of a built-in kind, by the facts that are embedded in the program.
pub(crate) fn of_builtin(kind: &str) -> Vec<ListAt> {
    let facts: Value = serde_json::from_str(include_str!("../../../src/core/diff/kubernetes.json")).unwrap();
    let root = facts["kinds"][kind].as_str().unwrap_or_else(|| panic!("{kind} is not built in"));
    let mut lists = Vec::new();
    builtin(&facts["types"], root, &mut Vec::new(), &mut lists);
    // The server's own, and never compared.
    lists.retain(|list| !list.hops.iter().map(|hop| hop.name.as_str()).eq(["metadata", "managedFields"]));
    lists
}

fn builtin(types: &Value, name: &str, way: &mut Vec<Hop>, lists: &mut Vec<ListAt>) {
    let Some(fields) = types[name].as_object().filter(|_| way.len() < DEPTH) else { return };
    for (field, fact) in fields.iter().filter(|(field, _)| !field.is_empty() && *field != "status") {
        let default = |key: &str| types[fact["items"].as_str()?][key].get("default").cloned();
        let names = || fact["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
        let of = fact["list"].as_str().map(|of| match of {
            "atomic" => Of::Atomic,
            "map" => Of::Keyed(names().map(|key| (key.to_owned(), default(key))).collect()),
            "set" => Of::Set,
            other => panic!("{name}.{field} is a list of a new kind: {other}"),
        });
        way.push(Hop { name: field.clone(), through: of.clone() });
        if let Some(of) = of {
            lists.push(ListAt { hops: way.clone(), of, scalars: fact.get("items").is_none() });
        }
        for below in ["ref", "items"].iter().filter_map(|key| fact[*key].as_str()) {
            builtin(types, below, way, lists);
        }
        way.pop();
    }
}

/// The lists of a custom resource, by its definition.
pub(crate) fn of_custom(definition: &Value) -> Vec<ListAt> {
    let mut lists = Vec::new();
    custom(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut Vec::new(), &mut lists);
    lists
}

fn custom(schema: &Value, way: &mut Vec<Hop>, lists: &mut Vec<ListAt>) {
    for (name, below) in schema["properties"].as_object().into_iter().flatten().filter(|(name, _)| *name != "status") {
        let items = &below["items"];
        let default = |key: &str| items["properties"][key].get("default").cloned();
        let names = || below["x-kubernetes-list-map-keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
        let of = (below["type"] == "array").then(|| match below["x-kubernetes-list-type"].as_str() {
            Some("map") => Of::Keyed(names().map(|key| (key.to_owned(), default(key))).collect()),
            Some("set") => Of::Set,
            Some("atomic") => Of::Atomic,
            other => panic!("a list of the kind {other:?}"),
        });
        way.push(Hop { name: name.clone(), through: of.clone() });
        if let Some(of) = of {
            lists.push(ListAt { hops: way.clone(), of, scalars: items["type"] != "object" });
            custom(items, way, lists);
        } else {
            custom(below, way, lists);
        }
        way.pop();
    }
}

/// The definition of a kind of the recorded cluster.
pub(crate) fn widget() -> Value {
    let mut objects = recordings::lines("objects.jsonl.gz").into_iter();
    objects.find(|object| object["kind"] == "CustomResourceDefinition").unwrap()
}
