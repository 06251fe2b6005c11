//! How libgit2 reaches servers: through this program's own connections.
//!
//! libgit2's own transports set their time-outs, authorities and known hosts for
//! the whole process and cannot be cancelled while they wait. A transport of
//! our own has all of that for each source, and keeps addresses and credentials
//! out of libgit2 and its messages.

use git2::transport::Transport;

use super::context;
use super::https::HttpTransport;
use super::ssh::SshTransport;
use super::url::Scheme;

/// Registers the transport for [`context::TRANSPORT_URL`] with libgit2.
///
/// # Safety
///
/// Nothing else may make transports meanwhile.
#[allow(unsafe_code, reason = "libgit2 keeps transports in a list without a lock")]
pub(in crate::source) unsafe fn register() -> Result<(), git2::Error> {
    let make = |remote: &git2::Remote<'_>| {
        let context = context::current()?;
        match context.url.scheme() {
            Scheme::Http | Scheme::Https => match HttpTransport::new(context.clone()) {
                Ok(http) => Transport::smart(remote, true, http),
                Err(error) => Err(context.fail(error)),
            },
            Scheme::Ssh => Transport::smart(remote, false, SshTransport::new(context)),
        }
    };
    // SAFETY: the caller ensures it.
    unsafe { git2::transport::register("driftwall", make) }
}
