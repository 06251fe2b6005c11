//! Comparing: paths, kinds of lists, equality as Kubernetes means it, and the
//! walk that holds what a write changes against what Git declares.

mod builtin;
mod crd;
mod defaults;
mod equal;
mod filled;
mod items;
mod opaque;
mod openapi;
mod path;
mod quantity;
mod schema;
mod walk;

pub use builtin::{builtin, object_meta, unknown};
pub use crd::{CrdError, CustomResource};
pub use opaque::{OPAQUE, is_opaque};
pub use path::{Path, PathError, Pattern, Step};
pub use quantity::Quantity;
pub use schema::{Fill, Key, ListKind, Place, Scalar, Schema};
pub use walk::{Difference, Nature, differences};
