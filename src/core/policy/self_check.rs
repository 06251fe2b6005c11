//! The self-check: what a GitOps tool writes must be what the snapshot says. A
//! difference means that driftwall reads the source otherwise than the tool does.
//!
//! Only what a write itself brings says what the tool takes for right. An UPDATE
//! carries the whole object: of a drifted one it carries the drift, as where
//! Flux begins a correction by moving managedFields alone, or where Argo CD keeps
//! the live value (`RespectIgnoreDifferences`). A dry run changes nothing: in
//! Argo CD's server-side diff it holds what is live, not what is wanted.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use super::evaluation::{Evaluation, EvaluationContext};
use super::object_diff::{Scope, each_object_difference};
use super::review_object::{MAX_DEPTH, is_being_deleted, parse_object};
use super::runtime_fields::is_runtime_field;
use crate::actor::Class;
use crate::admission::{Fields, Operation, Write};
use crate::deep_stack::with_stack_for;
use crate::desired::{Declared, DisputedField};
use crate::diff::{Allocations, ChangeKind, DifferenceRef, Path};
use crate::ownership::{Evidence, remove_known_additions};

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

/// What a GitOps tool's write says about the snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelfCheck {
    /// Fields to which the write gives another value than the snapshot has.
    pub disputed: Vec<Disagreement>,
    /// Fields that the same tool disputed before, and that now have the snapshot's value.
    pub settled: Vec<Disagreement>,
}

/// Whether a write is one to check: by a GitOps tool, of a whole object that
/// Git declares, and stored. No object is parsed for it.
pub fn needs_self_check(write: &Write<'_>, class: Class, context: EvaluationContext<'_>) -> bool {
    let is_whole_object =
        matches!(write.operation, Operation::Create | Operation::Update) && write.resource.subresource.is_empty();
    if class != Class::Gitops || !is_whole_object || write.dry_run {
        return false;
    }
    let actor = context.actors.classify(&write.user, &write.resource);
    match Evaluation::new(write, actor, context) {
        Ok(evaluation) => context.snapshot.get(evaluation.key()).is_some(),
        Err(_) => false,
    }
}

/// Metadata that is another one after each write, and that no source declares.
const KEPT_BY_SERVER: [&str; 5] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"];

/// What a self-check of the write depends on, beside the snapshot and the settings: by the same ones, writes with the
/// same key are found the same. `None` where that takes parsing the objects.
pub fn self_check_key(write: &Write<'_>) -> Option<u64> {
    let objects = [write.object.map(|_| write.object_fields()), write.old_object.map(|_| write.old_object_fields())];
    let resource = &write.resource;
    let mut hasher = DefaultHasher::new();
    (&write.user.name, write.operation.as_str(), &write.namespace, &write.name).hash(&mut hasher);
    (&resource.group, &resource.version, &resource.kind).hash(&mut hasher);
    for object in objects {
        match object {
            Some(fields) => hash_compared(&fields?, &mut hasher),
            None => hasher.write_u8(0),
        }
    }
    Some(hasher.finish())
}

fn hash_compared(object: &Fields<'_>, hasher: &mut DefaultHasher) {
    let all = object.all.iter().filter(|field| !matches!(field.name, "metadata" | "status"));
    let of_metadata = object.of_metadata.iter().filter(|field| !KEPT_BY_SERVER.contains(&field.name));
    for field in all {
        (1_u8, field.name, field.value).hash(hasher);
    }
    for field in of_metadata {
        (2_u8, field.name, field.value).hash(hasher);
    }
    hasher.write_u8(3);
}

/// Compares a GitOps tool's write with the snapshot: a CREATE whole, an UPDATE in
/// the fields that it changes. A write that cannot be compared says nothing.
pub fn self_check(write: &Write<'_>, context: EvaluationContext<'_>) -> SelfCheck {
    with_stack_for(write, MAX_DEPTH, || compare(write, context))
}

fn compare(write: &Write<'_>, context: EvaluationContext<'_>) -> SelfCheck {
    let actor = context.actors.classify(&write.user, &write.resource);
    let Ok(evaluation) = Evaluation::new(write, actor, context) else { return SelfCheck::default() };
    let Some((declared, source)) = context.snapshot.get(evaluation.key()) else { return SelfCheck::default() };
    let Ok(Some(mut new)) = parse_object("object", write.object) else { return SelfCheck::default() };
    if is_being_deleted(&new) || declared.opt_out.is_some() || declared.version != *write.resource.version {
        return SelfCheck::default();
    }
    let Ok(old) = parse_object("oldObject", write.old_object) else { return SelfCheck::default() };
    if write.operation == Operation::Update && old.is_none() {
        return SelfCheck::default();
    }
    let kind = (&*write.resource.group, &*evaluation.kind);
    remove_known_additions(&mut new, old.as_ref(), Some(&context.snapshot.object(declared)), kind, Evidence::None);
    let mut found = SelfCheck::default();
    for path in differing_fields(&evaluation, declared, old.as_ref(), &new) {
        if is_runtime_field(&path) || context.policy.ignores(evaluation.key(), &path) {
            continue;
        }
        found.disputed.push(Disagreement {
            source: source.name.clone(),
            commit: source.commit.clone(),
            field: DisputedField { object: evaluation.key().to_string(), path, user: write.user.name.to_string() },
        });
    }
    let before = context.snapshot.disputed_fields_of(evaluation.key());
    if before.iter().any(|(_, field)| field.user == *write.user.name) {
        let differing = differing_fields(&evaluation, declared, None, &new);
        for (disputed_source, field) in before {
            let is_settled = !differing.iter().any(|path| path.overlaps(&field.path));
            if field.user == *write.user.name && disputed_source.name == source.name && is_settled {
                found.settled.push(Disagreement {
                    source: source.name.clone(),
                    commit: source.commit.clone(),
                    field: field.clone(),
                });
            }
        }
    }
    found
}

/// The declared fields that do not have Git's value after the write, of those that
/// it changes; without `old` of all.
fn differing_fields(
    evaluation: &Evaluation<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
) -> Vec<Path> {
    let git = evaluation.context.snapshot.object(declared);
    let mut paths = Vec::new();
    let add = &mut |difference: DifferenceRef<'_>| {
        let differs = matches!(difference.change, ChangeKind::Changed | ChangeKind::RemovedDeclared);
        if differs && !evaluation.context.policy.ignores_inside(evaluation.key(), difference) {
            paths.push(difference.path.clone());
        }
    };
    let compared = evaluation.with_schema(|schema, _| {
        each_object_difference(Some(&git), old, new, schema, Scope::Object, Allocations::MaybeServer, add);
    });
    // Without the kind's schema nothing is known.
    if compared.is_ok() { paths } else { Vec::new() }
}
