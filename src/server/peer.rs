//! Who is at the other end of a connection, and the share that each may take.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// A client's address. One host has many of IPv6: those of a /64 count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn of(address: SocketAddr) -> Self {
        Self(match address.ip().to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)))
            }
            ip => ip,
        })
    }

    /// Nobody in particular: a request that came by no connection.
    pub(super) fn unknown() -> Self {
        Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    /// Whether the client runs in the same pod, or reaches it by `kubectl exec` or
    /// `kubectl port-forward`, for which it needs rights. Not every loopback address: a proxy
    /// of Istio hands on what other pods send from 127.0.0.6.
    pub(super) fn is_local(self) -> bool {
        self.0 == Ipv4Addr::LOCALHOST || self.0 == Ipv6Addr::LOCALHOST
    }
}

/// What a single peer may take of so many: three quarters, so that there is always room for
/// others, and enough where all API servers come by one address.
pub(super) fn share_of(total: usize) -> usize {
    total - total / 4
}

/// What each peer may take of something.
pub(super) struct PeerShares {
    share: usize,
    peers: Mutex<HashMap<Peer, Arc<Semaphore>>>,
}

/// From so many peers on, those that take nothing are forgotten.
const MAX_IDLE_PEERS: usize = 64;

impl PeerShares {
    /// A share of `total` for each peer.
    pub(super) fn of_total(total: usize) -> Self {
        Self::of(share_of(total))
    }

    /// So much for each peer.
    pub(super) fn of(share: usize) -> Self {
        Self { share: share.min(Semaphore::MAX_PERMITS), peers: Mutex::default() }
    }

    /// What one peer may take.
    pub(super) fn share(&self) -> usize {
        self.share
    }

    /// The share of this peer.
    pub(super) fn for_peer(&self, peer: Peer) -> Arc<Semaphore> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MAX_IDLE_PEERS {
            // Whoever holds permits of a share, or waits for some, holds the share too.
            peers.retain(|_, share| Arc::strong_count(share) > 1);
        }
        Arc::clone(peers.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(self.share))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer::of(SocketAddr::new(ip.parse().unwrap(), 1))
    }

    #[test]
    fn a_host_is_one_peer_by_all_its_addresses() {
        assert_eq!(peer("10.0.0.1"), peer("::ffff:10.0.0.1"));
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_ne!(peer("10.0.0.1"), peer("10.0.0.2"));
        for (ip, is_local) in
            [("127.0.0.1", true), ("::1", true), ("127.0.0.6", false), ("10.0.0.1", false), ("::", false)]
        {
            assert_eq!(peer(ip).is_local(), is_local, "{ip}");
        }
    }

    #[test]
    fn no_peer_takes_more_than_its_share_and_peers_are_forgotten() {
        let shares = PeerShares::of_total(4);
        let held = shares.for_peer(peer("10.0.0.1")).try_acquire_many_owned(3).unwrap();
        assert!(shares.for_peer(peer("10.0.0.1")).try_acquire().is_err());
        for last in 2..200 {
            assert!(shares.for_peer(peer(&format!("10.0.0.{last}"))).try_acquire().is_ok());
        }
        assert!(shares.peers.lock().unwrap().len() <= MAX_IDLE_PEERS);
        assert!(shares.for_peer(peer("10.0.0.1")).try_acquire().is_err(), "its share is still taken");
        drop(held);
        assert!(shares.for_peer(peer("10.0.0.1")).try_acquire().is_ok());
    }
}
