//! Who brought what: the API server writes into `metadata.managedFields` which
//! fields a request brings, *before* other admission adds to it. So what is new in
//! an object, and owned by no entry, was brought by admission and not by the writer.
//!
//! Source of the rules: `k8s.io/apimachinery/pkg/util/managedfields` and
//! `sigs.k8s.io/structured-merge-diff`, and reviews recorded from Kubernetes 1.36.

mod additions;
mod field_set;
mod known_additions;
mod managed_fields;
mod owned_part;
mod owned_set;
mod pod_defaults;

pub(crate) use additions::{Evidence, remove_foreign_additions};
pub(crate) use known_additions::remove_known_additions;
pub(crate) use managed_fields::{ManagedBy, ManagedLists, WriteKind, is_name_of_people};
pub(crate) use owned_part::{PartOwners, owned_part};
