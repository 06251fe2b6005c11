//! How many reviews may be answered at once.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::peer::{Peer, PeerShares};
use crate::telemetry::Metrics;

/// The places of reviews that are being answered.
pub(super) struct Places {
    metrics: Arc<Metrics>,
    all: Arc<Semaphore>,
    /// What one peer may take of them.
    shares: PeerShares,
}

impl Places {
    /// So many, counted in these metrics.
    pub(super) fn new(number: usize, metrics: Arc<Metrics>) -> Self {
        let all = Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS)));
        Self { metrics, all, shares: PeerShares::of_total(number) }
    }
}

/// Allows one review to be in flight, and counts it.
pub(super) struct InFlightPermit {
    metrics: Arc<Metrics>,
    _permits: [OwnedSemaphorePermit; 2],
}

impl InFlightPermit {
    /// Waits for a place, first among those of the peer; who came first is first.
    pub(super) async fn acquire(places: &Places, peer: Peer, until: Instant) -> Option<Self> {
        let (share, all) = (places.shares.for_peer(peer), &places.all);
        // Where there is room, nothing is measured.
        let of_peer = Arc::clone(&share).try_acquire_owned();
        let (of_peer, permit) = match (of_peer, Arc::clone(all).try_acquire_owned()) {
            (Ok(of_peer), Ok(permit)) => (of_peer, permit),
            (of_peer, permit) => {
                drop((of_peer, permit));
                let both = async {
                    let of_peer = share.acquire_owned().await.ok()?;
                    let permit = Arc::clone(all).acquire_owned().await.ok()?;
                    Some((of_peer, permit))
                };
                timeout_at(until.into(), both).await.ok()??
            }
        };
        places.metrics.in_flight.inc();
        Some(Self { metrics: Arc::clone(&places.metrics), _permits: [of_peer, permit] })
    }
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}
