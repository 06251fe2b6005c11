//! A steady load of writes, each with the answer that it must get, and a count of all that they got.

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

use crate::cluster::Stage;
use crate::kubectl::Shell;
use crate::process::{say, until};

/// What came of the writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) allowed: usize,
    pub(crate) denied: usize,
    /// Drift that passed while nothing was to be denied.
    pub(crate) audited: usize,
    /// Those that passed and should have been denied.
    pub(crate) passed: usize,
    /// What a client saw of any other failure.
    pub(crate) failed: Vec<String>,
}

/// What is to become of drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Drift {
    #[default]
    Denied,
    Passes,
    /// The one or the other, in the middle of a change.
    Either,
}

/// How often it changed what is to become of drift, and to what.
type Phase = (usize, Drift);

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    writes: AtomicUsize,
    phase: Mutex<Phase>,
    counts: Mutex<Counts>,
}

/// How many writes can be under way at once.
pub(crate) const WRITERS: usize = 5;

/// Writers that go on until they are told to end.
pub(crate) struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<()>>,
    called: f64,
    failed: f64,
}

/// How a write ended.
enum Ended {
    Passed,
    Denied,
    Failed(String),
}

impl Load {
    /// People at `kubectl`, whose writes pass and are denied, and a controller, Argo CD and a pipeline
    /// that are faster.
    pub(crate) fn begin(stage: &Stage) -> Self {
        let (called, failed) = asked(stage);
        let mut load = Self { shared: Arc::default(), writers: Vec::new(), called, failed };
        let shell = &stage.cluster.plane.shell;
        load.person(shell, "kubectl annotate deployment web -n prod --overwrite note=$RANDOM", false);
        load.person(shell, "kubectl annotate deployment python-app-prod -n prod --overwrite owner=$RANDOM", true);
        let folder = stage.path("");
        load.machine(&folder, "system:serviceaccount:kube-system:deployment-controller", false);
        load.machine(&folder, "system:serviceaccount:argocd:argocd-application-controller", false);
        load.machine(&folder, "system:serviceaccount:ci:deployer", true);
        assert_eq!(load.writers.len(), WRITERS);
        load.go_on(50);
        load
    }

    /// Waits until so many further writes were answered.
    pub(crate) fn go_on(&self, writes: usize) {
        let goal = self.shared.writes.load(Ordering::Relaxed) + writes;
        until("the load goes on", || (self.shared.writes.load(Ordering::Relaxed) >= goal).then_some(()));
    }

    /// Changes what becomes of drift. Whatever is under way meanwhile may get either answer.
    pub(crate) fn switch(&self, to: Drift, change: impl FnOnce()) {
        self.shared.turn(Drift::Either);
        change();
        self.shared.turn(to);
    }

    /// Ends it: what came of the writes, and how many calls of the webhook the API server made and saw fail.
    pub(crate) fn end(self, stage: &Stage) -> (Counts, f64, f64) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.join().unwrap();
        }
        let (called, failed) = asked(stage);
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (called, failed) = (called - self.called, failed - self.failed);
        say(&format!("{counts:?}; {called} calls of the webhook, {failed} of them failed"));
        (counts, called, failed)
    }

    fn person(&mut self, shell: &Shell, script: &'static str, is_drift: bool) {
        let (shared, shell) = (self.shared.clone(), shell.clone());
        self.writers.push(std::thread::spawn(move || {
            while !shared.stop.load(Ordering::Relaxed) {
                let begun = shared.phase();
                let done = shell.run("alice", script);
                let ended = match done.answer() {
                    "allow" => Ended::Passed,
                    "deny" => Ended::Denied,
                    _ => Ended::Failed(done.err),
                };
                shared.count(ended, is_drift, begun);
            }
        }));
    }

    fn machine(&mut self, folder: &Path, user: &'static str, is_drift: bool) {
        let shared = self.shared.clone();
        let file = folder.join("admin.config");
        self.writers.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = client(&file, user).await;
                while !shared.stop.load(Ordering::Relaxed) {
                    let begun = shared.phase();
                    let ended = if is_drift { drift(&client).await } else { touch(&client).await };
                    shared.count(ended, is_drift, begun);
                    // Two processors carry all of it.
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

    fn turn(&self, drift: Drift) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = (phase.0 + 1, drift);
    }

    fn count(&self, ended: Ended, is_drift: bool, begun: Phase) {
        let due = if self.phase() == begun { begun.1 } else { Drift::Either };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match (ended, due) {
            (Ended::Failed(how), _) => counts.failed.push(how),
            (Ended::Passed, _) if !is_drift => counts.allowed += 1,
            (Ended::Denied, _) if !is_drift => counts.failed.push("denied, and no drift".into()),
            (Ended::Denied, Drift::Denied) => counts.denied += 1,
            (Ended::Denied, Drift::Passes) => counts.failed.push("denied while all drift passes".into()),
            (Ended::Passed, Drift::Denied) => counts.passed += 1,
            (Ended::Passed, Drift::Passes) => counts.audited += 1,
            (_, Drift::Either) => {}
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
    }
}

async fn client(file: &Path, user: &str) -> Client {
    let file = Kubeconfig::read_from(file).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    // A failure is to be seen, not tried again.
    config.default_retry = false;
    let namespace = user.split(':').nth(2).unwrap();
    config.auth_info.impersonate = Some(user.to_owned());
    let namespaced = format!("system:serviceaccounts:{namespace}");
    config.auth_info.impersonate_groups =
        Some(vec!["system:masters".into(), "system:serviceaccounts".into(), namespaced]);
    Client::try_from(config).unwrap()
}

/// A write that changes what Git does not say.
async fn touch(client: &Client) -> Ended {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"touched": jiff::Timestamp::now().to_string()}}}));
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), "prod");
    ended(config_maps.patch("app-config", &PatchParams::default(), &patch).await)
}

/// A write of another owner than Git's, and than any before: the same again would be no drift of its own.
/// It rolls no pods, where it passes.
async fn drift(client: &Client) -> Ended {
    let owner = format!("somebody-{}", jiff::Timestamp::now().as_microsecond());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"owner": owner}}}));
    let deployments = Api::<Deployment>::namespaced(client.clone(), "prod");
    ended(deployments.patch("python-app-prod", &PatchParams::default(), &patch).await)
}

fn ended<T>(result: kube::Result<T>) -> Ended {
    match result {
        Ok(_) => Ended::Passed,
        Err(error) if error.to_string().contains("denied the request: ") => Ended::Denied,
        Err(error) => Ended::Failed(error.to_string()),
    }
}

/// How often the API server called the webhook so far, and how often it could not.
pub(crate) fn asked(stage: &Stage) -> (f64, f64) {
    let page = stage.cluster.plane.admin("kubectl get --raw /metrics");
    let sum = |name: &str, label: &str| {
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let called = sum("apiserver_admission_webhook_admission_duration_seconds_count", "writes.driftwall.io");
    let failed = ["calling_webhook_error", "apiserver_internal_error"]
        .map(|kind| sum("apiserver_admission_webhook_rejection_count", &format!("error_type=\"{kind}\"")));
    (called, failed.iter().sum())
}
