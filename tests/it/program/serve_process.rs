//! A process of `driftwall serve` in a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};

use driftwall::certs::ServingCertificate;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::git::commit_folder;
use crate::harness::http_client::{
    Answer, Client, connect, get_metric, get_page, localhost_pair, review_request, trusting,
};
use crate::harness::waiting::{eventually, in_time};

/// The rest of a configuration: the recorded repository as source `prod`, and the presets.
pub(crate) const PROD_SOURCE: &str = "\
presets: [argocd, flux]
sources:
  - {name: prod, repo: repo, revision: main, path: apps/prod, namespace: prod}
";

/// A running process.
pub(crate) struct ServeProcess {
    pub(crate) folder: TempDir,
    pub(crate) pair: ServingCertificate,
    pub(crate) webhook: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) child: Child,
    /// The lines that it has logged since it serves.
    log: Arc<Mutex<Vec<Value>>>,
}

impl ServeProcess {
    /// Serves the recorded repository with `config` added to what every test needs.
    pub(crate) fn with_config(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        commit_folder(&folder.path().join("repo"), Path::new("tests/data/reviews/git"));
        Self::start(folder, config, &[])
    }

    pub(crate) fn start(folder: TempDir, config: &str, arguments: &[&str]) -> Self {
        let pair = localhost_pair();
        write_pair(&pair, folder.path());
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
        let log = Arc::default();
        let (webhook, admin) = addresses(child.stderr.take().unwrap(), &log);
        Self { folder, pair, webhook, admin, child, log }
    }

    pub(crate) fn configure(&self, config: &str) {
        configure(self.folder.path(), config);
    }

    pub(crate) fn repository(&self) -> git2::Repository {
        git2::Repository::open(self.folder.path().join("repo")).unwrap()
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = in_time(connect(self.webhook, trusting(&[&self.pair]))).await.unwrap();
        in_time(Client::http1(stream)).await.unwrap()
    }

    /// Sends one review on a connection of its own; the response in the review that comes back.
    pub(crate) async fn review(&self, review: &Value) -> Value {
        let answer = self.connect().await.expect_answer(review_request("?timeout=10s", review)).await;
        response(answer, review)
    }

    /// A page of the admin port: its status and text.
    pub(crate) async fn admin_page(&self, path: &str) -> (u16, String) {
        let (status, _, text) = get_page(self.admin, path).await;
        (status.as_u16(), text)
    }

    /// Waits until the server is ready.
    pub(crate) async fn until_ready(self) -> Self {
        self.until(async |server| server.admin_page("/readyz").await.0 == 200).await;
        self
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, holds: impl AsyncFn(&Self) -> bool) {
        eventually("the condition", async || holds(self).await).await;
    }

    /// The value of one series of the metrics; 0 where it is absent.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        get_metric(self.admin, series).await.unwrap_or(0.0)
    }

    /// What a field says in each line of the log that has this message.
    pub(crate) fn logged(&self, message: &str, field: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().filter(|line| line["message"] == message);
        lines.map(|line| line[field].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for ServeProcess {
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

/// Writes a certificate and its key where the configuration names them.
pub(crate) fn write_pair(pair: &ServingCertificate, folder: &Path) {
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
fn addresses(log: ChildStderr, kept: &Arc<Mutex<Vec<Value>>>) -> (SocketAddr, SocketAddr) {
    let mut lines = BufReader::new(log).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        if entry["message"] == "Serving" {
            let address = |name: &str| entry[name].as_str().unwrap().parse().unwrap();
            // The log must go on being read, or the server would wait for room in the pipe.
            let kept = Arc::clone(kept);
            std::thread::spawn(move || {
                for line in lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
                    kept.lock().unwrap().push(line);
                }
            });
            return (address("webhook"), address("admin"));
        }
    }
    panic!("the server ended before it server");
}
