//! Tests of the room as a whole: bytes in, objects out.

mod documents;
mod malice;
mod objects;
mod positions;
mod properties;
mod values;

use serde_json::Value;

use super::{Object, Reading, Reason, Step, read};

/// A file's objects, all of which must be readable.
fn objects(text: &str) -> Vec<Object> {
    let Reading { objects, errors, .. } = read("app.yaml", text.as_bytes());
    assert!(errors.is_empty(), "{text:.200}: {}", errors[0]);
    objects
}

/// The one object of a file.
fn object(text: &str) -> Object {
    let mut objects = objects(text);
    assert_eq!(objects.len(), 1, "{text:?}");
    objects.remove(0)
}

/// The names of a file's objects, in order.
fn names(text: &str) -> Vec<String> {
    objects(text).into_iter().map(|object| object.name).collect()
}

/// A manifest named `name`, with `body` behind its first three lines.
fn manifest(name: &str, body: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n{body}")
}

/// The value of the field `x` in a manifest with this body.
fn x(body: &str) -> Value {
    let mut object = object(&manifest("a", body));
    object.value["x"].take()
}

/// Why a manifest with this body cannot be read.
fn refused(body: &str) -> Reason {
    let reading = read("app.yaml", manifest("a", body).as_bytes());
    assert!(reading.objects.is_empty(), "{body:.200} was read");
    assert_eq!(reading.errors.len(), 1, "{body:.200}");
    reading.errors[0].reason.clone()
}

/// `spec.ports[0]` as steps.
fn steps(path: &str) -> Vec<Step<'_>> {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps
        .map(|step| match step.strip_suffix(']') {
            Some(index) => Step::Index(index.parse().unwrap()),
            None => Step::Key(step),
        })
        .collect()
}

/// Where a field stands, as `line:column`.
fn place(object: &Object, path: &str) -> String {
    match object.marks.find(&object.value, &steps(path)) {
        Some(position) => position.to_string(),
        None => "nowhere".to_owned(),
    }
}
