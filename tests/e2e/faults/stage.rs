//! What the faults happen to: two replicas, a forge behind HTTPS, and a renderer of its own.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{TestCluster, WEBHOOK_CONFIG};
use crate::common::programs;
use crate::git_server::GitServer;
use crate::process::{Process, free_port, log_folder, wait_for};

pub(super) struct Stage<'c> {
    pub(super) cluster: &'c mut TestCluster,
    pub(super) git: GitServer,
    renderer: Option<Process>,
    renderer_port: u16,
    renderers: usize,
    config: Value,
    /// How many writes each fault is to meet.
    pub(super) admissions: usize,
    /// All review paths that were ever registered.
    pub(super) paths: BTreeSet<String>,
}

/// Files beside those that all tests have: each is the only one that its fault touches.
const FILES: [(&str, &str); 3] = [
    ("git/apps/prod/settings.yaml", SETTINGS),
    ("git/rendered/kustomization.yaml", "namePrefix: rendered-\nresources: [settings.yaml]\n"),
    ("git/rendered/settings.yaml", SETTINGS),
];

pub(super) const SETTINGS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: prod}
data: {LEVEL: info}
";

impl<'c> Stage<'c> {
    pub(super) fn set_up(cluster: &'c mut TestCluster, admissions: usize) -> Self {
        for (file, text) in FILES {
            let file = cluster.path(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        cluster.git_commit();
        let git = GitServer::start(&cluster.control_plane);
        let renderer_port = free_port();
        let (mut config, ca) = (cluster.replicas.config(), cluster.path("ca.crt"));
        let source = |name: &str, path: &str| {
            json!({
                "name": name, "repo": git.url(), "revision": "main", "path": path, "namespace": "prod",
                "auth": {"caFile": ca},
            })
        };
        config["sources"] = json!([source("prod", "apps/prod"), source("rendered", "rendered")]);
        config["git"]["poll"] = "1s".into();
        // Who has waited as long as that when a newer commit comes is warned: a slow machine is no fault here.
        config["git"]["refreshTimeout"] = "4s".into();
        config["render"] = json!({"renderer": {
            "address": format!("localhost:{renderer_port}"),
            "caFile": ca,
            "certFile": cluster.path("admin.crt"),
            "keyFile": cluster.path("admin.key"),
        }});
        let mut stage = Self {
            cluster,
            git,
            renderer: None,
            renderer_port,
            renderers: 0,
            config,
            admissions,
            paths: BTreeSet::new(),
        };
        stage.start_renderer();
        let config = stage.config.clone();
        stage.cluster.replicas.configure(config);
        stage
            .cluster
            .alice("argocd_sync && argocd apply --server-side --field-manager=argocd-controller -k git/rendered")
            .expect_success();
        stage.wait_for_head();
        stage
    }

    /// Brings everything into the state with which each fault begins.
    pub(super) fn begin(&mut self) {
        self.cluster.replicas.scale_to(2);
        let config = self.config.clone();
        self.cluster.replicas.configure(config);
    }

    /// Checks that the review path is written nowhere: in no log, page, Event, lease or ConfigMap.
    pub(super) fn assert_paths_are_secret(&self) {
        let mut written = ["/metrics", "/sources", "/applications", "/drift", "/readyz"]
            .map(|page| self.cluster.replicas.pages(page).join("\n"))
            .to_vec();
        for log in std::fs::read_dir(log_folder()).unwrap().map(|entry| entry.unwrap().path()) {
            if log.file_name().is_some_and(|name| name.to_string_lossy().starts_with("driftwall-")) {
                written.push(std::fs::read_to_string(log).unwrap());
            }
        }
        assert!(written.iter().any(|text| text.contains("\"level\":\"DEBUG\"")), "no replica logged at debug level");
        written.push(self.cluster.control_plane.admin("kubectl get events,leases,configmaps -A -o json"));
        assert!(self.paths.len() > 1, "{:?}", self.paths);
        for text in written {
            for path in &self.paths {
                let found = text.lines().find(|line| line.contains(path.trim_start_matches('/')));
                assert_eq!(found, None, "the review path is in a log, a page or an object");
            }
        }
    }

    pub(super) fn take_down(self) {
        self.cluster.replicas.log_filter = "info";
        self.cluster.alice("unreviewed delete configmap settings rendered-settings -n prod").expect_success();
    }

    /// Starts the renderer, always at the same port.
    pub(super) fn start_renderer(&mut self) {
        self.renderers += 1;
        let name = format!("renderer-{}", self.renderers);
        let folder = self.cluster.path(&name);
        std::fs::create_dir(&folder).unwrap();
        let file = |name: &str| self.cluster.path(name).display().to_string();
        let program = |name: &str| programs::find(name).expect("it renders").display().to_string();
        let arguments = [
            "renderer".to_owned(),
            format!("--listen=127.0.0.1:{}", self.renderer_port),
            "--admin=127.0.0.1:0".to_owned(),
            format!("--cert-file={}", file("server.crt")),
            format!("--key-file={}", file("server.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--kubectl={}", program("kubectl")),
            format!("--helm={}", program("helm")),
        ];
        let driftwall = env!("CARGO_BIN_EXE_driftwall").as_ref();
        self.renderer = Some(Process::start(&name, &folder, "none".as_ref(), driftwall, &arguments));
    }

    pub(super) fn kill_renderer(&mut self) {
        let mut renderer = self.renderer.take().expect("it runs");
        renderer.signal(Signal::KILL);
        renderer.wait_for_exit();
    }

    /// Writes a file of the repository, and commits it.
    pub(super) fn commit(&self, file: &str, text: &str) {
        std::fs::write(self.cluster.path(file), text).unwrap();
        self.cluster.git_commit();
    }

    /// Waits until the newest commit of both sources is in force.
    pub(super) fn wait_for_head(&self) {
        let head = self.cluster.git_head();
        for source in ["prod", "rendered"] {
            self.wait_for_metric(
                &format!("driftwall_source_info{{source=\"{source}\",revision=\"main\",commit=\"{head}\"}}"),
                "1",
            );
            self.wait_for_metric(&format!("driftwall_source_failing{{source=\"{source}\"}}"), "0");
        }
    }

    /// Waits until every replica has this value of a series.
    pub(super) fn wait_for_metric(&self, series: &str, value: &str) {
        wait_for(&format!("{series} is {value}"), || self.cluster.replicas.all_have(series, value).then_some(()));
    }

    /// Checks what alice is answered when she changes a declared value of a ConfigMap; it is not changed.
    #[track_caller]
    pub(super) fn assert_answer(&self, config_map: &str, expected: &str) {
        let number = jiff::Timestamp::now().as_microsecond();
        let script =
            format!("kubectl patch configmap {config_map} -n prod -p '{{\"data\":{{\"LEVEL\":\"{number}\"}}}}'");
        let result = self.cluster.alice(&script);
        assert_eq!(result.answer(), expected, "{result:?}");
        if expected != "deny" {
            let git = if config_map == "settings" { "apply -f" } else { "apply -k" };
            let path = if config_map == "settings" { "settings.yaml" } else { "git/rendered" };
            let undo = format!(
                "cat >settings.yaml <<END\n{SETTINGS}END\n\
                 argocd {git} {path} --server-side --force-conflicts --field-manager=argocd-controller"
            );
            self.cluster.alice(&undo).expect_success();
        }
    }
}

/// The paths of all webhooks.
pub(super) fn registered_paths(cluster: &TestCluster) -> BTreeSet<String> {
    let paths = "{range .webhooks[*]}{.clientConfig.service.path}{'\\n'}{end}";
    let shown = cluster.control_plane.admin(&format!("kubectl get {WEBHOOK_CONFIG} -o jsonpath=\"{paths}\""));
    shown.lines().map(str::to_owned).collect()
}
