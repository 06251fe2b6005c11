//! A token of a service account that is let through: whoever holds it writes as
//! Git's own hand, or as the control plane, and no write of theirs is judged.

use super::Bench;
use super::verdict::{Judgement, Matter, Verdict};
use crate::actor::{Actor, Class};
use crate::review::{Operation, Text, User, Write};

/// The verdict on a person's request for such a token; `None` where the write is
/// another's, or about something else.
pub(super) fn judge<'a>(write: &Write<'_>, actor: Actor<'_>, bench: Bench<'a>) -> Option<Judgement<'a>> {
    let resource = &write.resource;
    let is_request = write.operation == Operation::Create
        && resource.group.is_empty()
        && resource.plural == "serviceaccounts"
        && resource.subresource == "token";
    if !is_request || !actor.is_person() {
        return None;
    }
    let (namespace, name) = (&*write.namespace, &*write.name);
    let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"];
    let bearer = User {
        name: format!("system:serviceaccount:{namespace}:{name}").into(),
        groups: groups.into_iter().map(|group| Text(group.to_owned().into())).collect(),
    };
    let lent = bench.actors.classify(&bearer, namespace).class;
    let is_let_through = matches!(lent, Class::Autoscaler | Class::ControlPlane | Class::Controller | Class::Gitops);
    is_let_through.then(|| {
        let judgement = Judgement::new(Verdict::Drift, actor.class).about(Matter::Borrows { class: lent });
        judgement.named("ServiceAccount".to_owned(), name.to_owned())
    })
}
