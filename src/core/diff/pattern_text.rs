//! Patterns for paths that were seen, as they are written in a configuration.

use super::path::{Path, PathElement};

/// The pattern of this path alone. A `*` in a name stands for itself.
pub fn exact_pattern(path: &Path) -> String {
    let mut exact = Path::default();
    for element in path.elements() {
        exact.push(match element {
            PathElement::Field(name) if name.contains('*') => PathElement::Field(globset::escape(name).into()),
            element => element.clone(),
        });
    }
    exact.to_string()
}

/// The pattern of this path in any item of the lists on its way, and under any key of `data`; `None` where that is
/// the same. Of labels and annotations each key stands for itself: some of them grant rights.
pub fn general_pattern(path: &Path) -> Option<String> {
    let mut text = String::new();
    let mut is_general = false;
    let elements = path.elements();
    for (index, element) in elements.iter().enumerate() {
        let before = path.prefix(index);
        match element {
            PathElement::Index(_) | PathElement::Item(_) => {
                text.push_str("[*]");
                is_general = true;
            }
            PathElement::Field(_) if index == 1 && before.ends_at_data_map() => {
                text.push_str("[\"*\"]");
                is_general = true;
            }
            PathElement::Field(name) => {
                let whole = exact_pattern(&before.field(name));
                text.push_str(&whole[exact_pattern(&before).len()..]);
            }
        }
    }
    is_general.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    #[test]
    fn the_pattern_of_a_path_covers_it_and_no_other() {
        for (text, pattern, other) in [
            ("spec.replicas", "spec.replicas", "spec.paused"),
            (r#"data["a.b"]"#, r#"data["a.b"]"#, r#"data["a.c"]"#),
            (r#"spec.hosts["*"]"#, r#"spec.hosts["[*]"]"#, "spec.hosts.a"),
            (r#"spec.x["a*[b"]"#, r#"spec.x["a[*][[]b"]"#, r#"spec.x["aX[b"]"#),
            (r#"spec.c[name="w*"].image"#, r#"spec.c[name="w*"].image"#, r#"spec.c[name="web"].image"#),
            ("spec.rules[0].host", "spec.rules[0].host", "spec.rules[1].host"),
        ] {
            let path: Path = text.parse().unwrap();
            assert_eq!(exact_pattern(&path), pattern);
            let pattern: Pattern = pattern.parse().unwrap();
            assert!(pattern.covers(&path) && !pattern.covers(&other.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_general_pattern_stands_for_any_item_and_never_for_other_annotations() {
        for (text, expected) in [
            ("spec.replicas", None),
            (
                r#"spec.template.spec.containers[name="web"].env[name="A"].value"#,
                Some("spec.template.spec.containers[*].env[*].value"),
            ),
            ("spec.rules[0].host", Some("spec.rules[*].host")),
            (r#"data["2026-11-28"]"#, Some(r#"data["*"]"#)),
            (r#"metadata.annotations["a"]"#, None),
            (r#"spec.items[name="a"].metadata.labels["x/y"]"#, Some(r#"spec.items[*].metadata.labels["x/y"]"#)),
        ] {
            let path: Path = text.parse().unwrap();
            assert_eq!(general_pattern(&path).as_deref(), expected, "{text}");
            if let Some(pattern) = expected {
                assert!(pattern.parse::<Pattern>().unwrap().covers(&path), "{text}");
            }
        }
    }
}
