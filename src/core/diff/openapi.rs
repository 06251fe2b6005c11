//! Custom resources as the API server describes them (`/openapi/v3/apis/…`): for
//! kinds that no CustomResourceDefinition defines, such as those of an aggregated
//! API server.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::crd::{CrdError, CustomResource, MAX_DEPTH, Version, WireSchema};

/// The most parts that are read of one kind's schema. A document holds the schemas
/// of a whole group version; one kind's is far smaller.
const MAX_PARTS: usize = 50_000;

impl CustomResource {
    /// A kind, from its group's documents, each with its version; `None` where none
    /// of them has the kind. They do not say which field `scale` writes.
    pub fn from_openapi(
        group: &str,
        kind: &str,
        plural: &str,
        namespaced: bool,
        documents: &[(String, Value)],
    ) -> Result<Option<Self>, CrdError> {
        let mut versions = BTreeMap::new();
        for (version, document) in documents {
            let schemas = &document["components"]["schemas"];
            let is_of_kind = |schema: &&Value| {
                let mut kinds = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
                kinds.any(|it| it["group"] == group && it["version"] == **version && it["kind"] == kind)
            };
            if let Some(schema) = schemas.as_object().and_then(|schemas| schemas.values().find(is_of_kind)) {
                let inlined = RefInliner { schemas, parts_left: MAX_PARTS }.inline(schema, 0);
                versions.insert(version.clone(), Version::new(Some(&WireSchema::deserialize(&inlined)?)));
            }
        }
        if versions.is_empty() {
            return Ok(None);
        }
        let (group, kind, plural) = (group.to_owned(), kind.to_owned(), plural.to_owned());
        // Whoever serves it may convert.
        Ok(Some(Self { group, kind, plural, namespaced, is_converted: true, versions }))
    }
}

/// Replaces references (`$ref`) by what they refer to.
struct RefInliner<'d> {
    schemas: &'d Value,
    parts_left: usize,
}

impl RefInliner<'_> {
    /// The schema without references; `null` for what is too deep or too much.
    fn inline(&mut self, schema: &Value, depth: usize) -> Value {
        if self.parts_left == 0 || depth > MAX_DEPTH {
            return Value::Null;
        }
        self.parts_left -= 1;
        let Value::Object(parts) = schema else { return schema.clone() };
        // A reference with something beside it, such as a default, is wrapped in `allOf`.
        let reference = parts.get("$ref").or_else(|| parts.get("allOf")?.get(0)?.get("$ref"));
        let name = reference.and_then(Value::as_str).and_then(|name| name.strip_prefix("#/components/schemas/"));
        let mut inlined = match name.and_then(|name| self.schemas.get(name)) {
            Some(schema) => match self.inline(schema, depth + 1) {
                Value::Object(inlined) => inlined,
                _ => Map::new(),
            },
            None => Map::new(),
        };
        for (key, part) in parts {
            let part = match (key.as_str(), part) {
                ("$ref" | "allOf", _) => continue,
                ("properties", Value::Object(fields)) => {
                    let fields = fields.iter().map(|(name, field)| (name.clone(), self.inline(field, depth + 1)));
                    Value::Object(fields.collect())
                }
                ("items" | "additionalProperties", part) => self.inline(part, depth + 1),
                (_, part) => part.clone(),
            };
            inlined.insert(key.clone(), part);
        }
        // Nothing is known of what is nested too deep.
        inlined.retain(|key, part| key == "default" || !part.is_null());
        if let Some(Value::Object(fields)) = inlined.get_mut("properties") {
            fields.retain(|_, field| !field.is_null());
        }
        Value::Object(inlined)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::{DefaultValue, ListKey, ListKind, ScalarKind};

    fn document(spec: &Value) -> Value {
        let named = json!([{"group": "a.b", "version": "v1", "kind": "Widget"}]);
        json!({"components": {"schemas": {
            "b.a.v1.Other": {"x-kubernetes-group-version-kind": [{"group": "a.b", "version": "v1", "kind": "Other"}]},
            "b.a.v1.Widget": {"x-kubernetes-group-version-kind": named, "properties": {"spec": spec}},
            "b.a.v1.Port": {"properties": {"port": {"default": 80}, "loop": {"$ref": "#/components/schemas/b.a.v1.Port"}}},
            "b.a.v1.Quantity": {"format": "byte"},
        }}})
    }

    fn widget(spec: &Value) -> Option<CustomResource> {
        let documents = [("v1".to_owned(), document(spec)), ("v2".to_owned(), json!({}))];
        CustomResource::from_openapi("a.b", "Widget", "widgets", true, &documents).unwrap()
    }

    #[test]
    fn references_are_inlined_and_what_is_beside_them_counts() {
        let port = json!({"$ref": "#/components/schemas/b.a.v1.Port"});
        let widget = widget(&json!({"properties": {
            "ports": {"items": port, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"]},
            "wrapped": {"allOf": [{"$ref": "#/components/schemas/b.a.v1.Quantity"}], "default": "x"},
            "values": {"additionalProperties": {"$ref": "#/components/schemas/b.a.v1.Quantity"}},
            "open": {"additionalProperties": true},
            "gone": {"$ref": "#/components/schemas/nothing"},
        }}))
        .unwrap();
        assert_eq!((widget.plural.as_str(), widget.namespaced), ("widgets", true));
        let spec = widget.schema("v1").unwrap().field("spec");
        let key = ListKey { name: "port".into(), default: Some(80.into()) };
        assert_eq!(spec.field("ports").list(), &ListKind::Map(vec![key]));
        assert_eq!(spec.default_of("wrapped"), Some(&DefaultValue::Value("x".into())));
        assert_eq!(spec.field("wrapped").scalar(), ScalarKind::Base64);
        assert_eq!(spec.field("values").field("a").scalar(), ScalarKind::Base64);
        assert!(widget.schema("v2").is_none() && widget.replicas_path("v1").is_none());
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_bounded_and_an_absent_kind_is_none() {
        let widget = widget(&json!({"properties": {"port": {"$ref": "#/components/schemas/b.a.v1.Port"}}})).unwrap();
        let mut schema = widget.schema("v1").unwrap().field("spec").field("port");
        for _ in 0..MAX_DEPTH {
            schema = schema.field("loop");
        }
        assert!(schema.is_unknown());
        let documents = [("v1".to_owned(), document(&Value::Null))];
        assert!(CustomResource::from_openapi("a.b", "Gadget", "gadgets", true, &documents).unwrap().is_none());
        let wide = (0..16).fold(json!({}), |inside, _| json!({"properties": {"a": inside, "b": inside}}));
        let documents = [("v1".to_owned(), document(&wide))];
        assert!(CustomResource::from_openapi("a.b", "Widget", "widgets", true, &documents).unwrap().is_some());
    }
}
