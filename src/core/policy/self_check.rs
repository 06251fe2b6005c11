//! The self-check: what Git's own hand writes must be what the snapshot says.

use super::declared::{is_kept, parsed};
use super::object_diff::{Scope, object_differences};
use super::{Evaluation, EvaluationContext};
use crate::actor::Class;
use crate::admission::{Operation, Write};
use crate::diff::{ChangeKind, Difference};

/// A field that Git's own hand writes otherwise than the snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The source whose picture is in doubt.
    pub source: String,
    /// The object.
    pub object: String,
    /// The field.
    pub field: String,
}

/// Whether a write is one to check: by Git's own hand, of a whole object that
/// Git declares. Nothing is parsed for it.
pub fn is_to_check(write: &Write<'_>, class: Class, context: EvaluationContext<'_>) -> bool {
    let changes = matches!(write.operation, Operation::Create | Operation::Update);
    class == Class::Gitops
        && changes
        && write.resource.subresource.is_empty()
        && Evaluation::new(write, context.actors.classify(&write.user, &write.namespace), context)
            .is_ok_and(|evaluation| context.snapshot.get(evaluation.key()).is_some())
}

/// Holds a write of Git's own hand against the snapshot. What differs is
/// doubted from here on; what was not doubted before is returned. A write that
/// cannot be compared says nothing.
pub fn self_check(write: &Write<'_>, context: EvaluationContext<'_>) -> Vec<Disagreement> {
    let actor = context.actors.classify(&write.user, &write.namespace);
    let Ok(evaluation) = Evaluation::new(write, actor, context) else { return Vec::new() };
    let Some((declared, source)) = context.snapshot.get(evaluation.key()) else { return Vec::new() };
    let Ok(Some(new)) = parsed("object", write.object) else { return Vec::new() };
    let is_going = !new["metadata"]["deletionTimestamp"].is_null();
    if is_going || declared.opt_out.is_some() || declared.version != *write.resource.version {
        return Vec::new();
    }
    let git = declared.object();
    let found = evaluation.with_schema(|place, _| object_differences(Some(&git), None, &new, place, Scope::Object));
    let is_other = |difference: &Difference| {
        matches!(difference.change, ChangeKind::Changed | ChangeKind::RemovedDeclared)
            && !is_kept(&difference.path)
            && !context.policy.ignores(evaluation.key(), &difference.path)
    };
    let others = found.unwrap_or_default().into_iter().filter(is_other);
    let new = others.filter(|difference| context.snapshot.dispute(&source.name, evaluation.key(), &difference.path));
    new.map(|difference| Disagreement {
        source: source.name.clone(),
        object: evaluation.key().to_string(),
        field: difference.path.to_string(),
    })
    .collect()
}
