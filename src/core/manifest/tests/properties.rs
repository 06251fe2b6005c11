//! Properties that hold for every input.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::parse;
use super::super::positions::count;

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number))),
        any::<String>().prop_map(Value::from),
        "[a-z0-9:#-]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A value with its numbers as Kubernetes stores them.
fn stored(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_i64() => Value::Number(number),
        Value::Number(number) => {
            let float = number.as_f64().unwrap();
            match float.to_string().parse::<i64>() {
                Ok(integer) if float.abs() < 1e21 => json!(integer),
                _ => json!(float),
            }
        }
        Value::Array(items) => items.into_iter().map(stored).collect(),
        Value::Object(map) => {
            let map = map.into_iter().map(|(key, value)| (key, stored(value)));
            Value::Object(map.collect::<Map<_, _>>())
        }
        value => value,
    }
}

/// Text made of pieces of YAML, valid or not.
fn yaml_like_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "\n---\n",
        "...\n",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "&a ",
        "*a",
        "<<: ",
        "? ",
        ": ",
        "| \n",
        ">-\n",
        "!!int ",
        "!x ",
        "# c",
        "%YAML 1.1\n",
        "\t",
        "\r\n",
        "apiVersion: v1\n",
        "kind: List\n",
        "metadata: {name: a}\n",
        "items:\n",
        "0x1F",
        "1e3",
        ".inf",
        "é",
        "\u{FEFF}",
        "\\",
        "\u{0}",
        "~",
        "yes",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
        parse("app.yaml", &bytes);
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_each_node_has_a_position(text in yaml_like_text()) {
        let parsed = parse("app.yaml", text.as_bytes());
        for object in parsed.objects {
            prop_assert_eq!(object.positions.len(), count(&object.value));
        }
    }

    #[test]
    fn json_is_parsed_back_with_a_position_for_each_node(spec in value(), pretty: bool) {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "spec": spec,
        });
        let text = if pretty {
            serde_json::to_string_pretty(&object).unwrap()
        } else {
            object.to_string()
        };
        let parsed = parse("app.json", text.as_bytes());
        prop_assert!(parsed.errors.is_empty(), "{}", parsed.errors[0]);
        let read_back = &parsed.objects[0];
        prop_assert_eq!(&read_back.value, &stored(object));
        prop_assert_eq!(read_back.positions.len(), count(&read_back.value));
    }
}
