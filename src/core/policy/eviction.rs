//! Evictions. What a controller made of a declared object is replaced at once; a Pod that Git
//! declares itself is gone.

use super::assessment::{Assessment, Verdict, Violation};
use super::declared_object::DeclaredObject;
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
    let declared = DeclaredObject::find(context.snapshot, pod).filter(|declared| !declared.opts_out())?;
    let violation = Violation::EvictDeclared(declared.location());
    let drift = Assessment::new(Verdict::Drift, actor.class).with_violation(violation);
    Some(drift.with_uncertainty(declared.uncertainty(context.snapshot)).with_declared_object(&declared))
}
