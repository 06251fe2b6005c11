//! The JSON Schema of the configuration, made from the types of the file format.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::file_format;

/// A key of the file format has this where it had another name before.
const OLD_NAME: &str = "x-old-name";
/// An old name has this: the key that is meant.
pub(super) const NEW_NAME: &str = "x-new-name";

/// The JSON Schema of a configuration file, for editors and pipelines.
///
/// Old names of keys are properties of their own, marked `deprecated`. Beside what the schema says, some
/// values have a meaning that only [`Config::parse`](super::Config::parse) checks: durations, addresses, globs.
pub fn json_schema() -> Value {
    schema().clone()
}

/// The same, made once.
pub(super) fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(generate);
    &SCHEMA
}

fn generate() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<file_format::Config>().to_value();
    complete(&mut schema);
    schema
}

/// Adds the old names, and joins the lines of descriptions.
fn complete(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(complete),
        Value::Object(keys) => {
            if let Some(Value::String(description)) = keys.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            if let Some(Value::Object(properties)) = keys.get_mut("properties") {
                add_old_names(properties);
            }
            keys.values_mut().for_each(complete);
        }
        _ => {}
    }
}

fn add_old_names(properties: &mut Map<String, Value>) {
    let mut old_ones = Vec::new();
    for (name, property) in properties.iter_mut() {
        let Value::Object(property) = property else { continue };
        let Some(Value::String(old_name)) = property.remove(OLD_NAME) else { continue };
        let mut old = property.clone();
        old.retain(|key, _| !matches!(key.as_str(), "default" | "examples"));
        old.insert("description".into(), format!("The old name of `{name}`, which stays accepted.").into());
        old.insert("deprecated".into(), true.into());
        old.insert(NEW_NAME.into(), name.as_str().into());
        old_ones.push((old_name, Value::Object(old)));
    }
    properties.extend(old_ones);
}
