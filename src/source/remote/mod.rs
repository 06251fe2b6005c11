//! Repositories on servers, kept as bare mirrors on this disk: over HTTPS and
//! SSH, with credentials from files, bounded in time and bytes.
//!
//! libgit2 uses one transport of ours (`transport`) for every server, so that
//! trust, credentials, time-outs and cancellation are each source's own and not
//! the process's.
//!
//! ```text
//! mirror → fetch → (libgit2) → transport → https → http_client → proxy → connect
//!                                          → ssh → ssh_session     → proxy → connect
//!        → objects, mirror_folder: what is on the disk
//! ```

mod budget;
mod connect;
mod context;
mod credentials;
mod error;
mod fetch;
mod host_certificate;
mod http_client;
mod http_url;
mod https;
mod known_hosts;
mod mirror;
mod mirror_folder;
mod objects;
mod proxy;
mod secret;
mod ssh;
mod ssh_client;
mod ssh_key;
mod ssh_session;
mod tls;
mod transport;
mod url;

pub use budget::FetchLimits;
pub use credentials::Credentials;
pub use error::FetchError;
pub use http_url::HttpUrl;
pub use mirror::{Mirror, SyncedCommits};
pub use secret::Secret;
pub use url::{Address, AddressError, RemoteUrl, Scheme};

pub(super) use http_client::{HttpClient, HttpRequest};
pub(super) use mirror_folder::remove_unused;
pub(super) use transport::register as register_transport;
pub(super) use url::redacted;
