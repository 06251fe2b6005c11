//! Owner chains: which declared object an undeclared one belongs to.

use super::declared_object::DeclaredObject;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::lookup::Owner;
use crate::desired::ObjectKey;

/// Owner chains are followed this far: the longest that is known (Application →
/// operator → StatefulSet → Pod) is half of it.
const MAX_OWNER_DEPTH: usize = 8;

/// The first declared object in the chain that begins with `owner`.
pub(super) fn declared_owner<'a>(
    evaluation: &Evaluation<'_, 'a>,
    mut owner: Owner,
) -> Result<Option<DeclaredObject<'a>>, EvaluationError> {
    let context = evaluation.context;
    for _ in 0..MAX_OWNER_DEPTH {
        let namespaced =
            ObjectKey { group: &owner.group, kind: &owner.kind, namespace: evaluation.namespace, name: &owner.name };
        let cluster_scoped = ObjectKey { namespace: "", ..namespaced };
        let declared = DeclaredObject::find_scoped(context.snapshot, namespaced)
            .or_else(|| DeclaredObject::find_scoped(context.snapshot, cluster_scoped));
        if declared.is_some() {
            return Ok(declared);
        }
        // Nobody's look-up fails for an object that nothing declared can own.
        if !context.snapshot.may_own_in(evaluation.namespace) {
            return Ok(None);
        }
        match context.cluster.owner(namespaced)? {
            Some(next) => owner = next,
            None => return Ok(None),
        }
    }
    Ok(None)
}
