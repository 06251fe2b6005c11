//! How a file falls into documents.

use super::super::{Position, Reason, read};
use super::{manifest, names, place};

#[test]
fn documents_are_split_as_kubernetes_splits_them() {
    let (a, b) = (manifest("a", ""), manifest("b", ""));
    let cells = [
        format!("{a}---\n{b}"),
        format!("---\n{a}---   \n{b}---\n"),
        format!("{a}---\n---\n# nothing\n---\n{b}"),
        format!("{a}--- # a comment\n{b}"),
        format!("{a}--- {{apiVersion: v1, kind: C, metadata: {{name: b}}}}\n"),
        format!("{a}...\n---\n{b}"),
        format!("\u{FEFF}{a}---\n\u{FEFF}{b}"),
        format!("%YAML 1.1\n---\n{a}---\n{b}"),
        format!("# x\n%YAML 1.1\n%TAG !e! tag:e,1:\n--- # x\n{a}---\n{b}"),
        format!("{a}---\r\n{b}").replace("\r\n", "\n").replace('\n', "\r\n"),
        format!("{a}x: '\n --- '\n---\n{b}"),
        format!("{a}data:\n  x: |\n    ---\n---\n{b}"),
    ];
    for text in cells {
        assert_eq!(names(&text), ["a", "b"], "{text:?}");
    }
}

#[test]
fn what_follows_a_documents_end_is_not_read() {
    let text = format!("{}...\n{}", manifest("a", ""), manifest("b", ""));
    assert_eq!(names(&text), ["a"]);
}

#[test]
fn nothing_but_comments_is_nothing() {
    for text in ["", "\n", "# x", "---", "---\n---\n", "--- # x\n\n...\n", "\u{FEFF}", "  \t\r\n"] {
        let reading = read("app.yaml", text.as_bytes());
        assert!(reading.objects.is_empty(), "{text:?}");
        assert!(reading.errors.is_empty(), "{text:?}");
        assert_eq!(reading.skipped, 0, "{text:?}");
    }
}

#[test]
fn a_broken_document_costs_only_itself() {
    let (a, b) = (manifest("a", ""), manifest("b", ""));
    let broken =
        ["x: [y", "x: \"y", "x:\n\ty: z", "x: y: z", "x: *nobody", "x: &a [*a]", "x: .inf", "{\"a\": ", "x: @"];
    for broken in broken {
        let text = format!("{a}---\n{broken}\n---\n{b}");
        let reading = read("app.yaml", text.as_bytes());
        let names: Vec<_> = reading.objects.iter().map(|object| &object.name).collect();
        assert_eq!(names, ["a", "b"], "{broken}");
        assert_eq!(reading.objects[1].document, 3, "{broken}");
        let [error] = &reading.errors[..] else {
            panic!("{broken}: {:?}", reading.errors);
        };
        assert_eq!(error.document, 2, "{broken}");
        assert!(error.position.is_some_and(|at| (5..=6).contains(&at.line)), "{error}");
    }
}

#[test]
fn a_quoted_text_does_not_reach_over_a_separator() {
    let text = format!("{}---\n{}", manifest("a", "x: \"y\n"), manifest("b", ""));
    let reading = read("app.yaml", text.as_bytes());
    assert_eq!(reading.objects.len(), 1);
    assert_eq!(reading.errors.len(), 1);
}

#[test]
fn errors_name_the_place_in_the_file() {
    let text = format!("{}---\r\nx:\r\n  é: [y\r\n", manifest("a", "").replace('\n', "\r\n"));
    let reading = read("apps/app.yaml", text.as_bytes());
    let error = reading.errors[0].to_string();
    assert_eq!(error, "apps/app.yaml:6:6: document 2: unclosed bracket '['");
}

#[test]
fn errors_do_not_quote_values() {
    for body in ["x: !!int s3cret", "x: !!binary s3cret!", "x: [s3cret", "x: \"s3cret", "x: {s3cret: [}"] {
        let reading = read("app.yaml", manifest("a", body).as_bytes());
        let error = reading.errors[0].to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn other_encodings_are_refused_by_name() {
    let text = manifest("a", "");
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    for bytes in [marked(b"\xFF\xFE", &little), marked(b"\xFE\xFF", &big), little, big] {
        let reading = read("app.yaml", &bytes);
        assert_eq!(reading.errors.len(), 1);
        assert_eq!(reading.errors[0].reason, Reason::Utf16);
    }
}

#[test]
fn bytes_that_are_no_utf8_cost_their_document() {
    let text = format!("{}---\nx: é\ny: é\u{1}", manifest("a", ""));
    let bytes: Vec<u8> = text.bytes().map(|byte| if byte == 1 { 0xE9 } else { byte }).collect();
    let reading = read("app.yaml", &bytes);
    assert_eq!(reading.objects.len(), 1);
    assert_eq!(reading.errors[0].reason, Reason::NotUtf8);
    assert_eq!(reading.errors[0].position, Some(Position { line: 6, column: 5 }));
}

#[test]
fn json_documents_may_follow_each_other() {
    let json = |name| format!(r#"{{"apiVersion": "v1", "kind": "C", "metadata": {{"name": "{name}"}}}}"#);
    let (a, b) = (json("a"), json("b"));
    let cells = [
        format!("{a}{b}"),
        format!("{a}\n{b}\n"),
        format!("{a}\n---\n{b}"),
        format!("---\n{a}\n# x\n{b}\n...\n"),
        format!("{}---\n{b}", manifest("a", "")),
        format!("{a}\r\n---\r\n{}", manifest("b", "")),
        format!("{}\n{}", a.replace(' ', "\t"), b.replace(' ', "\n\t")),
    ];
    for text in cells {
        assert_eq!(names(&text), ["a", "b"], "{text:?}");
    }
    let objects = super::objects(&format!("{a}\n {b}"));
    assert_eq!(objects[1].document, 2);
    assert_eq!(place(&objects[1], "metadata.name"), "2:49");
}

#[test]
fn json_keys_may_be_long() {
    let key = "k".repeat(5000);
    let text = format!(r#"{{"apiVersion": "v1", "kind": "C", "metadata": {{"name": "a"}}, "{key}": 1}}"#);
    assert_eq!(super::object(&text).value[&key], 1);
}

#[test]
fn flow_style_that_is_no_json_is_yaml() {
    let text = "{apiVersion: v1, kind: C, # x\n metadata: {name: a,},\n\tx: 'y'}\n";
    assert_eq!(names(text), ["a"]);
}

#[test]
fn what_is_neither_json_nor_yaml_is_reported_where_it_got_stuck() {
    let cells = [
        // Got further as JSON.
        ("{\"a\": \"\\ud83d\\ude00\",\n \"b\" 1}", 2),
        // Got further as YAML.
        ("{a: 1,\n b: 2,\n c: }}", 3),
    ];
    for (text, line) in cells {
        let reading = read("app.json", text.as_bytes());
        let position = reading.errors[0].position.unwrap();
        assert_eq!(position.line, line, "{}", reading.errors[0]);
    }
    // After a good value there is no second reading.
    let reading = read("app.json", b"{\"a\": 1}\n{\"b\": }");
    assert_eq!(reading.skipped, 1);
    assert_eq!(reading.errors[0].to_string(), "app.json:2:7: document 2: not JSON: expected a value");
}

#[test]
fn what_only_yaml_has_is_not_read_as_json() {
    for text in ["[01]", "[+1]", "[.5]", "[1.]", "[1.e3]", "[inf]", "[True]", "[\"\t\"]", "[\"\\x41\"]", "[1,]"] {
        let mut trees = super::super::json::trees(text, Position::START);
        assert!(trees.next().unwrap().is_err(), "{text}");
        assert!(trees.next().is_none(), "{text}");
    }
}
