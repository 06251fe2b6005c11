//! An object that Git declares, other than the one under review: an owner, a target.

use crate::desired::{Declared, ObjectKey, Snapshot, Source, SourceLocation, Uncertainty};

/// An object that Git declares: a source that is read has it, or an application of a GitOps tool lists it.
pub(super) struct DeclaredObject<'a> {
    /// As kubectl would name it.
    pub(super) kubectl_name: String,
    /// The source, or that of the application.
    pub(super) source: &'a Source,
    pub(super) declared: Option<&'a Declared>,
}

impl<'a> DeclaredObject<'a> {
    /// The object of this key.
    pub(super) fn find(snapshot: &'a Snapshot, key: ObjectKey<'_>) -> Option<Self> {
        match snapshot.get(key) {
            Some(found) => Some(Self::of(found)),
            None => Self::listed(snapshot, key),
        }
    }

    /// The same, but only where it is known that objects of its kind are in a namespace, or are not.
    pub(super) fn find_scoped(snapshot: &'a Snapshot, key: ObjectKey<'_>) -> Option<Self> {
        match snapshot.get_scoped(key) {
            Some(found) => Some(Self::of(found)),
            None => Self::listed(snapshot, key),
        }
    }

    fn of((declared, source): (&'a Declared, &'a Source)) -> Self {
        Self { kubectl_name: declared.key().kubectl_name(), source, declared: Some(declared) }
    }

    fn listed(snapshot: &'a Snapshot, key: ObjectKey<'_>) -> Option<Self> {
        let application = snapshot.applications().listing(key).into_iter().next()?;
        Some(Self { kubectl_name: key.kubectl_name(), source: &application.source, declared: None })
    }

    /// Where it is written, where that is known.
    pub(super) fn location(&self) -> Option<SourceLocation> {
        self.declared?.start()
    }

    /// Whether Git says that the object is not to be compared.
    pub(super) fn opts_out(&self) -> bool {
        self.declared.is_some_and(|declared| declared.opt_out.is_some())
    }

    /// Why what Git declares of it is not certain.
    pub(super) fn uncertainty(&self, snapshot: &Snapshot) -> Option<Uncertainty> {
        snapshot.uncertainty(self.source, self.declared?)
    }
}
