//! Any text as a manifest in JSON: the same value as `serde_json` reads, and each node has its place.

#![no_main]

use driftwall_core::manifest::{self, Segment};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Nodes whose place is looked for: each look walks over what stands before it.
const MAX_NODES: usize = 200;

fuzz_target!(|text: &str| {
    let parsed = manifest::parse("app.json", text.as_bytes());
    let expected = serde_json::from_str::<Value>(text);
    let lines = text.split(['\n', '\r']).count() + 1;
    for object in &parsed.objects {
        let mut nodes = 0;
        each_node(&object.value, &mut Vec::new(), &mut |path| {
            nodes += 1;
            if nodes <= MAX_NODES {
                let position = object.positions.find(&object.value, path).expect("each node has a place");
                assert!((1..=lines).contains(&(position.line as usize)), "{position} of {lines} lines");
            }
        });
    }
    if let ([object], [], Ok(expected)) = (&*parsed.objects, &*parsed.errors, &expected)
        && !object.kind.ends_with("List")
        && text.trim_start().starts_with('{')
    {
        assert!(is_same(&object.value, expected), "{} is read as {}", expected, object.value);
    }
});

/// Whether two values are the same, numbers by what they mean: `1e2` is `100`.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn each_node<'v>(value: &'v Value, path: &mut Vec<Segment<'v>>, each: &mut dyn FnMut(&[Segment<'v>])) {
    each(path);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(Segment::Key(key));
                each_node(value, path, each);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                each_node(value, path, each);
                path.pop();
            }
        }
        _ => {}
    }
}
