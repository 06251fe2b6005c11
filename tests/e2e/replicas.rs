//! The replicas of driftwall, started with the arguments of the shipped Deployment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::install::Installed;
use crate::load_balancer::{LoadBalancer, http_get};
use crate::process::{Process, log_folder, wait_for};

/// The file of the configuration, which all replicas read.
const CONFIG: &str = "driftwall.yaml";

pub(crate) struct Replicas {
    folder: PathBuf,
    pub(crate) load_balancer: LoadBalancer,
    /// The configuration that is in the file.
    config: Value,
    arguments: Vec<String>,
    /// What replicas that start from now on log.
    pub(crate) log_filter: &'static str,
    started: usize,
    running: Vec<Replica>,
    /// The counts of replicas that have ended.
    counted: Vec<(String, u64)>,
}

struct Replica {
    process: Process,
    webhook: String,
    admin: String,
}

impl Replicas {
    /// Starts one replica, in enforce mode. The folder holds its kubeconfig, `driftwall.config`, and the repository,
    /// `git`.
    pub(crate) fn start(folder: &Path, installed: Installed, load_balancer: LoadBalancer) -> Self {
        let Installed { mut config, arguments } = installed;
        // What differs from the shipped configuration: free ports, and the repository of these tests.
        let ours = json!({
            "mode": "enforce",
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "presets": ["argocd", "flux"],
            "sources": [{"name": "prod", "repo": "git", "revision": "main", "path": "apps/prod", "namespace": "prod"}],
            "git": {"poll": "200ms", "dataDir": "mirrors"},
            // Short, and long enough for many probes of the load balancer.
            "drain": "2s",
        });
        config.as_object_mut().unwrap().extend(ours.as_object().unwrap().clone());
        let mut replicas = Self {
            folder: folder.to_owned(),
            load_balancer,
            config: Value::Null,
            arguments,
            log_filter: "info",
            started: 0,
            running: Vec::new(),
            counted: Vec::new(),
        };
        replicas.configure(config);
        replicas.add();
        replicas
    }

    /// Changes the configuration, and waits until every replica has reloaded it.
    pub(crate) fn configure(&mut self, config: Value) {
        if config == self.config {
            return;
        }
        let reloads = |replicas: &Self| replicas.metrics("driftwall_config_reloads_total{result=\"ok\"}");
        let before = reloads(self);
        self.config = config;
        self.write(CONFIG, &self.config.to_string());
        wait_for("the configuration is reloaded", || {
            reloads(self).iter().zip(&before).all(|(now, before)| now.is_some() && now != before).then_some(())
        });
    }

    /// The name of the replica that was started last.
    pub(crate) fn newest(&self) -> String {
        self.running.last().unwrap().process.name.clone()
    }

    pub(crate) fn config(&self) -> Value {
        self.config.clone()
    }

    /// Writes a configuration that is not accepted, and waits until every replica has rejected it.
    pub(crate) fn configure_wrongly(&mut self, config: &Value) {
        let rejected = |replicas: &Self| replicas.metrics("driftwall_config_reloads_total{result=\"failed\"}");
        let before = rejected(self);
        self.write(CONFIG, &config.to_string());
        wait_for("the configuration is rejected", || {
            rejected(self).iter().zip(&before).all(|(now, before)| now.is_some() && now != before).then_some(())
        });
    }

    /// Replaces a file at once, as an editor does.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join("new"), text).unwrap();
        std::fs::rename(self.folder.join("new"), self.folder.join(name)).unwrap();
    }

    /// Starts one more replica, and waits until the load balancer uses it.
    pub(crate) fn add(&mut self) {
        self.started += 1;
        let name = format!("driftwall-{}", self.started);
        let folder = self.folder.join(&name);
        std::fs::create_dir(&folder).unwrap();
        for shared in ["git", CONFIG] {
            std::os::unix::fs::symlink(Path::new("..").join(shared), folder.join(shared)).unwrap();
        }
        let config = folder.join(CONFIG).display().to_string();
        let mut arguments =
            vec![format!("DRIFTWALL_LOG={}", self.log_filter), env!("CARGO_BIN_EXE_driftwall").to_owned()];
        arguments.extend(self.arguments.iter().map(|word| word.replace("/config/driftwall.yaml", &config)));
        let identity = self.folder.join("driftwall.config");
        let process = Process::start(&name, &folder, &identity, Path::new("env"), &arguments);
        let serving = wait_for("driftwall serves", || logged_addresses(&name));
        let [webhook, admin] = ["webhook", "admin"].map(|port| serving[port].as_str().unwrap().to_owned());
        self.load_balancer.add(&webhook, &admin);
        self.running.push(Replica { process, webhook, admin });
        let all = self.running.len();
        wait_for("driftwall is ready", || (self.load_balancer.ready() == all).then_some(()));
    }

    /// Sends a signal to the oldest replica and waits until it has ended; its name.
    pub(crate) fn stop_oldest(&mut self, signal: Signal) -> String {
        let Replica { mut process, admin, .. } = self.running.remove(0);
        self.counted.extend(counts(&admin));
        process.signal(signal);
        process.wait_for_exit();
        self.load_balancer.remove(&admin);
        process.name
    }

    /// Replaces all replicas as a Deployment does: one more, then one less.
    pub(crate) fn rolling_restart(&mut self) {
        for _ in 0..self.running.len() {
            self.add();
            self.stop_oldest(Signal::TERM);
        }
    }

    /// Starts or stops replicas until there are that many.
    pub(crate) fn scale_to(&mut self, number: usize) {
        self.running.iter_mut().for_each(|replica| replica.process.assert_running());
        while self.running.len() > number {
            self.stop_oldest(Signal::TERM);
        }
        while self.running.len() < number {
            self.add();
        }
    }

    /// Where each replica receives reviews.
    pub(crate) fn webhook_addresses(&self) -> Vec<SocketAddr> {
        self.running.iter().map(|replica| replica.webhook.parse().unwrap()).collect()
    }

    /// Where each replica serves its pages.
    pub(crate) fn admin_addresses(&self) -> Vec<&str> {
        self.running.iter().map(|replica| &*replica.admin).collect()
    }

    /// How many reviews had which labels, of all replicas, those that have ended too.
    pub(crate) fn reviews(&self) -> Vec<(String, u64)> {
        let now = self.running.iter().flat_map(|replica| counts(&replica.admin));
        self.counted.iter().cloned().chain(now).collect()
    }

    /// Whether a series of every replica's metrics has this value.
    pub(crate) fn all_have(&self, series: &str, value: &str) -> bool {
        self.metrics(series).iter().all(|found| found.as_deref() == Some(value))
    }

    /// A page of each replica's admin port.
    pub(crate) fn pages(&self, path: &str) -> Vec<String> {
        self.running.iter().map(|replica| http_get(&replica.admin, path)).collect()
    }

    /// The value of a series in each replica's metrics.
    fn metrics(&self, series: &str) -> Vec<Option<String>> {
        let value =
            |page: &str| page.lines().find_map(|line| line.strip_prefix(series)).map(|rest| rest.trim().to_owned());
        self.running.iter().map(|replica| value(&http_get(&replica.admin, "/metrics"))).collect()
    }
}

fn counts(admin: &str) -> Vec<(String, u64)> {
    let page = http_get(admin, "/metrics");
    let lines = page.lines().filter_map(|line| line.strip_prefix("driftwall_reviews_total{")?.split_once("} "));
    let counts = lines.map(|(labels, count)| (labels.to_owned(), count.parse().unwrap()));
    // Some series are there before their first review.
    counts.filter(|(_, count)| *count > 0).collect()
}

/// The addresses at which a replica listens, from its log.
fn logged_addresses(name: &str) -> Option<Value> {
    let log = std::fs::read_to_string(log_folder().join(format!("{name}.log"))).unwrap();
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|entry| entry["message"] == "Serving")
}
