//! Charts as Helm packs them, and a folder of driftwall's for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use driftwall::certs::{self, ServingCertificate};
use driftwall::source::charts::{ChartError, ChartRepository, ChartRequest, ChartStore, ResolvedChart, for_each_file};
use driftwall::source::{Credentials, FetchLimits};
use tempfile::TempDir;

use crate::common::programs;

/// Packs charts with Helm.
pub(crate) struct Helm {
    program: PathBuf,
    folder: TempDir,
}

impl Helm {
    /// `None` where Helm is not installed, and the caller leaves its test out.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { program: programs::find("helm")?, folder: tempfile::tempdir().unwrap() })
    }

    /// Packs a chart of one ConfigMap into `folder`; the file.
    pub(crate) fn package(&self, name: &str, version: &str, folder: &Path) -> PathBuf {
        let chart = self.folder.path().join(format!("{name}-{version}"));
        write_chart(&chart, name, version);
        fs::create_dir_all(folder).unwrap();
        self.run(&["package", "--destination", folder.to_str().unwrap(), chart.to_str().unwrap()]);
        folder.join(format!("{name}-{version}.tgz"))
    }

    /// Writes the index of a folder of charts.
    pub(crate) fn index(&self, folder: &Path) {
        self.run(&["repo", "index", folder.to_str().unwrap()]);
    }

    pub(crate) fn run(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        for name in ["HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, self.folder.path());
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Writes a chart of one ConfigMap, whose value `size` comes from its values.
pub(crate) fn write_chart(folder: &Path, name: &str, version: &str) {
    let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let template = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Chart.Name }}}}\ndata:\n  version: \"{version}\"\n  \
         size: {{{{ .Values.size | quote }}}}\n"
    );
    fs::create_dir_all(folder.join("templates")).unwrap();
    fs::write(folder.join("Chart.yaml"), chart).unwrap();
    fs::write(folder.join("values.yaml"), "size: 1\n").unwrap();
    fs::write(folder.join("templates/map.yaml"), template).unwrap();
}

/// Driftwall's side: a data folder, and the CA of the servers.
pub(crate) struct Client {
    pub(crate) folder: TempDir,
    pub(crate) pair: ServingCertificate,
}

impl Client {
    pub(crate) fn new() -> Self {
        let (folder, pair) = (tempfile::tempdir().unwrap(), certs::generate(&["127.0.0.1".to_owned()], 7).unwrap());
        fs::write(folder.path().join("ca.pem"), &pair.ca).unwrap();
        Self { folder, pair }
    }

    pub(crate) fn store(&self) -> ChartStore {
        self.store_of(1 << 30)
    }

    pub(crate) fn store_of(&self, max_bytes: u64) -> ChartStore {
        let second = Duration::from_secs(20);
        let limits = FetchLimits { connect: second, idle: second, total: second * 3, bytes: 64 << 20 };
        ChartStore::new(self.folder.path()).with_limits(limits, max_bytes)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials { ca: Some(self.folder.path().join("ca.pem")), ..Credentials::default() }
    }

    pub(crate) fn login(&self, user: &str, password: &str) -> Credentials {
        let (username, password) = (Some(self.file("user", user)), Some(self.file("password", password)));
        Credentials { username, password, ..self.credentials() }
    }

    pub(crate) fn request(&self, repository: &str, name: &str, range: &str) -> ChartRequest {
        ChartRequest {
            repository: ChartRepository::parse(repository).unwrap(),
            name: name.to_owned(),
            range: range.parse().unwrap(),
            credentials: self.credentials(),
        }
    }

    pub(crate) fn resolve(&self, repository: &str, name: &str, range: &str) -> Result<ResolvedChart, ChartError> {
        self.store().resolve(&self.request(repository, name, range), &Arc::default())
    }

    /// The version in the `Chart.yaml` of an archive that is kept.
    pub(crate) fn chart_file(&self, resolved: &ResolvedChart) -> String {
        let mut found = String::new();
        for_each_file(self.store().open(&resolved.digest).unwrap(), |file| {
            if file.path == "Chart.yaml" {
                found = String::from_utf8(file.content).unwrap();
            }
            Ok::<(), String>(())
        })
        .unwrap();
        found
    }
}
