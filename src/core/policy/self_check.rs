//! The self-check: what a GitOps tool writes must be what the snapshot says. A
//! difference means that driftwall reads the source otherwise than the tool does.

use super::evaluation::{Evaluation, EvaluationContext};
use super::object_diff::{Scope, object_differences};
use super::review_object::{is_being_deleted, parse_object};
use super::runtime_fields::is_runtime_field;
use crate::actor::Class;
use crate::admission::{Operation, Write};
use crate::desired::DisputedField;
use crate::diff::ChangeKind;

/// A field that a GitOps tool writes with another value than the snapshot has.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// The source that may have been read wrongly.
    pub source: String,
    /// The commit that was read.
    pub commit: String,
    /// The field.
    pub field: DisputedField,
}

/// Whether a write is one to check: by a GitOps tool, of a whole object that
/// Git declares. No object is parsed for it.
pub fn needs_self_check(write: &Write<'_>, class: Class, context: EvaluationContext<'_>) -> bool {
    let is_whole_object =
        matches!(write.operation, Operation::Create | Operation::Update) && write.resource.subresource.is_empty();
    if class != Class::Gitops || !is_whole_object {
        return false;
    }
    let actor = context.actors.classify(&write.user, &write.namespace);
    match Evaluation::new(write, actor, context) {
        Ok(evaluation) => context.snapshot.get(evaluation.key()).is_some(),
        Err(_) => false,
    }
}

/// Compares a GitOps tool's write with the snapshot, and returns the fields that
/// differ. A write that cannot be compared says nothing.
pub fn self_check(write: &Write<'_>, context: EvaluationContext<'_>) -> Vec<Disagreement> {
    let actor = context.actors.classify(&write.user, &write.namespace);
    let Ok(evaluation) = Evaluation::new(write, actor, context) else { return Vec::new() };
    let Some((declared, source)) = context.snapshot.get(evaluation.key()) else { return Vec::new() };
    let Ok(Some(new)) = parse_object("object", write.object) else { return Vec::new() };
    if is_being_deleted(&new) || declared.opt_out.is_some() || declared.version != *write.resource.version {
        return Vec::new();
    }
    let git = declared.object();
    let differences =
        evaluation.with_schema(|schema, _| object_differences(Some(&git), None, &new, schema, Scope::Object));
    let mut disagreements = Vec::new();
    for difference in differences.unwrap_or_default() {
        let path = &difference.path;
        if !matches!(difference.change, ChangeKind::Changed | ChangeKind::RemovedDeclared)
            || is_runtime_field(path)
            || context.policy.ignores(evaluation.key(), path)
        {
            continue;
        }
        disagreements.push(Disagreement {
            source: source.name.clone(),
            commit: source.commit.clone(),
            field: DisputedField { object: evaluation.key().to_string(), path: path.clone() },
        });
    }
    disagreements
}
