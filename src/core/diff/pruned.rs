//! Fields of a custom resource that its definition does not have: the API server drops them
//! (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning>),
//! so that no object has them, as with a chart that is newer than the definition in the cluster.

use std::borrow::Cow;

use serde_json::Value;

use super::schema::SchemaRef;

/// What Git declares, without the fields that the API server drops. What the object has, before or
/// after the write, is not dropped, whatever the definition says that is known here.
pub(crate) fn without_pruned_fields<'d>(
    declared: &'d Value,
    old: Option<&Value>,
    new: &Value,
    schema: SchemaRef<'_>,
) -> Cow<'d, Value> {
    // Nearly all that is declared is in the definition: of that nothing is copied.
    if !schema.is_pruned() || !has_unknown_field(declared, schema) {
        return Cow::Borrowed(declared);
    }
    let objects: Vec<_> = [old, Some(new)].into_iter().flatten().collect();
    pruned(declared, &objects, schema).map_or(Cow::Borrowed(declared), Cow::Owned)
}

fn has_unknown_field(declared: &Value, schema: SchemaRef<'_>) -> bool {
    match declared {
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| schema.prunes(name) || has_unknown_field(value, schema.field(name)))
        }
        Value::Array(items) => items.iter().any(|item| has_unknown_field(item, schema.items())),
        _ => false,
    }
}

/// The value without what is dropped; `None` where all of it is kept. `objects` has what is at the same place before
/// and after the write, for an item all items of the lists: which of them is the same one, its place does not say.
fn pruned(declared: &Value, objects: &[&Value], schema: SchemaRef<'_>) -> Option<Value> {
    match declared {
        Value::Object(fields) => {
            let mut kept = None;
            for (name, value) in fields {
                let objects: Vec<_> = objects.iter().filter_map(|object| object.get(name)).collect();
                if schema.prunes(name) && objects.is_empty() {
                    kept.get_or_insert_with(|| fields.clone()).remove(name);
                } else if let Some(value) = pruned(value, &objects, schema.field(name)) {
                    kept.get_or_insert_with(|| fields.clone()).insert(name.clone(), value);
                }
            }
            kept.map(Value::Object)
        }
        Value::Array(items) => {
            let mut kept = None;
            let objects: Vec<_> = objects.iter().filter_map(|object| object.as_array()).flatten().collect();
            for (index, item) in items.iter().enumerate() {
                if let Some(item) = pruned(item, &objects, schema.items()) {
                    kept.get_or_insert_with(|| items.clone())[index] = item;
                }
            }
            kept.map(Value::Array)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::CustomResource;
    use super::*;

    fn definition(api_version: &str, more: &Value) -> CustomResource {
        let item = json!({"type": "object", "properties": {"x": {"type": "integer"}}});
        let spec = json!({"type": "object", "properties": {
            "a": {"type": "integer"},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
                "closed": {"type": "object", "properties": {"a": {}}},
            }},
            "map": {"type": "object", "additionalProperties": item},
            "list": {"type": "array", "items": item},
            "raw": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"a": {}}},
            "empty": {"type": "object"},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
        }});
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
        let mut definition = json!({"apiVersion": api_version, "spec": {
            "group": "a.b", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "schema": schema}],
        }});
        for (name, value) in more.as_object().into_iter().flatten() {
            definition["spec"][name] = value.clone();
        }
        CustomResource::from_crd(&definition).unwrap()
    }

    #[test]
    fn what_the_definition_does_not_have_is_dropped() {
        let widget = definition("apiextensions.k8s.io/v1", &json!({}));
        let kept = |declared: &Value, new: &Value| {
            let object = |spec: &Value| json!({"apiVersion": "a.b/v1", "metadata": {"name": "w"}, "spec": spec});
            let schema = widget.schema("v1").unwrap();
            without_pruned_fields(&object(declared), None, &object(new), schema)["spec"].clone()
        };
        for (declared, new, expected) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1}), json!({"a": 1})),
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), json!({"a": 1, "b": 2})),
            (json!({"open": {"b": 1, "closed": {"b": 1}}}), json!({}), json!({"open": {"b": 1, "closed": {}}})),
            (json!({"map": {"k": {"x": 1, "y": 2}}}), json!({}), json!({"map": {"k": {"x": 1}}})),
            (
                json!({"list": [{"x": 1, "y": 2}, {"x": 3}]}),
                json!({"list": [{"x": 3}, {"x": 1, "y": 1}]}),
                json!({"list": [{"x": 1, "y": 2}, {"x": 3}]}),
            ),
            (json!({"list": [{"x": 1, "y": 2}, {"x": 3}]}), json!({}), json!({"list": [{"x": 1}, {"x": 3}]})),
            (json!({"raw": {"b": 1}}), json!({}), json!({"raw": {"b": 1}})),
            (json!({"empty": {"b": 1}}), json!({}), json!({"empty": {}})),
            (json!({"any": {"b": 1}}), json!({}), json!({"any": {"b": 1}})),
        ] {
            assert_eq!(kept(&declared, &new), expected, "{declared}");
        }
    }

    #[test]
    fn a_definition_that_preserves_unknown_fields_drops_none() {
        for (api_version, more, is_pruned) in [
            ("apiextensions.k8s.io/v1", json!({}), true),
            ("apiextensions.k8s.io/v1", json!({"preserveUnknownFields": true}), false),
            ("apiextensions.k8s.io/v1beta1", json!({}), false),
            ("apiextensions.k8s.io/v1beta1", json!({"preserveUnknownFields": false}), true),
        ] {
            let widget = definition(api_version, &more);
            let declared = json!({"spec": {"b": 1}});
            let found = without_pruned_fields(&declared, None, &json!({}), widget.schema("v1").unwrap());
            assert_eq!(*found == json!({"spec": {}}), is_pruned, "{api_version} {more}");
        }
    }
}
