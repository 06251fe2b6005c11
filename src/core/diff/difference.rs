//! One field that a write changes.

use serde_json::Value;

use super::path::Path;

/// How a write changes one field, seen from what Git declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A declared field gets a value that is not Git's.
    Changed,
    /// A declared atomic map keeps all that Git says and gets more.
    Extended,
    /// A field that Git does not declare is added or changed.
    Extra,
    /// A field that Git declares empty is filled.
    Filled,
    /// A declared field whose value in Git is opaque (encrypted, or a placeholder) is changed.
    Opaque,
    /// A declared field is removed, or left out of a CREATE.
    RemovedDeclared,
    /// A field that Git does not declare is removed.
    RemovedExtra,
}

/// One field that a write changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The field.
    pub path: Path,
    /// How it changes.
    pub change: ChangeKind,
    /// The value that the write gives it; `None` where the write leaves it out.
    pub new: Option<Value>,
    /// What Git says.
    pub declared: Option<Value>,
}

/// A [`Difference`] while the walk is at it.
#[derive(Clone, Copy, Debug)]
pub struct DifferenceRef<'d> {
    /// The field.
    pub path: &'d Path,
    /// How it changes.
    pub change: ChangeKind,
    /// The value that the write gives it; `None` where the write leaves it out.
    pub new: Option<&'d Value>,
    /// What Git says.
    pub declared: Option<&'d Value>,
}

impl Difference {
    /// The difference, borrowed.
    pub fn as_ref(&self) -> DifferenceRef<'_> {
        let Self { path, change, new, declared } = self;
        DifferenceRef { path, change: *change, new: new.as_ref(), declared: declared.as_ref() }
    }
}

impl DifferenceRef<'_> {
    /// A copy that can be kept.
    pub fn to_owned(self) -> Difference {
        let Self { path, change, new, declared } = self;
        Difference { path: path.clone(), change, new: new.cloned(), declared: declared.cloned() }
    }
}
