//! A running server whose reviewer and sources are stubs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use driftwall::certs::ServingCertificate;
use driftwall::server::{
    CertificateSource, HeadReason, ReviewPlace, ReviewResponse, Reviewer, Server, ServerError, ServerSettings,
};
use driftwall::telemetry::{Health, Metrics, MirrorHealth, ReviewLabels, SourceHealth};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::harness::http_client::{Client, connect, get_metric, get_page, localhost_pair, trusting};
use crate::harness::waiting::eventually;

pub(crate) const LABELS: ReviewLabels =
    ReviewLabels { verdict: "none", actor: "person", answer: "allow", mode: "enforce" };

/// Answers as the body's `do` says: at once (absent), `hold` (until the gate opens),
/// `block` (its thread), `panic` or `garbage` (answered as no review).
pub(crate) struct StubReviewer {
    pub(crate) started: AtomicUsize,
    pub(crate) gate: Semaphore,
}

impl Reviewer for StubReviewer {
    fn review_at_once(&self, _: &Bytes) -> Option<ReviewResponse> {
        None
    }

    async fn review(&self, body: Bytes, deadline: Instant, _place: ReviewPlace) -> ReviewResponse {
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

    fn review_head(&self, start: &[u8], _: HeadReason, _: Instant) -> ReviewResponse {
        reviewed(&json!({"uid": "head", "kept": start.len()}), Some(LABELS))
    }

    fn overdue(&self, body: &Bytes) -> ReviewResponse {
        let body: Value = serde_json::from_slice(body).unwrap();
        reviewed(&json!({"uid": body["uid"], "overdue": true}), Some(LABELS))
    }
}

fn reviewed(body: &Value, labels: Option<ReviewLabels>) -> ReviewResponse {
    let status = if labels.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    ReviewResponse { status, body: body.to_string().into_bytes(), labels, drift: None }
}

#[derive(Default)]
pub(crate) struct StubHealth {
    pub(crate) waiting: Mutex<Vec<String>>,
}

impl Health for StubHealth {
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
            contested_objects: Vec::new(),
            skipped: Vec::new(),
        }]
    }

    fn mirrors(&self) -> Vec<MirrorHealth> {
        Vec::new()
    }
}

/// A folder of certificates as Kubernetes mounts a Secret: the files are links
/// through `..data`, which is swapped as a whole.
pub(crate) struct MountedSecret {
    dir: TempDir,
}

impl MountedSecret {
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

    /// Replaces all files at once, as the kubelet does.
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

/// The files of a mounted TLS Secret.
pub(crate) fn pair_files(pair: &ServingCertificate) -> [(&str, &str); 2] {
    [("tls.crt", &pair.cert), ("tls.key", &pair.key)]
}

type Signal = Mutex<Option<oneshot::Sender<()>>>;

/// A running server.
pub(crate) struct TestServer {
    pub(crate) webhook: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) stub: Arc<StubReviewer>,
    pub(crate) sources: Arc<StubHealth>,
    pub(crate) pair: ServingCertificate,
    pub(crate) mount: MountedSecret,
    shutdown: Signal,
    at_once: Signal,
    pub(crate) task: JoinHandle<Result<(), ServerError>>,
}

/// Starts a server with the usual settings.
pub(crate) async fn start_server() -> TestServer {
    start_server_with(|_, _| {}).await
}

/// Starts a server whose settings a test changes first.
pub(crate) async fn start_server_with(tune: impl FnOnce(&mut ServerSettings, &MountedSecret)) -> TestServer {
    let pair = localhost_pair();
    let mount = MountedSecret::new(&pair_files(&pair));
    let mut settings = settings(&mount);
    tune(&mut settings, &mount);
    let stub = Arc::new(StubReviewer { started: AtomicUsize::new(0), gate: Semaphore::new(0) });
    let sources = Arc::new(StubHealth::default());
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
    TestServer {
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

/// Free ports, the mounted certificate, and frequent checks for a new one.
pub(crate) fn settings(mount: &MountedSecret) -> ServerSettings {
    let mut settings =
        ServerSettings::new(CertificateSource::Files { cert: mount.path("tls.crt"), key: mount.path("tls.key") });
    settings.listen = (Ipv4Addr::LOCALHOST, 0).into();
    settings.admin = (Ipv4Addr::LOCALHOST, 0).into();
    settings.timeouts.certificate_poll = Duration::from_millis(50);
    settings
}

impl TestServer {
    pub(crate) fn trusting_client(&self) -> ClientConfig {
        trusting(&[&self.pair])
    }

    pub(crate) async fn http1(&self) -> Client {
        let stream = connect(self.webhook, self.trusting_client()).await.unwrap();
        Client::http1(stream).await.unwrap()
    }

    pub(crate) async fn http2(&self) -> Client {
        let mut config = self.trusting_client();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = connect(self.webhook, config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Client::http2(stream).await.unwrap()
    }

    /// The first signal: drain.
    pub(crate) fn signal_once(&self) {
        send(&self.shutdown);
    }

    /// The second signal: end at once.
    pub(crate) fn signal_twice(&self) {
        send(&self.at_once);
    }

    /// A page of the admin port.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        get_page(self.admin, path).await
    }

    /// The value of one series of the metrics; none where it is absent.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        get_metric(self.admin, series).await
    }

    pub(crate) async fn wait_for_metric(&self, series: &str, want: f64) {
        eventually(series, async || self.metric(series).await == Some(want)).await;
    }

    pub(crate) async fn wait_for_reviews(&self, want: usize) {
        eventually("reviews started", async || self.stub.started.load(Ordering::SeqCst) >= want).await;
    }
}

fn send(signal: &Signal) {
    signal.lock().unwrap().take().unwrap().send(()).unwrap();
}
