//! Sends reviews over HTTP/1.1 keep-alive connections with TLS, as an API server does, and measures the answers.
//!
//! A thread for each connection: a timer of an asynchronous runtime would be a millisecond late.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::reviews::{Load, Review, uid};

/// Where reviews are sent to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The CA that signed its certificate, as PEM.
    pub(crate) ca: String,
}

/// How reviews are sent.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) connections: usize,
    /// Reviews a second. `None` is a closed loop: each connection sends when it has its answer.
    pub(crate) rate: Option<f64>,
    pub(crate) duration: Duration,
    /// The most reviews that are sent.
    pub(crate) reviews: usize,
}

/// What was answered.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    /// Each review's, in no order. In an open loop they count from when the review was to be sent: what waits
    /// because an earlier one is slow is not left out.
    pub(crate) latencies: Vec<Duration>,
    /// How many were denied.
    pub(crate) denied: usize,
    /// How many got another answer than they must.
    pub(crate) wrong: usize,
    /// From the first review to the last answer.
    pub(crate) elapsed: Duration,
}

impl Answers {
    /// Adds another run's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.latencies.extend_from_slice(&other.latencies);
        self.denied += other.denied;
        self.wrong += other.wrong;
        self.elapsed += other.elapsed;
    }

    /// Answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        count(self.latencies.len()) / self.elapsed.as_secs_f64()
    }

    /// The latencies below which these shares of all are. Sorts them.
    pub(crate) fn quantiles<const N: usize>(&mut self, shares: [f64; N]) -> [Duration; N] {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index between 0 and `last`")]
        let at = |share: f64| (count(last) * share).round() as usize;
        shares.map(|share| self.latencies.get(at(share)).copied().unwrap_or_default())
    }
}

/// A number of things as a factor.
#[expect(clippy::cast_precision_loss, reason = "nothing here is counted beyond 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

/// Sends a load and returns what was answered. Every connection is open before the first review is sent.
pub(crate) fn send(target: &Target, load: &Load, run: Run) -> anyhow::Result<Answers> {
    let config = Arc::new(client_config(&target.ca)?);
    let mut connections = Vec::new();
    for _ in 0..run.connections {
        connections.push(Connection::open(target.address, &config)?);
    }
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let mut all = Answers::default();
    thread::scope(|scope| -> anyhow::Result<()> {
        let next = &next;
        let sending: Vec<_> = connections
            .into_iter()
            .map(|connection| scope.spawn(move || send_on(connection, load, run, next, start)))
            .collect();
        for sent in sending {
            all.add(&sent.join().map_err(|_| anyhow!("failed to send reviews: a thread panicked"))??);
        }
        Ok(())
    })?;
    all.elapsed = start.elapsed();
    Ok(all)
}

fn send_on(
    mut connection: Connection,
    load: &Load,
    run: Run,
    next: &AtomicUsize,
    start: Instant,
) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = run.rate.map(|rate| start + Duration::from_secs_f64(count(number) / rate));
        let begin = due.unwrap_or_else(Instant::now);
        if number >= run.reviews || begin.duration_since(start) >= run.duration {
            return Ok(answers);
        }
        thread::sleep(begin.saturating_duration_since(Instant::now()));
        let review = &load.reviews[number % load.reviews.len()];
        let answer = connection.post(review, number)?;
        answers.latencies.push(begin.elapsed());
        let is_allowed = contains(answer, br#""allowed":true"#);
        ensure!(contains(answer, uid(number).as_bytes()), "failed to find the review's uid in its answer");
        answers.denied += usize::from(!is_allowed);
        answers.wrong += usize::from(is_allowed != review.is_allowed);
    }
}

struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    request: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).with_context(|| format!("failed to connect to {address}"))?;
        socket.set_nodelay(true)?;
        let session = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).context("failed to shake hands")?;
        }
        Ok(Self { stream, request: Vec::new(), received: Vec::new() })
    }

    /// Sends a review with the uid of `number`, and returns the body of the answer.
    fn post(&mut self, review: &Review, number: usize) -> anyhow::Result<&[u8]> {
        self.request.clear();
        write!(
            self.request,
            "POST /validate?timeout=10s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-apiserver-admission\r\n\
             Content-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\r\n",
            review.len()
        )?;
        review.write_to(number, &mut self.request);
        self.stream.write_all(&self.request)?;
        self.stream.flush()?;
        self.received.clear();
        let mut part = [0; 16 * 1024];
        loop {
            if let Some(body_at) = position(&self.received, b"\r\n\r\n").map(|at| at + 4) {
                let length = content_length(&self.received[..body_at])?;
                if self.received.len() >= body_at + length {
                    ensure!(self.received.starts_with(b"HTTP/1.1 200"), "failed to get a review answered: {}", {
                        String::from_utf8_lossy(&self.received)
                    });
                    return Ok(&self.received[body_at..]);
                }
            }
            let length = self.stream.read(&mut part)?;
            ensure!(length > 0, "failed to read an answer: the connection was closed");
            self.received.extend_from_slice(&part[..length]);
        }
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = str::from_utf8(head)?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.context("failed to find the length of an answer")?.1.trim().parse()?)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    position(text, part).is_some()
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn client_config(ca: &str) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
