//! What makes drift from an applied object less certain than drift from a file in Git.

use std::cell::LazyCell;

use serde_json::Value;

use super::super::assessment::{Assessment, Verdict};
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::object_diff::value_at;
use super::super::protected_keys::is_tracking;
use super::forgotten::says_the_same;
use super::state::{AppliedState, KnownBy, LAST_APPLIED};
use crate::applications::{Application, FieldManagers, IgnoredOfObject};
use crate::diff::{ChangeKind, DifferenceRef, Path, SchemaRef};
use crate::ownership::{ManagedBy, is_name_of_people};

/// What an UPDATE does, with what was applied before.
pub(super) struct Softening<'u> {
    pub(super) old: &'u Value,
    pub(super) new: &'u Value,
    pub(super) before: &'u AppliedState,
    /// Whether the writer is judged by what was applied, and nothing about it is unclear.
    pub(super) is_certain: bool,
    pub(super) ignored: &'u IgnoredOfObject<'u>,
    pub(super) application: &'u Application,
    pub(super) schema: SchemaRef<'u>,
}

impl Softening<'_> {
    /// What makes the answer to one difference a warning where it is not certain, and nothing
    /// where the tool ignores the field.
    pub(super) fn of_writer(
        &self,
        evaluation: &Evaluation<'_, '_>,
    ) -> impl Fn(DifferenceRef<'_>, Outcome) -> Option<Outcome> {
        let is_person = evaluation.actor.is_person();
        let ignored_managers = self.ignored_managers(is_person);
        let applies_the_same_again = LazyCell::new(move || is_person && self.applies_the_same_again(evaluation));
        move |difference, max_outcome| {
            if ignored_managers.own(difference.path, self.schema) {
                return None;
            }
            let is_uncertain = (is_person && was_there_unknown(difference, self.old))
                || (loses_tracking(difference) && *applies_the_same_again);
            Some(if is_uncertain { max_outcome.min(Outcome::Warn) } else { max_outcome })
        }
    }

    /// The assessment, as a warning at most where what was applied is not known.
    pub(super) fn limit<'a>(&self, assessment: Assessment<'a>) -> Assessment<'a> {
        let is_limited = assessment.verdict == Verdict::Drift && !self.is_certain;
        let limit = if is_limited { assessment.limit.min(Outcome::Warn) } else { assessment.limit };
        assessment.with_limit(limit)
    }

    /// Whether somebody applies with kubectl what the tool had applied. Git's text has no marks of the tool.
    fn applies_the_same_again(&self, evaluation: &Evaluation<'_, '_>) -> bool {
        let [before, after] = [self.old, self.new].map(|object| &object["metadata"]["annotations"][LAST_APPLIED]);
        self.before.known_by == KnownBy::LastApplied && before != after && says_the_same(evaluation, self)
    }

    /// The managers that the tool ignores, but for those under whose names people write.
    pub(super) fn ignored_managers_of_programs(&self) -> Vec<&str> {
        self.ignored.managers().into_iter().filter(|name| !is_name_of_people(name)).collect()
    }

    /// The fields whose manager the tool ignores. Who writes chooses the name of the manager, so of a person's
    /// write only what it owned before counts, unless the name is one under which people write.
    fn ignored_managers(&self, is_person: bool) -> IgnoredManagers<'_> {
        let managers = self.ignored.managers();
        if managers.is_empty() {
            return IgnoredManagers::default();
        }
        let is_believed = |name: &&&str| !is_person || is_name_of_people(name);
        let believed: Vec<&str> = managers.iter().filter(is_believed).copied().collect();
        IgnoredManagers {
            before: ManagedBy::of(self.old, &managers, None),
            after: ManagedBy::of(self.new, &believed, None),
            of_tool: if is_person { owned_by_tool(self.old, self.application) } else { ManagedBy::default() },
        }
    }
}

/// What managers own that the tool ignores.
#[derive(Default)]
struct IgnoredManagers<'o> {
    before: ManagedBy<'o>,
    after: ManagedBy<'o>,
    /// What the tool owned beside them, of a person's write: anybody can own a field beside others who applies it
    /// with the value that it has.
    of_tool: ManagedBy<'o>,
}

impl IgnoredManagers<'_> {
    fn own(&self, path: &Path, schema: SchemaRef<'_>) -> bool {
        self.after.owns(path, schema) || (self.before.owns(path, schema) && !self.of_tool.owns(path, schema))
    }
}

/// What the tool that deploys the application owns of an object.
pub(super) fn owned_by_tool<'o>(object: &'o Value, application: &Application) -> ManagedBy<'o> {
    let FieldManagers { apply, update } = application.name.kind.field_managers();
    let own: Vec<&str> = apply.iter().chain(update).copied().collect();
    ManagedBy::of(object, &own, None)
}

/// Whether the field was there before and the tool has not applied it: a change may be the way back
/// from what somebody else changed. What is in the metadata is judged by its key.
fn was_there_unknown(difference: DifferenceRef<'_>, old: &Value) -> bool {
    difference.change == ChangeKind::Extra
        && difference.declared.is_none()
        && !difference.path.starts_with(&["metadata"])
        && value_at(old, difference.path).is_some_and(|value| !value.is_null())
}

fn loses_tracking(difference: DifferenceRef<'_>) -> bool {
    let is_mark = difference.path.starts_with(&["metadata"]) && difference.path.last_field().is_some_and(is_tracking);
    is_mark && difference.change == ChangeKind::RemovedDeclared
}
