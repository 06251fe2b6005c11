//! Evictions. What a controller made of a declared object is replaced at once; a Pod that Git
//! declares itself is gone.

use super::assessment::{Assessment, Verdict, Violation};
use super::evaluation::EvaluationContext;
use crate::actor::Actor;
use crate::admission::{Operation, Write};
use crate::desired::ObjectKey;

/// The verdict on a person's eviction of a declared Pod; `None` where the write is anything else.
pub(super) fn evaluate_eviction<'a>(
    write: &Write<'_>,
    actor: Actor<'_>,
    context: EvaluationContext<'a>,
) -> Option<Assessment<'a>> {
    let resource = &write.resource;
    let is_eviction = write.operation == Operation::Create
        && resource.group.is_empty()
        && resource.plural == "pods"
        && resource.subresource == "eviction";
    if !is_eviction || !actor.is_person() {
        return None;
    }
    let pod = ObjectKey { group: "", kind: "Pod", namespace: &write.namespace, name: &write.name };
    let (declared, source) = context.snapshot.get(pod)?;
    if declared.opt_out.is_some() {
        return None;
    }
    let drift = Assessment::new(Verdict::Drift, actor.class).with_violation(Violation::EvictDeclared(declared.start()));
    Some(drift.with_uncertainty(context.snapshot.uncertainty(source, declared)).with_declared(declared, source))
}
