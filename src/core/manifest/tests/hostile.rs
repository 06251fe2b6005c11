//! Hostile documents are refused, quickly and within bounds.

use std::fmt::Write as _;

use super::super::{Reason, parse};
use super::{manifest, refused, x};

/// A YAML bomb: levels of lists, each of which repeats the one before it `width` times.
fn bomb(levels: usize, width: usize, item: impl Fn(&str) -> String) -> String {
    let mut text = format!("a0: &a0 {}\n", item("b"));
    for level in 1..levels {
        let alias = format!("*a{}", level - 1);
        let aliases = vec![alias; width].join(", ");
        writeln!(text, "a{level}: &a{level} {}", item(&aliases)).unwrap();
    }
    text
}

#[test]
fn alias_bombs_are_refused() {
    let list = |inner: &str| format!("[{inner}]");
    let merge = |inner: &str| match inner {
        "b" => "{b: 1}".to_owned(),
        _ => format!("{{<<: [{inner}]}}"),
    };
    assert_eq!(refused(&bomb(9, 9, list)), Reason::ExcessiveAliasing);
    assert_eq!(refused(&bomb(9, 9, merge)), Reason::ExcessiveAliasing);
    assert_eq!(refused(&bomb(30, 2, list)), Reason::ExcessiveAliasing);
    let long = format!("a: &a {}\nx: [{}]", "b".repeat(100_000), "*a, ".repeat(100));
    assert_eq!(refused(&long), Reason::ExcessiveAliasing);
    let keys = format!("a: &a {}\nx: [{}]", "b".repeat(100_000), "{*a : 1}, ".repeat(100));
    assert_eq!(refused(&keys), Reason::ExcessiveAliasing);
}

#[test]
fn ordinary_numbers_of_aliases_are_fine() {
    let text = format!("b: &b {{c: 1, d: [2]}}\nx: [{}]", "*b, ".repeat(300));
    assert_eq!(x(&text).as_array().unwrap().len(), 300);
}

#[test]
fn cyclic_aliases_are_refused() {
    for body in ["x: &x [*x]", "x: &x {y: *x}", "x: &x {<<: *x}", "x: &x [{y: [1, *x]}]"] {
        assert_eq!(refused(body), Reason::CyclicAlias, "{body}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |open: &str, close: &str, levels| format!("x: {}{}", open.repeat(levels), close.repeat(levels));
    x(&deep("[", "]", 199));
    x(&deep("{a: ", "}", 199));
    for levels in [200, 100_000] {
        assert_eq!(refused(&deep("[", "]", levels)), Reason::TooDeep);
        assert_eq!(refused(&deep("{a: ", "}", levels)), Reason::TooDeep);
        assert_eq!(refused(&format!("x:\n{}a", "- ".repeat(levels))), Reason::TooDeep);
        let json = deep("[", "]", levels).replace("x: ", "{\"x\": ") + "}";
        assert_eq!(parse("a.json", json.as_bytes()).errors[0].reason, Reason::TooDeep);
    }
    let chain = |item: &dyn Fn(usize) -> String| {
        (1..1000).fold("a0: &a0 {b: 1}\n".to_owned(), |text, level| {
            format!("{text}a{level}: &a{level} {}\n", item(level - 1))
        })
    };
    assert_eq!(refused(&chain(&|below| format!("[*a{below}]"))), Reason::TooDeep);
    assert_eq!(refused(&chain(&|below| format!("{{<<: *a{below}}}"))), Reason::TooDeep);
    let merges = format!("x: {}{{}}{}", "{<<: ".repeat(250), "}".repeat(250));
    assert_eq!(refused(&merges), Reason::TooDeep);
}

#[test]
fn large_documents_are_refused() {
    let text = format!("x: {}\n---\n{}", "y".repeat(9 << 20), manifest("b", ""));
    let parsed = parse("app.yaml", text.as_bytes());
    assert_eq!(parsed.errors[0].reason, Reason::TooLarge);
    assert_eq!(parsed.objects.len(), 1);

    let many = format!("{{\"x\": [{}1]}}", "1,".repeat(1_000_000));
    assert_eq!(parse("a.json", many.as_bytes()).errors[0].reason, Reason::TooManyNodes);
}

#[test]
fn the_values_of_all_documents_of_a_file_count_together() {
    let list = |items: usize| format!("x: [{}1]\n", "1,".repeat(items));
    let file = |documents: usize| {
        let documents: Vec<_> = (0..documents).map(|_| manifest("a", &list(300_000))).collect();
        parse("app.yaml", documents.join("---\n").as_bytes())
    };
    let (parsed, too_large) = (file(3), file(9));
    assert_eq!((parsed.objects.len(), parsed.errors.len()), (3, 0));
    assert_eq!((too_large.objects.len(), too_large.errors.len()), (3, 1));
    assert_eq!(
        too_large.errors[0].to_string(),
        "app.yaml:16:1: document 4: too many values; at most a million are read of one file, so split it"
    );
}
