//! `ignoreDifferences`, of an Application or in `argocd-cm`.

use serde_json::Value;

use super::super::fields::texts;
use super::super::ignored::DifferenceRule;
use super::super::selector::Selector;
use super::jq::JqPaths;
use crate::text::truncate;

/// Characters of an expression that are shown.
const MAX_SHOWN: usize = 80;

/// Reads the rule for these objects, and what of it is not understood.
pub(super) fn read(rule: &Value, selector: Selector) -> (DifferenceRule, Vec<String>) {
    let mut notes = Vec::new();
    let pointers = texts(rule, "/jsonPointers");
    for pointer in pointers.iter().filter(|pointer| !pointer.starts_with('/')) {
        notes.push(format!("the JSON pointer `{pointer}` does not begin with `/`: Argo CD finds nothing there either"));
    }
    let (mut expressions, mut is_partly_unknown) = (Vec::new(), false);
    for text in texts(rule, "/jqPathExpressions") {
        if let Some(expression) = JqPaths::parse(&text) {
            expressions.push(expression);
        } else {
            let text = truncate(&text, MAX_SHOWN);
            notes.push(format!(
                "the jq expression `{text}` is no path, or does more than is read: drift of its objects is a warning at most"
            ));
            is_partly_unknown = true;
        }
    }
    let managers = texts(rule, "/managedFieldsManagers");
    (DifferenceRule { selector, pointers, expressions, managers, is_partly_unknown }, notes)
}
