//! Reads a request's body within bounds of size and time. Bodies take places of a
//! budget as they arrive, so that neither many of them nor large ones exhaust memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::incoming::{Incoming, MAX_PAUSE, RequestBody};
use super::peer::{Peer, PeerShares};
use super::rejection::Rejection;
use super::reviewer::HeadReason;
use super::settings::RequestLimits;

/// Bodies up to this size are read side by side.
const SMALL: usize = 1024 * 1024;
/// What is kept of a body that is too large: the API server sends what the review is
/// about first. A user can be in a thousand groups.
const HEAD: usize = 256 * 1024;
/// What is reserved at once for a small body.
const STEP: usize = 16 * 1024;
/// What each peer may take before it waits for others: several ordinary reviews.
const OWN: usize = 128 * 1024;
/// What all of them may take so.
const ALL_OWN: usize = 8 * 1024 * 1024;
/// So long may a large body wait for its turn; then only its head is kept.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The memory that bodies may take together.
pub(super) struct BodyBudget {
    /// In bytes.
    small: Arc<Semaphore>,
    /// In bytes; who waits longest is served first.
    large: Arc<Semaphore>,
    /// What one peer may take of each.
    small_shares: PeerShares,
    large_shares: PeerShares,
    /// What each peer has for itself, in bytes: two that know the path take no third one's place.
    own_shares: PeerShares,
    all_own: Arc<Semaphore>,
    limits: RequestLimits,
}

/// A body that has arrived.
#[derive(Debug)]
pub(super) enum Received {
    /// All of it.
    Whole(Bytes),
    /// The beginning of one that is not kept.
    Head(Bytes, HeadReason),
}

/// What a body takes of the budget; given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct BodyPermits(Vec<OwnedSemaphorePermit>);

impl BodyBudget {
    pub(super) fn new(limits: RequestLimits) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            small: semaphore(limits.small_bodies),
            large: semaphore(limits.large_bodies),
            small_shares: PeerShares::of_total(limits.small_bodies),
            // Room for two of the largest that can be stored, and a little for others.
            large_shares: PeerShares::of(limits.large_bodies - limits.large_bodies / 10),
            own_shares: PeerShares::of(OWN),
            all_own: semaphore(ALL_OWN),
            limits,
        }
    }

    /// Reads the whole body, to its end in any case unless it fails.
    ///
    /// The rest of a rejected body stays in `body`, for [`discard`].
    pub(super) async fn read<B: RequestBody>(
        &self,
        body: &mut B,
        peer: Peer,
        deadline: Instant,
    ) -> Result<(Received, BodyPermits), Rejection> {
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut incoming = Incoming { body, peer, deadline, arrived: 0, waited: Duration::ZERO };
        let mut received = BytesMut::new();
        // What has arrived of a body keeps its place until there is room for the whole.
        let mut small = BodyPermits::default();
        if declared <= SMALL.min(self.limits.kept_body)
            && let Some(whole) = self.read_small(&mut incoming, &mut received, &mut small).await?
        {
            return Ok((Received::Whole(whole), small));
        }
        let expected = declared.max(received.len());
        let room = if expected <= self.limits.kept_body { self.room_for(peer, declared, deadline).await } else { None };
        let is_too_large = room.is_some() || expected > self.limits.kept_body;
        let reason = if is_too_large { HeadReason::TooLarge } else { HeadReason::NoRoom };
        if let Some((permits, bytes)) = room
            && read_up_to(&mut incoming, &mut received, bytes).await?
        {
            return Ok((Received::Whole(received.freeze()), permits));
        }
        received.truncate(HEAD);
        let start = BytesMut::from(&received[..]);
        drop(received);
        let head = self.read_head(&mut incoming, start, &mut small).await?;
        Ok((Received::Head(head, reason), small))
    }

    /// Reads a body to its end; `None` where it turns out not to be a small one, and then `received` is what came of it.
    async fn read_small<B: RequestBody>(
        &self,
        incoming: &mut Incoming<'_, B>,
        received: &mut BytesMut,
        permits: &mut BodyPermits,
    ) -> Result<Option<Bytes>, Rejection> {
        let mut reserved = 0;
        while let Some(data) = incoming.next().await? {
            let length = received.len() + data.len();
            let is_small = length <= SMALL.min(self.limits.kept_body);
            if is_small && length > reserved {
                let more = (length - reserved).max(STEP);
                self.take_small(permits, more, incoming.peer, incoming.deadline).await?;
                reserved += more;
            }
            if is_small && received.is_empty() && incoming.body.is_end_stream() {
                // All of it in one piece is not copied.
                return Ok(Some(data));
            }
            received.extend_from_slice(&data);
            if !is_small {
                return Ok(None);
            }
        }
        Ok(Some(received.split().freeze()))
    }

    /// Takes a place among the small bodies.
    async fn take_small(
        &self,
        permits: &mut BodyPermits,
        bytes: usize,
        peer: Peer,
        deadline: Instant,
    ) -> Result<(), Rejection> {
        if let Some(own) = self.try_own(peer, bytes) {
            permits.0.extend(own);
            return Ok(());
        }
        let bytes = bytes.min(self.small_shares.share());
        for semaphore in [&self.small_shares.for_peer(peer), &self.small] {
            let permit = acquire(semaphore, bytes, deadline).await.ok_or(Rejection::Overload)?;
            permits.0.push(permit);
        }
        Ok(())
    }

    /// A place of the peer's own, where it has one left.
    fn try_own(&self, peer: Peer, bytes: usize) -> Option<[OwnedSemaphorePermit; 2]> {
        let bytes = u32::try_from(bytes).ok()?;
        let of_peer = self.own_shares.for_peer(peer).try_acquire_many_owned(bytes).ok()?;
        let of_all = Arc::clone(&self.all_own).try_acquire_many_owned(bytes).ok()?;
        Some([of_peer, of_all])
    }

    /// Room for a large body, in bytes; `None` where there is none in time.
    async fn room_for(&self, peer: Peer, declared: usize, deadline: Instant) -> Option<(BodyPermits, usize)> {
        // A body of unknown length may get as large as one can be.
        let bytes = if declared == 0 { self.limits.kept_body } else { declared };
        // The head must still be read and answered in time.
        let now = Instant::now();
        let until = now + MAX_WAIT.min(deadline.saturating_duration_since(now) / 2);
        let room = bytes.min(self.limits.large_bodies);
        // Whoever sends many waits for itself first, and so not before others.
        let of_peer = acquire(&self.large_shares.for_peer(peer), room.min(self.large_shares.share()), until).await?;
        let permit = acquire(&self.large, room, until).await?;
        Some((BodyPermits(vec![of_peer, permit]), room))
    }

    /// Reads the rest of a body, and keeps the beginning.
    async fn read_head<B: RequestBody>(
        &self,
        incoming: &mut Incoming<'_, B>,
        mut head: BytesMut,
        permits: &mut BodyPermits,
    ) -> Result<Bytes, Rejection> {
        let mut length = head.len();
        // What arrived while the body was taken for a small one has its place already.
        let mut has_place = !permits.0.is_empty();
        while let Some(data) = incoming.next().await? {
            if !has_place {
                // Not before something arrives: who only says how much will come takes no place from others.
                self.take_small(permits, HEAD, incoming.peer, incoming.deadline).await?;
                has_place = true;
            }
            length += data.len();
            // No API server sends more; it gets its answer all the same, and loses its connection.
            if length > self.limits.body_bytes {
                break;
            }
            let room = HEAD.saturating_sub(head.len());
            head.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(head.freeze())
    }
}

/// Reads to the end; `false` where there are more than `limit` bytes.
async fn read_up_to<B: RequestBody>(
    incoming: &mut Incoming<'_, B>,
    received: &mut BytesMut,
    limit: usize,
) -> Result<bool, Rejection> {
    // Memory that is not written to yet costs nothing, and growing would copy.
    received.reserve(limit.saturating_sub(received.len()));
    while let Some(data) = incoming.next().await? {
        received.extend_from_slice(&data);
        if received.len() > limit {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn acquire(semaphore: &Arc<Semaphore>, bytes: usize, until: Instant) -> Option<OwnedSemaphorePermit> {
    let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
    timeout_at(until.into(), Arc::clone(semaphore).acquire_many_owned(permits)).await.ok()?.ok()
}

/// Reads the rest of a rejected body and throws it away.
///
/// A connection that is closed while its client still writes is reset, and the reset
/// may overtake the response. After a body that was read to its end it can be used again.
pub(super) async fn discard(mut body: impl RequestBody, limit: usize, deadline: Instant) {
    let max_discarded = limit as u64;
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
    let until = deadline.min(Instant::now() + MAX_PAUSE);
    let _ = timeout_at(until.into(), read_to_end).await;
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn every_body_gives_its_places_back() {
        let limits = RequestLimits {
            body_bytes: 4 * SMALL,
            kept_body: 2 * SMALL,
            small_bodies: SMALL,
            large_bodies: 2 * SMALL,
            in_flight: 1,
        };
        let budget = BodyBudget::new(limits);
        let deadline = Instant::now() + Duration::from_mins(1);
        for (length, is_kept) in [(0, true), (10, true), (SMALL, true), (2 * SMALL, true), (2 * SMALL + 1, false)] {
            let mut body = Body::from(vec![b' '; length]);
            let (received, permits) = budget.read(&mut body, Peer::unknown(), deadline).await.unwrap();
            match &received {
                Received::Whole(bytes) => assert_eq!((bytes.len(), true), (length, is_kept)),
                Received::Head(bytes, reason) => {
                    assert_eq!((bytes.len(), *reason, false), (HEAD, HeadReason::TooLarge, is_kept));
                }
            }
            let free = [&budget.small, &budget.large, &budget.all_own].map(|bytes| bytes.available_permits());
            let taken = 3 * SMALL + ALL_OWN - free.into_iter().sum::<usize>();
            assert!(taken >= length.min(HEAD), "{length}: {taken}");
            drop(permits);
            assert_eq!(budget.small.available_permits(), SMALL, "{length}");
            assert_eq!(budget.all_own.available_permits(), ALL_OWN, "{length}");
            assert_eq!(budget.large.available_permits(), 2 * SMALL, "{length}");
        }
    }

    #[tokio::test]
    async fn who_only_says_how_large_a_body_is_takes_no_place_from_others() {
        struct Announced(u64);
        impl axum::body::HttpBody for Announced {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
                std::task::Poll::Pending
            }
            fn size_hint(&self) -> hyper::body::SizeHint {
                hyper::body::SizeHint::with_exact(self.0)
            }
        }
        let limits = RequestLimits::default();
        let budget = BodyBudget::new(limits);
        let mut body = Body::new(Announced(limits.body_bytes as u64));
        let deadline = Instant::now() + Duration::from_millis(50);
        let mut read = std::pin::pin!(budget.read(&mut body, Peer::unknown(), deadline));
        assert!(tokio::time::timeout(Duration::from_millis(10), read.as_mut()).await.is_err());
        assert_eq!(budget.small.available_permits(), limits.small_bodies);
        assert_eq!(read.await.unwrap_err(), Rejection::SlowBody);
    }

    #[tokio::test]
    async fn an_ordinary_body_waits_for_nobody_else() {
        let budget = BodyBudget::new(RequestLimits::default());
        let all = u32::try_from(RequestLimits::default().small_bodies).unwrap();
        let _held = budget.small.acquire_many(all).await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        let mut places = Vec::new();
        // As many as the peer has places of its own; what they hold is not given back.
        for _ in 0..OWN / STEP {
            let (received, place) =
                budget.read(&mut Body::from(vec![b' '; 2000]), Peer::unknown(), deadline).await.unwrap();
            assert!(matches!(received, Received::Whole(_)));
            places.push(place);
        }
        let rejected = budget.read(&mut Body::from(vec![b' '; 2000]), Peer::unknown(), deadline).await;
        assert_eq!(rejected.unwrap_err(), Rejection::Overload);
    }

    #[tokio::test]
    async fn a_large_body_without_room_is_kept_by_its_head() {
        let budget = BodyBudget::new(RequestLimits::default());
        let all = u32::try_from(RequestLimits::default().large_bodies).unwrap();
        let held = budget.large.acquire_many(all).await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(200);
        let read = budget.read(&mut Body::from(vec![b' '; 2 * SMALL]), Peer::unknown(), deadline).await.unwrap();
        assert!(matches!(read, (Received::Head(_, HeadReason::NoRoom), _)));
        drop(held);
        let read = budget.read(&mut Body::from(vec![b' '; 2 * SMALL]), Peer::unknown(), deadline).await.unwrap();
        assert!(matches!(read, (Received::Whole(_), _)));
    }
}
