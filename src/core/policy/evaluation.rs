//! One write on its way to a verdict, with all that the verdict depends on.

use serde_json::Value;

use super::assessment::{Assessment, Finding, Verdict};
use super::declared_object::DeclaredObject;
use super::error::EvaluationError;
use super::lookup::ClusterLookup;
use super::metadata::name_of;
use super::mode::Outcome;
use super::settings::Policy;
use crate::actor::{Actor, ActorRules};
use crate::admission::Write;
use crate::desired::{ObjectKey, Snapshot, SourceLocation};
use crate::diff::{
    self, CustomResource, Difference, DifferenceRef, Path, SchemaRef, contains_opaque, hidden, without_opaque,
};

/// All that a verdict depends on, apart from the write.
#[derive(Clone, Copy)]
pub struct EvaluationContext<'a> {
    /// What Git declares.
    pub snapshot: &'a Snapshot,
    /// Who is who.
    pub actors: &'a ActorRules,
    /// The configured rules.
    pub policy: &'a Policy,
    /// What only the cluster knows.
    pub cluster: &'a dyn ClusterLookup,
}

/// One write on its way to a verdict.
pub(super) struct Evaluation<'w, 'a> {
    pub(super) write: &'w Write<'w>,
    pub(super) actor: Actor<'a>,
    pub(super) context: EvaluationContext<'a>,
    /// The kind of the object itself, also where the review brings a `Scale` of it.
    pub(super) kind: String,
    pub(super) namespace: &'w str,
    pub(super) name: String,
}

impl<'w, 'a> Evaluation<'w, 'a> {
    pub(super) fn new(
        write: &'w Write<'w>,
        actor: Actor<'a>,
        context: EvaluationContext<'a>,
    ) -> Result<Self, EvaluationError> {
        let resource = &write.resource;
        let kind = match &*resource.subresource {
            "scale" => match context.snapshot.kind_of(&resource.group, &resource.plural) {
                Some(kind) => kind.to_owned(),
                // A person may scale an object of any kind that a declared object owns.
                None if context.snapshot.has_group(&resource.group)
                    || (actor.is_person() && context.snapshot.may_own_in(&write.namespace)) =>
                {
                    context.cluster.kind_of(&resource.group, &resource.plural)?.unwrap_or_default()
                }
                None => String::new(),
            },
            _ => resource.kind.to_string(),
        };
        let name = match &*write.name {
            // The reviews of a deletecollection name their objects only in `oldObject`.
            "" => name_of(write.old_object.or(write.object))?,
            name => name.to_owned(),
        };
        // A Namespace is reviewed as if it were inside itself.
        let namespace = if resource.group.is_empty() && kind == "Namespace" { "" } else { &*write.namespace };
        Ok(Self { write, actor, context, kind, namespace, name })
    }

    pub(super) fn key(&self) -> ObjectKey<'_> {
        ObjectKey { group: &self.write.resource.group, kind: &self.kind, namespace: self.namespace, name: &self.name }
    }

    /// Whether Git declares the object: in a source that is read, or through an application that lists it.
    pub(super) fn is_declared(&self) -> bool {
        DeclaredObject::find(self.context.snapshot, self.key()).is_some()
    }

    pub(super) fn is_kind(&self, group: &str, kind: &str) -> bool {
        *self.write.resource.group == *group && self.kind == kind
    }

    pub(super) fn verdict(&self, verdict: Verdict) -> Assessment<'a> {
        Assessment::new(verdict, self.actor.class)
    }

    /// Calls `with` with the schema of the object's kind, and its
    /// CustomResourceDefinition where it has one.
    pub(super) fn with_schema<T>(
        &self,
        with: impl FnOnce(SchemaRef<'_>, Option<&CustomResource>) -> T,
    ) -> Result<T, EvaluationError> {
        let (group, version) = (&*self.write.resource.group, &*self.write.resource.version);
        if let Some(schema) = diff::builtin_schema(group, version, &self.kind) {
            return Ok(with(schema, None));
        }
        let from_cluster;
        let definition = if let Some(from_git) = self.context.snapshot.custom_resource(group, &self.kind) {
            Some(from_git)
        } else {
            from_cluster = self.context.cluster.custom_resource(group, &self.kind)?;
            from_cluster.as_deref()
        };
        let schema = definition.and_then(|definition| definition.schema(version)).unwrap_or(diff::unknown_schema());
        Ok(with(schema, definition))
    }

    /// Whether a change of the field is no drift: the configuration ignores the
    /// field, or grants it to this controller.
    pub(super) fn is_permitted(&self, path: &Path) -> bool {
        let group = &self.write.resource.group;
        if self.context.policy.ignores(self.key(), path) || self.actor.may_change(group, &self.kind, path) {
            return true;
        }
        // A kind may have another name for its replicas field. Who scales writes
        // `spec.replicas` of a `Scale`, and this is the field that is granted.
        self.write.resource.subresource == "scale"
            && self.actor.may_change(group, &self.kind, &Path::of(&["spec", "replicas"]))
    }

    /// Whether the configuration grants this writer to delete the object.
    pub(super) fn may_delete(&self) -> bool {
        self.actor.may_delete(&self.write.resource.group, &self.kind)
    }

    pub(super) fn finding(
        &self,
        difference: &Difference,
        location: Option<SourceLocation>,
        max_outcome: Outcome,
    ) -> Finding {
        let max_outcome = self.undisputed(&difference.path, max_outcome);
        self.named(difference.as_ref(), location, max_outcome)
    }

    /// The strictest answer to a change of the field. Where a GitOps tool wrote something else
    /// than the snapshot says, nobody is denied by the field that is in dispute.
    pub(super) fn undisputed(&self, path: &Path, max_outcome: Outcome) -> Outcome {
        let is_disputed = self.context.snapshot.is_disputed(self.key(), path);
        if is_disputed { max_outcome.min(Outcome::Warn) } else { max_outcome }
    }

    /// What is kept of a difference to tell it.
    pub(super) fn named(
        &self,
        difference: DifferenceRef<'_>,
        location: Option<SourceLocation>,
        max_outcome: Outcome,
    ) -> Finding {
        let DifferenceRef { path, change, new, declared } = difference;
        // What Git hides is in what the write brings.
        let is_hidden = declared.is_some_and(contains_opaque);
        // It is shown and dropped where there is no room for depth.
        let [mut new, mut declared] = [new, declared].map(|value| value.map(|value| cut(value, MAX_LEVELS)));
        if is_hidden {
            declared = declared.as_ref().map(without_opaque);
            new = new.map(|_| hidden());
        }
        let is_secret = self.is_kind("", "Secret") && !path.starts_with(&["metadata"]);
        let path = path.prefix(Finding::MAX_LEVELS);
        Finding { path, change, new, declared, location, is_secret, max_outcome, may_be_admission: false }
    }
}

/// Levels of a value that are kept: what is deeper cannot be shown in a line.
const MAX_LEVELS: usize = 32;

/// The value without what is deeper than `levels`.
fn cut(value: &Value, levels: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => Value::Null,
        Value::Array(items) => items.iter().map(|item| cut(item, levels - 1)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), cut(value, levels - 1))).collect(),
        scalar => scalar.clone(),
    }
}
