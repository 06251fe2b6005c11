//! Where the desired state comes from: Git repositories on this machine and
//! mirrors of those on servers, read out of the object database, never out of a
//! working tree.
//!
//! ```text
//! poller                 which repositories there are, and who follows them
//!   → repository_worker  looks at one repository, now and then and on request
//!     → repository       which commits do the revisions name now?   remote (mirrors, HTTPS, SSH)
//!   → follower           follows the looks for one source
//!     → load             what does a commit declare?                manifest_tree (plain manifests),
//!                                                                   render (kustomize, Helm)
//!     → snapshot_store   all sources, put together into a snapshot
//! ```

pub mod charts;
mod error;
mod file_filter;
mod follower;
mod lfs;
mod libgit2;
mod limits;
mod load;
mod manifest_tree;
mod poller;
mod reading_place;
mod remote;
pub mod render;
mod repository;
mod repository_worker;
mod revision;
mod snapshot_store;
mod source_ignore;
mod spec;
mod yaml_error;

pub use error::{FileError, SourceError};
pub use file_filter::FileFilter;
pub use load::{LoadedCommit, load};
pub use poller::{MirrorStatus, SourcePoller};
pub use remote::{
    Address, AddressError, Credentials, FetchError, FetchLimits, HttpUrl, Mirror, RemoteUrl, Scheme, Secret,
    SyncedCommits,
};
pub use revision::{latest_commit, local_commit};
pub use snapshot_store::{SnapshotStore, SourceStatus};
pub use spec::{ChartSource, RemoteRepository, SourceSpec};
