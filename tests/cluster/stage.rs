//! The cluster that the tests share, one after the other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use driftwall::certs::{self, Pair};
use serde_json::Value;

use crate::common::{commit_all, commit_folder, unpacked};
use crate::kubectl::Outcome;
use crate::older;
use crate::plane::Plane;
use crate::process::{Process, logs, until};

pub(crate) struct Cluster {
    pub(crate) plane: Plane,
    wall: Process,
    admin: String,
    mode: &'static str,
}

/// The cluster in Git's state, in enforce mode. What a test leaves is looked at when it ends.
pub(crate) struct Stage(MutexGuard<'static, Cluster>);

/// Nothing where the control plane is missing, which is said.
pub(crate) fn stage() -> Option<Stage> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| Some(Mutex::new(Cluster::start(&control_plane()?, &kubectl()?))));
    // A test that failed says so itself; the others have their own say.
    let guard = cluster.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = Stage(guard);
    stage.reset();
    Some(stage)
}

fn control_plane() -> Option<PathBuf> {
    let folder = std::env::var_os("DRIFTWALL_TEST_CONTROL_PLANE").map(PathBuf::from);
    promised(folder, "the control plane is missing: tests/control-plane makes it, and tests/run says where")
}

fn kubectl() -> Option<PathBuf> {
    let folder = std::env::var_os("DRIFTWALL_TEST_PROGRAMS").map(PathBuf::from);
    promised(folder, "kubectl is missing: tests/programs provides it, and tests/run says where")
}

fn promised(folder: Option<PathBuf>, missing: &str) -> Option<PathBuf> {
    if folder.is_none() {
        println!("left out: {missing}");
    }
    folder
}

impl Cluster {
    fn start(programs: &Path, kubectl: &Path) -> Self {
        let _ = std::fs::remove_dir_all(logs());
        std::fs::create_dir_all(logs()).unwrap();
        let plane = Plane::start(programs, kubectl);
        let folder = plane.folder.path().to_owned();
        commit_folder(&folder.join("git"), Path::new("tests/data/reviews/git"));
        let file = folder.join("git/apps/prod/app.yaml");
        std::fs::write(&file, older::manifests(&std::fs::read_to_string(&file).unwrap())).unwrap();
        let mut objects = unpacked("objects.jsonl.gz").into_iter();
        let definition = objects.find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
        std::fs::write(folder.join("git/apps/prod/crd.json"), definition.to_string()).unwrap();
        commit_all(&git2::Repository::open(folder.join("git")).unwrap());

        let pair = certs::make(&["127.0.0.1".to_owned()], 1).unwrap();
        std::fs::write(folder.join("tls.crt"), &pair.cert).unwrap();
        std::fs::write(folder.join("tls.key"), &pair.key).unwrap();
        configure(&folder, "enforce");
        let arguments = ["serve", "--config", "driftwall.yaml"];
        let config = folder.join(arguments[2]).display().to_string();
        let arguments = [arguments[0].to_owned(), arguments[1].to_owned(), config];
        let wall = Process::start(&folder, Path::new(env!("CARGO_BIN_EXE_driftwall")), &arguments);
        let serving = until("driftwall serves", said_where);
        let admin = serving["admin"].as_str().unwrap().to_owned();
        let mut cluster = Self { plane, wall, admin, mode: "enforce" };
        until("driftwall is ready", || cluster.page("/readyz").starts_with("HTTP/1.1 200").then_some(()));

        // Controllers that are late to the first objects are not the subject.
        cluster.plane.admin("kubectl create -f git/apps/prod/crd.json && kubectl create ns prod");
        cluster.plane.wait("widgets are served", "kubectl get widgets -n prod");
        cluster.register(serving["webhook"].as_str().unwrap(), &pair);
        let node = r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}"#;
        cluster.plane.admin(&format!("echo '{node}' | kubectl create -f -"));
        cluster
    }

    fn register(&mut self, webhook: &str, pair: &Pair) {
        let ca = base64::prelude::BASE64_STANDARD.encode(&pair.ca);
        let configuration = older::webhook(&format!("https://{webhook}/validate"), &ca);
        std::fs::write(self.plane.folder.path().join("webhook.json"), configuration.to_string()).unwrap();
        self.plane.admin("kubectl create -f webhook.json");
        // It counts from some moment on.
        until("the webhook is called", || {
            self.plane.admin("kubectl create configmap probe -n default --dry-run=server");
            self.page("/metrics").contains(r#"actor="person""#).then_some(())
        });
    }

    fn page(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(&self.admin) else { return String::new() };
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

/// Where the server listens, as it says itself in its log.
fn said_where() -> Option<Value> {
    let log = std::fs::read_to_string(logs().join("driftwall.log")).unwrap();
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|entry| entry["message"] == "Serving")
}

fn configure(folder: &Path, mode: &str) {
    let text = format!(
        "mode: {mode}\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\ntls: {{certFile: tls.crt, keyFile: tls.key}}\n\
         presets: [argocd, flux]\ngit: {{poll: 200ms, data: mirrors}}\n\
         sources:\n  - {{name: prod, repo: git, revision: main, path: apps/prod, namespace: prod}}\n"
    );
    // As an editor does it: the file is never half there.
    std::fs::write(folder.join("new.yaml"), text).unwrap();
    std::fs::rename(folder.join("new.yaml"), folder.join("driftwall.yaml")).unwrap();
}

impl Stage {
    fn reset(&mut self) {
        self.0.wall.must_run();
        self.mode("enforce");
        self.alice("sync").must();
    }

    /// What a script with `kubectl` as alice comes to.
    pub(crate) fn alice(&self, script: &str) -> Outcome {
        self.0.plane.shell.run("alice", script)
    }

    /// Waits until a script of alice's prints something of which `is_so` holds.
    pub(crate) fn until(&self, what: &str, script: &str, is_so: impl Fn(&str) -> bool) -> String {
        until(what, || Some(self.alice(script)).filter(|got| got.succeeded && is_so(got.out.trim())).map(Outcome::must))
    }

    pub(crate) fn mode(&mut self, mode: &'static str) {
        if self.0.mode != mode {
            configure(self.0.plane.folder.path(), mode);
            self.0.mode = mode;
            let probe = "kubectl delete configmap app-config -n prod --dry-run=server 2>&1";
            let told = format!("mode=\"{mode}\"");
            until("the mode applies", || {
                let before = self.counted(&told);
                self.alice(probe);
                (self.counted(&told) > before).then_some(())
            });
        }
    }

    /// A file below the work folder, where `git` is the repository's working tree.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.plane.folder.path().join(name)
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
        let page = self.0.page("/metrics");
        let lines = page.lines().filter_map(|line| line.strip_prefix("driftwall_reviews_total{")?.split_once("} "));
        lines.map(|(labels, count)| (labels.to_owned(), count.parse().unwrap())).collect()
    }
}

impl Drop for Stage {
    /// Whatever a test is about: no controller was denied, no review was beyond driftwall.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
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
