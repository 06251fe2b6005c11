//! `ignoreDifferences`, of an Application or in `argocd-cm`.

use serde_json::Value;

use super::super::fields::{items, texts};
use super::super::ignored::{DifferenceRule, OwnRules};
use super::super::name_pattern::PatternError;
use super::super::rule_budget::{RuleBudget, TooMuch};
use super::super::selector::Selector;
use super::jq::JqPaths;
use crate::text::truncate;

/// Characters of an expression that are shown.
const MAX_SHOWN: usize = 80;

/// Reads an Application's own rules.
pub(in super::super) fn parse_own_rules(application: &Value) -> OwnRules {
    const PLACE: &str = "ignoreDifferences";
    let (mut own, mut budget) = (OwnRules::default(), RuleBudget::default());
    for entry in items(application, "/spec/ignoreDifferences") {
        let rule = match Selector::argo(entry, &mut budget) {
            Ok(selector) => read(entry, selector, &mut budget),
            Err(PatternError::Invalid(reason)) => {
                let note = format!("{PLACE}: {reason}: drift of all objects is a warning at most");
                Ok((DifferenceRule::unknown(Selector::any()), vec![note]))
            }
            Err(PatternError::TooMuch) => Err(TooMuch),
        };
        let Ok((rule, notes)) = rule else {
            own.cut_short(PLACE);
            break;
        };
        own.push(rule);
        for note in notes {
            own.note(note);
        }
    }
    own
}

/// Reads the rule for these objects, and what of it is not understood.
pub(super) fn read(
    rule: &Value,
    selector: Selector,
    budget: &mut RuleBudget,
) -> Result<(DifferenceRule, Vec<String>), TooMuch> {
    let mut notes = Vec::new();
    let pointers = texts(rule, "/jsonPointers");
    budget.take_texts(&pointers)?;
    for pointer in pointers.iter().filter(|pointer| !pointer.starts_with('/')) {
        let pointer = truncate(pointer, MAX_SHOWN);
        notes.push(format!("the JSON pointer `{pointer}` does not begin with `/`: Argo CD finds nothing there either"));
    }
    let (mut expressions, mut is_partly_unknown) = (Vec::new(), false);
    for text in texts(rule, "/jqPathExpressions") {
        budget.take(JqPaths::size_of(&text))?;
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
    budget.take_texts(&managers)?;
    // For Argo CD, an empty pointer names nothing.
    let is_of_whole_object = false;
    Ok((DifferenceRule { selector, pointers, expressions, managers, is_of_whole_object, is_partly_unknown }, notes))
}
