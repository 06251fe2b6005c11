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
    /// Whether the whole object is ignored.
    pub(super) is_of_whole_object: bool,
    /// Whether the rule ignores more than is understood.
    pub(super) is_partly_unknown: bool,
}

/// The rules that an application itself has, and what of them is not understood.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnRules {
    pub(super) rules: Vec<Arc<DifferenceRule>>,
    pub(super) notes: Vec<String>,
}

/// The rules that are for one object.
#[derive(Debug, Default)]
pub(crate) struct IgnoredOfObject<'r> {
    rules: Vec<&'r DifferenceRule>,
}

/// Notes of one application that are kept.
const MAX_NOTES: usize = 20;

impl DifferenceRule {
    /// The rule that ignores more of these objects than is understood.
    pub(super) fn unknown(selector: Selector) -> Self {
        let (pointers, expressions, managers) = (Vec::new(), Vec::new(), Vec::new());
        Self { selector, pointers, expressions, managers, is_of_whole_object: false, is_partly_unknown: true }
    }
}

impl OwnRules {
    pub(super) fn push(&mut self, rule: DifferenceRule) {
        self.rules.push(Arc::new(rule));
    }

    /// Notes what is not understood: the first of it, for there may be thousands.
    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }

    /// Notes that there are more rules at this place than are read, so that nothing certain is known of any object.
    pub(super) fn cut_short(&mut self, place: &str) {
        self.push(DifferenceRule::unknown(Selector::any()));
        self.notes.push(format!("{place} says more than is read: drift of all objects is a warning at most"));
    }
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
    /// Takes out of the object what is ignored; returns whether that was all, so that none of the rules had to be given up.
    pub(crate) fn remove_from(&self, object: &mut Value) -> bool {
        for pointer in self.rules.iter().flat_map(|rule| &rule.pointers) {
            remove_pointer(object, pointer);
        }
        let mut is_all = true;
        for expression in self.rules.iter().flat_map(|rule| &rule.expressions) {
            is_all &= expression.remove_from(object);
        }
        is_all
    }

    /// The field managers whose fields are ignored.
    pub(crate) fn managers(&self) -> Vec<&str> {
        self.rules.iter().flat_map(|rule| &rule.managers).map(String::as_str).collect()
    }

    /// Whether the tool leaves the object alone.
    pub(crate) fn is_whole_object(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_of_whole_object)
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
