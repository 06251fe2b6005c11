//! What scalars, keys, tags and merge keys mean. Every case was measured with
//! kubectl 1.37 (`kubectl label --local -o json`).

use serde_json::{Value, json};

use super::super::Reason;
use super::{refused, x};

#[track_caller]
fn check(cases: &[(&str, Value)]) {
    for (written, expected) in cases {
        assert_eq!(x(&format!("x: {written}")), *expected, "x: {written}");
    }
}

#[test]
fn booleans_and_null_have_three_spellings_each() {
    check(&[
        ("y", json!(true)),
        ("Y", json!(true)),
        ("yes", json!(true)),
        ("Yes", json!(true)),
        ("YES", json!(true)),
        ("on", json!(true)),
        ("On", json!(true)),
        ("ON", json!(true)),
        ("true", json!(true)),
        ("True", json!(true)),
        ("TRUE", json!(true)),
        ("n", json!(false)),
        ("N", json!(false)),
        ("no", json!(false)),
        ("No", json!(false)),
        ("NO", json!(false)),
        ("off", json!(false)),
        ("Off", json!(false)),
        ("OFF", json!(false)),
        ("false", json!(false)),
        ("False", json!(false)),
        ("FALSE", json!(false)),
        ("yEs", json!("yEs")),
        ("oN", json!("oN")),
        ("tRue", json!("tRue")),
        ("yess", json!("yess")),
        // Null.
        ("", json!(null)),
        ("~", json!(null)),
        ("null", json!(null)),
        ("Null", json!(null)),
        ("NULL", json!(null)),
        ("NuLL", json!("NuLL")),
    ]);
}

#[test]
fn integers_are_written_as_in_go() {
    check(&[
        ("0", json!(0)),
        ("00", json!(0)),
        ("-0", json!(0)),
        ("+5", json!(5)),
        ("1_000", json!(1000)),
        ("1__0", json!(10)),
        ("1_", json!(1)),
        ("-_1", json!(-1)),
        ("_1", json!("_1")),
        ("0644", json!(420)),
        ("-0644", json!(-420)),
        ("0_7", json!(7)),
        ("0o644", json!(420)),
        ("0O17", json!(15)),
        ("0o8", json!("0o8")),
        ("-0o17", json!(-15)),
        ("0x1F", json!(31)),
        ("0X1f", json!(31)),
        ("+0x1F", json!(31)),
        ("0_x1", json!(1)),
        ("0x", json!("0x")),
        ("0b101", json!(5)),
        ("0B11", json!(3)),
        ("-0b11", json!(-3)),
        ("0b102", json!("0b102")),
        ("+", json!("+")),
        ("+-1", json!("+-1")),
        ("++1", json!("++1")),
        ("0-1", json!("0-1")),
        ("1-2", json!("1-2")),
        ("9223372036854775807", json!(i64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        // What 64 bits do not hold becomes a float.
        ("9223372036854775808", json!(9_223_372_036_854_775_808.0)),
        ("-9223372036854775809", json!(-9_223_372_036_854_775_808.0)),
        ("12345678901234567890", json!(12_345_678_901_234_567_000.0)),
        ("99999999999999999999999", json!(1e23)),
        ("0xFFFFFFFFFFFFFFFF", json!(18_446_744_073_709_552_000.0)),
        ("0x1FFFFFFFFFFFFFFFF", json!("0x1FFFFFFFFFFFFFFFF")),
        // What looks like an octal number and is none is a float.
        ("0899", json!(899)),
        ("08", json!(8)),
    ]);
}

/// A float without fraction is stored as an integer.
#[test]
fn floats_are_stored_without_their_spelling() {
    check(&[
        ("1.0", json!(1)),
        ("1.", json!(1)),
        ("1.20", json!(1.2)),
        (".5", json!(0.5)),
        ("+.5", json!(0.5)),
        ("-.5", json!(-0.5)),
        (".5_0", json!(0.5)),
        (".5_", json!(".5_")),
        ("._5", json!("._5")),
        ("1_0.5_0", json!(10.5)),
        (".", json!(".")),
        ("-0.0", json!(0)),
        ("1e3", json!(1000)),
        ("1E5", json!(100_000)),
        ("1.e3", json!(1000)),
        ("1e-5", json!(0.00001)),
        ("1e", json!("1e")),
        ("e1", json!("e1")),
        ("1e18", json!(1_000_000_000_000_000_000_i64)),
        ("1e19", json!(1e19)),
        ("1e21", json!(1e21)),
        ("4611686018427387904.0", json!(4_611_686_018_427_388_000_i64)),
        ("9007199254740993.0", json!(9_007_199_254_740_992_i64)),
        ("5e-324", json!(5e-324)),
        ("1e999", json!("1e999")),
        (".5e999", json!(".5e999")),
        ("0x1.8p1", json!("0x1.8p1")),
        ("1.2.3", json!("1.2.3")),
        ("0.0.0.0", json!("0.0.0.0")),
        (".Inf1", json!(".Inf1")),
        ("inf", json!("inf")),
        ("nan", json!("nan")),
        ("+infinity", json!("+infinity")),
    ]);
}

#[test]
fn everything_else_is_a_string() {
    check(&[
        // What YAML 1.1 reads as something else.
        ("12:30:45", json!("12:30:45")),
        ("190:20:30.15", json!("190:20:30.15")),
        ("1:2", json!("1:2")),
        ("2001-01-01", json!("2001-01-01")),
        ("2001-12-14t21:59:43.10-05:00", json!("2001-12-14t21:59:43.10-05:00")),
        ("2001-12-14 21:59:43.10 -5", json!("2001-12-14 21:59:43.10 -5")),
        ("=", json!("=")),
        ("<<", json!("<<")),
        ("[=, <<]", json!(["=", "<<"])),
        // Quoted and block scalars are strings.
        ("\"yes\"", json!("yes")),
        ("'0644'", json!("0644")),
        ("''", json!("")),
        ("\"1e3\"", json!("1e3")),
        ("'it''s'", json!("it's")),
        ("|\n  1\n", json!("1\n")),
        ("|\n  text", json!("text\n")),
        (">-\n  1\n  2\n", json!("1 2")),
        ("|+\n  a\n\n", json!("a\n\n")),
    ]);
}

#[test]
fn floats_that_json_does_not_have_are_refused() {
    for written in [".inf", "-.Inf", "+.INF", ".nan", ".NaN"] {
        assert_eq!(refused(&format!("x: {written}")), Reason::NotFinite);
    }
}

#[test]
fn tags_mean_what_kubectl_makes_of_them() {
    check(&[
        ("!!str 123", json!("123")),
        ("!!str yes", json!("yes")),
        ("!!str", json!("")),
        ("!!int \"0x1F\"", json!(31)),
        ("!<tag:yaml.org,2002:int> '5'", json!(5)),
        ("!!int 12345678901234567890", json!(12_345_678_901_234_567_000.0)),
        ("!!float 1", json!(1)),
        ("!!float \"1.5\"", json!(1.5)),
        ("!!float 0x10", json!(16)),
        ("!!bool \"yes\"", json!(true)),
        ("!!null \"\"", json!(null)),
        ("!!null ~", json!(null)),
        ("!!binary aGVsbG8=", json!("hello")),
        ("!!binary aGVsbG9=", json!("hello")),
        ("!!binary |\n  aGVs\n  bG8=\n", json!("hello")),
        ("!!binary /w==", json!("\u{FFFD}")),
        ("!!timestamp 2001-01-01", json!("2001-01-01")),
        // An unknown tag only says that the scalar is not a plain one.
        ("!foo 123", json!("123")),
        ("!!string 5", json!("5")),
        ("! 5", json!("5")),
        ("! \"5\"", json!("5")),
        ("!foo {b: 1}", json!({"b": 1})),
        ("!!str {b: 1}", json!({"b": 1})),
        ("!!set {a, b}", json!({"a": null, "b": null})),
        ("!!omap [a: 1]", json!([{"a": 1}])),
    ]);
}

#[test]
fn a_value_that_is_not_what_its_tag_says_is_refused() {
    let cases = [
        ("!!int abc", Reason::InvalidTag("int")),
        ("!!int 1.5", Reason::InvalidTag("int")),
        ("!!float abc", Reason::InvalidTag("float")),
        ("!!float 0xFFFFFFFFFFFFFFFF", Reason::InvalidTag("float")),
        ("!!bool 1", Reason::InvalidTag("bool")),
        ("!!null abc", Reason::InvalidTag("null")),
        ("!!binary \"*\"", Reason::InvalidBase64),
        ("!!binary aGV sbG8=", Reason::InvalidBase64),
    ];
    for (written, reason) in cases {
        assert_eq!(refused(&format!("x: {written}")), reason, "x: {written}");
    }
}

#[test]
fn keys_become_strings() {
    let cases = [
        ("y", "true"),
        ("on", "true"),
        ("No", "false"),
        ("\"y\"", "y"),
        ("yEs", "yEs"),
        ("2", "2"),
        ("-0", "0"),
        ("0644", "420"),
        ("0x1F", "31"),
        ("1.5", "1.5"),
        ("100000.0", "100000"),
        ("1e6", "1e+06"),
        ("123456789.5", "1.2345679e+08"),
        ("0.1234567890123", "0.12345679"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        (".inf", ".inf"),
        ("-.inf", "-.inf"),
        (".nan", ".nan"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("!!str 5", "5"),
        ("!!int \"7\"", "7"),
        ("!!binary aGk=", "hi"),
        ("'<<'", "<<"),
    ];
    for (written, expected) in cases {
        let body = format!("x:\n  {written}: 1");
        assert_eq!(x(&body), json!({expected: 1}), "{body}");
    }
}

#[test]
fn keys_that_cannot_become_strings_are_refused() {
    for written in ["~: 1", "null: 1", "12345678901234567890: 1", "{a: 1}: 1", "[1]: 1", "? - a\n  : 1"] {
        assert_eq!(refused(&format!("x:\n  {written}")), Reason::InvalidKey, "{written}");
    }
}

#[test]
fn the_last_of_duplicate_keys_wins() {
    assert_eq!(x("x: {a: 1, b: 2, a: 3, a: 4}"), json!({"a": 4, "b": 2}));
    assert_eq!(x("x: {a: {b: 1}, a: }"), json!({"a": null}));
    assert_eq!(x("x: {yes: 1, true: 2, y: 3}"), json!({"true": 3}));
}

#[test]
fn a_merge_key_overrides_what_is_before_it() {
    let cases = [
        ("x: {<<: {a: 2}, a: 1}", json!({"a": 1})),
        // goyaml v2 overwrites what came before; the YAML standard does not.
        ("x: {a: 1, <<: {a: 2, b: 3}}", json!({"a": 2, "b": 3})),
        ("x: {<<: [{a: 1}, {a: 2, b: 2}]}", json!({"a": 1, "b": 2})),
        ("b: &b {c: 1}\nx: {<<: *b, d: 2}", json!({"c": 1, "d": 2})),
        ("b: &b {c: 1}\nx: {<<: [*b, {e: 2}]}", json!({"c": 1, "e": 2})),
        ("b: &b {<<: {c: 1}, d: 2}\nx: {<<: *b, c: 3}", json!({"c": 3, "d": 2})),
        ("x: {<<: {}}", json!({})),
        ("x: {<<: []}", json!({})),
        ("x: {\"<<\": {a: 1}}", json!({"<<": {"a": 1}})),
        ("x: {!!merge <<: {a: 1}}", json!({"a": 1})),
    ];
    for (body, expected) in cases {
        assert_eq!(x(body), expected, "{body}");
    }
    for body in ["x: {<<: 5}", "x: {<<: ~}", "x: {<<: [5]}", "x: {<<: [[{a: 1}]]}", "b: &b [1]\nx: {<<: *b}"] {
        assert_eq!(refused(body), Reason::InvalidMerge, "{body}");
    }
}

#[test]
fn an_alias_repeats_the_last_anchor_of_its_name() {
    assert_eq!(x("b: &b 1\nc: &b 2\nx: *b"), json!(2));
    assert_eq!(x("b: &b {c: [1]}\nx: [*b, *b]"), json!([{"c": [1]}, {"c": [1]}]));
    assert_eq!(x("b: &b\nx: *b"), json!(null));
    assert_eq!(x("b: &b c\nx: {*b : 1}"), json!({"c": 1}));
    assert!(matches!(refused("x: *b"), Reason::Syntax(_)));
}

#[test]
fn json_values_mean_the_same_and_json_has_no_merge_keys() {
    let text = r#"{"apiVersion": "v1", "kind": "C", "metadata": {"name": "a"},
      "x": [1e3, 1.0, -0, 1.50, 9223372036854775808, true, null, "yes", "<<", "\ud83d\ude00\/\n", {}],
      "<<": {"y": 1}}"#;
    let object = super::object(text);
    let expected = json!([1000, 1, 0, 1.5, 9_223_372_036_854_775_808.0, true, null, "yes", "<<", "\u{1F600}/\n", {}]);
    assert_eq!(object.value["x"], expected);
    assert_eq!(object.value["<<"], json!({"y": 1}));
    assert!(object.value.get("y").is_none());
}
