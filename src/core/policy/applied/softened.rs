//! What makes drift from an applied object less certain than drift from a file in Git.

use serde_json::Value;

use super::super::assessment::{Assessment, Finding, Verdict, Violation};
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::protected_keys::is_tracking;
use super::forgotten::says_the_same;
use super::state::{AppliedState, KnownBy, LAST_APPLIED};
use crate::applications::IgnoredOfObject;
use crate::diff::{ChangeKind, Path, PathElement, SchemaRef};
use crate::ownership::ManagedBy;

/// What an UPDATE does, with what was applied before.
pub(super) struct Softening<'u> {
    pub(super) old: &'u Value,
    pub(super) new: &'u Value,
    pub(super) before: &'u AppliedState,
    /// Whether the writer is judged by what was applied.
    pub(super) is_known: bool,
    pub(super) ignored: &'u IgnoredOfObject<'u>,
    pub(super) schema: SchemaRef<'u>,
}

/// Makes what is not certain a warning, and what the tool ignores nothing.
pub(super) fn soften<'a>(
    evaluation: &Evaluation<'_, 'a>,
    mut assessment: Assessment<'a>,
    update: &Softening<'_>,
) -> Assessment<'a> {
    if assessment.verdict != Verdict::Drift {
        return assessment;
    }
    let is_person = evaluation.actor.is_person();
    remove_fields_of_ignored_managers(&mut assessment, update, is_person);
    let applies_the_same_again = is_person && applies_the_same_again(evaluation, update);
    for finding in &mut assessment.findings {
        let is_uncertain = (is_person && was_there_unknown(finding, update.old))
            || (applies_the_same_again && loses_tracking(finding));
        if is_uncertain {
            finding.max_outcome = finding.max_outcome.min(Outcome::Warn);
        }
    }
    if assessment.findings.is_empty() && assessment.more_findings == 0 {
        return Assessment { verdict: Verdict::Conforms, violation: Violation::default(), ..assessment };
    }
    let is_certain = update.is_known && !update.ignored.is_partly_unknown();
    let limit = if is_certain { assessment.limit } else { assessment.limit.min(Outcome::Warn) };
    assessment.with_limit(limit)
}

/// Whether the field was there before and the tool has not applied it: a change may be the way back
/// from what somebody else changed. What is in the metadata is judged by its key.
fn was_there_unknown(finding: &Finding, old: &Value) -> bool {
    finding.change == ChangeKind::Extra
        && finding.declared.is_none()
        && !finding.path.starts_with(&["metadata"])
        && value_at(old, &finding.path).is_some_and(|value| !value.is_null())
}

/// Whether somebody applies with kubectl what the tool had applied. Git's text has no marks of the tool.
fn applies_the_same_again(evaluation: &Evaluation<'_, '_>, update: &Softening<'_>) -> bool {
    update.before.known_by == KnownBy::LastApplied
        && update.old["metadata"]["annotations"][LAST_APPLIED] != update.new["metadata"]["annotations"][LAST_APPLIED]
        && says_the_same(evaluation, update)
}

fn loses_tracking(finding: &Finding) -> bool {
    let is_mark = finding.path.starts_with(&["metadata"]) && finding.path.last_field().is_some_and(is_tracking);
    is_mark && finding.change == ChangeKind::RemovedDeclared
}

/// Removes findings in fields whose manager the tool ignores. Who writes chooses the name of the manager, so only
/// what it owned before counts, unless the name is one under which people write.
fn remove_fields_of_ignored_managers(assessment: &mut Assessment<'_>, update: &Softening<'_>, is_person: bool) {
    let managers = update.ignored.managers();
    if managers.is_empty() {
        return;
    }
    let believed: Vec<&str> =
        managers.iter().filter(|name| !is_person || name.starts_with("kubectl")).copied().collect();
    let before = ManagedBy::of(update.old, &managers, None);
    let after = ManagedBy::of(update.new, &believed, None);
    assessment
        .findings
        .retain(|finding| !before.owns(&finding.path, update.schema) && !after.owns(&finding.path, update.schema));
}

/// The value at a path; an item of a keyed list by its keys.
pub(super) fn value_at<'v>(object: &'v Value, path: &Path) -> Option<&'v Value> {
    let mut value = object;
    for element in path.elements() {
        value = match element {
            PathElement::Field(name) => value.get(&**name)?,
            PathElement::Index(index) => value.get(index)?,
            PathElement::Item(position) => {
                // A key that is left out has its default.
                let has_key = |item: &Value, key: &str, wanted: &Value| item.get(key).is_none_or(|it| it == wanted);
                let is_it = |item: &&Value| position.keys().iter().all(|(key, wanted)| has_key(item, key, wanted));
                value.as_array()?.iter().find(is_it)?
            }
        };
    }
    Some(value)
}
