//! How a file is split into documents.

use super::super::{Position, Reason, parse};
use super::{manifest, names, position};

#[test]
fn documents_are_split_as_kubernetes_splits_them() {
    let (a, b) = (manifest("a", ""), manifest("b", ""));
    let cases = [
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
    for text in cases {
        assert_eq!(names(&text), ["a", "b"], "{text:?}");
    }
}

#[test]
fn what_follows_the_end_of_a_document_is_not_parsed() {
    let text = format!("{}...\n{}", manifest("a", ""), manifest("b", ""));
    assert_eq!(names(&text), ["a"]);
}

#[test]
fn a_file_of_comments_has_no_documents() {
    for text in ["", "\n", "# x", "---", "---\n---\n", "--- # x\n\n...\n", "\u{FEFF}", "  \t\r\n"] {
        let parsed = parse("app.yaml", text.as_bytes());
        assert!(parsed.objects.is_empty(), "{text:?}");
        assert!(parsed.errors.is_empty(), "{text:?}");
        assert_eq!(parsed.skipped, 0, "{text:?}");
    }
}

#[test]
fn a_broken_document_does_not_affect_the_others() {
    let (a, b) = (manifest("a", ""), manifest("b", ""));
    let broken =
        ["x: [y", "x: \"y", "x:\n\ty: z", "x: y: z", "x: *nobody", "x: &a [*a]", "x: .inf", "{\"a\": ", "x: @"];
    for broken in broken {
        let text = format!("{a}---\n{broken}\n---\n{b}");
        let parsed = parse("app.yaml", text.as_bytes());
        let names: Vec<_> = parsed.objects.iter().map(|object| &object.name).collect();
        assert_eq!(names, ["a", "b"], "{broken}");
        assert_eq!(parsed.objects[1].document, 3, "{broken}");
        let [error] = &parsed.errors[..] else {
            panic!("{broken}: {:?}", parsed.errors);
        };
        assert_eq!(error.document, 2, "{broken}");
        assert!(error.position.is_some_and(|at| (5..=6).contains(&at.line)), "{error}");
    }
}

#[test]
fn a_separator_ends_even_a_quoted_text() {
    let text = format!("{}---\n{}", manifest("a", "x: \"y\n"), manifest("b", ""));
    let parsed = parse("app.yaml", text.as_bytes());
    assert_eq!(parsed.objects.len(), 1);
    assert_eq!(parsed.errors.len(), 1);
}

#[test]
fn errors_name_the_line_and_column() {
    let text = format!("{}---\r\nx:\r\n  é: [y\r\n", manifest("a", "").replace('\n', "\r\n"));
    let parsed = parse("apps/app.yaml", text.as_bytes());
    let error = parsed.errors[0].to_string();
    assert_eq!(error, "apps/app.yaml:6:6: document 2: unclosed bracket '['");
}

#[test]
fn errors_never_quote_values() {
    for body in ["x: !!int s3cret", "x: !!binary s3cret!", "x: [s3cret", "x: \"s3cret", "x: {s3cret: [}"] {
        let parsed = parse("app.yaml", manifest("a", body).as_bytes());
        let error = parsed.errors[0].to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn utf16_is_refused_by_name() {
    let text = manifest("a", "");
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let with_bom = |bom: &[u8], text: &[u8]| [bom, text].concat();
    for bytes in [with_bom(b"\xFF\xFE", &little), with_bom(b"\xFE\xFF", &big), little, big] {
        let parsed = parse("app.yaml", &bytes);
        assert_eq!(parsed.errors.len(), 1);
        assert_eq!(parsed.errors[0].reason, Reason::Utf16);
    }
}

#[test]
fn bytes_that_are_not_utf8_affect_their_document_only() {
    let text = format!("{}---\nx: é\ny: é\u{1}", manifest("a", ""));
    let bytes: Vec<u8> = text.bytes().map(|byte| if byte == 1 { 0xE9 } else { byte }).collect();
    let parsed = parse("app.yaml", &bytes);
    assert_eq!(parsed.objects.len(), 1);
    assert_eq!(parsed.errors[0].reason, Reason::NotUtf8);
    assert_eq!(parsed.errors[0].position, Some(Position { line: 6, column: 5 }));
}

#[test]
fn several_json_documents_may_follow_each_other() {
    let json = |name| format!(r#"{{"apiVersion": "v1", "kind": "C", "metadata": {{"name": "{name}"}}}}"#);
    let (a, b) = (json("a"), json("b"));
    let cases = [
        format!("{a}{b}"),
        format!("{a}\n{b}\n"),
        format!("{a}\n---\n{b}"),
        format!("---\n{a}\n# x\n{b}\n...\n"),
        format!("{}---\n{b}", manifest("a", "")),
        format!("{a}\r\n---\r\n{}", manifest("b", "")),
        format!("{}\n{}", a.replace(' ', "\t"), b.replace(' ', "\n\t")),
    ];
    for text in cases {
        assert_eq!(names(&text), ["a", "b"], "{text:?}");
    }
    let objects = super::objects(&format!("{a}\n {b}"));
    assert_eq!(objects[1].document, 2);
    assert_eq!(position(&objects[1], "metadata.name"), "2:49");
}

#[test]
fn json_keys_may_be_long() {
    let key = "k".repeat(5000);
    let text = format!(r#"{{"apiVersion": "v1", "kind": "C", "metadata": {{"name": "a"}}, "{key}": 1}}"#);
    assert_eq!(super::object(&text).value[&key], 1);
}

#[test]
fn flow_style_that_is_not_json_is_parsed_as_yaml() {
    let text = "{apiVersion: v1, kind: C, # x\n metadata: {name: a,},\n\tx: 'y'}\n";
    assert_eq!(names(text), ["a"]);
}

#[test]
fn text_that_is_neither_json_nor_yaml_is_reported_by_the_parser_that_got_further() {
    let cases = [
        // Got further as JSON.
        ("{\"a\": \"\\ud83d\\ude00\",\n \"b\" 1}", 2),
        // Got further as YAML.
        ("{a: 1,\n b: 2,\n c: }}", 3),
    ];
    for (text, line) in cases {
        let parsed = parse("app.json", text.as_bytes());
        let position = parsed.errors[0].position.unwrap();
        assert_eq!(position.line, line, "{}", parsed.errors[0]);
    }
    // After a good value the rest is not tried as YAML.
    let parsed = parse("app.json", b"{\"a\": 1}\n{\"b\": }");
    assert_eq!(parsed.skipped, 1);
    assert_eq!(parsed.errors[0].to_string(), "app.json:2:7: document 2: not JSON: expected a value");
}

#[test]
fn what_only_yaml_allows_is_not_json() {
    for text in ["[01]", "[+1]", "[.5]", "[1.]", "[1.e3]", "[inf]", "[True]", "[\"\t\"]", "[\"\\x41\"]", "[1,]"] {
        let mut trees = super::super::json::parse_trees(text, Position::START);
        assert!(trees.next().unwrap().is_err(), "{text}");
        assert!(trees.next().is_none(), "{text}");
    }
}
