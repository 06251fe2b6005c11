//! What a fetch that is under way uses: libgit2 makes the transport for it by
//! itself, and gives it a URL only.

use std::cell::RefCell;
use std::sync::Arc;

use super::budget::FetchBudget;
use super::credentials::Credentials;
use super::error::FetchError;
use super::url::RemoteUrl;

/// What a fetch uses.
pub(super) struct FetchContext {
    pub(super) url: RemoteUrl,
    pub(super) credentials: Credentials,
    pub(super) budget: Arc<FetchBudget>,
}

thread_local! {
    /// The fetch of this thread: libgit2 makes transports on the thread that connects.
    static CURRENT: RefCell<Option<Arc<FetchContext>>> = const { RefCell::new(None) };
}

/// The URL that libgit2 is given for every server.
pub(super) const TRANSPORT_URL: &str = "driftwall://server";

/// Makes a context that of [`TRANSPORT_URL`] on this thread, until it is dropped.
pub(super) struct ContextGuard;

impl ContextGuard {
    pub(super) fn new(context: FetchContext) -> Self {
        CURRENT.set(Some(Arc::new(context)));
        Self
    }
}

impl Drop for ContextGuard {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// The context of the fetch that is under way on this thread.
pub(super) fn current() -> Result<Arc<FetchContext>, git2::Error> {
    let context = CURRENT.with_borrow(Clone::clone);
    context.ok_or_else(|| git2::Error::from_str("no fetch is under way on this thread"))
}

impl FetchContext {
    /// Records why the fetch fails; what it returns is for libgit2, which keeps a text only.
    pub(super) fn fail(&self, error: FetchError) -> git2::Error {
        git2::Error::from_str(&self.budget.record_error(error).to_string())
    }
}
