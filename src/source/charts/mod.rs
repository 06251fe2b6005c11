//! Charts from where people have them: HTTP repositories and OCI registries,
//! asked by driftwall itself, and kept on this disk by the digest of their archive.
//!
//! ```text
//! dependencies  what a Chart.yaml and its lock ask for
//!   → store     what is here already, and which version a request meant last
//!     → resolve, repository, oci    what the server has now      index, version
//!   → archive   the files in a chart, within bounds
//! ```

mod access;
mod archive;
mod dependencies;
mod error;
mod index;
mod oci;
mod repository;
mod resolve;
mod store;
mod tree;
mod version;

pub use access::{ChartAccess, FetchedDependency, RepositoryCredentials};
pub use archive::file as archived_file;
pub use archive::{ChartFile, for_each_file};
pub use dependencies::chart_name;
pub use dependencies::{Dependency, DependencyFiles, DependencyOrigin, is_chart_name, missing_dependencies};
pub use error::ChartError;
pub use oci::OciRepository;
pub use repository::{ChartRepository, ChartRequest};
pub use store::{ChartStore, ResolvedChart};
pub use tree::{ChartTree, unpack};
pub use version::{VersionRange, VersionRangeError};
