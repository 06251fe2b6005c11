//! The built-in kinds of Kubernetes: facts read from an API server's own
//! `/openapi/v3`, and the defaults of its defaulting functions.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::defaults;
use super::schema::{DefaultValue, Field, Key, ListKind, Node, NodeId, Scalar, Schema, SchemaRef, UNKNOWN};

/// What is known of a built-in kind; `None` for a kind that is not built in.
pub fn builtin(group: &str, version: &str, kind: &str) -> Option<SchemaRef<'static>> {
    let name = if group.is_empty() { format!("{version}/{kind}") } else { format!("{group}/{version}/{kind}") };
    BUILTIN.kinds.get(name.as_str()).map(|node| BUILTIN.schema.place(*node))
}

/// What is known of the metadata of every object.
pub fn object_meta() -> SchemaRef<'static> {
    BUILTIN.schema.place(BUILTIN.object_meta)
}

/// A place of which nothing is known: a custom resource without a schema.
pub fn unknown() -> SchemaRef<'static> {
    BUILTIN.schema.place(UNKNOWN)
}

struct Builtin {
    schema: Schema,
    kinds: HashMap<String, NodeId>,
    object_meta: NodeId,
}

/// Parsed once, in about a millisecond, at the first use.
static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
    let facts: Facts =
        serde_json::from_str(include_str!("kubernetes.json")).expect("the embedded facts are checked by a test");
    Builder::default().build(&facts)
});

#[derive(Deserialize)]
struct Facts {
    kinds: BTreeMap<String, String>,
    types: BTreeMap<String, BTreeMap<String, Fact>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fact {
    #[serde(default)]
    default: Option<Value>,
    #[serde(default)]
    items: Option<String>,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    list: Option<String>,
    #[serde(default)]
    map: Option<String>,
    #[serde(default, rename = "ref")]
    reference: Option<String>,
    #[serde(default, rename = "type")]
    scalar: Option<String>,
    #[serde(default)]
    values: Option<String>,
}

struct Builder {
    schema: Schema,
    types: HashMap<String, NodeId>,
    quantity: NodeId,
    base64: NodeId,
}

impl Default for Builder {
    fn default() -> Self {
        let mut schema = Schema::new();
        let quantity = schema.add(Node { scalar: Scalar::Quantity, ..Node::default() });
        let base64 = schema.add(Node { scalar: Scalar::Base64, ..Node::default() });
        Self { schema, types: HashMap::new(), quantity, base64 }
    }
}

impl Builder {
    fn build(mut self, facts: &Facts) -> Builtin {
        for (name, fields) in &facts.types {
            for (field, fact) in fields.iter().filter(|(field, _)| !field.is_empty()) {
                let node = self.field(fact, facts);
                let fill = fact.default.clone().map(DefaultValue::Value);
                let owner = self.type_named(name);
                self.schema.node_mut(owner).fields.insert(field.as_str().into(), Field { node, fill });
            }
        }
        // Secret's values are bytes; the facts say so only of fields, not of a map's values.
        let secret = self.type_named("core.v1.Secret");
        let data = self.schema.add(Node { values: Some(self.base64), ..Node::default() });
        self.schema.node_mut(secret).fields.insert("data".into(), Field { node: data, fill: None });
        for (name, fills) in defaults::FILLS {
            let owner = self.type_named(name);
            for (field, fill) in *fills {
                let entry = self.schema.node_mut(owner).fields.entry((*field).into());
                entry.or_insert(Field { node: UNKNOWN, fill: None }).fill = Some(fill.parse());
            }
        }
        for (name, aliases) in defaults::ALIASES {
            let owner = self.type_named(name);
            self.schema.node_mut(owner).aliases = aliases;
        }
        let kinds = facts.kinds.iter().map(|(kind, name)| (kind.clone(), self.type_named(name))).collect();
        let object_meta = self.type_named("meta.v1.ObjectMeta");
        Builtin { schema: self.schema, kinds, object_meta }
    }

    /// The node of a named type; empty where the facts say nothing of it.
    fn type_named(&mut self, name: &str) -> NodeId {
        match name {
            "quantity" | "api.resource.Quantity" => self.quantity,
            "runtime.RawExtension" | "apiextensions.v1.JSON" => UNKNOWN,
            _ => *self.types.entry(name.to_owned()).or_insert_with(|| self.schema.add(Node::default())),
        }
    }

    fn field(&mut self, fact: &Fact, facts: &Facts) -> NodeId {
        if let Some(name) = &fact.reference {
            return self.type_named(name);
        }
        match fact.scalar.as_deref() {
            Some("quantity") => return self.quantity,
            Some("base64") => return self.base64,
            _ => {}
        }
        let items = fact.items.as_ref().map_or(UNKNOWN, |name| self.type_named(name));
        let key_default = |key: &str| facts.types.get(fact.items.as_ref()?)?.get(key)?.default.clone();
        let list = match fact.list.as_deref() {
            Some("map") => ListKind::Map(
                fact.keys.iter().map(|key| Key { name: key.as_str().into(), default: key_default(key) }).collect(),
            ),
            Some("set") => ListKind::Set,
            Some(_) => ListKind::Atomic,
            None => ListKind::Guess,
        };
        let values = fact.values.as_ref().map(|name| self.type_named(name));
        let atomic = fact.map.as_deref() == Some("atomic");
        self.schema.add(Node { values, list, items, atomic, ..Node::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_facts_are_read() {
        let pod = builtin("apps", "v1", "Deployment").unwrap().field("spec").field("template").field("spec");
        let container = pod.field("containers");
        assert_eq!(container.list(), &ListKind::Map(vec![Key { name: "name".into(), default: None }]));
        let ports = container.items().field("ports");
        let tcp = Some(Value::from("TCP"));
        let keys =
            vec![Key { name: "containerPort".into(), default: None }, Key { name: "protocol".into(), default: tcp }];
        assert_eq!(ports.list(), &ListKind::Map(keys));
        assert_eq!(container.items().field("resources").field("limits").field("cpu").scalar(), Scalar::Quantity);
        assert!(pod.field("nodeSelector").is_atomic_map());
        assert_eq!(object_meta().field("finalizers").list(), &ListKind::Set);
        assert_eq!(builtin("", "v1", "Secret").unwrap().field("data").field("a").scalar(), Scalar::Base64);
        assert!(builtin("example.com", "v1", "Widget").is_none());
    }

    #[test]
    fn every_default_names_a_type_of_the_facts() {
        let text = include_str!("kubernetes.json");
        for name in defaults::FILLS.iter().map(|(name, _)| name).chain(defaults::ALIASES.iter().map(|(name, _)| name)) {
            assert!(text.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
