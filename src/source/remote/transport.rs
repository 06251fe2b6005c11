//! How libgit2 reaches servers here: through this program's own connections.
//!
//! libgit2's own transports set their time-outs, authorities and known hosts for
//! the whole process and cannot be called off while they wait. A transport of
//! one's own has all of that for each source, and keeps addresses and
//! credentials out of libgit2 and its messages.

use std::cell::RefCell;
use std::sync::Arc;

use git2::transport::Transport;

use super::budget::FetchBudget;
use super::credentials::Credentials;
use super::error::FetchError;
use super::https::Http;
use super::ssh::Ssh;
use super::url::{RemoteUrl, Scheme};

/// What a look at a server goes by.
pub(super) struct Call {
    pub(super) url: RemoteUrl,
    pub(super) credentials: Credentials,
    pub(super) bounds: Arc<FetchBudget>,
}

thread_local! {
    /// The look that this thread is at: libgit2 makes transports on the thread that connects.
    static CALL: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
}

/// The address that libgit2 is given for every server.
pub(super) const ADDRESS: &str = "driftwall://server";

/// Makes `call` what [`ADDRESS`] means on this thread until it is dropped.
pub(super) struct Calling;

impl Calling {
    pub(super) fn new(call: Call) -> Self {
        CALL.set(Some(Arc::new(call)));
        Self
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        CALL.set(None);
    }
}

/// Makes [`ADDRESS`] known to libgit2.
///
/// # Safety
///
/// Nothing else may make transports meanwhile.
#[allow(unsafe_code, reason = "libgit2 keeps transports in a list that it does not guard")]
pub(in crate::source) unsafe fn register() -> Result<(), git2::Error> {
    let make = |remote: &git2::Remote<'_>| {
        let call = CALL.with_borrow(Clone::clone);
        let call = call.ok_or_else(|| git2::Error::from_str("no look is under way on this thread"))?;
        match call.url.scheme() {
            Scheme::Http | Scheme::Https => {
                let http = Http::new(call.clone()).map_err(|fault| stopped(&call.bounds, fault))?;
                Transport::smart(remote, true, http)
            }
            Scheme::Ssh => Transport::smart(remote, false, Ssh::new(call)),
        }
    };
    // SAFETY: the caller sees to it.
    unsafe { git2::transport::register("driftwall", make) }
}

/// Keeps a fault for whoever began the look; libgit2 gets its words.
pub(super) fn stopped(bounds: &FetchBudget, fault: FetchError) -> git2::Error {
    git2::Error::from_str(&bounds.stop(fault).to_string())
}
