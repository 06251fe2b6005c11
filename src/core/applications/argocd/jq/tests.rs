//! Which places expressions name, and which expressions are refused.

use serde_json::json;

use super::*;

fn object() -> Value {
    json!({
        "metadata": {"annotations": {"a/b": "1", "c": "2"}},
        "spec": {"replicas": 2, "containers": [
            {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}, {"name": "B"}]},
            {"name": "istio-proxy", "image": "proxy:1"},
        ]},
        "webhooks": [{"name": "a", "clientConfig": {"caBundle": "x", "service": 1}}, {"name": "b"}],
    })
}

#[test]
fn places_are_removed() {
    for (expression, gone) in [
        (".spec.replicas", &["/spec/replicas"][..]),
        (".spec.containers[].env", &["/spec/containers/0/env"]),
        (".webhooks[].clientConfig.caBundle", &["/webhooks/0/clientConfig/caBundle"]),
        (".webhooks[]?.clientConfig?.caBundle", &["/webhooks/0/clientConfig/caBundle"]),
        (".metadata.annotations.\"a/b\"", &["/metadata/annotations/a~1b"]),
        (".metadata.annotations[\"a/b\"]", &["/metadata/annotations/a~1b"]),
        (".spec.containers[] | select(.name == \"istio-proxy\")", &["/spec/containers/1"]),
        (".spec.containers[] | select(.name | startswith(\"istio\")) | .image", &["/spec/containers/1/image"]),
        (".spec.containers[] | select(.name | test(\"^istio-.*$\")).image", &["/spec/containers/1/image"]),
        (
            ".spec.containers[0].env[] | select(.name == \"A\" or .name == \"C\").value",
            &["/spec/containers/0/env/0/value"],
        ),
        (".spec.containers[] | select(.env != null and (.name == \"x\" | not))", &["/spec/containers/0"]),
        (".spec.replicas, .metadata.annotations.c", &["/spec/replicas", "/metadata/annotations/c"]),
        (".spec.containers[-1]", &["/spec/containers/1"]),
        (".missing.field", &[]),
        (".missing[].field", &[]),
        (".missing[]?.field", &[]),
        (".spec.containers[] | select(.name | contains(\"ist\"))", &["/spec/containers/1"]),
        (".spec.containers[] | select(has(\"env\")).env", &["/spec/containers/0/env"]),
    ] {
        let (before, mut after) = (object(), object());
        let paths = JqPaths::parse(expression);
        paths.as_ref().unwrap_or_else(|| panic!("{expression}")).remove_from(&mut after);
        let mut expected = before.clone();
        for pointer in gone.iter().rev() {
            let (around, last) = pointer.rsplit_once('/').unwrap();
            match expected.pointer_mut(around).unwrap() {
                Value::Object(fields) => drop(fields.remove(&last.replace("~1", "/"))),
                Value::Array(items) => drop(items.remove(last.parse().unwrap())),
                _ => {}
            }
        }
        assert_eq!(after, expected, "{expression}");
    }
}

#[test]
fn what_is_more_than_a_path_is_refused() {
    let deep = format!("{}.a{}", "(".repeat(100), ")".repeat(100));
    for expression in [
        "",
        "..",
        ".. | .a?",
        "def f: f; f",
        "range(1000000000)",
        "[range(9)]",
        "until(false; .)",
        "recurse(.a)",
        "while(true; .a)",
        "reduce .[] as $x (0; . + 1)",
        ".a as $x | .b",
        "input",
        "env.HOME",
        ".a = 1",
        "\"text\"",
        ".a == 1",
        ".a[1:2]",
        ".a[.b]",
        "{a: 1}",
        "if .a then .b else .c end",
        ".a |",
        deep.as_str(),
    ] {
        assert!(JqPaths::parse(expression).is_none(), "{expression}");
    }
}

#[test]
fn what_visits_too_much_is_given_up() {
    let items: Vec<Value> = (0..400).map(|n| json!({"n": n})).collect();
    let mut object = json!({"a": items});
    let before = object.clone();
    // Each pair of items is compared.
    let expression = ".a[] | select(.n == 1, .n == 2, .n == 3)";
    assert!(JqPaths::parse(expression).unwrap().remove_from(&mut object));
    assert_ne!(object, before);
    let many: Vec<String> = (0..190).map(|_| ".a[]".to_owned()).collect();
    let mut object = before.clone();
    assert!(!JqPaths::parse(&many.join(",")).unwrap().remove_from(&mut object));
    assert_eq!(object, before);
    // One that fails for the object names nothing, and that is certain.
    assert!(JqPaths::parse(".a.b").unwrap().remove_from(&mut object));
}
