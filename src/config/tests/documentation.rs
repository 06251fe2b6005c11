//! What the tree says of the configuration is what the program does: the schema, the reference page,
//! and every configuration that is shipped or shown.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::parse;
use crate::config::document::{self, Kind, Node};
use crate::config::json_schema;

const PAGE: &str = "docs/configuration.md";
const SCHEMA: &str = "docs/config.schema.json";
/// What follows it in the page is made from the schema.
const MARKER: &str = "<!-- Made from the schema. To renew: DRIFTWALL_RENEW=1 cargo test --lib config::tests -->\n";

fn read(file: impl AsRef<Path>) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn the_shipped_schema_is_the_one_that_the_program_prints() {
    let renew = "cargo run -q -- config schema > docs/config.schema.json";
    assert!(read(SCHEMA) == format!("{:#}\n", json_schema()), "{SCHEMA} is not current; renew it: {renew}");
}

#[test]
fn the_reference_page_is_made_from_the_schema() {
    let page = read(PAGE);
    let (written, made) = page.split_once(MARKER).expect("the page has the marker");
    let current = reference(&example_of(&page));
    if std::env::var_os("DRIFTWALL_RENEW").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE), format!("{written}{MARKER}{current}"))
            .unwrap();
    } else {
        assert!(made == current, "{PAGE} is not current; renew it: DRIFTWALL_RENEW=1 cargo test --lib config::tests");
    }
}

#[test]
fn the_reference_page_names_every_key_and_every_old_name() {
    let page = read(PAGE);
    let schema = json_schema();
    let objects = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys: BTreeSet<&String> =
        objects.filter_map(|object| object["properties"].as_object()).flat_map(Map::keys).collect();
    assert!(keys.len() > 60);
    for key in keys {
        assert!(page.contains(&format!("{key}`")), "{key}");
    }
}

#[test]
fn every_configuration_that_is_shipped_or_shown_can_be_used() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let shipped: Value = serde_saphyr::from_str(&read("deploy/10-config.yaml")).unwrap();
    let mut texts =
        vec![("deploy/10-config.yaml".to_owned(), shipped["data"]["driftwall.yaml"].as_str().unwrap().into())];
    let mut files = vec![PathBuf::from("README.md"), "deploy/RUNBOOK.md".into(), "certs/README.md".into()];
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap() {
        files.push(entry.unwrap().path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    for file in files {
        for block in read(&file).split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            if let Some(text) = as_configuration(block) {
                texts.push((file.display().to_string(), text));
            }
        }
    }
    assert!(texts.len() > 1);
    for (file, text) in texts {
        parse(&text).unwrap_or_else(|error| panic!("{file}: {error}\n{text}"));
        // As a YAML 1.2 reader has it, which is what editors use.
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{file}: {errors:?}\n{text}");
    }
}

/// A block as a whole configuration, where it is one or a part of one.
fn as_configuration(block: &str) -> Option<String> {
    let value: Value = serde_saphyr::from_str(block).ok()?;
    let keys = value.as_object()?;
    let schema = json_schema();
    let is_one = !keys.is_empty() && keys.keys().all(|key| schema["properties"].get(key).is_some());
    let sources = if keys.contains_key("sources") { "" } else { "sources: [{name: a, repo: /r}]\n" };
    is_one.then(|| format!("{sources}{block}"))
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    for text in [
        "sources: [{name: a}]",
        "sources: [{name: a, repo: /r}]\nmod: audit",
        "sources: [{name: a, repo: /r}]\nmode: block",
        "sources: [{name: a, repo: /r}]\nregistration: {port: 0}",
        "sources: [{name: a, repo: /r}]\npresets: [argo]",
        "sources: [{name: a, repo: /r}]\nunmanaged: [{answer: maybe}]",
        "sources: [{name: a, repo: /r}]\nactors: [{class: boss, users: [a]}]",
    ] {
        assert!(parse(text).is_err(), "{text}");
        assert!(!validator.is_valid(&serde_saphyr::from_str(text).unwrap()), "{text}");
    }
}

/// The example of the page, which has the order of the keys.
fn example_of(page: &str) -> std::rc::Rc<Node> {
    let text = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    document::read(text.as_bytes()).expect("YAML")
}

/// The part of the page that is made: a table for each key of the first level, and the old names.
fn reference(example: &Node) -> String {
    let schema = json_schema();
    let mut page = String::new();
    let mut old_names = Vec::new();
    for (key, property) in ordered(&schema, Some(example)) {
        let property = resolve(&schema, property);
        writeln!(page, "\n### `{key}`\n\n| key | meaning | default | example |\n| --- | --- | --- | --- |").unwrap();
        let is_required = schema["required"].as_array().unwrap().iter().any(|name| name == key);
        rows(&schema, key, &property, is_required, value_of(example, key), &mut page, &mut old_names);
    }
    page.push_str(
        "\n## Old names\n\nThese keep working; both names at once are an error.\n\n| old | new |\n| --- | --- |\n",
    );
    for (old, new) in old_names {
        writeln!(page, "| `{old}` | `{new}` |").unwrap();
    }
    page
}

fn rows(
    root: &Value,
    path: &str,
    property: &Value,
    is_required: bool,
    example: Option<&Node>,
    page: &mut String,
    old_names: &mut Vec<(String, String)>,
) {
    let code = |value: &Value| match value {
        Value::String(text) if text.is_empty() => "`\"\"`".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            format!("`[{}]`", items.join(", "))
        }
        other => format!("`{other}`"),
    };
    let mut meaning = property["description"].as_str().unwrap_or_default().to_owned();
    let values = values(root, property);
    if !values.is_empty() {
        write!(meaning, " Values: {}", values.join("; ")).unwrap();
        meaning.push('.');
    }
    let (_, object) = item(root, property);
    let default = match &property["default"] {
        _ if is_required => "required".to_owned(),
        Value::Null if object.is_some() => String::new(),
        Value::Null => "none".into(),
        default => code(default),
    };
    let shown = property["examples"].get(0).map(code).unwrap_or_default();
    writeln!(page, "| `{path}` | {} | {default} | {shown} |", meaning.replace('|', "\\|")).unwrap();
    let (suffix, Some(object)) = (if is_list(root, property) { "[]" } else { "" }, object) else { return };
    let required = object["required"].as_array().cloned().unwrap_or_default();
    for (key, property) in ordered(&object, example) {
        let property = resolve(root, property);
        let is_required = required.iter().any(|name| name == key);
        let example = example.and_then(|example| value_of(example, key));
        rows(root, &format!("{path}{suffix}.{key}"), &property, is_required, example, page, old_names);
    }
    for (key, property) in object["properties"].as_object().unwrap() {
        if let Some(new) = property["x-new-name"].as_str() {
            old_names.push((format!("{path}{suffix}.{key}"), format!("{path}{suffix}.{new}")));
        }
    }
}

/// A property with what it refers to; its own description, default and examples take precedence.
fn resolve(root: &Value, property: &Value) -> Value {
    let mut resolved = property.clone();
    let branches = property["anyOf"].as_array();
    let optional = branches.and_then(|branches| branches.iter().find(|branch| branch["type"] != "null"));
    let is_optional = branches.is_some_and(|branches| branches.iter().any(|branch| branch["type"] == "null"));
    let reference = if is_optional { optional.and_then(|branch| branch.get("$ref")) } else { property.get("$ref") };
    if let Some(reference) = reference.and_then(Value::as_str) {
        let target = root.pointer(&reference[1..]).unwrap();
        for (key, value) in target.as_object().unwrap() {
            resolved.as_object_mut().unwrap().entry(key).or_insert_with(|| value.clone());
        }
        if is_optional {
            resolved.as_object_mut().unwrap().remove("anyOf");
        }
    }
    resolved
}

/// The mapping that a property is, or that the items of its list are.
fn item(root: &Value, property: &Value) -> (bool, Option<Value>) {
    for branch in property["anyOf"].as_array().into_iter().flatten() {
        let found = item(root, &resolve(root, branch));
        if found.1.is_some() {
            return found;
        }
    }
    if property.get("properties").is_some() {
        return (false, Some(property.clone()));
    }
    let items = property.get("items").map(|items| resolve(root, items));
    (true, items.filter(|items| items.get("properties").is_some()))
}

fn is_list(root: &Value, property: &Value) -> bool {
    item(root, property).0
}

/// The values that may be chosen from, with what they mean.
fn values(root: &Value, property: &Value) -> Vec<String> {
    for branch in property["anyOf"].as_array().into_iter().flatten() {
        let found = values(root, &resolve(root, branch));
        if !found.is_empty() {
            return found;
        }
    }
    let described = |choice: &Value| {
        let name = choice["const"].as_str()?;
        let description = choice["description"].as_str().map(|words| format!(": {}", words.trim_end_matches('.')));
        Some(format!("`{name}`{}", description.unwrap_or_default()))
    };
    let choices: Vec<_> = property["oneOf"].as_array().into_iter().flatten().filter_map(described).collect();
    let named = property["enum"].as_array().or_else(|| property["items"]["enum"].as_array());
    let named = named.into_iter().flatten().filter_map(Value::as_str).map(|name| format!("`{name}`"));
    if choices.is_empty() { named.collect() } else { choices }
}

/// The properties in the order of the example, those that it leaves out at the end; without old names.
fn ordered<'a>(object: &'a Value, example: Option<&Node>) -> Vec<(&'a String, &'a Value)> {
    let mut order = Vec::new();
    if let Some(example) = example {
        keys_of(example, &mut order);
    }
    let properties = object["properties"].as_object().unwrap();
    let mut properties: Vec<_> = properties.iter().filter(|(_, value)| value["x-new-name"].is_null()).collect();
    properties.sort_by_key(|(key, _)| order.iter().position(|other| &other == key).unwrap_or(usize::MAX));
    properties
}

fn keys_of(node: &Node, keys: &mut Vec<String>) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| keys_of(item, keys)),
        Kind::Mapping(entries) => keys.extend(entries.iter().map(|entry| entry.key.clone())),
        Kind::Scalar { .. } => {}
    }
}

/// The value of a key, in the first item that has it where the node is a list.
fn value_of<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.kind {
        Kind::List(items) => items.iter().find_map(|item| value_of(item, key)),
        Kind::Mapping(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &*entry.value),
        Kind::Scalar { .. } => None,
    }
}
