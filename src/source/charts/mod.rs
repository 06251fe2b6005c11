//! Charts from where people have them: HTTP repositories and OCI registries,
//! asked by driftwall itself, and kept on this disk by the digest of their archive.
//!
//! ```text
//! dependencies  what a Chart.yaml and its lock ask for
//!   → store     what is here already, and which version a request meant last
//!     → repository, oci    what the server has now           index, version
//!   → archive   the files in a chart, within bounds
//! ```

mod archive;
mod error;
mod index;
mod oci;
mod repository;
mod store;
mod version;

pub use archive::{ChartFile, for_each_file};
pub use error::ChartError;
pub use oci::OciRepository;
pub use repository::{ChartRepository, ChartRequest};
pub use store::{ChartStore, ResolvedChart};
pub use version::{VersionRange, VersionRangeError};
