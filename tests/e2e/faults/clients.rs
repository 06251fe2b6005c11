//! Clients of the replicas beside the API server: as many, as slow or as idle as they can be.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cluster::{TestCluster, WEBHOOK_CONFIG};
use crate::common::recordings;
use crate::load_balancer::http_get;
use crate::process::report;

use super::stage::registered_paths;

/// The replicas as their clients know them.
#[derive(Clone)]
struct Target {
    addresses: Vec<SocketAddr>,
    path: String,
    tls: Arc<ClientConfig>,
}

impl Target {
    fn of(cluster: &TestCluster) -> Self {
        let bundle = format!("kubectl get {WEBHOOK_CONFIG} -o jsonpath='{{.webhooks[0].clientConfig.caBundle}}'");
        let bundle = cluster.control_plane.admin(&bundle);
        let bundle = base64::prelude::BASE64_STANDARD.decode(bundle).unwrap();
        let mut roots = RootCertStore::empty();
        for ca in CertificateDer::pem_slice_iter(&bundle) {
            roots.add(ca.unwrap()).unwrap();
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let path = registered_paths(cluster).pop_first().unwrap();
        Self { addresses: cluster.replicas.webhook_addresses(), path, tls: Arc::new(tls) }
    }

    /// A connection from another address of this machine than the API server's.
    async fn connect(address: SocketAddr, from: u8) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0)))?;
        socket.connect(address).await
    }

    async fn connect_tls(
        &self,
        address: SocketAddr,
        from: u8,
        has_http2: bool,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut tls = ClientConfig::clone(&self.tls);
        if !has_http2 {
            tls.alpn_protocols.clear();
        }
        let name = ServerName::try_from("driftwall.driftwall.svc").unwrap();
        TlsConnector::from(Arc::new(tls)).connect(name, Self::connect(address, from).await?).await
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Reviews of drift, sent by others than the API server: again and again, what the replicas can answer in half a second
/// comes at three times that pace.
pub(super) struct Flood {
    stop: Arc<AtomicBool>,
    sending: std::thread::JoinHandle<Sent>,
    probing: std::thread::JoinHandle<Probed>,
}

/// Probes of the replicas meanwhile.
#[derive(Default)]
struct Probed {
    answered: usize,
    not_ready: usize,
    longest: Duration,
}

/// What became of them.
#[derive(Default)]
struct Sent {
    /// How many at once.
    burst: usize,
    bursts: usize,
    /// How long a burst took until all were answered.
    longest: Duration,
    denied: usize,
    /// What is no denial.
    other: Vec<String>,
}

type Sender = http2::SendRequest<Full<Bytes>>;
type Answer = hyper::Result<(hyper::StatusCode, Bytes)>;

/// Each has its share of a replica, and opens another connection when it has many questions.
const API_SERVERS: u8 = 4;
const CONNECTIONS: u8 = 4 * API_SERVERS;
const TIMES: usize = 3;
/// More than replicas take at once, and no more than a small machine can send.
const MAX_BURST: usize = 3000;
/// How many are asked at once to see how many are answered: more than the replicas have threads.
const MEASURED: usize = 128;

impl Flood {
    pub(super) fn start(cluster: &TestCluster) -> Self {
        let (target, runtime) = (Target::of(cluster), runtime());
        let mut senders = Vec::new();
        for connection in 0..CONNECTIONS {
            for &address in &target.addresses {
                // A replica speaks HTTP/2 over so many connections only, and the API server has some of them.
                let stream = target.connect_tls(address, 2 + connection % API_SERVERS, true);
                let Ok(stream) = runtime.block_on(stream) else { continue };
                let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
                let (sender, connection) = runtime.block_on(shaken).unwrap();
                runtime.spawn(connection);
                senders.push(sender);
            }
        }
        assert!(senders.len() >= target.addresses.len() * usize::from(API_SERVERS), "{} connections", senders.len());
        let actions = recordings::lines("actions.jsonl.gz");
        let is_scaling = |action: &&Value| action["action"] == "patch-replicas-7" && action["actor"] == "person";
        let review = actions.iter().find(is_scaling).expect("alice scales")["review"].to_string();
        let request = Arc::new((target.path, review));
        let stop = Arc::<AtomicBool>::default();
        let is_over = stop.clone();
        let sending = std::thread::spawn(move || runtime.block_on(send_bursts(&senders, &request, &is_over)));
        let admins: Vec<_> = cluster.replicas.admin_addresses().into_iter().map(str::to_owned).collect();
        let is_over = stop.clone();
        let probing = std::thread::spawn(move || probe(&admins, &is_over));
        Self { stop, sending, probing }
    }

    /// Each of these reviews was answered as well, with a denial.
    pub(super) fn stop_and_check(self) {
        self.stop.store(true, Ordering::Relaxed);
        let Sent { burst, bursts, longest, denied, other } = self.sending.join().unwrap();
        let longest = longest.as_secs_f64();
        report(&format!(
            "beside the API server, {denied} reviews in {bursts} bursts of {burst} were denied, {} not; a burst took {longest:.1} s at most",
            other.len()
        ));
        let Probed { answered, not_ready, longest } = self.probing.join().unwrap();
        report(&format!("{answered} probes meanwhile, the slowest took {:.2} s", longest.as_secs_f64()));
        assert!(answered > 0 && not_ready == 0, "{not_ready} probes failed, {answered} did not");
        assert!(bursts > 0 && denied > 0, "{bursts} bursts, {denied} denied");
        assert!(other.is_empty(), "{:?}", &other[..other.len().min(5)]);
    }
}

fn probe(admins: &[String], is_over: &AtomicBool) -> Probed {
    let mut probed = Probed::default();
    while !is_over.load(Ordering::Relaxed) {
        for admin in admins {
            let begun = Instant::now();
            let is_ready = http_get(admin, "/readyz").starts_with("HTTP/1.1 200");
            *(if is_ready { &mut probed.answered } else { &mut probed.not_ready }) += 1;
            probed.longest = probed.longest.max(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    probed
}

async fn send_bursts(senders: &[Sender], request: &Arc<(String, String)>, is_over: &AtomicBool) -> Sent {
    // The first ones wait for a sync of their own; those of a loop do not.
    for _ in 0..3 {
        ask_all(senders, senders.len(), request).await;
    }
    let begun = Instant::now();
    let mut answered = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        answered += ask_all(senders, MEASURED, request).await.len();
    }
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few")]
    let in_half_a_second = (answered as f64 / begun.elapsed().as_secs_f64() / 2.0) as usize;
    let burst = (TIMES * in_half_a_second).clamp(senders.len(), MAX_BURST);
    let mut sent = Sent { burst, ..Sent::default() };
    while sent.bursts == 0 || !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        for answer in ask_all(senders, burst, request).await {
            match answer {
                Ok((status, body)) if status == 200 && body.windows(15).any(|part| part == b"\"allowed\":false") => {
                    sent.denied += 1;
                }
                other => sent.other.push(format!("{other:?}")),
            }
        }
        sent.bursts += 1;
        sent.longest = sent.longest.max(begun.elapsed());
    }
    sent
}

/// Sends so many reviews at once, and waits for all answers.
async fn ask_all(senders: &[Sender], number: usize, request: &Arc<(String, String)>) -> Vec<Answer> {
    let mut tasks = JoinSet::new();
    for sender in senders.iter().cycle().take(number) {
        tasks.spawn(ask(sender.clone(), request.clone()));
    }
    tasks.join_all().await
}

async fn ask(mut sender: Sender, request: Arc<(String, String)>) -> Answer {
    let (path, review) = &*request;
    let request = hyper::Request::post(format!("https://driftwall.driftwall.svc{path}?timeout=5s"))
        .header("content-type", "application/json")
        .body(Full::from(review.clone()))
        .unwrap();
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    Ok((answer.status(), answer.into_body().collect().await?.to_bytes()))
}

/// Connections that are kept open until they are stopped.
pub(super) struct IdleConnections {
    runtime: Runtime,
    open: Vec<TcpStream>,
    handshaken: Vec<TlsStream<TcpStream>>,
}

impl IdleConnections {
    pub(super) fn start(cluster: &TestCluster) -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
        let (target, runtime) = (Target::of(cluster), runtime());
        let (mut open, mut handshaken) = (Vec::new(), Vec::new());
        runtime.block_on(async {
            for &address in &target.addresses {
                for number in 0..1500_u16 {
                    // From more addresses than have a share each.
                    let from = 2 + u8::try_from(number % 16).unwrap();
                    if number % 5 == 0 {
                        handshaken.extend(target.connect_tls(address, from, false).await);
                    } else {
                        open.extend(Target::connect(address, from).await);
                    }
                }
            }
        });
        Self { runtime, open, handshaken }
    }

    pub(super) fn stop(self) {
        let Self { runtime, open, handshaken } = self;
        report(&format!(
            "{} connections were opened, {} of them with TLS",
            open.len() + handshaken.len(),
            handshaken.len()
        ));
        assert!(open.len() > 2000 && handshaken.len() > 500, "{} and {}", open.len(), handshaken.len());
        drop((open, handshaken));
        drop(runtime);
    }
}

/// Clients that send a byte now and then.
pub(super) struct SlowClients {
    runtime: Runtime,
    stop: Arc<AtomicBool>,
}

impl SlowClients {
    pub(super) fn start(cluster: &TestCluster) -> Self {
        let (target, runtime) = (Target::of(cluster), runtime());
        let stop = Arc::<AtomicBool>::default();
        for &address in &target.addresses {
            for number in 0..300_u16 {
                let from = 2 + u8::try_from(number % 2).unwrap();
                runtime.spawn(dawdle(target.clone(), address, from, number, stop.clone()));
            }
        }
        Self { runtime, stop }
    }

    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.runtime);
    }
}

/// Begins a handshake, a request's head or, at the right path, its body; never ends it.
async fn dawdle(target: Target, address: SocketAddr, from: u8, number: u16, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: driftwall\r\ncontent-type: application/json\r\ncontent-length: 900000\r\n",
            target.path
        );
        let _ = match number % 3 {
            0 => match Target::connect(address, from).await {
                Ok(stream) => drip(stream, &[22, 3, 1, 2, 0], &stop).await,
                Err(error) => Err(error),
            },
            kind => match target.connect_tls(address, from, false).await {
                Ok(stream) if kind == 1 => drip(stream, head.as_bytes(), &stop).await,
                Ok(stream) => drip(stream, format!("{head}\r\n{{").as_bytes(), &stop).await,
                Err(error) => Err(error),
            },
        };
    }
}

/// Sends the beginning at once, and then a byte every now and then until the server has had enough.
async fn drip(mut stream: impl tokio::io::AsyncWrite + Unpin, begin: &[u8], stop: &AtomicBool) -> std::io::Result<()> {
    stream.write_all(begin).await?;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(b"x").await?;
        stream.flush().await?;
    }
    Ok(())
}
