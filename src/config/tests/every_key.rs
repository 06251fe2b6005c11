//! Every key of the schema with values that it cannot have: each is refused where it is written, in words that say what
//! would be right.

use serde_json::{Map, Value, json};

use super::{assert_plain, problems};
use crate::config::json_schema;

/// A key: the names on the way to it, `[]` for an item of a list, and its schema.
struct Key {
    names: Vec<String>,
    schema: Value,
}

/// What a schema refers to.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    reference.unwrap_or(schema)
}

/// The schemas that a value may fit.
fn choices<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolved(root, schema);
    match schema["anyOf"].as_array() {
        Some(choices) => choices.iter().flat_map(|choice| self::choices(root, choice)).collect(),
        None => vec![schema],
    }
}

fn keys_below(root: &Value, schema: &Value, names: &[String], keys: &mut Vec<Key>) {
    for choice in choices(root, schema) {
        for (name, property) in choice["properties"].as_object().into_iter().flatten() {
            if property["deprecated"] == true {
                continue;
            }
            let names = [names, std::slice::from_ref(name)].concat();
            keys.push(Key { names: names.clone(), schema: property.clone() });
            keys_below(root, property, &names, keys);
        }
        if choice["items"].is_object() {
            keys_below(root, &choice["items"], &[names, &["[]".to_owned()]].concat(), keys);
        }
    }
}

/// A value that fits a schema.
fn fitting(root: &Value, schema: &Value) -> Value {
    if let Some(example) = schema["examples"].get(0) {
        return example.clone();
    }
    let schema = choices(root, schema)[0];
    match schema["type"].as_str() {
        Some("object") => Value::Object(required(root, schema)),
        Some("array") => json!([]),
        _ => schema["enum"].get(0).or(schema["oneOf"][0].get("const")).cloned().unwrap_or(json!("x")),
    }
}

fn required(root: &Value, schema: &Value) -> Map<String, Value> {
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| (name.to_owned(), fitting(root, &schema["properties"][name]))).collect()
}

/// A configuration with a value at a key, and what must stand beside it.
fn with_value(root: &Value, schema: &Value, names: &[String], value: &Value) -> Value {
    let Some((name, rest)) = names.split_first() else { return value.clone() };
    let choices = choices(root, schema);
    if name == "[]" {
        let items = choices.iter().find(|choice| choice["items"].is_object()).unwrap();
        return json!([with_value(root, &items["items"], rest, value)]);
    }
    let object = choices.iter().find(|choice| choice["properties"][name].is_object()).unwrap();
    let mut fields = required(root, object);
    fields.insert(name.clone(), with_value(root, &object["properties"][name], rest, value));
    Value::Object(fields)
}

/// Values that the key cannot have.
fn wrong_values(root: &Value, schema: &Value) -> Vec<Value> {
    let choices = choices(root, schema);
    let accepted: Vec<&str> = choices.iter().flat_map(|choice| types(choice)).collect();
    let has = |name: &str| accepted.contains(&name);
    let mut wrong = Vec::new();
    if !has("array") {
        wrong.push(json!(["zz"]));
    }
    if !has("object") {
        wrong.push(json!({"zz": 1}));
    }
    let is_free_text = choices
        .iter()
        .any(|choice| types(choice).contains(&"string") && choice["enum"].is_null() && choice["const"].is_null());
    if !is_free_text {
        wrong.push(json!("zz zz"));
    }
    if has("integer") {
        let bound = |name: &str| choices.iter().find_map(|choice| choice[name].as_i64());
        wrong.extend([json!("1.5"), json!(-99_999_999_999_i64), json!("9".repeat(30))]);
        wrong.extend(bound("minimum").map(|least| json!(least - 1)));
        wrong.extend(bound("maximum").map(|most| json!(most + 1)));
    }
    wrong
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(name) => vec![name],
        // Enumerations whose variants have descriptions.
        _ if schema["oneOf"].is_array() => vec!["choice"],
        _ => vec![],
    }
}

/// The key as problems name it.
fn path(names: &[String]) -> String {
    names.join(".").replace(".[]", "[0]")
}

#[test]
fn each_key_refuses_what_it_cannot_be_where_it_is_written() {
    let root = json_schema();
    let mut keys = Vec::new();
    keys_below(&root, &root, &[], &mut keys);
    let mut refused = 0;
    for Key { names, schema } in &keys {
        for wrong in wrong_values(&root, schema) {
            let text = with_value(&root, &root, names, &wrong).to_string();
            let found = problems(&text);
            let at_key = found.iter().find(|problem| problem.key.starts_with(&path(names)));
            let problem = at_key.unwrap_or_else(|| panic!("{text}: {found:?}"));
            assert_plain(&problem.message);
            let message = problem.message.to_lowercase();
            assert!(
                message.contains("write") || message.contains("did you mean") || message.contains("the keys here are"),
                "{text}: {message}"
            );
            refused += 1;
        }
        // Nothing, and an empty text: where these are refused, it is in the same way.
        for empty in [json!(null), json!("")] {
            for problem in problems(with_value(&root, &root, names, &empty).to_string()) {
                assert_plain(&problem.message);
                assert!(!problem.key.is_empty(), "{problem:?}");
            }
        }
    }
    assert!(keys.len() > 110 && refused > 250, "{} {refused}", keys.len());
}

#[test]
fn each_misspelt_and_each_repeated_key_is_refused_by_name() {
    let root = json_schema();
    let mut keys = Vec::new();
    keys_below(&root, &root, &[], &mut keys);
    for Key { names, schema } in &keys {
        let value = fitting(&root, schema);
        let (last, around) = names.split_last().unwrap();
        let mut document = with_value(&root, &root, names, &value);
        let mut mapping = &mut document;
        for name in around {
            mapping = if name == "[]" { &mut mapping[0] } else { &mut mapping[name.as_str()] };
        }
        let fields = mapping.as_object_mut().unwrap();
        let misspelt = format!("{last}x");
        fields.insert(misspelt.clone(), value.clone());
        let found = problems(document.to_string());
        let found = found.iter().find(|problem| problem.key.ends_with(&misspelt));
        let message = &found.unwrap_or_else(|| panic!("{document}")).message;
        assert!(message.starts_with("there is no such key; "), "{message}");

        let repeated = document.to_string().replace(&format!("\"{misspelt}\":"), &format!("\"{last}\":"));
        let found = problems(&repeated);
        let is_told = |message: &str| message.starts_with("this key is written twice, first on line 1;");
        assert!(found.iter().any(|problem| is_told(&problem.message)), "{repeated}: {found:?}");
    }
}
