//! Entries of `metadata.managedFields`, as the API server writes them.

use driftwall_core::diff::{ListKind, SchemaRef, StructOwnership, builtin_schema, object_meta_schema};
use serde_json::{Map, Value, json};

/// One entry.
#[allow(clippy::needless_pass_by_value, reason = "entries are written as `json!` values")]
pub(crate) fn entry(manager: &str, operation: &str, api_version: &str, subresource: &str, fields: Value) -> Value {
    let mut entry = json!({
        "manager": manager, "operation": operation, "apiVersion": api_version, "time": "2026-11-23T10:02:41Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    });
    if !subresource.is_empty() {
        entry["subresource"] = subresource.into();
    }
    entry
}

/// The entry of a manager that created or updated all of an object.
pub(crate) fn updated(manager: &str, object: &Value) -> Value {
    of_object(manager, "Update", object)
}

/// The entry of a manager that applied all of an object on the server.
pub(crate) fn applied(manager: &str, object: &Value) -> Value {
    of_object(manager, "Apply", object)
}

fn of_object(manager: &str, operation: &str, object: &Value) -> Value {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let schema = builtin_schema(group, version, object["kind"].as_str().unwrap());
    let mut content = object.as_object().unwrap().clone();
    let metadata = content.remove("metadata").unwrap_or_default();
    content.retain(|name, _| !["apiVersion", "kind", "status"].contains(&name.as_str()));
    let mut fields = fields_of(&content, |name| schema.map(|schema| schema.field(name)));
    let mut metadata = metadata.as_object().cloned().unwrap_or_default();
    metadata.retain(|name, _| ["annotations", "finalizers", "labels", "ownerReferences"].contains(&name.as_str()));
    if !metadata.is_empty() {
        let of_metadata = fields_of(&metadata, |name| Some(object_meta_schema().field(name)));
        fields.insert("f:metadata".into(), of_metadata.into());
    }
    entry(manager, operation, api_version, "", fields.into())
}

fn fields_of<'s>(fields: &Map<String, Value>, schema: impl Fn(&str) -> Option<SchemaRef<'s>>) -> Map<String, Value> {
    let owned = |(name, value): (&String, &Value)| (format!("f:{name}"), node(value, schema(name)));
    fields.iter().map(owned).collect()
}

/// What is owned of a value: nothing inside of what is atomic, everything else part by part.
fn node(value: &Value, schema: Option<SchemaRef<'_>>) -> Value {
    let is_whole = schema.is_some_and(|schema| schema.ownership() == StructOwnership::Whole);
    match (value, schema.map(SchemaRef::list)) {
        (Value::Object(fields), _) if !is_whole => {
            fields_of(fields, |name| schema.map(|schema| schema.field(name))).into()
        }
        (Value::Array(items), Some(ListKind::Map(keys))) => {
            let mut owned = Map::from_iter([(".".to_owned(), json!({}))]);
            for item in items {
                let key = |key: &driftwall_core::diff::ListKey| {
                    let value = item.get(&*key.name).cloned().or(key.default.clone());
                    (key.name.to_string(), value.unwrap_or_default())
                };
                let keys: Map<_, _> = keys.iter().map(key).collect();
                let mut below = node(item, schema.map(SchemaRef::items));
                if let Value::Object(below) = &mut below
                    && !below.is_empty()
                {
                    below.insert(".".into(), json!({}));
                }
                owned.insert(format!("k:{}", Value::from(keys)), below);
            }
            owned.into()
        }
        (Value::Array(items), Some(ListKind::Set)) => {
            items.iter().map(|item| (format!("v:{item}"), json!({}))).collect::<Map<_, _>>().into()
        }
        _ => json!({}),
    }
}
