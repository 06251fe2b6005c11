//! The desired state: what Git declares. Each source's contents at one commit, and
//! one immutable snapshot of all of them, so that a verdict never mixes two commits
//! of a source.

mod contents;
mod declared;
mod declared_map;
mod disputed_fields;
mod error;
mod index;
pub(crate) mod kinds;
mod normalize;
mod object_key;
mod opt_out;
mod parsed_objects;
mod placeholder;
mod placeholders;
mod snapshot;
mod snapshot_source;

pub use contents::{AppliedBy, FileContents, Source, SourceContents, short_commit};
pub use declared::{Declared, SourceLocation};
pub use disputed_fields::{DisputedField, DisputedFields};
pub use error::DesiredError;
pub use index::{Contest, DeclaredResource};
pub use object_key::ObjectKey;
pub use opt_out::live_opt_out;
pub use placeholders::hide_variables;
pub use snapshot::{Snapshot, Uncertainty};
pub use snapshot_source::{Affected, NamespaceScope, SnapshotSource, SyncTime};
