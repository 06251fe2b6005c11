//! A body on its way: it must go on arriving.

use std::time::{Duration, Instant};

use axum::body::HttpBody;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::timeout_at;

use super::peer::Peer;
use super::rejection::Rejection;

/// A body must go on arriving: so long may it pause, all its pauses together.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Bytes by which a body earns a second more: an API server sends it at once, and one that
/// trickles would keep its place from others.
const BYTES_PER_SECOND: u64 = 1024 * 1024;

/// The body of a request, as it comes.
pub(super) trait RequestBody: HttpBody<Data = Bytes> + Send + Unpin {}

impl<B: HttpBody<Data = Bytes> + Send + Unpin> RequestBody for B {}

/// A body on its way.
pub(super) struct Incoming<'b, B> {
    pub(super) body: &'b mut B,
    pub(super) peer: Peer,
    pub(super) deadline: Instant,
    /// Bytes that have arrived.
    pub(super) arrived: u64,
    /// For how long the client was waited for.
    pub(super) waited: Duration,
}

impl<B: RequestBody> Incoming<'_, B> {
    /// The next part; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Rejection> {
        loop {
            let began = Instant::now();
            let until = self.deadline.min(began + patience(self.arrived, self.waited));
            let frame = timeout_at(until.into(), self.body.frame()).await.map_err(|_| Rejection::SlowBody)?;
            self.waited += began.elapsed();
            let Some(frame) = frame else { return Ok(None) };
            // Trailers are ignored.
            if let Ok(data) = frame.map_err(|_| Rejection::IncompleteBody)?.into_data() {
                self.arrived += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }
}

/// For how long a body is waited for, of which so much has arrived in the time that it was `waited` for.
fn patience(arrived: u64, waited: Duration) -> Duration {
    let earned = Duration::from_millis(arrived.saturating_mul(1000) / BYTES_PER_SECOND);
    (MAX_PAUSE + earned).saturating_sub(waited).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_trickles_is_not_waited_for() {
        const MIB: u64 = BYTES_PER_SECOND;
        for (arrived, waited, patience_millis) in [
            (0, 0, 2000),
            (0, 1500, 500),
            (0, 2000, 0),
            (100, 2000, 0),
            (MIB / 2, 2000, 500),
            (40 * MIB, 2000, 2000),
            (40 * MIB, 41_000, 1000),
            (40 * MIB, 60_000, 0),
            (u64::MAX, 0, 2000),
        ] {
            let found = patience(arrived, Duration::from_millis(waited));
            assert_eq!(found, Duration::from_millis(patience_millis), "{arrived} bytes in {waited} ms");
        }
    }
}
