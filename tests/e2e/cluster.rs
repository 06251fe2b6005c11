//! The cluster that the tests share, one after the other.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;

use crate::api_versions::Lacks;
use crate::common::git::{commit_all, commit_folder};
use crate::common::{programs, recordings};
use crate::control_plane::Plane;
use crate::install::install;
use crate::kubectl::Outcome;
use crate::load_balancer::Balancer;
use crate::metrics_api::Metrics;
use crate::process::{logs, until};
use crate::replicas::Replicas;

pub(crate) struct Cluster {
    pub(crate) plane: Plane,
    pub(crate) replicas: Replicas,
    pub(crate) metrics: Metrics,
    /// With which each test begins.
    config: Value,
}

/// The cluster in Git's state, with one replica in enforce mode. What a test leaves is looked at when it ends.
pub(crate) struct Stage {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    /// Writes that passed without an answer before the test, and in it where it provokes them.
    pub(crate) passed_over: usize,
}

/// Nothing where the control plane is missing, which is said.
pub(crate) fn stage() -> Option<Stage> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    let cluster = CLUSTER
        .get_or_init(|| Some(Mutex::new(Cluster::start(&control_plane()?, programs::find("kubectl")?.parent()?))));
    // A test that failed says so itself; the others have their own say.
    let guard = cluster.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = Stage { cluster: guard, passed_over: passed_over() };
    stage.reset();
    Some(stage)
}

/// The folder of the control plane's programs; nothing where it is missing, which is said.
fn control_plane() -> Option<PathBuf> {
    let folder = std::env::var_os("DRIFTWALL_TEST_CONTROL_PLANE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: DRIFTWALL_TEST_CONTROL_PLANE is not set; tests/control-plane prints the folder to name");
    }
    folder
}

impl Cluster {
    fn start(programs: &Path, kubectl: &Path) -> Self {
        let _ = std::fs::remove_dir_all(logs());
        std::fs::create_dir_all(logs()).unwrap();
        let mut plane = Plane::start(programs, kubectl);
        let lacks = Lacks::of(&plane);
        let folder = plane.folder.path().to_owned();
        commit_folder(&folder.join("git"), Path::new("tests/data/reviews/git"));
        let file = folder.join("git/apps/prod/app.yaml");
        std::fs::write(&file, lacks.manifests(&std::fs::read_to_string(&file).unwrap())).unwrap();
        let mut objects = recordings::lines("objects.jsonl.gz").into_iter();
        let definition = objects.find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
        std::fs::write(folder.join("git/apps/prod/crd.json"), definition.to_string()).unwrap();
        commit_all(&git2::Repository::open(folder.join("git")).unwrap());

        let balancer = Balancer::start();
        let installed = install(&plane, &lacks, balancer.port);
        // Controllers that are late to the first objects are not the subject.
        plane.admin("kubectl create -f git/apps/prod/crd.json && kubectl create ns prod");
        plane.wait("widgets are served", "kubectl get widgets -n prod");
        let metrics = Metrics::start(&plane);
        let node = r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}"#;
        plane.admin(&format!("echo '{node}' | kubectl create -f -"));
        let replicas = Replicas::start(&folder, installed, balancer);
        // It counts from some moment on.
        until("the webhook is called", || {
            plane.admin("kubectl create configmap probe -n default --dry-run=server");
            replicas.reviews().iter().any(|(labels, _)| labels.contains(r#"actor="person""#)).then_some(())
        });
        Self { plane, config: replicas.config(), replicas, metrics }
    }
}

impl Stage {
    fn reset(&mut self) {
        self.cluster.replicas.number(1);
        // A test that failed may have left another.
        let config = self.cluster.config.clone();
        self.cluster.replicas.configure(config);
        self.alice("sync").must();
    }

    /// What a script with `kubectl` as alice comes to.
    pub(crate) fn alice(&self, script: &str) -> Outcome {
        self.cluster.plane.shell.run("alice", script)
    }

    /// Waits until a script of alice's prints something of which `is_so` holds.
    pub(crate) fn until(&self, what: &str, script: &str, is_so: impl Fn(&str) -> bool) -> String {
        until(what, || Some(self.alice(script)).filter(|got| got.succeeded && is_so(got.out.trim())).map(Outcome::must))
    }

    pub(crate) fn mode(&mut self, mode: &str) {
        let mut config = self.cluster.replicas.config();
        if config["mode"] != mode {
            config["mode"] = mode.into();
            self.cluster.replicas.configure(config);
        }
    }

    /// Whether driftwall has registered for writes to a resource.
    pub(crate) fn asks_about(&self, resource: &str) -> bool {
        let asked =
            "kubectl get validatingwebhookconfiguration driftwall -o jsonpath='{.webhooks[*].rules[*].resources[*]}'";
        self.alice(asked).must().split(' ').any(|one| one == resource)
    }

    /// A file below the work folder, where `git` is the repository's working tree.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.cluster.plane.folder.path().join(name)
    }

    pub(crate) fn commit(&self) -> String {
        commit_all(&git2::Repository::open(self.path("git")).unwrap())
    }

    pub(crate) fn head(&self) -> String {
        let git = git2::Repository::open(self.path("git")).unwrap();
        git.head().unwrap().peel_to_commit().unwrap().id().to_string()
    }

    /// How many reviews were answered whose labels have a text.
    pub(crate) fn counted(&self, label: &str) -> u64 {
        let counts = self.reviews().into_iter().filter(|(labels, _)| labels.contains(label));
        counts.map(|(_, count)| count).sum()
    }

    fn reviews(&self) -> Vec<(String, u64)> {
        self.cluster.replicas.reviews()
    }
}

/// How many writes the API server let pass because nobody answered.
pub(crate) fn passed_over() -> usize {
    let log = std::fs::read_to_string(logs().join("kube-apiserver.log")).unwrap();
    log.matches("failing open").count()
}

impl Drop for Stage {
    /// Whatever a test is about: no controller was denied, no review was beyond driftwall or passed it by.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(passed_over(), self.passed_over, "writes passed without an answer; see kube-apiserver.log");
        let reviews = self.reviews();
        assert!(reviews.iter().any(|(labels, _)| labels.contains(r#"actor="control plane""#)), "{reviews:?}");
        for (labels, _) in &reviews {
            let honest = ["control plane", "gitops", "autoscaler"].map(|actor| format!("actor=\"{actor}\""));
            let is_honest = honest.iter().any(|actor| labels.contains(actor));
            assert!(!is_honest || labels.contains(r#"answer="allow""#), "{labels}");
            assert!(!labels.contains(r#"verdict="error""#), "{labels}");
        }
    }
}
