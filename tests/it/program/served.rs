//! `driftwall serve` in a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use driftwall::certs::{self, Pair};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::harness::common::commit_folder;
use crate::server::client::{Answer, Client, asking, connect, trust};

/// Nothing in these tests takes long; what takes this long hangs.
const HANG: Duration = Duration::from_mins(2);

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, work).await.unwrap()
}

/// The rest of a configuration: the usual source and presets.
pub(crate) const USUAL: &str = "presets: [argocd, flux]\nsources:\n  - {name: prod, repo: repo, revision: main, path: apps/prod, namespace: prod}\n";

/// A running server.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) pair: Pair,
    pub(crate) webhook: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) child: Child,
}

impl Served {
    /// Serves the recorded repository with `config` added to what every test needs.
    pub(crate) fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        commit_folder(&folder.path().join("repo"), Path::new("tests/data/reviews/git"));
        Self::begin(folder, config, &[])
    }

    pub(crate) fn begin(folder: TempDir, config: &str, arguments: &[&str]) -> Self {
        let pair = pair();
        store(&pair, folder.path());
        configure(folder.path(), config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftwall"));
        // No cluster that this machine happens to know.
        command.env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
        let kubeconfig = folder.path().join("kubeconfig");
        if kubeconfig.exists() {
            command.env("KUBECONFIG", kubeconfig);
        }
        let mut child = command
            .args(["serve", "--config"])
            .arg(folder.path().join("driftwall.yaml"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (webhook, admin) = addresses(child.stderr.take().unwrap());
        Self { folder, pair, webhook, admin, child }
    }

    pub(crate) fn configure(&self, config: &str) {
        configure(self.folder.path(), config);
    }

    pub(crate) fn repository(&self) -> git2::Repository {
        git2::Repository::open(self.folder.path().join("repo")).unwrap()
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = in_time(connect(self.webhook, trust(&[&self.pair]))).await.unwrap();
        in_time(Client::http1(stream)).await.unwrap()
    }

    /// Sends one review on a connection of its own; the response in the review that comes back.
    pub(crate) async fn ask(&self, review: &Value) -> Value {
        let answer = self.connect().await.must(asking("?timeout=10s", review)).await;
        response(answer, review)
    }

    /// A page of the admin port: its status and text.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let stream = TcpStream::connect(self.admin).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = axum::http::Request::get(path).header("host", "admin").body(String::new()).unwrap();
        let response = in_time(sender.send_request(request)).await.unwrap();
        let status = response.status().as_u16();
        let body = in_time(response.into_body().collect()).await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Waits until the server is ready.
    pub(crate) async fn ready(self) -> Self {
        self.until(async |served| served.page("/readyz").await.0 == 200).await;
        self
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, is_so: impl AsyncFn(&Self) -> bool) {
        in_time(async {
            while !is_so(self).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// The value of a metric, by the start of its line.
    pub(crate) async fn metric(&self, line: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        let found = text.lines().find_map(|there| there.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0.0)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended, as a test asked it to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The response of an answered review, which must be of that review.
pub(crate) fn response(mut answer: Answer, review: &Value) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["kind"], "AdmissionReview");
    assert_eq!(answer.body["response"]["uid"], review["request"]["uid"]);
    answer.body["response"].take()
}

pub(crate) fn pair() -> Pair {
    certs::make(&["localhost".to_owned()], 1).unwrap()
}

pub(crate) fn store(pair: &Pair, folder: &Path) {
    std::fs::write(folder.join("tls.crt"), &pair.cert).unwrap();
    std::fs::write(folder.join("tls.key"), &pair.key).unwrap();
}

fn configure(folder: &Path, config: &str) {
    let usual = "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ntls: {certFile: tls.crt, keyFile: tls.key}\n";
    let pace = if config.contains("git:") { "" } else { "git: {poll: 50ms}\n" };
    // As an editor does it: the file is never half there.
    std::fs::write(folder.join("new.yaml"), format!("{usual}{pace}{config}")).unwrap();
    std::fs::rename(folder.join("new.yaml"), folder.join("driftwall.yaml")).unwrap();
}

/// Where the server listens, as it says itself in its log.
fn addresses(log: ChildStderr) -> (SocketAddr, SocketAddr) {
    let mut lines = BufReader::new(log).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        if entry["message"] == "Serving" {
            let address = |name: &str| entry[name].as_str().unwrap().parse().unwrap();
            // The log must go on being read, or the server would wait for room in the pipe.
            std::thread::spawn(move || lines.for_each(drop));
            return (address("webhook"), address("admin"));
        }
    }
    panic!("the server ended before it served");
}
