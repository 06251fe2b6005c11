//! Which fields a write changes, compared with what Git declares: field paths,
//! schemas, equality as Kubernetes means it, and the walk over an object.

mod builtin;
mod crd;
mod default_table;
mod difference;
mod differences;
mod equal;
mod items;
mod list_differences;
mod maps;
mod opaque;
mod openapi;
mod path;
mod pattern;
mod pattern_text;
mod pruned;
mod quantity;
mod schema;
mod server_defaults;
mod zero_values;

pub use builtin::{builtin_schema, object_meta_schema, unknown_schema};
pub use crd::{CrdError, CustomResource};
pub use difference::{ChangeKind, Difference, DifferenceRef};
pub use differences::{differences, each_difference};
pub(crate) use equal::is_zero_value;
pub(crate) use items::{ItemIndex, ItemKeys};
pub use opaque::{OPAQUE, is_opaque, is_wholly_opaque};
pub(crate) use opaque::{contains_opaque, hidden, without_opaque};
pub use path::{ItemPosition, Path, PathElement, PathError};
pub use pattern::Pattern;
pub use pattern_text::{exact_pattern, general_pattern};
pub(crate) use pruned::without_pruned_fields;
pub use quantity::Quantity;
pub use schema::{DefaultValue, ListKey, ListKind, ScalarKind, Schema, SchemaRef, StructOwnership};
pub use server_defaults::Allocations;
pub(crate) use server_defaults::{is_allocated_by_server, is_server_default};
pub(crate) use zero_values::is_droppable_zero;
