//! What a GitOps tool applied of an object last, as the object itself tells.

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::applications::{Application, FieldManagers};
use crate::diff::{Path, SchemaRef};
use crate::ownership::{ManagedBy, PartOwners, WriteKind, owned_part};

/// The annotation in which `kubectl apply`, and Argo CD with it, keeps what it sent
/// (<https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/>).
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is known of what a tool applied.
#[derive(Clone, Debug)]
pub(super) struct AppliedState {
    pub(super) known_by: KnownBy,
    /// The object as it was applied, as far as that is known.
    pub(super) value: Value,
}

/// How it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownBy {
    /// By the fields that the tool's server-side apply owns.
    Apply,
    /// By what it noted in an annotation.
    LastApplied,
    /// Not at all: the tool has written nothing of it.
    Nothing,
    /// By the fields that its other writes own, which are more than it sent.
    Update,
}

impl KnownBy {
    /// Whether a writer may be judged by it. Controllers change what a tool only owns because it was a default.
    pub(super) fn counts_for(self, is_person: bool) -> bool {
        match self {
            Self::Apply | Self::LastApplied => true,
            Self::Nothing => false,
            Self::Update => is_person,
        }
    }
}

impl AppliedState {
    /// What the tool applied of `object`, as a person or a workload is judged by it.
    pub(super) fn of(object: &Value, application: &Application, is_person: bool, schema: SchemaRef<'_>) -> Self {
        let FieldManagers { apply, update } = application.name.kind.field_managers();
        // helm-controller repairs what it has applied by patches, so that its other entry owns that.
        let updates_count = if is_person { update } else { &[] };
        if ManagedBy::of(object, apply, Some(WriteKind::Apply)).is_empty() {
            if is_last_applied_by(object, apply, update)
                && let Some(value) = last_applied(object)
            {
                return Self { known_by: KnownBy::LastApplied, value };
            }
            let updated = owned_part(object, PartOwners { apply: &[], update }, schema);
            return match updated {
                Some(value) => Self { known_by: KnownBy::Update, value },
                None => Self { known_by: KnownBy::Nothing, value: nothing_of(object) },
            };
        }
        let applied = owned_part(object, PartOwners { apply, update: updates_count }, schema);
        Self { known_by: KnownBy::Apply, value: applied.unwrap_or_else(|| nothing_of(object)) }
    }

    /// The same of another form of the value.
    pub(super) fn map(self, form: impl FnOnce(&Value) -> Value) -> Self {
        Self { value: form(&self.value), ..self }
    }
}

/// An object of which nothing is known but which one it is.
pub(super) fn nothing_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    })
}

/// Whether the tool wrote the annotation: a person's `kubectl apply` leaves one too.
fn is_last_applied_by(object: &Value, apply: &[&str], update: &[&str]) -> bool {
    let managers: Vec<&str> = apply.iter().chain(update).copied().collect();
    let path = Path::of(&["metadata", "annotations", LAST_APPLIED]);
    ManagedBy::of(object, &managers, None).owns(&path, crate::diff::unknown_schema())
}

/// What the annotation says, whoever wrote it; `None` where there is none that can be read.
pub(super) fn last_applied(object: &Value) -> Option<Value> {
    let text = object["metadata"]["annotations"].get(LAST_APPLIED)?.as_str()?;
    // Its nesting is bounded by that of the object's own, which the API server took.
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Value::deserialize(&mut deserializer).ok()?;
    (value["apiVersion"].is_string() && value["kind"] == object["kind"]).then_some(value)
}
