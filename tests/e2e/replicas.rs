//! The replicas of driftwall, started as its manifests start it.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::install::Installed;
use crate::load_balancer::{Balancer, page};
use crate::process::{Process, logs, until};

/// The file of the configuration, which all replicas read.
const CONFIG: &str = "driftwall.yaml";

pub(crate) struct Replicas {
    folder: PathBuf,
    pub(crate) balancer: Balancer,
    /// The configuration that is in the file.
    config: Value,
    arguments: Vec<String>,
    started: usize,
    running: Vec<Replica>,
    /// What those that are gone had counted.
    counted: Vec<(String, u64)>,
}

struct Replica {
    process: Process,
    admin: String,
}

impl Replicas {
    /// One replica, in enforce mode. In the folder are its identity `driftwall.config` and Git's tree `git`.
    pub(crate) fn start(folder: &Path, installed: Installed, balancer: Balancer) -> Self {
        let Installed { mut config, arguments } = installed;
        // What the outside gives: ports that are free, and a repository of these tests.
        let ours = json!({
            "mode": "enforce",
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "presets": ["argocd", "flux"],
            "sources": [{"name": "prod", "repo": "git", "revision": "main", "path": "apps/prod", "namespace": "prod"}],
            "git": {"poll": "200ms", "dataDir": "mirrors"},
            // Shorter than 10 s, and many looks of the balancer.
            "drain": "2s",
        });
        config.as_object_mut().unwrap().extend(ours.as_object().unwrap().clone());
        let mut replicas = Self {
            folder: folder.to_owned(),
            balancer,
            config: Value::Null,
            arguments,
            started: 0,
            running: Vec::new(),
            counted: Vec::new(),
        };
        replicas.configure(config);
        replicas.add();
        replicas
    }

    /// Changes the configuration, and waits until every replica has taken it over.
    pub(crate) fn configure(&mut self, config: Value) {
        if config == self.config {
            return;
        }
        let taken = |replicas: &Self| replicas.metrics("driftwall_config_reloads_total{result=\"ok\"}");
        let before = taken(self);
        self.config = config;
        self.write(CONFIG, &self.config.to_string());
        until("the configuration is taken over", || {
            taken(self).iter().zip(&before).all(|(now, before)| now.is_some() && now != before).then_some(())
        });
    }

    pub(crate) fn config(&self) -> Value {
        self.config.clone()
    }

    /// As an editor does it: the file is never half there.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join("new"), text).unwrap();
        std::fs::rename(self.folder.join("new"), self.folder.join(name)).unwrap();
    }

    /// Starts a further replica, and waits until it gets its share.
    pub(crate) fn add(&mut self) {
        self.started += 1;
        let name = format!("driftwall-{}", self.started);
        let folder = self.folder.join(&name);
        std::fs::create_dir(&folder).unwrap();
        for shared in ["git", CONFIG] {
            std::os::unix::fs::symlink(Path::new("..").join(shared), folder.join(shared)).unwrap();
        }
        let config = folder.join(CONFIG).display().to_string();
        let arguments: Vec<_> =
            self.arguments.iter().map(|word| word.replace("/config/driftwall.yaml", &config)).collect();
        let identity = self.folder.join("driftwall.config");
        let program = Path::new(env!("CARGO_BIN_EXE_driftwall"));
        let process = Process::start(&name, &folder, &identity, program, &arguments);
        let serving = until("driftwall serves", || said_where(&name));
        let [webhook, admin] = ["webhook", "admin"].map(|port| serving[port].as_str().unwrap().to_owned());
        self.balancer.add(&webhook, &admin);
        self.running.push(Replica { process, admin });
        let all = self.running.len();
        until("driftwall is ready", || (self.balancer.ready() == all).then_some(()));
    }

    /// Ends the replica that has run the longest, gently or not, and waits until it is gone: its name.
    pub(crate) fn end(&mut self, signal: Signal) -> String {
        let Replica { mut process, admin } = self.running.remove(0);
        self.counted.extend(counts(&admin));
        process.signal(signal);
        process.ended();
        self.balancer.remove(&admin);
        process.name
    }

    /// New ones for all, as the Deployment does it: one more, then one less.
    pub(crate) fn roll(&mut self) {
        for _ in 0..self.running.len() {
            self.add();
            self.end(Signal::TERM);
        }
    }

    /// Makes them that many.
    pub(crate) fn number(&mut self, number: usize) {
        self.running.iter_mut().for_each(|replica| replica.process.must_run());
        while self.running.len() > number {
            self.end(Signal::TERM);
        }
        while self.running.len() < number {
            self.add();
        }
    }

    /// How many reviews had which labels, from all replicas, those that are gone too.
    pub(crate) fn reviews(&self) -> Vec<(String, u64)> {
        let now = self.running.iter().flat_map(|replica| counts(&replica.admin));
        self.counted.iter().cloned().chain(now).collect()
    }

    /// A line of each replica's metrics.
    pub(crate) fn metrics(&self, name: &str) -> Vec<Option<String>> {
        let value =
            |page: &str| page.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned());
        self.running.iter().map(|replica| value(&page(&replica.admin, "/metrics"))).collect()
    }
}

fn counts(admin: &str) -> Vec<(String, u64)> {
    let page = page(admin, "/metrics");
    let lines = page.lines().filter_map(|line| line.strip_prefix("driftwall_reviews_total{")?.split_once("} "));
    lines.map(|(labels, count)| (labels.to_owned(), count.parse().unwrap())).collect()
}

/// Where a replica listens, as it says itself in its log.
fn said_where(name: &str) -> Option<Value> {
    let log = std::fs::read_to_string(logs().join(format!("{name}.log"))).unwrap();
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|entry| entry["message"] == "Serving")
}
