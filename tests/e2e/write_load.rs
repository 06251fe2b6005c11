//! A steady load of writes, each with the answer that it must get, and counts of the answers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

use crate::cluster::TestCluster;
use crate::kubectl::Shell;
use crate::process::{report, wait_for};

/// The answers to the writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) allowed: usize,
    pub(crate) denied: usize,
    /// Drift that was allowed while all drift has to be.
    pub(crate) audited: usize,
    /// Drift that was allowed and should have been denied.
    pub(crate) missed: usize,
    /// Those of the above of which the API server has to send a review.
    pub(crate) reviewed: usize,
    /// Any other failure, as the client saw it.
    pub(crate) failed: Vec<String>,
}

/// The answer that drift has to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExpectedDrift {
    #[default]
    Denied,
    Allowed,
    /// Either, while the mode changes.
    Either,
}

/// How often the expectation has changed, and what it is.
type Phase = (usize, ExpectedDrift);

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    writes: AtomicUsize,
    phase: Mutex<Phase>,
    counts: Mutex<Counts>,
}

/// How many writes can be in flight at once.
pub(crate) const WRITERS: usize = 5;

/// Writers that go on until they are stopped.
pub(crate) struct WriteLoad {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<()>>,
    called: f64,
    failed: f64,
}

/// What somebody writes.
#[derive(Clone, Copy)]
struct Writer {
    is_drift: bool,
    /// Whether the API server sends reviews of it.
    is_reviewed: bool,
}

/// The result of a write.
enum WriteResult {
    Allowed,
    Denied,
    Failed(String),
}

impl WriteLoad {
    /// Starts the writers: a person with `kubectl` whose writes are allowed, one whose writes drift, and, faster,
    /// a controller, Argo CD, and a pipeline whose writes drift.
    pub(crate) fn start(cluster: &TestCluster) -> Self {
        let (called, failed) = webhook_calls(cluster);
        let mut load = Self { shared: Arc::default(), writers: Vec::new(), called, failed };
        let shell = &cluster.control_plane.shell;
        let conforms = Writer { is_drift: false, is_reviewed: true };
        let drifts = Writer { is_drift: true, is_reviewed: true };
        let controller = Writer { is_drift: false, is_reviewed: cluster.reviews_controllers() };
        load.person(shell, "kubectl annotate deployment web -n prod --overwrite note=$RANDOM", conforms);
        load.person(shell, "kubectl annotate deployment python-app-prod -n prod --overwrite owner=$RANDOM", drifts);
        let folder = cluster.path("");
        load.machine(&folder, "system:serviceaccount:kube-system:deployment-controller", controller);
        load.machine(&folder, "system:serviceaccount:argocd:argocd-application-controller", conforms);
        load.machine(&folder, "system:serviceaccount:ci:deployer", drifts);
        assert_eq!(load.writers.len(), WRITERS);
        load.wait_for_writes(50);
        load
    }

    /// Waits until this many more writes are answered.
    pub(crate) fn wait_for_writes(&self, writes: usize) {
        let goal = self.shared.writes.load(Ordering::Relaxed) + writes;
        wait_for("the load goes on", || (self.shared.writes.load(Ordering::Relaxed) >= goal).then_some(()));
    }

    /// Changes the answer that drift has to get. Writes in flight meanwhile may get either answer.
    pub(crate) fn change_expectation(&self, to: ExpectedDrift, change: impl FnOnce()) {
        self.shared.expect(ExpectedDrift::Either);
        change();
        self.shared.expect(to);
    }

    /// Stops the writers. Returns the answers, and how many calls of the webhook the API server made and saw fail.
    pub(crate) fn stop(self, cluster: &TestCluster) -> (Counts, f64, f64) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.join().unwrap();
        }
        let (called, failed) = webhook_calls(cluster);
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (called, failed) = (called - self.called, failed - self.failed);
        report(&format!("{counts:?}; {called} calls of the webhook, {failed} of them failed"));
        (counts, called, failed)
    }

    fn person(&mut self, shell: &Shell, script: &'static str, writer: Writer) {
        let (shared, shell) = (self.shared.clone(), shell.clone());
        self.writers.push(std::thread::spawn(move || {
            while !shared.stop.load(Ordering::Relaxed) {
                let phase = shared.phase();
                let run = shell.run("alice", script);
                let result = match run.answer() {
                    "allow" => WriteResult::Allowed,
                    "deny" => WriteResult::Denied,
                    _ => WriteResult::Failed(run.stderr),
                };
                shared.count(result, writer, phase);
            }
        }));
    }

    fn machine(&mut self, folder: &Path, user: &'static str, writer: Writer) {
        let shared = self.shared.clone();
        let file = folder.join("admin.config");
        self.writers.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = client(&file, user).await;
                while !shared.stop.load(Ordering::Relaxed) {
                    let phase = shared.phase();
                    let result = if writer.is_drift { drift(&client).await } else { touch(&client).await };
                    shared.count(result, writer, phase);
                    // Machines with two processors have to keep up.
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            });
        }));
    }
}

impl Shared {
    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, drift: ExpectedDrift) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = (phase.0 + 1, drift);
    }

    fn count(&self, result: WriteResult, writer: Writer, phase: Phase) {
        let expected = if self.phase() == phase { phase.1 } else { ExpectedDrift::Either };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.reviewed += usize::from(writer.is_reviewed && !matches!(result, WriteResult::Failed(_)));
        match (result, expected) {
            (WriteResult::Failed(reason), _) => counts.failed.push(reason),
            (WriteResult::Allowed, _) if !writer.is_drift => counts.allowed += 1,
            (WriteResult::Denied, _) if !writer.is_drift => counts.failed.push("denied, and no drift".into()),
            (WriteResult::Denied, ExpectedDrift::Denied) => counts.denied += 1,
            (WriteResult::Denied, ExpectedDrift::Allowed) => counts.failed.push("denied in audit mode".into()),
            (WriteResult::Allowed, ExpectedDrift::Denied) => counts.missed += 1,
            (WriteResult::Allowed, ExpectedDrift::Allowed) => counts.audited += 1,
            (_, ExpectedDrift::Either) => {}
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
    }
}

async fn client(file: &Path, user: &str) -> Client {
    let file = Kubeconfig::read_from(file).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    // A failure is to be seen, not retried.
    config.default_retry = false;
    let namespace = user.split(':').nth(2).unwrap();
    config.auth_info.impersonate = Some(user.to_owned());
    let namespaced = format!("system:serviceaccounts:{namespace}");
    config.auth_info.impersonate_groups =
        Some(vec!["system:masters".into(), "system:serviceaccounts".into(), namespaced]);
    Client::try_from(config).unwrap()
}

/// A write to a field that Git does not declare.
async fn touch(client: &Client) -> WriteResult {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"touched": jiff::Timestamp::now().to_string()}}}));
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), "prod");
    write_result(config_maps.patch("app-config", &PatchParams::default(), &patch).await)
}

/// A write of an owner that is not Git's, and a new one each time: the same value again would change nothing.
/// Where it is allowed, it rolls no pods.
async fn drift(client: &Client) -> WriteResult {
    let owner = format!("somebody-{}", jiff::Timestamp::now().as_microsecond());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"owner": owner}}}));
    let deployments = Api::<Deployment>::namespaced(client.clone(), "prod");
    write_result(deployments.patch("python-app-prod", &PatchParams::default(), &patch).await)
}

fn write_result<T>(result: kube::Result<T>) -> WriteResult {
    match result {
        Ok(_) => WriteResult::Allowed,
        Err(error) if error.to_string().contains("denied the request: ") => WriteResult::Denied,
        Err(error) => WriteResult::Failed(error.to_string()),
    }
}

/// How often the API server called the webhook so far, and how often it could not.
pub(crate) fn webhook_calls(cluster: &TestCluster) -> (f64, f64) {
    let page = cluster.control_plane.admin("kubectl get --raw /metrics");
    let sum = |name: &str, label: &str| {
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let called = sum("apiserver_admission_webhook_admission_duration_seconds_count", "writes.driftwall.io");
    let failed = ["calling_webhook_error", "apiserver_internal_error"]
        .map(|kind| sum("apiserver_admission_webhook_rejection_count", &format!("error_type=\"{kind}\"")));
    (called, failed.iter().sum())
}
