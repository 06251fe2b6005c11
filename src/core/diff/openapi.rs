//! Custom resources as the API server itself describes them (`/openapi/v3/apis/…`):
//! for kinds that no CustomResourceDefinition tells of, such as those of an
//! aggregated API server.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::crd::{CrdError, CustomResource, DEPTH, Version, WireSchema};

/// A document holds the schemas of a whole group version; the one that is wanted is far smaller.
const PARTS: usize = 50_000;

impl CustomResource {
    /// Reads a kind out of the documents of its group, by version. They do not tell
    /// which field `scale` writes. `None` where none of them has the kind.
    pub fn described(
        group: &str,
        kind: &str,
        plural: &str,
        namespaced: bool,
        documents: &[(String, Value)],
    ) -> Result<Option<Self>, CrdError> {
        let mut versions = BTreeMap::new();
        for (version, document) in documents {
            let schemas = &document["components"]["schemas"];
            let is_it = |schema: &&Value| {
                let named = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
                named.into_iter().any(|it| it["group"] == group && it["version"] == **version && it["kind"] == kind)
            };
            if let Some(schema) = schemas.as_object().and_then(|schemas| schemas.values().find(is_it)) {
                let whole = Inlining { schemas, left: PARTS }.whole(schema, 0);
                versions.insert(version.clone(), Version::of(&WireSchema::deserialize(&whole)?));
            }
        }
        let (group, kind, plural) = (group.to_owned(), kind.to_owned(), plural.to_owned());
        Ok((!versions.is_empty()).then_some(Self { group, kind, plural, namespaced, versions }))
    }
}

/// Puts what is referred to in the place of the references.
struct Inlining<'d> {
    schemas: &'d Value,
    left: usize,
}

impl Inlining<'_> {
    fn whole(&mut self, schema: &Value, depth: usize) -> Value {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth <= DEPTH) else { return Value::Null };
        self.left = left;
        let Value::Object(parts) = schema else { return schema.clone() };
        // A reference with something beside it, a default say, is wrapped in `allOf`.
        let referred = parts.get("$ref").or_else(|| parts.get("allOf")?.get(0)?.get("$ref"));
        let name = referred.and_then(Value::as_str).and_then(|name| name.strip_prefix("#/components/schemas/"));
        let mut whole = match name.and_then(|name| self.schemas.get(name)) {
            Some(schema) => match self.whole(schema, depth + 1) {
                Value::Object(whole) => whole,
                _ => Map::new(),
            },
            None => Map::new(),
        };
        for (key, part) in parts {
            let part = match (key.as_str(), part) {
                ("$ref" | "allOf", _) => continue,
                ("properties", Value::Object(fields)) => {
                    let each = fields.iter().map(|(name, field)| (name.clone(), self.whole(field, depth + 1)));
                    Value::Object(each.collect())
                }
                ("items" | "additionalProperties", part) => self.whole(part, depth + 1),
                (_, part) => part.clone(),
            };
            whole.insert(key.clone(), part);
        }
        // Nothing is known of what is nested too deep.
        whole.retain(|key, part| key == "default" || !part.is_null());
        if let Some(Value::Object(fields)) = whole.get_mut("properties") {
            fields.retain(|_, field| !field.is_null());
        }
        Value::Object(whole)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::{DefaultValue, Key, ListKind, Scalar};

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
        CustomResource::described("a.b", "Widget", "widgets", true, &documents).unwrap()
    }

    #[test]
    fn references_are_followed_and_what_is_beside_them_counts() {
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
        let key = Key { name: "port".into(), default: Some(80.into()) };
        assert_eq!(spec.field("ports").list(), &ListKind::Map(vec![key]));
        assert_eq!(spec.fill("wrapped"), Some(&DefaultValue::Value("x".into())));
        assert_eq!(spec.field("wrapped").scalar(), Scalar::Base64);
        assert_eq!(spec.field("values").field("a").scalar(), Scalar::Base64);
        assert!(widget.schema("v2").is_none() && widget.replicas("v1").is_none());
    }

    #[test]
    fn what_refers_to_itself_ends_and_what_is_not_there_is_none() {
        let widget = widget(&json!({"properties": {"port": {"$ref": "#/components/schemas/b.a.v1.Port"}}})).unwrap();
        let mut place = widget.schema("v1").unwrap().field("spec").field("port");
        for _ in 0..DEPTH {
            place = place.field("loop");
        }
        assert!(place.is_unknown());
        let documents = [("v1".to_owned(), document(&Value::Null))];
        assert!(CustomResource::described("a.b", "Gadget", "gadgets", true, &documents).unwrap().is_none());
        let wide = (0..16).fold(json!({}), |inside, _| json!({"properties": {"a": inside, "b": inside}}));
        let documents = [("v1".to_owned(), document(&wide))];
        assert!(CustomResource::described("a.b", "Widget", "widgets", true, &documents).unwrap().is_some());
    }
}
