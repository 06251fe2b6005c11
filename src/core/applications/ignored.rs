//! The differences that a tool leaves alone: what is at these places of these objects is nobody's drift.
//!
//! As the tools do it, what is ignored is taken out of both sides before they are compared.

use std::sync::Arc;

use serde_json::Value;

use super::argocd::JqPaths;
use super::selector::Selector;
use crate::desired::ObjectKey;

/// The rules of one application: its own, and those that are for all.
#[derive(Clone, Debug, Default)]
pub struct IgnoredDifferences {
    rules: Vec<Arc<DifferenceRule>>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct DifferenceRule {
    pub(super) selector: Selector,
    /// What is ignored, as JSON pointers (RFC 6901).
    pub(super) pointers: Vec<String>,
    /// The same, as jq's paths.
    pub(super) expressions: Vec<JqPaths>,
    /// Field managers whose fields are ignored.
    pub(super) managers: Vec<String>,
    /// Whether the rule ignores more than is understood.
    pub(super) is_partly_unknown: bool,
}

/// The rules that are for one object.
#[derive(Debug, Default)]
pub(crate) struct IgnoredOfObject<'r> {
    rules: Vec<&'r DifferenceRule>,
}

impl IgnoredDifferences {
    pub(super) fn new(rules: Vec<Arc<DifferenceRule>>) -> Self {
        Self { rules }
    }

    /// The rules for an object.
    pub(crate) fn of<'r>(&'r self, key: ObjectKey<'_>, object: &Value) -> IgnoredOfObject<'r> {
        let rules = self.rules.iter().map(|rule| &**rule);
        IgnoredOfObject { rules: rules.filter(|rule| rule.selector.matches(key, object)).collect() }
    }
}

impl IgnoredOfObject<'_> {
    /// Takes out of the object what is ignored.
    pub(crate) fn remove_from(&self, object: &mut Value) {
        for pointer in self.rules.iter().flat_map(|rule| &rule.pointers) {
            remove_pointer(object, pointer);
        }
        for expression in self.rules.iter().flat_map(|rule| &rule.expressions) {
            expression.remove_from(object);
        }
    }

    /// The field managers whose fields are ignored.
    pub(crate) fn managers(&self) -> Vec<&str> {
        self.rules.iter().flat_map(|rule| &rule.managers).map(String::as_str).collect()
    }

    /// Whether more may be ignored than is understood.
    pub(crate) fn is_partly_unknown(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_partly_unknown)
    }
}

/// Removes what a JSON pointer points at; a text that does not begin with `/` is none.
fn remove_pointer(object: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let last = last.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.remove(&last)),
        Some(Value::Array(items)) => {
            if let Ok(index) = last.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_pointer_names_is_removed_and_nothing_else() {
        let object = json!({"spec": {"replicas": 2, "list": [1, 2]}, "metadata": {"annotations": {"a/b~c": "1"}}});
        for (pointer, removed) in [
            ("/spec/replicas", json!({"spec": {"list": [1, 2]}, "metadata": {"annotations": {"a/b~c": "1"}}})),
            (
                "/spec/list/0",
                json!({"spec": {"replicas": 2, "list": [2]}, "metadata": {"annotations": {"a/b~c": "1"}}}),
            ),
            (
                "/metadata/annotations/a~1b~0c",
                json!({"spec": {"replicas": 2, "list": [1, 2]}, "metadata": {"annotations": {}}}),
            ),
            ("/spec/missing/field", object.clone()),
            ("/spec/list/7", object.clone()),
            ("spec", object.clone()),
            ("", object.clone()),
        ] {
            let mut left = object.clone();
            remove_pointer(&mut left, pointer);
            assert_eq!(left, removed, "{pointer}");
        }
    }
}
