//! Comparing: paths, kinds of lists, equality as Kubernetes means it, and the
//! walk that holds what a write changes against what Git declares.

mod builtin;
mod crd;
mod defaults;
mod differences;
mod equal;
mod items;
mod opaque;
mod openapi;
mod path;
mod quantity;
mod schema;
mod server_defaults;

pub use builtin::{builtin, object_meta, unknown};
pub use crd::{CrdError, CustomResource};
pub use differences::{ChangeKind, Difference, differences};
pub use opaque::{OPAQUE, is_opaque};
pub use path::{Path, PathError, Pattern, Step};
pub use quantity::Quantity;
pub use schema::{DefaultValue, Key, ListKind, Scalar, Schema, SchemaRef};
