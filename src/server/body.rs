//! Reading a request's body within a size and a time.

use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout_at;

use super::rejection::Rejection;

/// Of an unwanted body, this many times the limit is read and thrown away. One
/// that is longer still loses its connection, and perhaps the answer with it.
const PATIENCE: u64 = 8;
/// What is set aside before the first byte has arrived: a header alone must not
/// make the server reserve the whole limit.
const FIRST: usize = 64 * 1024;

/// Reads the body whole, or tells why not.
///
/// What is left of a refused body stays in `body`, for [`discard`].
pub(super) async fn read(body: &mut Body, limit: usize, deadline: Instant) -> Result<Bytes, Rejection> {
    let declared = body.size_hint().lower();
    if declared > limit as u64 {
        return Err(Rejection::TooLarge(limit));
    }
    let declared = usize::try_from(declared).unwrap_or(limit);
    let mut read = BytesMut::with_capacity(declared.min(FIRST));
    loop {
        let frame = timeout_at(deadline.into(), body.frame()).await.map_err(|_| Rejection::Slow)?;
        let Some(frame) = frame else {
            return Ok(read.freeze());
        };
        // Trailers are of no use here.
        let Ok(data) = frame.map_err(|_| Rejection::Broken)?.into_data() else {
            continue;
        };
        if read.len() + data.len() > limit {
            return Err(Rejection::TooLarge(limit));
        }
        read.extend_from_slice(&data);
    }
}

/// Reads what is left of an unwanted body and throws it away.
///
/// A connection that is closed while its client still writes is reset, and the
/// reset may overtake the answer. Read to its end, the connection can go on.
pub(super) async fn discard(mut body: Body, limit: usize, deadline: Instant) {
    let most = PATIENCE * limit as u64;
    if body.size_hint().lower() > most {
        return;
    }
    let to_the_end = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, |data| data.len() as u64);
            if seen > most {
                return;
            }
        }
    };
    let _ = timeout_at(deadline.into(), to_the_end).await;
}
