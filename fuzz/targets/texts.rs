//! Short texts of a configuration and of values: field paths, patterns, globs, quantities, durations.

#![no_main]

use driftwall_core::desired::NamespaceScope;
use driftwall_core::diff::{Path, PathElement, Pattern, Quantity, is_opaque, is_wholly_opaque};
use driftwall_core::policy::IgnoreRule;
use driftwall_core::{glob, go_duration};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, "spec.replicas"));

    if let Ok(path) = first.parse::<Path>() {
        let printed = path.to_string();
        assert_eq!(printed.parse::<Path>().as_ref(), Ok(&path), "{printed} is read as another path");
        assert!(path.overlaps(&path.prefix(1)));
    }
    if let (Ok(pattern), Ok(path)) = (first.parse::<Pattern>(), second.parse::<Path>()) {
        let _ = pattern.covers(&path);
    }
    if let (Ok(pattern), Ok(path)) = (first.parse::<Pattern>(), first.parse::<Path>()) {
        let is_literal = !first.contains('*') && !first.starts_with('/');
        assert!(!is_literal || pattern.covers(&path), "{first} does not cover itself");
        if let Some(pointer) = pointer(&path) {
            let pattern: Pattern = pointer.parse().expect("any JSON pointer is a pattern");
            assert!(pattern.covers(&path), "{pointer} does not cover {path}");
        }
    }
    let _ = IgnoreRule::new(first, "*", second, "*", &[first.to_owned()]);

    if let Ok(matcher) = glob::matcher(first) {
        let _ = matcher.is_match(second);
    }
    if let Ok(scope) = NamespaceScope::new(vec![first.to_owned()]) {
        let _ = scope.covers(second);
    }

    if let Some(quantity) = Quantity::parse(first) {
        assert!(quantity.is_equal(quantity), "{first} is not itself");
        if let Some(other) = Quantity::parse(second) {
            assert_eq!(quantity.is_equal(other), other.is_equal(quantity), "{first} and {second}");
        }
    }
    let _ = go_duration::nanoseconds(first);
    assert!(!is_wholly_opaque(first) || is_opaque(first));
});

/// The path as a JSON pointer; `None` where it names items by their keys.
fn pointer(path: &Path) -> Option<String> {
    let mut pointer = String::new();
    for element in path.elements() {
        pointer.push('/');
        match element {
            PathElement::Field(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
            PathElement::Index(index) => pointer.push_str(&index.to_string()),
            PathElement::Item(_) => return None,
        }
    }
    Some(pointer)
}
