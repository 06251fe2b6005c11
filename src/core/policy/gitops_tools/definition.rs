//! The deletion of the definition of a GitOps tool's own kind: all its objects go
//! with it, and what they deployed after them.

use crate::actor::GitopsTool;
use crate::admission::Operation;

use super::super::assessment::{Assessment, Verdict, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::Evaluation;
use super::super::review_object::{is_being_deleted, parse_deleted};

/// Drift, where a definition that Git does not need is one that a tool needs;
/// `None` for any other write.
pub(super) fn evaluate_deletion<'a>(
    evaluation: &Evaluation<'_, 'a>,
    assessment: &Assessment<'a>,
) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let is_deletion = evaluation.write.operation == Operation::Delete
        && evaluation.is_kind("apiextensions.k8s.io", "CustomResourceDefinition");
    if !is_deletion || assessment.verdict != Verdict::Unmanaged {
        return Ok(None);
    }
    let old = parse_deleted(evaluation.write)?;
    let (group, kind) = (&old["spec"]["group"], &old["spec"]["names"]["kind"]);
    let Some(tool) = GitopsTool::of_kind(group.as_str().unwrap_or_default(), kind.as_str().unwrap_or_default()) else {
        return Ok(None);
    };
    if is_being_deleted(&old) || evaluation.may_delete() || !evaluation.context.actors.tools().contains(&tool) {
        return Ok(None);
    }
    Ok(Some(evaluation.verdict(Verdict::Drift).with_violation(Violation::DeleteToolKind { tool })))
}
