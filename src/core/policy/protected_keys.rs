//! Labels and annotations that grant rights, steer tools or configure controllers: who
//! may set which on a declared object other than in Git.

use std::sync::LazyLock;

use globset::GlobSet;

use super::error::PolicyError;
use super::mode::Outcome;
use super::protected_key_table::{DENIED, ProtectedFrom, ProtectedKeys};
use super::warned_key_table::WARNED;
use crate::glob;

/// The label by which Argo CD knows its own objects, unless it is configured to
/// use another one; charts set it too, so it is not protected.
pub(super) const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// What Helm takes for the mark of its own objects, and any operator may set.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// The protected keys of a configuration, in addition to those of the table or in place of them.
#[derive(Debug)]
pub struct ProtectedKeyRules {
    denied: GlobSet,
    warned: GlobSet,
    has_defaults: bool,
}

/// A row of the table, ready to be matched.
struct Row {
    keys: GlobSet,
    answer: Outcome,
    from: ProtectedFrom,
}

/// A glob that does not compile protects nothing: a test keeps the table from having one.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let row = |row: &ProtectedKeys| Row {
        keys: glob::set(&row.globs()).unwrap_or_default(),
        answer: row.answer,
        from: row.from,
    };
    protected_keys().map(row).collect()
});

/// All protected keys, those first that are denied.
pub fn protected_keys() -> impl Iterator<Item = &'static ProtectedKeys> {
    DENIED.iter().chain(WARNED)
}

/// Whether a label or annotation takes an object from its GitOps tool or from driftwall, whoever writes then: no
/// machine may set it either.
pub fn takes_object_away(key: &str) -> bool {
    let mut rows = ROWS.iter().filter(|row| row.from != ProtectedFrom::People);
    rows.any(|row| row.keys.is_match(key))
}

/// Whether people are denied, without any configuration, to set the keys that a glob names.
pub fn is_denied_by_default(glob: &str) -> bool {
    let mut denied = protected_keys().filter(|row| row.answer == Outcome::Deny);
    denied.any(|row| row.globs().iter().any(|around| glob::is_within(glob, around)))
}

impl Default for ProtectedKeyRules {
    fn default() -> Self {
        Self { denied: GlobSet::empty(), warned: GlobSet::empty(), has_defaults: true }
    }
}

impl ProtectedKeyRules {
    /// These globs, and those of the table unless `replaces` says that they stand in their place. What
    /// steers GitOps tools and driftwall itself stays protected.
    pub fn new(denied: &[String], warned: &[String], replaces: bool) -> Result<Self, PolicyError> {
        Ok(Self { denied: glob::set(denied)?, warned: glob::set(warned)?, has_defaults: !replaces })
    }

    /// The strictest answer to a write that sets the key where Git does not; `None` where anybody may.
    /// An object that is created again from a backup brings the tracking keys of its tool along, and may.
    pub(super) fn answer_to(&self, key: &str, is_person: bool, is_create: bool) -> Option<Outcome> {
        let mut answer = None;
        if is_person {
            if self.denied.is_match(key) || (key == MANAGED_BY_LABEL && !is_create) {
                return Some(Outcome::Deny);
            }
            answer = self.warned.is_match(key).then_some(Outcome::Warn);
        }
        for row in ROWS.iter() {
            let counts = match row.from {
                ProtectedFrom::Everyone => true,
                ProtectedFrom::People => is_person && self.has_defaults,
                ProtectedFrom::Tracking => !is_create,
            };
            if counts && row.keys.is_match(key) {
                answer = answer.max(Some(row.answer));
            }
        }
        answer
    }
}

/// Whether a GitOps tool may set the key to know its own objects.
pub(super) fn is_tracking(key: &str) -> bool {
    let mut tracking = ROWS.iter().filter(|row| row.from == ProtectedFrom::Tracking);
    key == INSTANCE_LABEL || key == MANAGED_BY_LABEL || tracking.any(|row| row.keys.is_match(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glob_of_the_table_compiles() {
        for row in protected_keys() {
            assert!(glob::set(&row.globs()).is_ok(), "{:?}", row.keys);
        }
    }
}
