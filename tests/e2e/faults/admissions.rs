//! Writes by persons, pipelines, controllers and Argo CD that go on through a fault, each with the answer that it
//! must get, and counts of the answers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::cluster::TestCluster;
use crate::kubectl::Shell;
use crate::process::wait_for;

/// What somebody writes again and again.
struct RepeatedWrite {
    writers: usize,
    user: &'static str,
    /// Of the API server's URL.
    path: &'static str,
    /// A merge patch, in which `$N` is another number each time; empty to delete the object.
    change: &'static str,
    /// Whether it would drift from Git.
    is_drift: bool,
}

const PERSON: &str = "alice";
const PIPELINE: &str = "system:serviceaccount:ci:deployer";
const CONTROLLER: &str = "system:serviceaccount:kube-system:deployment-controller";
const ARGO_CD: &str = "system:serviceaccount:argocd:argocd-application-controller";

/// `scratch` is an object that Git does not declare. Drift that is new each time waits for a look at Git, drift that is repeated does not.
const WRITES: [RepeatedWrite; 13] = [
    drift(6, PERSON, "/apis/apps/v1/namespaces/prod/deployments/python-app-prod", OWNER),
    drift(1, PERSON, "/apis/apps/v1/namespaces/prod/deployments/python-app-prod", r#"{"spec":{"replicas":4}}"#),
    drift(1, PERSON, "/apis/apps/v1/namespaces/prod/deployments/python-app-prod/scale", r#"{"spec":{"replicas":5}}"#),
    drift(2, PIPELINE, "/apis/apps/v1/namespaces/prod/statefulsets/db", IMAGE),
    drift(1, PERSON, "/api/v1/namespaces/prod/configmaps/app-config", r#"{"data":{"MODE":"debug"}}"#),
    drift(1, PERSON, "/apis/example.com/v1/namespaces/prod/widgets/gizmo", WIDGET),
    drift(1, PERSON, "/apis/rbac.authorization.k8s.io/v1/namespaces/prod/roles/reader", ""),
    passes(1, PERSON, "/api/v1/namespaces/prod/configmaps/app-config", NOTE),
    passes(1, PERSON, "/apis/apps/v1/namespaces/prod/deployments/web", NOTE),
    passes(1, PERSON, "/api/v1/namespaces/prod/configmaps/scratch", r#"{"data":{"n":"$N"}}"#),
    passes(1, PIPELINE, "/api/v1/namespaces/prod/serviceaccounts/app", NOTE),
    passes(1, CONTROLLER, "/api/v1/namespaces/prod/services/python-app-prod", NOTE),
    passes(1, ARGO_CD, "/api/v1/namespaces/prod/secrets/app-secret", NOTE),
];

const OWNER: &str = r#"{"metadata":{"annotations":{"owner":"somebody-$N"}}}"#;
const NOTE: &str = r#"{"metadata":{"annotations":{"note":"$N"}}}"#;
const IMAGE: &str = r#"{"spec":{"template":{"spec":{"containers":[{"name":"db","image":"postgres:drift-$N"}]}}}}"#;
const WIDGET: &str = r#"{"spec":{"size":7}}"#;

const fn drift(writers: usize, user: &'static str, path: &'static str, change: &'static str) -> RepeatedWrite {
    RepeatedWrite { writers, user, path, change, is_drift: true }
}

const fn passes(writers: usize, user: &'static str, path: &'static str, change: &'static str) -> RepeatedWrite {
    RepeatedWrite { writers, user, path, change, is_drift: false }
}

/// The answers to the writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Drift that was denied.
    pub(super) denied: usize,
    /// Other writes that passed.
    pub(super) passed: usize,
    /// Drift that was denied or passed while the mode changed.
    pub(super) either: usize,
    /// Drift that passed, and when.
    pub(super) missed: Vec<String>,
    /// Other wrong answers, in words.
    pub(super) wrong: Vec<String>,
    /// Writes that failed, as the client saw it: it has to repeat them.
    pub(super) failed: Vec<String>,
    /// Writes that the API server has to ask about.
    pub(super) reviewed: usize,
    pub(super) longest: Duration,
}

impl Counts {
    pub(super) fn all(&self) -> usize {
        self.denied + self.passed + self.either + self.missed.len() + self.wrong.len() + self.failed.len()
    }
}

/// How often the expectation has changed, and whether drift has to be denied, or passes.
type Phase = (usize, Option<bool>);

struct Shared {
    stop: AtomicBool,
    writes: AtomicUsize,
    /// The same of each writer.
    writes_of: Vec<AtomicUsize>,
    number: AtomicUsize,
    phase: Mutex<Phase>,
    counts: Mutex<Counts>,
    shell: Shell,
    reviews_controllers: bool,
}

/// Writers that go on until they are stopped.
pub(super) struct Admissions {
    shared: Arc<Shared>,
    runtime: Runtime,
    writers: Vec<JoinHandle<()>>,
}

impl Admissions {
    pub(super) fn start(cluster: &TestCluster) -> Self {
        cluster.control_plane.admin("kubectl create configmap scratch -n prod");
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            writes: AtomicUsize::new(0),
            writes_of: WRITES.iter().flat_map(|write| vec![0; write.writers]).map(AtomicUsize::new).collect(),
            number: AtomicUsize::new(0),
            phase: Mutex::new((0, Some(true))),
            counts: Mutex::default(),
            shell: cluster.control_plane.shell.clone(),
            reviews_controllers: cluster.reviews_controllers(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let client = runtime.block_on(client(&cluster.path("admin.config")));
        let mut writers = Vec::new();
        for write in &WRITES {
            for _ in 0..write.writers {
                writers.push(runtime.spawn(repeat(writers.len(), write, client.clone(), shared.clone())));
            }
        }
        Self { shared, runtime, writers }
    }

    /// Waits until this many more writes are answered.
    pub(super) fn wait_for_more(&self, writes: usize) {
        self.wait_until(self.shared.writes.load(Ordering::Relaxed) + writes);
    }

    /// Waits until most of so many writes since the start are answered, and several of each writer.
    pub(super) fn wait_for_most(&self, writes: usize) {
        self.wait_for_more(6 * self.writers());
        self.wait_until(writes / 4 * 3);
    }

    /// Waits until each writer has an answer to a write that it began after this was called: what was in flight, and may
    /// have met another state of things, is over.
    pub(super) fn wait_for_each(&self) {
        let now = || self.shared.writes_of.iter().map(|writes| writes.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let before = now();
        // The first of the two may have begun before.
        wait_for("each writer has written again", || {
            now().iter().zip(&before).all(|(now, before)| *now >= before + 2).then_some(())
        });
    }

    /// Waits until so many writes are answered since the start.
    pub(super) fn wait_until(&self, writes: usize) {
        let mut before = 0;
        while before < writes {
            // However many they are: as long as there are more and more, nothing hangs.
            wait_for("the writes go on", || {
                let now = self.shared.writes.load(Ordering::Relaxed);
                (now >= writes || now > before).then(|| before = now)
            });
        }
    }

    /// How many writes can be in flight at once.
    pub(super) fn writers(&self) -> usize {
        self.writers.len()
    }

    /// Changes whether drift is denied. Writes in flight meanwhile may get either answer.
    pub(super) fn change_expectation(&self, is_drift_denied: bool, change: impl FnOnce()) {
        self.shared.expect(None);
        change();
        self.shared.expect(Some(is_drift_denied));
    }

    pub(super) fn stop(self) -> Counts {
        self.shared.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            self.runtime.block_on(writer).unwrap();
        }
        self.shared.shell.run("admin", "kubectl delete configmap scratch -n prod").expect_success();
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn client(file: &Path) -> Client {
    let file = Kubeconfig::read_from(file).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    // A failure is to be seen, not retried.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// Has Argo CD write what Git says. Its writes and others' can be in conflict: then it tries again.
pub(super) fn sync(shell: &Shell) {
    shell.run("admin", "for _ in 1 2 3 4 5 6 7 8; do argocd_sync && break; done").expect_success();
}

/// The answer that a client gets.
enum Answer {
    Passed,
    Denied,
    Failed(String),
}

async fn repeat(writer: usize, write: &'static RepeatedWrite, client: Client, shared: Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        let number = shared.number.fetch_add(1, Ordering::Relaxed);
        let (phase, begun) = (shared.phase(), Instant::now());
        let answer = match client.request_text(write.request(number)).await {
            Ok(_) => Answer::Passed,
            Err(error) if error.to_string().contains("denied the request: ") => Answer::Denied,
            // Deleted before.
            Err(kube::Error::Api(status)) if status.code == 404 && write.change.is_empty() => Answer::Passed,
            Err(error) => Answer::Failed(error.to_string()),
        };
        let has_drifted = shared.count(answer, write, phase, begun.elapsed());
        shared.writes_of[writer].fetch_add(1, Ordering::Relaxed);
        if has_drifted {
            // The same again would change nothing.
            let shell = shared.shell.clone();
            tokio::task::spawn_blocking(move || sync(&shell)).await.unwrap();
        }
    }
}

impl RepeatedWrite {
    fn request(&self, number: usize) -> hyper::Request<Vec<u8>> {
        let Self { user, path, change, .. } = self;
        let request = hyper::Request::builder().uri(*path).header("impersonate-user", *user);
        let mut groups = vec!["system:masters".to_owned()];
        if let Some(account) = user.strip_prefix("system:serviceaccount:") {
            let (namespace, _) = account.split_once(':').unwrap();
            groups.extend(["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")]);
        }
        let request = groups.iter().fold(request, |request, group| request.header("impersonate-group", group));
        if change.is_empty() {
            return request.method("DELETE").body(Vec::new()).unwrap();
        }
        let body = change.replace("$N", &number.to_string()).into_bytes();
        request.method("PATCH").header("content-type", "application/merge-patch+json").body(body).unwrap()
    }
}

impl Shared {
    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, is_drift_denied: Option<bool>) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = (phase.0 + 1, is_drift_denied);
    }

    /// Counts an answer; whether it is drift that should not have passed.
    fn count(&self, answer: Answer, write: &RepeatedWrite, phase: Phase, took: Duration) -> bool {
        let is_drift_denied = if self.phase() == phase { phase.1 } else { None };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_asked = write.user != CONTROLLER || self.reviews_controllers;
        counts.reviewed += usize::from(is_asked && !matches!(answer, Answer::Failed(_)));
        counts.longest = counts.longest.max(took);
        let missed = counts.missed.len();
        match (answer, write.is_drift, is_drift_denied) {
            (Answer::Failed(why), ..) => counts.failed.push(format!("{} {}: {why}", write.user, write.path)),
            (Answer::Passed, false, _) => counts.passed += 1,
            (Answer::Denied, false, _) => counts.wrong.push(format!("{} {}: denied", write.user, write.path)),
            (Answer::Denied, true, Some(true)) => counts.denied += 1,
            (Answer::Passed, true, Some(true)) => {
                counts.missed.push(format!("{} {} passed at {}", write.user, write.path, jiff::Timestamp::now()));
            }
            (Answer::Denied, true, Some(false)) => counts.wrong.push(format!("{}: denied in audit mode", write.path)),
            (_, true, _) => counts.either += 1,
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        counts.missed.len() > missed
    }
}
