//! From a YAML document to the file format: keys, types and values against the schema.
//!
//! All that is wrong is found, not only the first; and it is said here, since a library's sentence
//! ("invalid u8") helps nobody who writes a configuration.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use super::document::{Entry, Kind, Node, item_path, key_path};
use super::file_format;
use super::problem::Problem;
use super::schema::{NEW_NAME, schema};
use super::spelling::nearest;

/// The most values, those that come in through aliases counted each time.
const MAX_VALUES: usize = 250_000;

/// Where each key is written.
#[derive(Default)]
pub struct Positions(HashMap<String, Position>);

/// A key as it is written: it may be under an old name.
struct Position {
    line: u32,
    written: String,
}

/// What a configuration means is the same wherever its keys are written.
impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Positions").finish_non_exhaustive()
    }
}

impl Positions {
    /// A problem with the value of a key; where the key is not written, the position is that of the
    /// enclosing mapping.
    pub(super) fn problem(&self, key: &str, message: String) -> Problem {
        let mut around = key;
        loop {
            if let Some(Position { line, written }) = self.0.get(around) {
                return Problem { line: *line, key: format!("{written}{}", &key[around.len()..]), message };
            }
            match around.rfind(['.', '[']) {
                Some(end) => around = &around[..end],
                None => return Problem { line: 1, key: key.to_owned(), message },
            }
        }
    }
}

/// The file format that a document has, and where its keys are.
pub(super) fn read(document: &Node) -> Result<(file_format::Config, Positions), Vec<Problem>> {
    let root = schema();
    let mut reader = Reader { root, positions: Positions(HashMap::new()), problems: Vec::new(), values: 0 };
    let value = reader.value(document, root, "");
    let Reader { positions, mut problems, .. } = reader;
    let config = value.filter(|_| problems.is_empty()).and_then(|value| serde_json::from_value(value).ok());
    config.map(|config| (config, positions)).ok_or_else(|| {
        if problems.is_empty() {
            // What fits the schema fits the types that it is made from.
            let message = "the configuration cannot be read; this is a fault of driftwall's, please report it";
            problems.push(Problem { line: 1, key: String::new(), message: message.into() });
        }
        problems
    })
}

/// What may be written for a key.
enum Expected<'a> {
    Choice(Vec<&'a str>),
    List(&'a Value),
    Mapping(&'a Map<String, Value>),
    Number { min: i64, max: i64 },
    Switch,
    Text { is_required: bool },
}

struct Reader {
    root: &'static Value,
    positions: Positions,
    problems: Vec<Problem>,
    values: usize,
}

impl Reader {
    /// The value of a node that `schema` describes; nothing where it is left out, or wrong.
    fn value(&mut self, node: &Node, schema: &'static Value, path: &str) -> Option<Value> {
        self.values += 1;
        if self.values == MAX_VALUES {
            self.fail(path, "there are more than 250,000 values up to here; is it the right file?".into());
        }
        if self.values >= MAX_VALUES {
            return None;
        }
        let expected = self.expected(schema);
        if node.is_null() && is_optional(schema) {
            return None;
        }
        match &node.kind {
            Kind::Mapping(entries) => {
                if let Some(object) = expected.iter().find_map(Expected::mapping) {
                    return self.mapping(node, entries, object, path);
                }
            }
            Kind::List(items) => {
                if let Some(schema) = expected.iter().find_map(Expected::list) {
                    let values = items.iter().enumerate().map(|(index, item)| {
                        let path = item_path(path, index);
                        self.place(&path, &path, item.line);
                        self.value(item, schema, &path)
                    });
                    return Some(Value::Array(values.collect::<Vec<_>>().into_iter().flatten().collect()));
                }
            }
            Kind::Scalar { text, .. } if !node.is_null() => {
                if let Some(value) = expected.iter().find_map(|expected| expected.scalar(text)) {
                    return Some(value);
                }
            }
            Kind::Scalar { .. } => {}
        }
        let message = mismatch(node, &expected, schema);
        self.fail(path, message);
        None
    }

    fn mapping(
        &mut self,
        node: &Node,
        entries: &[Entry],
        schema: &'static Map<String, Value>,
        path: &str,
    ) -> Option<Value> {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            let values = schema.get("additionalProperties")?;
            return Some(self.any_keys(entries, values, path));
        };
        let mut values = Map::new();
        // The keys that were there, with the name and line of each as written.
        let mut seen: HashMap<&str, (&str, u32)> = HashMap::new();
        for Entry { key, line, value } in entries {
            let Some((name, property)) = properties.get_key_value(key) else {
                let written = key_path(&self.written(path), key);
                let message = unknown_key(key, properties);
                self.problems.push(Problem { line: *line, key: written, message });
                continue;
            };
            let name = property.get(NEW_NAME).and_then(Value::as_str).unwrap_or(name);
            if let Some((other, first)) = seen.insert(name, (key, *line)) {
                let written = key_path(&self.written(path), key);
                let message = if other == key {
                    format!("this key is written twice, first on line {first}; remove one of the two")
                } else {
                    let old = if name == key { other } else { key };
                    format!("`{old}` is the old name of `{name}`, and both are given; remove `{old}`")
                };
                self.problems.push(Problem { line: *line, key: written, message });
                continue;
            }
            let (path, written) = (key_path(path, name), key_path(&self.written(path), key));
            self.place(&path, &written, *line);
            if let Some(value) = self.value(value, property, &path) {
                values.insert(name.to_owned(), value);
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !seen.contains_key(name) {
                let key = key_path(&self.written(path), name);
                let example = properties.get(name).and_then(example);
                let example = example.map(|example| format!(", such as `{name}: {example}`")).unwrap_or_default();
                self.problems.push(Problem {
                    line: node.line,
                    key,
                    message: format!("this key is missing; add it{example}"),
                });
            }
        }
        Some(Value::Object(values))
    }

    /// A mapping whose keys are the user's own, such as labels.
    fn any_keys(&mut self, entries: &[Entry], schema: &'static Value, path: &str) -> Value {
        let mut values = Map::new();
        for Entry { key, line, value } in entries {
            let path = key_path(path, key);
            self.place(&path, &path, *line);
            if values.contains_key(key) {
                self.fail(&path, "this key is written twice; remove one of the two".into());
            } else if let Some(value) = self.value(value, schema, &path) {
                values.insert(key.clone(), value);
            }
        }
        Value::Object(values)
    }

    /// The kinds of value that a schema accepts.
    fn expected(&self, schema: &'static Value) -> Vec<Expected<'static>> {
        let schema = self.resolve(schema);
        if let Some(schemas) = schema.get("anyOf").and_then(Value::as_array) {
            return schemas.iter().flat_map(|schema| self.expected(schema)).collect();
        }
        let constants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let mut choices: Vec<&str> = Vec::new();
        for schema in constants.chain([schema]) {
            choices.extend(schema.get("const").and_then(Value::as_str));
            choices
                .extend(schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
        }
        if !choices.is_empty() {
            return vec![Expected::Choice(choices)];
        }
        let number = |key: &str| schema.get(key).and_then(Value::as_i64);
        let expected = match type_of(schema) {
            Some("array") => schema.get("items").map(Expected::List),
            Some("boolean") => Some(Expected::Switch),
            Some("integer") => Some(Expected::Number {
                min: number("minimum").unwrap_or(i32::MIN.into()),
                max: number("maximum").unwrap_or(i32::MAX.into()),
            }),
            Some("object") => schema.as_object().map(Expected::Mapping),
            Some("string") => Some(Expected::Text { is_required: number("minLength").is_some() }),
            _ => None,
        };
        expected.into_iter().collect()
    }

    fn resolve(&self, schema: &'static Value) -> &'static Value {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|reference| self.root.pointer(reference)).unwrap_or(schema)
    }

    fn place(&mut self, path: &str, written: &str, line: u32) {
        self.positions.0.insert(path.to_owned(), Position { line, written: written.to_owned() });
    }

    /// The path as it is written.
    fn written(&self, path: &str) -> String {
        self.positions.problem(path, String::new()).key
    }

    fn fail(&mut self, path: &str, message: String) {
        self.problems.push(self.positions.problem(path, message));
    }
}

impl<'a> Expected<'a> {
    fn list(&self) -> Option<&'a Value> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    fn mapping(&self) -> Option<&'a Map<String, Value>> {
        match self {
            Self::Mapping(object) => Some(object),
            _ => None,
        }
    }

    /// The value that a scalar's text has; nothing where it does not fit.
    fn scalar(&self, text: &str) -> Option<Value> {
        match self {
            Self::Choice(choices) => choices.contains(&text).then(|| text.into()),
            Self::List(_) | Self::Mapping(_) => None,
            Self::Number { min, max } => {
                serde_saphyr::from_str::<i64>(text).ok().filter(|number| (min..=max).contains(&number)).map(Value::from)
            }
            Self::Switch => serde_saphyr::from_str::<bool>(text).ok().map(Value::from),
            Self::Text { is_required } => (!is_required || !text.is_empty()).then(|| text.into()),
        }
    }

    /// What would be right.
    fn words(&self) -> String {
        match self {
            Self::Choice(choices) => match choices.as_slice() {
                [one, other] => format!("{one} or {other}"),
                choices => format!("one of {}", choices.join(", ")),
            },
            Self::List(_) => "a list".into(),
            Self::Mapping(object) => match object.get("properties").and_then(Value::as_object) {
                Some(properties) => format!("a mapping; its keys are {}", joined(&current_keys(properties))),
                None => "a mapping".into(),
            },
            Self::Number { min, max } if *min == i64::from(i32::MIN) && *max == i64::from(i32::MAX) => {
                "a whole number".into()
            }
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Switch => "true or false".into(),
            Self::Text { .. } => "text".into(),
        }
    }
}

/// A value of another kind than what the key takes, or none of its values.
fn mismatch(node: &Node, expected: &[Expected<'_>], schema: &Value) -> String {
    let choices = expected.iter().find_map(|expected| match expected {
        Expected::Choice(choices) => Some(choices.as_slice()),
        _ => None,
    });
    let is_text_wrong = expected.iter().all(|expected| matches!(expected, Expected::List(_) | Expected::Mapping(_)));
    let found = match &node.kind {
        _ if node.is_null() => "nothing is written here".to_owned(),
        Kind::List(_) => "this is a list".into(),
        Kind::Mapping(_) => "this is a mapping".into(),
        Kind::Scalar { text, .. } if text.is_empty() => "this is empty".into(),
        // Not quoted: `auth: s3cret` is a slip, too.
        Kind::Scalar { .. } if is_text_wrong => "this is text".into(),
        Kind::Scalar { text, .. } => format!("`{}` cannot be used here", shortened(text)),
    };
    let right = expected.iter().map(Expected::words).collect::<Vec<_>>().join(", or ");
    let nearest = match &node.kind {
        Kind::Scalar { text, .. } => choices.and_then(|choices| nearest(text, choices.iter().copied())),
        Kind::List(_) | Kind::Mapping(_) => None,
    };
    if let Some(nearest) = nearest {
        return format!("{found}; did you mean `{nearest}`? Write {right}");
    }
    // A list of all choices needs no example.
    let has_all = choices.is_some() || matches!(expected, [Expected::Switch | Expected::Mapping(_)]);
    match example(schema) {
        Some(example) if !has_all => format!("{found}; write {right}, such as {example}"),
        _ => format!("{found}; write {right}"),
    }
}

fn unknown_key(key: &str, properties: &Map<String, Value>) -> String {
    match nearest(key, properties.keys().map(String::as_str)) {
        Some(nearest) => format!("there is no such key; did you mean `{nearest}`?"),
        None => format!("there is no such key; the keys here are {}", joined(&current_keys(properties))),
    }
}

/// The keys of a mapping without their old names.
fn current_keys(properties: &Map<String, Value>) -> Vec<&str> {
    let current = properties.iter().filter(|(_, property)| property.get(NEW_NAME).is_none());
    current.map(|(name, _)| name.as_str()).collect()
}

fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|&name| name != "null"),
        other => other.as_str(),
    }
}

/// Whether `null` means the same as leaving the key out.
fn is_optional(schema: &Value) -> bool {
    let is_null = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("null");
    schema.get("anyOf").and_then(Value::as_array).is_some_and(|schemas| schemas.iter().any(is_null))
        || schema.get("type").and_then(Value::as_array).is_some_and(|types| types.iter().any(|name| name == "null"))
}

/// An example of a key's value, as it is written.
fn example(schema: &Value) -> Option<String> {
    match schema.get("examples")?.get(0)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            Some(format!("[{}]", items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")))
        }
        other => Some(other.to_string()),
    }
}

fn joined(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [words @ .., word] => format!("{} and {word}", words.join(", ")),
    }
}

/// A value as an error message quotes it, cut to one line.
fn shortened(text: &str) -> String {
    const LENGTH: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
