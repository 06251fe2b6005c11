//! Repositories on servers, kept as bare mirrors on this disk: over HTTPS and
//! SSH, with credentials from files, bounded in time and bytes.
//!
//! libgit2 asks one transport of ours (`transport`) for everything, so that
//! trust, credentials, time-outs and cancellation are each source's own and not
//! the process's.

mod budget;
mod connect;
mod credentials;
mod error;
mod fetch;
mod https;
mod known_hosts;
mod mirror;
mod ssh;
mod tls;
mod transport;
mod url;

pub use budget::Limits;
pub use credentials::{Credentials, Secret};
pub use error::{FetchError, RemoteError};
pub use mirror::Mirror;
pub use url::{Address, AddressError, RemoteUrl, Scheme};

pub(super) use transport::register;
