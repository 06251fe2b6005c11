//! Reads a request's body within a limit of size and time.

use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout_at;

use super::rejection::Rejection;

/// Up to this many times the limit is read of a rejected body and thrown away. A
/// client that sends even more loses its connection, and perhaps the response with it.
const DISCARD_FACTOR: u64 = 8;
/// What is allocated before the first byte has arrived: a `Content-Length` header
/// alone must not make the server reserve the whole limit.
const INITIAL_CAPACITY: usize = 64 * 1024;

/// Reads the whole body.
///
/// The rest of a rejected body stays in `body`, for [`discard`].
pub(super) async fn read(body: &mut Body, limit: usize, deadline: Instant) -> Result<Bytes, Rejection> {
    let declared = body.size_hint().lower();
    if declared > limit as u64 {
        return Err(Rejection::TooLarge(limit));
    }
    let declared = usize::try_from(declared).unwrap_or(limit);
    let mut received = BytesMut::with_capacity(declared.min(INITIAL_CAPACITY));
    loop {
        let frame = timeout_at(deadline.into(), body.frame()).await.map_err(|_| Rejection::SlowBody)?;
        let Some(frame) = frame else {
            return Ok(received.freeze());
        };
        // Trailers are ignored.
        let Ok(data) = frame.map_err(|_| Rejection::IncompleteBody)?.into_data() else {
            continue;
        };
        if received.len() + data.len() > limit {
            return Err(Rejection::TooLarge(limit));
        }
        received.extend_from_slice(&data);
    }
}

/// Reads the rest of a rejected body and throws it away.
///
/// A connection that is closed while its client still writes is reset, and the reset
/// may overtake the response. After a body that was read to its end it can be used again.
pub(super) async fn discard(mut body: Body, limit: usize, deadline: Instant) {
    let max_discarded = DISCARD_FACTOR * limit as u64;
    if body.size_hint().lower() > max_discarded {
        return;
    }
    let read_to_end = async {
        let mut discarded = 0;
        while let Some(Ok(frame)) = body.frame().await {
            discarded += frame.data_ref().map_or(0, |data| data.len() as u64);
            if discarded > max_discarded {
                return;
            }
        }
    };
    let _ = timeout_at(deadline.into(), read_to_end).await;
}
