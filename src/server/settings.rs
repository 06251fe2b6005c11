//! How a server is configured, with the defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use driftwall_core::webhook_config::ReviewPath;

use super::review_paths::ReviewPaths;
use super::tls::CertificateSource;

/// How a server is configured.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where the webhook listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where probes and metrics are served, without TLS.
    pub admin: SocketAddr,
    /// The serving certificate.
    pub certificate: CertificateSource,
    /// A PEM file of CAs, one of which must have signed a client's certificate.
    /// Without it every client is served.
    pub client_ca: Option<PathBuf>,
    /// Limits for requests.
    pub limits: RequestLimits,
    /// The paths at which reviews are received.
    pub paths: ReviewPaths,
    /// How many connections to the webhook may be open; beyond that, idle ones make
    /// room for new ones.
    pub max_connections: usize,
    /// How many connections one address may have open that have not asked for a path at which
    /// reviews are received; beyond that, the oldest of them makes room for a new one.
    pub max_strangers: usize,
    /// How long things may take.
    pub timeouts: Timeouts,
}

impl ServerSettings {
    /// Every setting at its default.
    pub fn new(certificate: CertificateSource) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)),
            admin: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            certificate,
            client_ca: None,
            limits: RequestLimits::default(),
            paths: ReviewPaths::fixed(ReviewPath::well_known()),
            // With its TLS, each takes tens of kilobytes. An API server needs a few.
            max_connections: 1024,
            // In a burst, an API server opens a connection for each review.
            max_strangers: 256,
            timeouts: Timeouts::default(),
        }
    }

    /// The name of a setting that is zero and must not be: nothing would be served.
    pub(super) fn zero_setting(&self) -> Option<&'static str> {
        let Self { limits, max_connections, max_strangers, timeouts, .. } = self;
        let Timeouts {
            handshake,
            headers,
            idle,
            max_connection_age,
            // Without these, the shutdown only is sooner.
            drain: _,
            finish: _,
            certificate_poll,
        } = timeouts;
        let checks = [
            ("the body limit", limits.body_bytes == 0 || limits.kept_body == 0),
            ("the memory of bodies", limits.small_bodies == 0 || limits.large_bodies == 0),
            ("the number of reviews in flight", limits.in_flight == 0),
            ("the number of connections", *max_connections == 0 || *max_strangers == 0),
            ("the handshake time-out", handshake.is_zero()),
            ("the header time-out", headers.is_zero()),
            ("the idle time-out", idle.is_zero()),
            ("the maximum age of a connection", max_connection_age.is_zero()),
            ("the certificate's poll interval", certificate_poll.is_zero()),
        ];
        checks.into_iter().find(|(_, is_zero)| *is_zero).map(|(name, _)| name)
    }
}

/// Limits for requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Bytes of a body that are read. An update carries two copies of an object, and
    /// `<` is escaped sixfold.
    pub body_bytes: usize,
    /// Bytes of a body that are kept; of a larger one only the beginning is.
    pub kept_body: usize,
    /// Bytes that bodies of up to a mebibyte may take together.
    pub small_bodies: usize,
    /// Bytes that larger ones may take together; they wait for each other.
    pub large_bodies: usize,
    /// How many reviews may be in flight; further ones wait for their place until their time-out.
    pub in_flight: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            body_bytes: 40 * MIB,
            kept_body: 20 * MIB,
            small_bodies: 16 * MIB,
            large_bodies: 40 * MIB,
            // One address may have 288 of them.
            in_flight: 384,
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A TLS handshake.
    pub handshake: Duration,
    /// A request's headers, from their first byte.
    pub headers: Duration,
    /// A connection without a request. The API server closes its own after 90
    /// seconds; closing before it does could cross with a review on its way.
    pub idle: Duration,
    /// A connection altogether, so that new replicas get their share of the load.
    pub max_connection_age: Duration,
    /// Serving on after the signal to shut down.
    pub drain: Duration,
    /// Answering what is in flight after that.
    pub finish: Duration,
    /// Between two reads of the certificate.
    pub certificate_poll: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            idle: Duration::from_mins(3),
            max_connection_age: Duration::from_mins(10),
            drain: Duration::from_secs(10),
            finish: Duration::from_secs(20),
            certificate_poll: Duration::from_secs(2),
        }
    }
}
