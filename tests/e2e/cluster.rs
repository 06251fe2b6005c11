//! The cluster that the tests share, one after the other.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::git::{commit_all, commit_folder};
use crate::common::{programs, recordings};
use crate::control_plane::ControlPlane;
use crate::install::install;
use crate::kubectl::CommandResult;
use crate::load_balancer::{LoadBalancer, Way};
use crate::metrics_api::MetricsApi;
use crate::process::{log_folder, report, wait_for};
use crate::replicas::Replicas;
use crate::server_apis::ServerApis;

/// driftwall's own, as `kubectl` takes it.
pub(crate) const WEBHOOK_CONFIG: &str = "validatingwebhookconfiguration driftwall";

/// Asks driftwall to register itself again after somebody has deleted its webhook configuration.
pub(crate) const REGISTER_AGAIN: &str = "kubectl annotate lease driftwall -n driftwall driftwall.io/registered-";

/// What runs for as long as there are tests, and what each of them begins with.
pub(crate) struct SharedCluster {
    pub(crate) control_plane: ControlPlane,
    pub(crate) apis: ServerApis,
    pub(crate) replicas: Replicas,
    pub(crate) metrics: MetricsApi,
    initial: InitialState,
}

struct InitialState {
    config: Value,
    /// The commit whose files Git has.
    commit: git2::Oid,
    /// The registered webhooks, without the CA and the path, which are replaced.
    webhooks: Value,
}

/// The cluster for one test: in its initial state, with one replica in enforce mode. When the test has passed,
/// what driftwall answered meanwhile is checked.
pub(crate) struct TestCluster {
    shared: MutexGuard<'static, SharedCluster>,
    /// Writes that the API server let pass without an answer before the test, and in it where it provokes them.
    pub(crate) failed_open: usize,
    turn: Instant,
    /// How long it took to bring everything back that earlier tests had changed.
    reset: Duration,
}

impl Deref for TestCluster {
    type Target = SharedCluster;

    fn deref(&self) -> &SharedCluster {
        &self.shared
    }
}

impl DerefMut for TestCluster {
    fn deref_mut(&mut self) -> &mut SharedCluster {
        &mut self.shared
    }
}

/// The cluster, once it is this test's turn. None where its programs are missing, which is said; the caller
/// leaves its test out.
pub(crate) fn test_cluster() -> Option<TestCluster> {
    static CLUSTER: OnceLock<Option<Mutex<SharedCluster>>> = OnceLock::new();
    static WAS_STARTED: AtomicBool = AtomicBool::new(false);
    let start = || {
        // A start that failed has waited for long; each further one would, too.
        assert!(!WAS_STARTED.swap(true, Ordering::Relaxed), "the cluster failed to start in an earlier test");
        let (control_plane, kubectl) = (control_plane_programs()?, programs::find("kubectl")?);
        Some(Mutex::new(SharedCluster::start(&control_plane, kubectl.parent()?)))
    };
    // A test that failed poisons the lock and is reported by itself: the others go on.
    let shared = CLUSTER.get_or_init(start).as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cluster = TestCluster { shared, failed_open: 0, turn: Instant::now(), reset: Duration::ZERO };
    cluster.reset();
    cluster.reset = cluster.turn.elapsed();
    cluster.failed_open = failed_open();
    Some(cluster)
}

/// The folder that `tests/control-plane` prints.
fn control_plane_programs() -> Option<PathBuf> {
    let folder = std::env::var_os("DRIFTWALL_TEST_CONTROL_PLANE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: DRIFTWALL_TEST_CONTROL_PLANE is not set; tests/control-plane prints the folder to name");
    }
    folder
}

impl SharedCluster {
    fn start(programs: &Path, kubectl: &Path) -> Self {
        let _ = std::fs::remove_dir_all(log_folder());
        std::fs::create_dir_all(log_folder()).unwrap();
        let mut control_plane = ControlPlane::start(programs, kubectl);
        let apis = ServerApis::discover(&control_plane);
        let folder = control_plane.folder.path().to_owned();
        let commit = commit_manifests(&folder, &apis);

        let load_balancer = LoadBalancer::start();
        let installed = install(&control_plane, &apis, load_balancer.port);
        // Created first: controllers that are late to the first objects are not what is tested.
        control_plane.admin("kubectl create -f git/apps/prod/crd.json && kubectl create ns prod");
        control_plane.wait("widgets are served", "kubectl get widgets -n prod");
        let metrics = MetricsApi::start(&control_plane);
        let node = r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}"#;
        control_plane.admin(&format!("echo '{node}' | kubectl create -f -"));
        let replicas = Replicas::start(&folder, installed, load_balancer);
        // The API server takes a moment to notice a new webhook.
        wait_for("the webhook is called", || {
            control_plane.admin("kubectl create configmap probe -n default --dry-run=server");
            replicas.reviews().iter().any(|(labels, _)| labels.contains(r#"actor="person""#)).then_some(())
        });
        wait_for("the webhook configuration is in sync", || {
            replicas.all_have("driftwall_registration{state=\"in_sync\"}", "1").then_some(())
        });
        let webhooks = live_webhooks(&control_plane).expect("driftwall has registered itself");
        let initial = InitialState { config: replicas.config(), commit, webhooks };
        Self { control_plane, apis, replicas, metrics, initial }
    }

    /// Whether the API server sends reviews of its controllers' writes: not where it knows the
    /// `matchConditions` with which driftwall registers, which leave them out.
    pub(crate) fn reviews_controllers(&self) -> bool {
        self.initial.webhooks[0]["matchConditions"].as_array().is_none_or(Vec::is_empty)
    }

    /// What a script with `kubectl` as alice comes to. She is a person with a cluster-admin's rights.
    pub(crate) fn alice(&self, script: &str) -> CommandResult {
        self.control_plane.shell.run("alice", script)
    }

    /// Waits until a script of alice's succeeds and `is_done` holds of what it prints.
    pub(crate) fn wait_for(&self, what: &str, script: &str, is_done: impl Fn(&str) -> bool) -> String {
        wait_for(what, || {
            let result = self.alice(script);
            (result.succeeded && is_done(result.stdout.trim())).then(|| result.expect_success())
        })
    }

    pub(crate) fn set_mode(&mut self, mode: &str) {
        let mut config = self.replicas.config();
        if config["mode"] != mode {
            config["mode"] = mode.into();
            self.replicas.configure(config);
        }
    }

    /// Makes driftwall restore its webhook configuration when somebody changes it, or not.
    pub(crate) fn set_self_heal(&mut self, is_on: bool) {
        let mut config = self.replicas.config();
        config["registration"]["selfHeal"] = is_on.into();
        self.replicas.configure(config);
    }

    /// A file below the work folder, where `git` is the repository's working tree.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.control_plane.folder.path().join(name)
    }

    /// Commits the working tree.
    pub(crate) fn git_commit(&self) -> String {
        commit_all(&self.git())
    }

    pub(crate) fn git_head(&self) -> String {
        self.git().head().unwrap().peel_to_commit().unwrap().id().to_string()
    }

    fn git(&self) -> git2::Repository {
        git2::Repository::open(self.path("git")).unwrap()
    }

    /// How many reviews were answered whose labels contain a text.
    pub(crate) fn count_reviews(&self, labels: &str) -> u64 {
        let counts = self.replicas.reviews().into_iter().filter(|(of_count, _)| of_count.contains(labels));
        counts.map(|(_, count)| count).sum()
    }
}

impl TestCluster {
    /// Brings everything back that an earlier test may have changed. This is done when a test begins, not when
    /// one ends, so that it is done after a test that failed, too.
    fn reset(&mut self) {
        self.replicas.load_balancer.set_way(Way::Replicas);
        self.replicas.scale_to(1);
        let config = self.initial.config.clone();
        self.replicas.configure(config);
        self.reset_git();
        self.reset_webhook_config();
        self.alice("kubectl delete breakglasses --all --all-namespaces").expect_success();
        self.metrics.set_cpu_usage("prod", &[], "0");
        self.alice("argocd_sync").expect_success();
    }

    fn reset_git(&self) {
        let git = self.git();
        let tree = git.find_commit(self.initial.commit).unwrap().tree().unwrap();
        let mut options = git2::build::CheckoutBuilder::new();
        git.checkout_tree(tree.as_object(), Some(options.force().remove_untracked(true))).unwrap();
        if git.head().unwrap().peel_to_tree().unwrap().id() != tree.id() {
            commit_all(&git);
        }
        let head = self.git_head();
        let in_force = format!("driftwall_source_info{{source=\"prod\",revision=\"main\",commit=\"{head}\"}}");
        wait_for("the commit is in force", || self.replicas.all_have(&in_force, "1").then_some(()));
    }

    /// Restores the webhook configuration where it was deleted or changed, and waits until it takes effect.
    fn reset_webhook_config(&mut self) {
        if live_webhooks(&self.control_plane).as_ref() == Some(&self.initial.webhooks) {
            return;
        }
        // driftwall keeps a failure policy that somebody has set.
        if let Some(live) = live_webhooks(&self.control_plane) {
            let initial = self.initial.webhooks.as_array().unwrap();
            let policy = |webhook: &Value| {
                let same = initial.iter().find(|initial| initial["name"] == webhook["name"]);
                same.map_or("Ignore".into(), |initial| initial["failurePolicy"].clone())
            };
            let restore = |(index, webhook): (usize, &Value)| {
                let path = format!("/webhooks/{index}/failurePolicy");
                json!({"op": "replace", "path": path, "value": policy(webhook)})
            };
            let patch: Vec<_> = live.as_array().unwrap().iter().enumerate().map(restore).collect();
            let patch = Value::from(patch);
            self.alice(&format!("kubectl patch {WEBHOOK_CONFIG} --type=json -p '{patch}'")).expect_success();
        }
        self.set_self_heal(true);
        wait_for("the webhook configuration is restored", || {
            (live_webhooks(&self.control_plane).as_ref() == Some(&self.initial.webhooks)).then_some(())
        });
        self.set_self_heal(false);
        let config = self.initial.config.clone();
        self.replicas.configure(config);
        let drift = "kubectl scale deployment python-app-prod -n prod --replicas=7 --dry-run=server 2>&1";
        self.wait_for("the webhook configuration takes effect", drift, |out| out.contains("Git says 3"));
    }
}

/// The repository at `git` in a folder, with the recorded manifests as this server knows them; its commit.
fn commit_manifests(folder: &Path, apis: &ServerApis) -> git2::Oid {
    let repository = folder.join("git");
    commit_folder(&repository, &Path::new(recordings::FOLDER).join("git"));
    let file = repository.join("apps/prod/app.yaml");
    std::fs::write(&file, apis.manifests(&std::fs::read_to_string(&file).unwrap())).unwrap();
    let mut objects = recordings::lines("objects.jsonl.gz").into_iter();
    let definition = objects.find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
    std::fs::write(repository.join("apps/prod/crd.json"), definition.to_string()).unwrap();
    commit_all(&git2::Repository::open(repository).unwrap()).parse().unwrap()
}

/// The registered webhooks without their CA and path; none where driftwall is not registered.
fn live_webhooks(control_plane: &ControlPlane) -> Option<Value> {
    let shown = control_plane.shell.run("admin", &format!("kubectl get {WEBHOOK_CONFIG} -o json"));
    let mut configuration: Value = serde_json::from_str(&shown.stdout).ok().filter(|_| shown.succeeded)?;
    let webhooks = configuration["webhooks"].as_array_mut()?;
    for webhook in webhooks.iter_mut() {
        webhook["clientConfig"].as_object_mut()?.remove("caBundle");
        webhook["clientConfig"]["service"].as_object_mut()?.remove("path");
    }
    Some(configuration["webhooks"].take())
}

/// How many writes the API server let pass because no replica answered.
pub(crate) fn failed_open() -> usize {
    let log = std::fs::read_to_string(log_folder().join("kube-apiserver.log")).unwrap();
    log.matches("failing open").count()
}

impl Drop for TestCluster {
    /// Whatever a test is about: every write was answered, no controller was denied, and no review was an error.
    fn drop(&mut self) {
        let (all, reset) = (self.turn.elapsed().as_secs_f64(), self.reset.as_secs_f64());
        let thread = std::thread::current();
        report(&format!("{all:6.1} s, {reset:4.1} s of them to begin: {}", thread.name().unwrap_or_default()));
        if std::thread::panicking() {
            return;
        }
        assert_eq!(failed_open(), self.failed_open, "writes passed without an answer; see kube-apiserver.log");
        let reviews = self.replicas.reviews();
        if self.reviews_controllers() {
            let of_controllers = |(labels, _): &(String, u64)| labels.contains(r#"actor="control plane""#);
            assert!(reviews.iter().any(of_controllers), "{reviews:?}");
        }
        for (labels, _) in &reviews {
            let is_exempt = ["control plane", "gitops", "autoscaler"]
                .iter()
                .any(|actor| labels.contains(&format!("actor=\"{actor}\"")));
            assert!(!is_exempt || labels.contains(r#"answer="allow""#), "{labels}");
            assert!(!labels.contains(r#"verdict="error""#), "{labels}");
        }
    }
}
