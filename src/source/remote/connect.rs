//! Connections to servers: resolving names, and time-outs.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::budget::FetchBudget;
use super::error::FetchError;

/// A runtime for the waits of one fetch. libgit2 blocks, so each fetch has a thread of its own.
pub(super) struct BlockingRuntime {
    runtime: Option<Runtime>,
    pub(super) budget: Arc<FetchBudget>,
}

impl BlockingRuntime {
    pub(super) fn new(budget: Arc<FetchBudget>) -> Result<Self, FetchError> {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Ok(Self { runtime: Some(runtime), budget }),
            Err(reason) => {
                Err(FetchError::Mirror { action: "start a connection for", file: "the mirror".into(), reason })
            }
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("only drop takes the runtime out")
    }
}

impl Drop for BlockingRuntime {
    fn drop(&mut self) {
        // The system's resolving of a name cannot be cancelled, and its result is not needed any more.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Connects to the first of the host's addresses that accepts.
pub(super) async fn connect(budget: &FetchBudget, host: &str, port: u16) -> Result<TcpStream, FetchError> {
    let limit = budget.limits.connect;
    let not_found = |reason: String| FetchError::HostNotFound { host: host.to_owned(), reason };
    let resolved = budget.wait(limit, "resolving the host", tokio::net::lookup_host((host, port))).await?;
    let mut last_error = not_found("it has no address".to_owned());
    for address in resolved.map_err(|error| not_found(error.to_string()))? {
        match budget.wait(limit, "connecting", TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => {
                last_error = FetchError::Connect { host: address.to_string(), reason: error.to_string() };
            }
            Err(FetchError::Cancelled) => return Err(FetchError::Cancelled),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}
