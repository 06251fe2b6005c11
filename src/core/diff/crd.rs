//! Custom resources: what their CustomResourceDefinition says of scope, `scale`
//! and schema.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::path::{Path, PathError};
use super::schema::{
    DefaultValue, Field, ListKey, ListKind, Node, NodeId, ScalarKind, Schema, SchemaRef, UNKNOWN, order_by_name,
    scalar_by_name,
};

/// A kind that a CustomResourceDefinition defines.
#[derive(Debug)]
pub struct CustomResource {
    /// The API group.
    pub group: String,
    /// The kind of one object.
    pub kind: String,
    /// The resource's name in URLs.
    pub plural: String,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    pub(super) is_converted: bool,
    pub(super) versions: BTreeMap<String, Version>,
}

#[derive(Debug)]
pub(super) struct Version {
    schema: Schema,
    root: NodeId,
    replicas_path: Option<Path>,
}

/// A CustomResourceDefinition that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// It does not have the form of `apiextensions.k8s.io/v1`.
    #[error("failed to read the CustomResourceDefinition: {0}")]
    Form(#[from] serde_json::Error),
    /// The path to the replicas of its `scale` subresource cannot be parsed.
    #[error("failed to read specReplicasPath: {0}")]
    ReplicasPath(#[from] PathError),
}

/// Below this depth nothing is known of a schema: deeper than any that an API
/// server accepts.
pub(super) const MAX_DEPTH: usize = 100;

impl CustomResource {
    /// The kind that a CustomResourceDefinition defines.
    pub fn from_crd(definition: &Value) -> Result<Self, CrdError> {
        let Definition { api_version, spec } = Definition::deserialize(definition)?;
        // The first version of definitions keeps unknown fields where nothing is said.
        let prunes = !spec.preserve_unknown_fields.unwrap_or(api_version.ends_with("/v1beta1"));
        let mut versions = BTreeMap::new();
        for WireVersion { name, schema, subresources } in spec.versions {
            let mut version = Version::new(schema.map(|root| root.schema).as_ref());
            version.schema.prunes = prunes;
            if let Some(scale) = subresources.and_then(|subresources| subresources.scale) {
                version.replicas_path = Some(scale.path.trim_start_matches('.').parse()?);
            }
            versions.insert(name, version);
        }
        Ok(Self {
            group: spec.group,
            kind: spec.names.kind,
            plural: spec.names.plural,
            namespaced: spec.scope != "Cluster",
            is_converted: spec.conversion.is_some_and(|conversion| conversion.strategy != "None"),
            versions,
        })
    }

    /// Whether a webhook converts objects from version to version; where none does, only their
    /// `apiVersion` differs (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/>).
    pub fn is_converted(&self) -> bool {
        self.is_converted
    }

    /// What is known of the fields in `version`.
    pub fn schema(&self, version: &str) -> Option<SchemaRef<'_>> {
        self.versions.get(version).map(|version| version.schema.at(version.root))
    }

    /// The field that `scale` writes (`specReplicasPath`).
    pub fn replicas_path(&self, version: &str) -> Option<&Path> {
        self.versions.get(version)?.replicas_path.as_ref()
    }
}

impl Version {
    /// A version whose objects have this schema, where there is one. Its `scale` is not known.
    pub(super) fn new(wire: Option<&WireSchema>) -> Self {
        let mut schema = Schema::new();
        let root = wire.map_or(UNKNOWN, |wire| add_type(&mut schema, wire, 0));
        Self { schema, root, replicas_path: None }
    }
}

/// Adds a type with all that is below it; nothing is known of what is too deep.
fn add_type(schema: &mut Schema, wire: &WireSchema, depth: usize) -> NodeId {
    if depth > MAX_DEPTH || wire.embedded {
        return UNKNOWN;
    }
    let is_map = wire.additional_properties.as_ref().is_some_and(|values| *values != Value::Bool(false));
    let mut node = Node {
        atomic: wire.map_type.as_deref() == Some("atomic"),
        is_closed: wire.type_name.as_deref() == Some("object") && !wire.preserve_unknown_fields && !is_map,
        ..Node::default()
    };
    node.scalar = match (wire.format.as_deref(), wire.pattern.as_deref()) {
        (Some("duration"), _) => ScalarKind::Duration,
        (Some("byte"), _) => ScalarKind::Base64,
        (_, Some(pattern)) if pattern.contains("(ms|s|m|h)") => ScalarKind::Duration,
        // The pattern that generators write for `resource.Quantity`.
        (_, Some(pattern)) if pattern.contains("Ki") || pattern.contains("[KMGTPE]i") => ScalarKind::Quantity,
        _ => ScalarKind::Plain,
    };
    for (name, wire) in &wire.properties {
        let id = add_type(schema, wire, depth + 1);
        if id != UNKNOWN {
            let field = schema.node_mut(id);
            if field.scalar == ScalarKind::Plain {
                field.scalar = scalar_by_name(name);
            }
            field.order = order_by_name(name, matches!(field.list, ListKind::Map(_) | ListKind::Set));
        }
        let default = wire.default.clone().map(DefaultValue::Value);
        node.fields.insert(name.as_str().into(), Field { node: id, default });
    }
    if let Some(values @ Value::Object(_)) = &wire.additional_properties
        && let Ok(values) = WireSchema::deserialize(values)
    {
        node.values = Some(add_type(schema, &values, depth + 1));
    }
    if let Some(items) = &wire.items {
        node.items = add_type(schema, items, depth + 1);
        let default = |key: &str| items.properties.get(key).and_then(|property| property.default.clone());
        node.list = match wire.list_type.as_deref() {
            Some("map") => {
                let list_key = |key: &String| ListKey { name: key.as_str().into(), default: default(key) };
                ListKind::Map(wire.list_map_keys.iter().map(list_key).collect())
            }
            Some("set") => ListKind::Set,
            Some("atomic") => ListKind::Atomic,
            _ => ListKind::Infer,
        };
    }
    schema.add(node)
}

#[derive(Deserialize)]
struct Definition {
    #[serde(rename = "apiVersion", default)]
    api_version: String,
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    group: String,
    #[serde(rename = "preserveUnknownFields")]
    preserve_unknown_fields: Option<bool>,
    names: Names,
    conversion: Option<Conversion>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    versions: Vec<WireVersion>,
}

#[derive(Deserialize)]
struct Conversion {
    strategy: String,
}

#[derive(Deserialize)]
struct Names {
    kind: String,
    plural: String,
}

#[derive(Deserialize)]
struct WireVersion {
    name: String,
    schema: Option<WireRoot>,
    subresources: Option<Subresources>,
}

#[derive(Deserialize)]
struct WireRoot {
    #[serde(rename = "openAPIV3Schema", default)]
    schema: WireSchema,
}

#[derive(Deserialize)]
struct Subresources {
    scale: Option<Scale>,
}

#[derive(Deserialize)]
struct Scale {
    #[serde(rename = "specReplicasPath")]
    path: String,
}

#[derive(Default, Deserialize)]
pub(super) struct WireSchema {
    default: Option<Value>,
    format: Option<String>,
    items: Option<Box<WireSchema>>,
    pattern: Option<String>,
    #[serde(rename = "type")]
    type_name: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, WireSchema>,
    /// A schema, or just `true` or `false`.
    #[serde(rename = "additionalProperties")]
    additional_properties: Option<Value>,
    #[serde(rename = "x-kubernetes-embedded-resource", default)]
    embedded: bool,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields", default)]
    preserve_unknown_fields: bool,
    #[serde(rename = "x-kubernetes-list-map-keys", default)]
    list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-list-type")]
    list_type: Option<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    map_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn widget(schema: &Value) -> CustomResource {
        let version = json!({"name": "v1", "schema": {"openAPIV3Schema": schema}, "subresources": {"scale": {"specReplicasPath": ".spec.size"}}});
        let names = json!({"kind": "Widget", "plural": "widgets"});
        CustomResource::from_crd(
            &json!({"spec": {"group": "a.b", "names": names, "scope": "Namespaced", "versions": [version]}}),
        )
        .unwrap()
    }

    #[test]
    fn a_definition_gives_lists_scalars_and_defaults() {
        let keyed = json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
            "items": {"properties": {"port": {"default": 80}}},
        });
        let crd = widget(&json!({"properties": {
            "keyed": keyed,
            "set": {"x-kubernetes-list-type": "set", "items": {}},
            "atomic": {"x-kubernetes-list-type": "atomic", "items": {}},
            "plain": {"items": {}},
            "map": {"x-kubernetes-map-type": "atomic", "additionalProperties": {"format": "byte"}},
            "open": {"additionalProperties": true},
            "cpu": {"pattern": "^[0-9]+([KMGTPE]i)?$"},
            "timeout": {"type": "string"},
            "size": {"default": 3},
            "any": {"x-kubernetes-embedded-resource": true, "properties": {"a": {}}},
        }}));
        let root = crd.schema("v1").unwrap();
        let key = ListKey { name: "port".into(), default: Some(80.into()) };
        for (field, list) in [
            ("keyed", ListKind::Map(vec![key])),
            ("set", ListKind::Set),
            ("atomic", ListKind::Atomic),
            ("plain", ListKind::Infer),
        ] {
            assert_eq!(root.field(field).list(), &list, "{field}");
        }
        assert!(root.field("map").is_atomic_map() && !root.field("open").is_atomic_map());
        assert_eq!(root.field("map").field("a").scalar(), ScalarKind::Base64);
        assert_eq!(root.field("cpu").scalar(), ScalarKind::Quantity);
        assert_eq!(root.field("timeout").scalar(), ScalarKind::Duration);
        assert_eq!(root.default_of("size"), Some(&DefaultValue::Value(3.into())));
        assert!(root.field("any").is_unknown() && root.field("nobody").is_unknown());
    }

    #[test]
    fn a_definition_gives_the_replicas_path_of_each_version() {
        let crd = widget(&json!({}));
        assert_eq!(crd.replicas_path("v1"), Some(&Path::of(&["spec", "size"])));
        assert!(crd.replicas_path("v2").is_none() && crd.schema("v2").is_none());
        assert!(CustomResource::from_crd(&json!({"spec": {"names": {}}})).is_err());
    }

    #[test]
    fn nothing_is_known_below_the_deepest_level() {
        let deep = (0..180).fold(json!({}), |inside, _| json!({"properties": {"a": inside}}));
        let crd = widget(&deep);
        let mut schema = crd.schema("v1").unwrap();
        let depth = (0..200)
            .take_while(|_| {
                schema = schema.field("a");
                !schema.is_unknown()
            })
            .count();
        assert_eq!(depth, MAX_DEPTH);
    }
}
