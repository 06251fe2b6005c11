//! Which of the differences that a write makes in a declared object are drift
//! for this writer, and how strictly each may be answered.

use serde_json::Value;

use super::evaluation::Evaluation;
use super::exact_fields::adds_to_what_is_exact;
use super::finalizers::max_outcome_for_removal;
use super::findings::Findings;
use super::gitops_tools;
use super::handed_over::HandedOver;
use super::mode::Outcome;
use super::object_diff::value_at;
use super::other_version::is_content_annotation;
use super::protected_keys::{INSTANCE_LABEL, is_tracking};
use super::runtime_fields::{is_runtime_operation, is_tool_managed};
use crate::actor::GitopsTool;
use crate::admission::Operation;
use crate::desired::Declared;
use crate::diff::{
    ChangeKind, DifferenceRef, Path, builtin_schema, is_droppable_zero, is_wholly_opaque, is_zero_value,
};

/// Findings whose line in Git is looked up: each costs a walk over the manifest,
/// and more are not read.
const MAX_LOCATIONS: usize = 100;

/// What is left of the differences of a write.
#[derive(Default)]
pub(super) struct Drift {
    pub(super) findings: Findings,
    /// Whether the write also does something that is a runtime operation.
    pub(super) has_runtime_operation: bool,
}

/// Keeps the differences of one write that are drift, as the walk finds them.
pub(super) struct DriftFilter<'f, 'w, 'a> {
    evaluation: &'f Evaluation<'w, 'a>,
    declared: &'f Declared,
    /// The object as it was.
    old: Option<&'f Value>,
    /// Makes an answer softer; `None` where the difference is no drift.
    soften: &'f dyn Fn(DifferenceRef<'_>, Outcome) -> Option<Outcome>,
    /// What Git hands to others: it is looked up where it is needed.
    handed_over: Option<HandedOver>,
    drift: Drift,
}

impl<'f, 'w, 'a> DriftFilter<'f, 'w, 'a> {
    pub(super) fn new(
        evaluation: &'f Evaluation<'w, 'a>,
        declared: &'f Declared,
        old: Option<&'f Value>,
        soften: &'f dyn Fn(DifferenceRef<'_>, Outcome) -> Option<Outcome>,
    ) -> Self {
        Self { evaluation, declared, old, soften, handed_over: None, drift: Drift::default() }
    }

    /// Keeps the difference where it is drift for this writer.
    pub(super) fn add(&mut self, difference: DifferenceRef<'_>) {
        self.add_with(difference, |filter| filter.max_outcome_for(difference));
    }

    /// Keeps the difference unless this writer is permitted it; what it changes is no matter of degree.
    pub(super) fn add_strictly(&mut self, difference: DifferenceRef<'_>) {
        self.add_with(difference, |_| Some(Outcome::Deny));
    }

    /// What is left, with the lines in Git.
    pub(super) fn finish(mut self) -> Drift {
        let named = self.drift.findings.named_mut();
        let paths: Vec<_> = named.iter().take(MAX_LOCATIONS).map(|finding| &finding.path).collect();
        let locations = self.declared.locations(&paths);
        for (finding, location) in named.iter_mut().zip(locations) {
            finding.location = Some(location);
        }
        self.drift
    }

    fn add_with(&mut self, difference: DifferenceRef<'_>, max_outcome: impl FnOnce(&Self) -> Option<Outcome>) {
        let (evaluation, path) = (self.evaluation, difference.path);
        if is_runtime_operation(evaluation, path) || gitops_tools::is_operation(evaluation, path) {
            self.drift.has_runtime_operation = true;
            return;
        }
        if is_tool_managed(path)
            || evaluation.is_permitted(path)
            || gitops_tools::is_own_field_of_intermediary(evaluation, difference)
        {
            return;
        }
        let Some(max_outcome) = max_outcome(self) else { return };
        if evaluation.context.policy.ignores_inside(evaluation.key(), difference) {
            return;
        }
        let handed_over = self.handed_over.get_or_insert_with(|| HandedOver::of(evaluation, self.declared));
        if handed_over.covers(path) {
            return;
        }
        if let Some(max_outcome) = (self.soften)(difference, max_outcome) {
            self.drift.findings.add(evaluation, difference, None, max_outcome);
        }
    }

    /// The strictest answer that one difference may get; `None` where it is no drift for this writer.
    fn max_outcome_for(&self, difference: DifferenceRef<'_>) -> Option<Outcome> {
        let Self { evaluation, declared, .. } = *self;
        let is_create = evaluation.write.operation == Operation::Create;
        let is_person = evaluation.actor.is_person();
        let is_same_version = declared.version == *evaluation.write.resource.version;
        match difference.change {
            // What Git says of it in its own version, the annotation of another one does not tell.
            _ if is_person && !is_same_version && is_content_annotation(evaluation, difference.path) => {
                Some(Outcome::Deny)
            }
            ChangeKind::RemovedExtra if is_person => {
                max_outcome_for_removal(evaluation, difference.path, difference.new)
            }
            ChangeKind::RemovedExtra => None,
            // Only the controller that knows an opaque value can say what it is.
            ChangeKind::RemovedDeclared if !is_person && is_opaque_in_git(difference) => None,
            ChangeKind::Changed | ChangeKind::RemovedDeclared if self.drops_zeros(difference) => None,
            ChangeKind::Changed if !is_person && is_machine_addition(difference) => None,
            ChangeKind::Changed | ChangeKind::RemovedDeclared => Some(Outcome::Deny),
            _ if !is_person && adds_to_what_is_exact(evaluation, difference) => Some(Outcome::Deny),
            // What Git leaves open belongs to the controllers, but for what would take the object from its tool;
            // what a person wants belongs in Git.
            _ if !is_person => self.max_outcome_for_key(difference.path, is_create),
            // Whether a first apply brings the value that is opaque in Git cannot be known.
            ChangeKind::Opaque if is_create => None,
            ChangeKind::Opaque | ChangeKind::Filled => Some(Outcome::Deny),
            ChangeKind::Extra | ChangeKind::Extended => self.max_outcome_for_extra(difference.path, is_create),
        }
    }

    /// Whether a machine does nothing but to leave zero values of a custom resource out (`enabled: false`, `0`, `""`),
    /// also in the items of a list: a controller in Go does so with every such field that its type omits when it is
    /// empty, whenever it writes the whole object, as to add a finalizer; Argo CD's server does so with an Application,
    /// for whoever clicks.
    fn drops_zeros(&self, difference: DifferenceRef<'_>) -> bool {
        let DifferenceRef { path, declared: Some(declared), new, .. } = difference else { return false };
        let Self { evaluation, old, .. } = *self;
        let write = &evaluation.write.resource;
        let is_person = evaluation.actor.is_person();
        let is_builtin = || builtin_schema(&write.group, &write.version, &evaluation.kind).is_some();
        if (is_person && !evaluation.actor.is_intermediary()) || is_label_or_annotation(path) || is_builtin() {
            return false;
        }
        match new {
            None => is_droppable_zero(path.last_field().unwrap_or_default(), declared),
            Some(new) => {
                let old = old.and_then(|old| value_at(old, path));
                new.is_array() && is_same_without_zeros(declared, old, new, !is_person)
            }
        }
    }

    /// The strictest answer to what a person adds to a declared object.
    fn max_outcome_for_extra(&self, path: &Path, is_create: bool) -> Option<Outcome> {
        let evaluation = self.evaluation;
        let policy = evaluation.context.policy;
        if is_content_annotation(evaluation, path) {
            return Some(Outcome::Deny);
        }
        if is_label_or_annotation(path) {
            return self.max_outcome_for_key(path, is_create);
        }
        if path.starts_with(&["metadata"]) {
            // A forged owner makes the garbage collector delete the object, a forged
            // finalizer keeps it from being deleted.
            return Some(Outcome::Deny);
        }
        let configured = match policy.extras_outcome(&evaluation.write.namespace) {
            Outcome::Allow => return None,
            outcome => outcome,
        };
        // Git leaves the count to an autoscaler; a person who changes it by hand is
        // warned, not stopped.
        if path.is_exactly(&["spec", "replicas"]) || evaluation.write.resource.subresource == "scale" {
            return Some(configured.min(Outcome::Warn));
        }
        Some(configured)
    }

    /// The strictest answer to a label or annotation that Git does not declare, by its key.
    fn max_outcome_for_key(&self, path: &Path, is_create: bool) -> Option<Outcome> {
        let evaluation = self.evaluation;
        let key = path.last_field().filter(|_| is_label_or_annotation(path))?;
        let is_person = evaluation.actor.is_person();
        // A tool that writes as a tenant's account marks what it takes on; to take it from another is no such thing.
        let was_there = || self.old.is_some_and(|old| value_at(old, path).is_some());
        // Charts set this one too; what is there already is what Argo CD may know the object by.
        let is_argocd_used = || evaluation.context.actors.tools().contains(&GitopsTool::ArgoCd);
        if is_person && key == INSTANCE_LABEL && is_argocd_used() && was_there() {
            return Some(Outcome::Warn);
        }
        let is_new = || is_tracking(key) && !is_person && !was_there();
        let outcome = evaluation.context.policy.protected_keys.answer_to(key, is_person, is_create)?;
        if is_new() { None } else { Some(outcome) }
    }
}

/// Whether `new` says all that `declared` says but for zeros that programs in Go leave out, and, where the writer
/// `may_add` nothing, no more than that and what was in `old`.
fn is_same_without_zeros(declared: &Value, old: Option<&Value>, new: &Value, may_add: bool) -> bool {
    match (declared, new) {
        (Value::Object(declared), Value::Object(new)) if !declared.is_empty() => {
            let is_kept = declared.iter().all(|(name, value)| match new.get(name) {
                Some(new) => is_same_without_zeros(value, old.and_then(|old| old.get(name)), new, may_add),
                None => is_droppable_zero(name, value),
            });
            let was_there = |(name, value): (&String, &Value)| {
                declared.contains_key(name) || old.and_then(|old| old.get(name)) == Some(value)
            };
            is_kept && (may_add || new.iter().all(was_there))
        }
        // What Git leaves empty, as a pause without an end, is not filled.
        _ if is_zero_value(declared) => is_zero_value(new),
        (Value::Array(declared), Value::Array(new)) => {
            declared.len() == new.len()
                && declared.iter().zip(new).enumerate().all(|(index, (declared, new))| {
                    is_same_without_zeros(declared, old.and_then(|old| old.get(index)), new, may_add)
                })
        }
        _ => declared == new,
    }
}

/// Whether Git holds nothing but the encrypted value, or a placeholder for it.
fn is_opaque_in_git(difference: DifferenceRef<'_>) -> bool {
    difference.declared.and_then(Value::as_str).is_some_and(is_wholly_opaque)
}

fn is_label_or_annotation(path: &Path) -> bool {
    path.starts_with(&["metadata", "labels"]) || path.starts_with(&["metadata", "annotations"])
}

/// Whether a changed field still holds what Git says, for a writer whose
/// additions conform: a list to which machines append, with all of Git's items;
/// or a tracking label or annotation of a GitOps tool.
fn is_machine_addition(difference: DifferenceRef<'_>) -> bool {
    let DifferenceRef { path, new, declared, .. } = difference;
    match (declared, new) {
        (Some(Value::Array(declared)), Some(Value::Array(new))) => {
            allows_appended_items(path) && has_all_items(new, declared)
        }
        // A provider keeps webhooks away from its own namespaces (AKS).
        (Some(Value::Object(declared)), Some(Value::Object(new))) => {
            path.starts_with(&["webhooks"]) && declared.is_empty() && new.keys().eq(["matchExpressions"])
        }
        _ => is_label_or_annotation(path) && path.last_field().is_some_and(is_tracking),
    }
}

/// Whether machines append to an atomic list that Git declares: a cloud's pull
/// secrets to a ServiceAccount (`OpenShift`), a provider's selector to webhooks
/// (AKS), an autoscaler's taints to a Node. Not `rules` or `args`: whoever appends there bypasses Git.
fn allows_appended_items(path: &Path) -> bool {
    path.is_exactly(&["imagePullSecrets"])
        || path.is_exactly(&["secrets"])
        || path.is_exactly(&["spec", "taints"])
        || (path.starts_with(&["webhooks"]) && path.last_field() == Some("matchExpressions"))
}

/// Whether each declared item has a counterpart of its own.
fn has_all_items(new: &[Value], declared: &[Value]) -> bool {
    let mut unmatched: Vec<&Value> = new.iter().collect();
    for item in declared {
        match unmatched.iter().position(|candidate| has_all_fields(candidate, item)) {
            Some(index) => drop(unmatched.swap_remove(index)),
            None => return false,
        }
    }
    true
}

/// Whether an item is as Git has it, but for the fields that the server fills in.
fn has_all_fields(new: &Value, declared: &Value) -> bool {
    match (declared, new) {
        (Value::Object(declared), Value::Object(new)) => {
            declared.iter().all(|(name, value)| new.get(name).is_some_and(|new| has_all_fields(new, value)))
        }
        _ => declared == new,
    }
}
