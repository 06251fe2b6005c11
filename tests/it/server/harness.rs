//! A running server with a stub behind it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use driftwall::certs::{self, Pair};
use driftwall::server::{
    CertificateSource, Health, ReviewLabels, ReviewResponse, Reviewer, ServeError, Server, Settings, SourceHealth,
};
use driftwall::telemetry::Metrics;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::server::client::{Client, connect, trust};

/// Nothing in these tests takes long; what takes this long hangs.
pub(crate) const HANG: Duration = Duration::from_mins(1);

pub(crate) const LABELS: ReviewLabels =
    ReviewLabels { verdict: "none", actor: "person", answer: "allow", mode: "enforce" };

/// Answers by what the body asks for: `do` is absent, `hold` (until let go),
/// `block` (its thread), `panic` or `garbage`.
pub(crate) struct Stub {
    pub(crate) started: AtomicUsize,
    pub(crate) gate: Semaphore,
}

impl Reviewer for Stub {
    async fn review(&self, body: Bytes, deadline: Instant) -> ReviewResponse {
        self.started.fetch_add(1, Ordering::SeqCst);
        let left = deadline.saturating_duration_since(Instant::now());
        let body: Value = serde_json::from_slice(&body).unwrap();
        match body["do"].as_str() {
            Some("hold") => self.gate.acquire().await.unwrap().forget(),
            Some("block") => std::thread::sleep(Duration::from_secs(2)),
            Some("panic") => panic!("as asked"),
            _ => {}
        }
        let labels = (body["do"] != "garbage").then_some(LABELS);
        let left = u64::try_from(left.as_millis()).unwrap();
        reviewed(&json!({"uid": body["uid"], "left": left}), labels)
    }

    fn overdue(&self, body: &Bytes) -> ReviewResponse {
        let body: Value = serde_json::from_slice(body).unwrap();
        reviewed(&json!({"uid": body["uid"], "overdue": true}), Some(LABELS))
    }
}

fn reviewed(body: &Value, labels: Option<ReviewLabels>) -> ReviewResponse {
    ReviewResponse { status: StatusCode::OK, body: body.to_string().into_bytes(), labels }
}

#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) waiting: Mutex<Vec<String>>,
}

impl Health for Sources {
    fn waiting_sources(&self) -> Vec<String> {
        self.waiting.lock().unwrap().clone()
    }

    fn sources(&self) -> Vec<SourceHealth> {
        vec![SourceHealth {
            name: "prod".into(),
            repo: "https://example.org/acme/gitops".into(),
            revision: "main".into(),
            commit: "c0ffee".into(),
            objects: 3,
            age: Some(Duration::from_secs(2)),
            polls: 1,
            error: None,
            disputed_fields: Vec::new(),
        }]
    }
}

/// A folder of certificates as Kubernetes mounts a Secret: the files are links
/// through `..data`, which is swapped as a whole.
pub(crate) struct Mount {
    dir: TempDir,
}

impl Mount {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mount = Self { dir: TempDir::new().unwrap() };
        mount.swap(files);
        for (name, _) in files {
            let link = mount.path(name);
            symlink(Path::new("..data").join(name), link).unwrap();
        }
        mount
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn swap(&self, files: &[(&str, &str)]) {
        let next = TempDir::new_in(self.dir.path()).unwrap().keep();
        for (name, text) in files {
            fs::write(next.join(name), text).unwrap();
        }
        let link = self.path("..data_tmp");
        symlink(next.file_name().unwrap(), &link).unwrap();
        fs::rename(link, self.path("..data")).unwrap();
    }
}

pub(crate) fn pair() -> Pair {
    certs::make(&["localhost".into(), "127.0.0.1".into()], 1).unwrap()
}

pub(crate) fn files(pair: &Pair) -> [(&str, &str); 2] {
    [("tls.crt", &pair.cert), ("tls.key", &pair.key)]
}

type Signal = Mutex<Option<oneshot::Sender<()>>>;

/// A server that serves.
pub(crate) struct ConfigReloader {
    pub(crate) webhook: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) stub: Arc<Stub>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) pair: Pair,
    pub(crate) mount: Mount,
    shutdown: Signal,
    at_once: Signal,
    pub(crate) task: JoinHandle<Result<(), ServeError>>,
}

pub(crate) async fn start() -> ConfigReloader {
    start_with(|_, _| {}).await
}

pub(crate) async fn start_with(tune: impl FnOnce(&mut Settings, &Mount)) -> ConfigReloader {
    let pair = pair();
    let mount = Mount::new(&files(&pair));
    let mut settings = settings(&mount);
    tune(&mut settings, &mount);
    let stub = Arc::new(Stub { started: AtomicUsize::new(0), gate: Semaphore::new(0) });
    let sources = Arc::new(Sources::default());
    let metrics = Arc::new(Metrics::new());
    let server = Server::bind(settings, stub.clone(), sources.clone(), metrics).await.unwrap();
    let (webhook, admin) = (server.webhook_address(), server.admin_address());
    let (shutdown, first) = oneshot::channel();
    let (at_once, second) = oneshot::channel();
    // A dropped sender is no signal.
    let signal = async |signal: oneshot::Receiver<()>| {
        if signal.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let task = tokio::spawn(async move { server.run(signal(first), signal(second)).await });
    ConfigReloader {
        webhook,
        admin,
        stub,
        sources,
        pair,
        mount,
        shutdown: Mutex::new(Some(shutdown)),
        at_once: Mutex::new(Some(at_once)),
        task,
    }
}

/// Free ports, a mounted pair, and a quick look at its changes.
pub(crate) fn settings(mount: &Mount) -> Settings {
    let mut settings =
        Settings::new(CertificateSource::Files { cert: mount.path("tls.crt"), key: mount.path("tls.key") });
    settings.listen = (Ipv4Addr::LOCALHOST, 0).into();
    settings.admin = (Ipv4Addr::LOCALHOST, 0).into();
    settings.times.certificate_look = Duration::from_millis(50);
    settings
}

impl ConfigReloader {
    pub(crate) fn trust(&self) -> ClientConfig {
        trust(&[&self.pair])
    }

    pub(crate) async fn http1(&self) -> Client {
        let stream = connect(self.webhook, self.trust()).await.unwrap();
        Client::http1(stream).await.unwrap()
    }

    pub(crate) async fn http2(&self) -> Client {
        let mut config = self.trust();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = connect(self.webhook, config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Client::http2(stream).await.unwrap()
    }

    pub(crate) fn shut_down(&self) {
        give(&self.shutdown);
    }

    pub(crate) fn end_at_once(&self) {
        give(&self.at_once);
    }

    /// Asks the admin port.
    pub(crate) async fn ask(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        let stream = TcpStream::connect(self.admin).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(path).header("host", "localhost").body(Full::<Bytes>::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (parts.status, parts.headers, text)
    }

    /// The value of one series; none where it is not there.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let (_, _, text) = self.ask("/metrics").await;
        text.lines().find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            (name == series).then(|| value.parse().unwrap())
        })
    }

    pub(crate) async fn metric_reaches(&self, series: &str, want: f64) {
        eventually(series, async || self.metric(series).await == Some(want)).await;
    }

    pub(crate) async fn started(&self, want: usize) {
        eventually("reviews started", async || self.stub.started.load(Ordering::SeqCst) >= want).await;
    }
}

fn give(signal: &Signal) {
    signal.lock().unwrap().take().unwrap().send(()).unwrap();
}

/// Waits for something that comes to be by itself.
pub(crate) async fn eventually(what: &str, check: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !check().await {
        assert!(begun.elapsed() < HANG, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it should not hang")
}
