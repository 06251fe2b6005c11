//! Tests of the module as a whole: bytes in, objects out.

mod documents;
mod hostile;
mod objects;
mod positions;
mod properties;
mod values;

use serde_json::Value;

use super::{Object, ParsedFile, Reason, Segment, parse};

/// A file's objects; the file must have no errors.
fn objects(text: &str) -> Vec<Object> {
    let ParsedFile { objects, errors, .. } = parse("app.yaml", text.as_bytes());
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

/// Why a manifest with this body is refused.
fn refused(body: &str) -> Reason {
    let parsed = parse("app.yaml", manifest("a", body).as_bytes());
    assert!(parsed.objects.is_empty(), "{body:.200} was parsed");
    assert_eq!(parsed.errors.len(), 1, "{body:.200}");
    parsed.errors[0].reason.clone()
}

/// `spec.ports[0]` as segments.
fn segments(path: &str) -> Vec<Segment<'_>> {
    path.split(['.', '['])
        .filter(|segment| !segment.is_empty())
        .map(|segment| match segment.strip_suffix(']') {
            Some(index) => Segment::Index(index.parse().unwrap()),
            None => Segment::Key(segment),
        })
        .collect()
}

/// Where a field is written, as `line:column`.
fn position(object: &Object, path: &str) -> String {
    match object.positions.find(&object.value, &segments(path)) {
        Some(position) => position.to_string(),
        None => "nowhere".to_owned(),
    }
}
