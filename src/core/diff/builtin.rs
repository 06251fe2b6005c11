//! The schemas of Kubernetes' built-in kinds: facts taken from an API server's own
//! `/openapi/v3`, and the defaults of its defaulting functions.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::default_table;
use super::schema::{
    DefaultValue, Field, ListKey, ListKind, Node, NodeId, ScalarKind, Schema, SchemaRef, UNKNOWN, order_by_name,
};

/// What is known of a built-in kind; `None` for a kind that is not built in.
pub fn builtin_schema(group: &str, version: &str, kind: &str) -> Option<SchemaRef<'static>> {
    let name = if group.is_empty() { format!("{version}/{kind}") } else { format!("{group}/{version}/{kind}") };
    BUILTIN.kinds.get(name.as_str()).map(|node| BUILTIN.schema.at(*node))
}

/// What is known of the metadata of every object.
pub fn object_meta_schema() -> SchemaRef<'static> {
    BUILTIN.schema.at(BUILTIN.object_meta)
}

/// Nothing is known: the schema of a custom resource without one.
pub fn unknown_schema() -> SchemaRef<'static> {
    BUILTIN.schema.at(UNKNOWN)
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
    BuiltinBuilder::new().build(&facts)
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

struct BuiltinBuilder {
    schema: Schema,
    types: HashMap<String, NodeId>,
    quantity: NodeId,
    base64: NodeId,
}

impl BuiltinBuilder {
    fn new() -> Self {
        let mut schema = Schema::new();
        let quantity = schema.add(Node { scalar: ScalarKind::Quantity, ..Node::default() });
        let base64 = schema.add(Node { scalar: ScalarKind::Base64, ..Node::default() });
        schema.lists_all_but_the_plain();
        Self { schema, types: HashMap::new(), quantity, base64 }
    }

    fn build(mut self, facts: &Facts) -> Builtin {
        for (name, fields) in &facts.types {
            let owner = self.type_named(name);
            // What is said of the type itself stands under the empty name.
            self.schema.node_mut(owner).owned_whole = fields.get("").is_some_and(|fact| fact.map.is_some());
            for (field, fact) in fields.iter().filter(|(field, _)| !field.is_empty()) {
                let node = self.field(field, fact, facts);
                let default = fact.default.clone().map(DefaultValue::Value);
                self.schema.node_mut(owner).fields.insert(field.as_str().into(), Field { node, default });
            }
        }
        // The facts say of fields only that they are bytes, not of a map's values.
        for (name, field) in [("core.v1.ConfigMap", "binaryData"), ("core.v1.Secret", "data")] {
            let owner = self.type_named(name);
            let node = self.schema.add(Node { values: Some(self.base64), ..Node::default() });
            self.schema.node_mut(owner).fields.insert(field.into(), Field { node, default: None });
        }
        for (name, defaults) in default_table::DEFAULTS {
            let owner = self.type_named(name);
            for (field, default) in *defaults {
                let entry = self.schema.node_mut(owner).fields.entry((*field).into());
                entry.or_insert(Field { node: UNKNOWN, default: None }).default = Some(default.value());
            }
        }
        self.split_scaling_rules();
        for (name, aliases) in default_table::ALIASES {
            let owner = self.type_named(name);
            self.schema.node_mut(owner).aliases = aliases;
        }
        for (name, derived) in default_table::DERIVED {
            let owner = self.type_named(name);
            self.schema.node_mut(owner).derived = derived;
        }
        let kinds = facts.kinds.iter().map(|(kind, name)| (kind.clone(), self.type_named(name))).collect();
        let object_meta = self.type_named("meta.v1.ObjectMeta");
        Builtin { schema: self.schema, kinds, object_meta }
    }

    /// Gives the rules of each direction of an autoscaler a type of their own: their
    /// defaults differ.
    fn split_scaling_rules(&mut self) {
        let rules = self.type_named("autoscaling.v2.HPAScalingRules");
        let behavior = self.type_named("autoscaling.v2.HorizontalPodAutoscalerBehavior");
        for (direction, defaults) in default_table::SCALING_RULES {
            let mut node = self.schema.node_mut(rules).clone();
            for (field, default) in defaults {
                let entry = node.fields.entry((*field).into());
                entry.or_insert(Field { node: UNKNOWN, default: None }).default = Some(default.value());
            }
            let node = self.schema.add(node);
            let entry = self.schema.node_mut(behavior).fields.entry(direction.into());
            entry.or_insert(Field { node, default: None }).node = node;
        }
    }

    /// The node of a named type; empty where the facts say nothing of it.
    fn type_named(&mut self, name: &str) -> NodeId {
        match name {
            "quantity" | "api.resource.Quantity" => self.quantity,
            "runtime.RawExtension" | "meta.v1.FieldsV1" => UNKNOWN,
            name if name.starts_with("apiextensions.v1.JSON") && name != "apiextensions.v1.JSONSchemaProps" => UNKNOWN,
            _ => *self.types.entry(name.to_owned()).or_insert_with(|| self.schema.add(Node::default())),
        }
    }

    /// The node of a field's type.
    fn field(&mut self, name: &str, fact: &Fact, facts: &Facts) -> NodeId {
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
                fact.keys.iter().map(|key| ListKey { name: key.as_str().into(), default: key_default(key) }).collect(),
            ),
            Some("set") => ListKind::Set,
            Some(_) => ListKind::Atomic,
            None => ListKind::Infer,
        };
        let order = order_by_name(name, true);
        let values = fact.values.as_ref().map(|name| self.type_named(name));
        let atomic = fact.map.as_deref() == Some("atomic");
        self.schema.add(Node { values, list, order, items, atomic, ..Node::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_facts_can_be_parsed() {
        let pod = builtin_schema("apps", "v1", "Deployment").unwrap().field("spec").field("template").field("spec");
        let container = pod.field("containers");
        assert_eq!(container.list(), &ListKind::Map(vec![ListKey { name: "name".into(), default: None }]));
        let ports = container.items().field("ports");
        let tcp = Some(Value::from("TCP"));
        let keys = vec![
            ListKey { name: "containerPort".into(), default: None },
            ListKey { name: "protocol".into(), default: tcp },
        ];
        assert_eq!(ports.list(), &ListKind::Map(keys));
        assert_eq!(container.items().field("resources").field("limits").field("cpu").scalar(), ScalarKind::Quantity);
        assert!(pod.field("nodeSelector").is_atomic_map());
        assert_eq!(object_meta_schema().field("finalizers").list(), &ListKind::Set);
        assert_eq!(builtin_schema("", "v1", "Secret").unwrap().field("data").field("a").scalar(), ScalarKind::Base64);
        assert!(builtin_schema("example.com", "v1", "Widget").is_none());
    }

    #[test]
    fn every_default_is_of_a_type_in_the_facts() {
        let text = include_str!("kubernetes.json");
        let with_defaults = default_table::DEFAULTS.iter().map(|(name, _)| name);
        let with_aliases = default_table::ALIASES.iter().chain(default_table::DERIVED).map(|(name, _)| name);
        for name in with_defaults.chain(with_aliases) {
            assert!(text.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
