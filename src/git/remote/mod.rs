//! Repositories on servers, kept as bare mirrors on this disk: over HTTPS and
//! SSH, with credentials from files, bounded in time and bytes.
//!
//! libgit2 asks one transport of ours (`transport`) for everything, so that
//! trust, credentials, time-outs and cancellation are each source's own and not
//! the process's.

mod bounds;
mod connect;
mod credentials;
mod fault;
mod fetch;
mod https;
mod known_hosts;
mod mirror;
mod ssh;
mod transport;
mod trust;
mod url;

pub use bounds::Limits;
pub use credentials::{Credentials, Secret};
pub use fault::{Fault, RemoteError};
pub use mirror::Mirror;
pub use url::{Address, AddressError, RemoteUrl, Scheme};

pub(super) use transport::register;
