//! What the writer of an object brought, apart from what admission added to it.

use serde_json::Value;

use super::assessment::Finding;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::object_diff::changed_content;
use crate::diff::{self, Allocations, ChangeKind};
use crate::ownership::{Evidence, ManagedLists, remove_foreign_additions, remove_known_additions};

/// Findings of which it is looked up who made them: more are not shown.
const MAX_MARKED: usize = 100;

/// Takes out of the object what its writer did not bring: what the API server itself adds
/// and, for a person, whose additions count, what any admission plugin or webhook added.
pub(super) fn keep_what_the_writer_brought(
    evaluation: &Evaluation<'_, '_>,
    new: &mut Value,
    old: Option<&Value>,
    git: Option<&Value>,
) -> Result<Allocations, EvaluationError> {
    let list = take_managed_fields(new);
    let lists = notes_what_is_sent(evaluation).then(|| ManagedLists::of_values(managed_fields(old), Some(&list)));
    keep_what_is_sent(evaluation, new, old, git, lists.as_ref())
}

/// The same by these lists, which are of use where [`notes_what_is_sent`].
pub(super) fn keep_what_is_sent(
    evaluation: &Evaluation<'_, '_>,
    new: &mut Value,
    old: Option<&Value>,
    git: Option<&Value>,
    lists: Option<&ManagedLists<'_>>,
) -> Result<Allocations, EvaluationError> {
    let write = evaluation.write;
    let evidence = match lists {
        // A Scale has no fields but the count.
        _ if write.resource.subresource == "scale" => return Ok(Allocations::Writer),
        // No schema is needed where only metadata changes.
        Some(lists) if old.is_some_and(|old| changed_content(old, new).is_empty()) => {
            remove_foreign_additions(new, old, git, diff::unknown_schema(), false, lists)
        }
        Some(lists) => evaluation.with_schema(|schema, definition| {
            let is_same_in_every_version = definition.is_some_and(|definition| !definition.is_converted());
            remove_foreign_additions(new, old, git, schema, is_same_in_every_version, lists)
        })?,
        None => Evidence::None,
    };
    remove_known_additions(new, old, git, (&write.resource.group, &evaluation.kind), evidence);
    Ok(match evidence {
        Evidence::Noted | Evidence::TakenAway => Allocations::Writer,
        Evidence::None => Allocations::MaybeServer,
    })
}

/// Whether it matters who brought what, and is noted: what is written through a subresource may
/// not be, and is little.
pub(super) fn notes_what_is_sent(evaluation: &Evaluation<'_, '_>) -> bool {
    evaluation.actor.is_person() && evaluation.write.resource.subresource.is_empty()
}

/// Takes the list of who owns what out of an object.
pub(super) fn take_managed_fields(object: &mut Value) -> Value {
    let list = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("managedFields"));
    list.map(Value::take).unwrap_or_default()
}

/// The list of who owns what in an object.
pub(super) fn managed_fields(object: Option<&Value>) -> Option<&Value> {
    object?.get("metadata")?.get("managedFields")
}

/// Marks the values that admission may have made, as far as the API server noted what
/// the write brings. That a new object's fields were sent does not say with which values.
pub(super) fn mark_what_admission_may_have_made(
    evaluation: &Evaluation<'_, '_>,
    findings: &mut [Finding],
    lists: Option<&ManagedLists<'_>>,
    is_new: bool,
) {
    if findings.is_empty() {
        return;
    }
    let Some(sent) = lists.and_then(ManagedLists::sent) else { return };
    // It is only a hint: where the kind's definition cannot be looked up, there is none.
    drop(evaluation.with_schema(|schema, _| {
        for finding in findings.iter_mut().take(MAX_MARKED) {
            let has_a_value = matches!(finding.change, ChangeKind::Changed | ChangeKind::Filled | ChangeKind::Extended);
            let may_be = is_new || !sent.has(&finding.path, schema) || has_items_more(finding);
            finding.may_be_admission = has_a_value && may_be;
        }
    }));
}

/// Whether a list keeps all of Git's items and has more: who added some to a list that is
/// owned as one is not noted.
fn has_items_more(finding: &Finding) -> bool {
    match (&finding.declared, &finding.new) {
        (Some(Value::Array(declared)), Some(Value::Array(new))) => {
            new.len() > declared.len() && declared.iter().all(|item| new.contains(item))
        }
        _ => false,
    }
}
