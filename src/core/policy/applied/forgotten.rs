//! A write after which the tool knows less of what it applied: its entry in `managedFields` owns less, or its note is
//! gone or says something else. What it knew would be nobody's from then on, so that the next change would be no drift.

use serde_json::Value;

use super::super::assessment::{Assessment, Finding, Verdict, Violation};
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::object_diff::{Scope, each_object_difference, value_at};
use super::softened::Softening;
use super::state::{AppliedState, KnownBy, LAST_APPLIED, last_applied, nothing_of};
use crate::actor::GitopsTool;
use crate::desired::Declared;
use crate::diff::{Allocations, ChangeKind, Difference, DifferenceRef, Path};
use crate::ownership::{PartOwners, owned_part};

/// The most changes that are named: what is not applied any more may be a note of any length.
const MAX_CHANGES: usize = 1000;

/// What the tool would not know any more after the write, of what it has applied and the write does not change.
/// `sent`, before and after the write, is what workloads are judged by.
pub(super) fn forgotten(
    evaluation: &Evaluation<'_, '_>,
    update: &Softening<'_>,
    after: &AppliedState,
    sent: &[AppliedState; 2],
) -> Vec<Finding> {
    let before = update.before;
    let known = |value: &Value| Declared::applied(evaluation.key(), value).object();
    let mut differences = match before.known_by {
        KnownBy::Nothing => return Vec::new(),
        KnownBy::LastApplied => match changes_of_note(evaluation, update) {
            // The note is believed for the entry that owns it. Whoever applies another text of the same takes
            // the note over, and the tool's entry stays for the rest.
            Some(_) if is_disowned(update, after) => vec![removed_entry(update)],
            Some(changes) => changes,
            None => vec![removed_note(update)],
        },
        // In another version, an entry says nothing of content: only who writes entries by hand moves it.
        KnownBy::Apply | KnownBy::Update
            if after.known_by == KnownBy::Nothing || after.value["apiVersion"] != before.value["apiVersion"] =>
        {
            vec![removed_entry(update)]
        }
        KnownBy::Apply | KnownBy::Update => Vec::new(),
    };
    // A note that says the same is as good as an entry; an entry of the tool counts more than a note.
    if before.known_by != KnownBy::LastApplied || after.known_by == KnownBy::Apply {
        for (before, after) in [(before, after), (&sent[0], &sent[1])] {
            let lost = lost(&known(&before.value), &known(&after.value), update);
            let is_new = |difference: &Difference| !differences.iter().any(|known| known.path == difference.path);
            let lost: Vec<_> = lost.into_iter().filter(is_new).collect();
            differences.extend(lost);
        }
    }
    differences.extend(given_away(&known(&before.value), update));
    let is_permitted = |difference: &Difference| evaluation.is_permitted(&difference.path);
    let mut findings = Vec::new();
    for difference in differences {
        if !is_permitted(&difference) {
            findings.push(evaluation.finding(&difference, None, Outcome::Deny));
        }
    }
    findings
}

/// The assessment with what would be forgotten, where nothing worse is said already.
pub(super) fn add<'a>(
    evaluation: &Evaluation<'_, 'a>,
    assessment: Assessment<'a>,
    forgotten: Vec<Finding>,
    tool: GitopsTool,
) -> Assessment<'a> {
    let is_denied = assessment.verdict == Verdict::Drift && assessment.max_outcome() == Outcome::Deny;
    if forgotten.is_empty() || is_denied || assessment.verdict == Verdict::Error {
        return assessment;
    }
    let limit = assessment.limit;
    let drift = evaluation.verdict(Verdict::Drift).with_violation(Violation::ForgetApplied { tool });
    drift.with_findings(forgotten).with_limit(limit)
}

/// Fields that were known and are not any more, though they have the value that they had.
fn lost(before: &Value, after: &Value, update: &Softening<'_>) -> Vec<Difference> {
    let is_lost = |difference: DifferenceRef<'_>| {
        difference.change == ChangeKind::RemovedDeclared
            && value_at(update.old, difference.path) == value_at(update.new, difference.path)
    };
    changes(before, after, update, is_lost)
}

/// Known fields that a manager whom the tool ignores comes to own beside others, with the value that they have. Who
/// writes chooses the name: the next change of them would be that manager's, and no drift.
fn given_away(known: &Value, update: &Softening<'_>) -> Vec<Difference> {
    let managers = update.ignored_managers_of_programs();
    if managers.is_empty() {
        return Vec::new();
    }
    let owners = PartOwners { apply: &managers, update: &managers };
    let owned = |object: &Value| owned_part(object, owners, update.schema).unwrap_or_else(|| nothing_of(object));
    let (before, after) = (owned(update.old), owned(update.new));
    let is_given = |difference: DifferenceRef<'_>| {
        difference.change == ChangeKind::Extra
            && value_at(known, difference.path).is_some()
            && value_at(update.old, difference.path) == value_at(update.new, difference.path)
    };
    let mut given = changes(&before, &after, update, is_given);
    for difference in &mut given {
        difference.change = ChangeKind::RemovedDeclared;
        difference.declared = difference.new.take();
    }
    given
}

/// What the note says otherwise than before, outside of labels and annotations; `None` where it is gone.
fn changes_of_note(evaluation: &Evaluation<'_, '_>, update: &Softening<'_>) -> Option<Vec<Difference>> {
    let note = |object: &Value| object["metadata"]["annotations"].get(LAST_APPLIED).cloned();
    if note(update.old) == note(update.new) {
        return Some(Vec::new());
    }
    let after = last_applied(update.new)?;
    let known = |value: &Value| {
        let mut value = Declared::applied(evaluation.key(), value).object();
        update.ignored.remove_from(&mut value);
        value
    };
    let (before, after) = (known(&update.before.value), known(&after));
    let is_mark =
        |path: &Path| path.starts_with(&["metadata", "labels"]) || path.starts_with(&["metadata", "annotations"]);
    Some(changes(&before, &after, update, |difference| !is_mark(difference.path)))
}

/// What is otherwise in what the tool has applied, as far as it counts.
fn changes(
    before: &Value,
    after: &Value,
    update: &Softening<'_>,
    counts: impl Fn(DifferenceRef<'_>) -> bool,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let add = &mut |difference: DifferenceRef<'_>| {
        // As many as can be named: each that counts gets the same answer.
        if found.len() < MAX_CHANGES && counts(difference) {
            found.push(difference.to_owned());
        }
    };
    let (before, schema) = (Some(before), update.schema);
    each_object_difference(before, before, after, schema, Scope::Object, Allocations::Writer, add);
    found
}

/// Whether the note is no longer the tool's, though nobody wrote another one.
fn is_disowned(update: &Softening<'_>, after: &AppliedState) -> bool {
    let note = |object: &Value| object["metadata"]["annotations"].get(LAST_APPLIED).cloned();
    match after.known_by {
        KnownBy::Nothing => true,
        KnownBy::Update => note(update.old) == note(update.new),
        KnownBy::Apply | KnownBy::LastApplied => false,
    }
}

/// Whether the note says the same after the write, in whatever words.
pub(super) fn says_the_same(evaluation: &Evaluation<'_, '_>, update: &Softening<'_>) -> bool {
    changes_of_note(evaluation, update).is_some_and(|changes| changes.is_empty())
}

fn removed_note(update: &Softening<'_>) -> Difference {
    let path = Path::of(&["metadata", "annotations", LAST_APPLIED]);
    let declared = update.old["metadata"]["annotations"].get(LAST_APPLIED).cloned();
    Difference { path, change: ChangeKind::RemovedDeclared, new: None, declared }
}

fn removed_entry(update: &Softening<'_>) -> Difference {
    let path = Path::of(&["metadata", "managedFields"]);
    let declared = Some(update.old["metadata"]["managedFields"].clone());
    Difference { path, change: ChangeKind::RemovedDeclared, new: None, declared }
}
