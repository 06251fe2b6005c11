//! What the demo runs on: a repository, a configuration, a certificate and the
//! server, all in a temporary folder.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;

use crate::cli::client::Client;
use crate::cluster::OfflineLookup;
use crate::serve::reload::ConfigReloader;
use crate::server::{CertificateSource, Server, ServerError, ServerSettings};
use crate::source::render::Capabilities;
use crate::telemetry::Metrics;
use driftwall_core::policy::ClusterLookup;

/// The manifests at the start.
const MANIFESTS: &str = include_str!("app.yaml");
/// Reviews that a real API server sent; each line has a name.
const REVIEWS: &str = include_str!("reviews.jsonl");
/// Where the manifests are in the repository.
const MANIFEST_PATH: &str = "apps/prod/app.yaml";

/// Stands in for a cluster: sends the reviews that its API server would send.
pub(super) struct DemoCluster {
    reloader: ConfigReloader,
    client: Client,
    git: git2::Repository,
    folder: TempDir,
    pub(super) webhook: SocketAddr,
    admin: SocketAddr,
}

/// A line of [`REVIEWS`].
#[derive(Deserialize)]
struct RecordedReview<'a> {
    name: &'a str,
    #[serde(borrow)]
    review: &'a RawValue,
}

impl DemoCluster {
    /// Sets everything up. The server runs as long as the future is polled.
    pub(super) async fn start() -> anyhow::Result<(Self, impl Future<Output = Result<(), ServerError>>)> {
        let folder = tempfile::tempdir()?;
        let git = git2::Repository::init_opts(
            folder.path().join("gitops"),
            git2::RepositoryInitOptions::new().initial_head("main"),
        )?;
        let workdir = folder.path().join("gitops");
        std::fs::create_dir_all(workdir.join("apps/prod"))?;
        std::fs::write(workdir.join(MANIFEST_PATH), MANIFESTS)?;
        commit(&git, "Declare the application")?;

        let config = folder.path().join("driftwall.yaml");
        write_config(&config, "enforce")?;
        let lookup: Box<dyn ClusterLookup> = Box::new(pod_owner()?);
        let (reloader, startup) =
            ConfigReloader::start(&config, false, Capabilities::default(), async |_| lookup).await?;
        reloader.sync_sources();

        let pair = crate::certs::generate(&["localhost".to_owned(), startup.listen.ip().to_string()], 1)?;
        let client = Client::new(&pair.ca)?;
        let (_, pair) = tokio::sync::watch::channel(Arc::new(pair));
        let mut settings = ServerSettings::new(CertificateSource::Managed(pair));
        (settings.listen, settings.admin) = (startup.listen, startup.admin);
        let handler = Arc::clone(&reloader.handler);
        let server = Server::bind(settings, Arc::clone(&handler), handler, Arc::new(Metrics::new())).await?;
        let (webhook, admin) = (server.webhook_address(), server.admin_address());
        let serving = server.run(std::future::pending(), std::future::pending());
        Ok((Self { reloader, client, git, folder, webhook, admin }, serving))
    }

    /// The repository's folder.
    pub(super) fn repository(&self) -> std::path::PathBuf {
        self.folder.path().join("gitops")
    }

    /// Sends the review of this name, and returns the response of the AdmissionReview that comes back.
    pub(super) async fn send(&self, name: &str) -> anyhow::Result<Value> {
        for line in REVIEWS.lines() {
            let recorded: RecordedReview<'_> = serde_json::from_str(line)?;
            if recorded.name == name {
                let url = "/validate?timeout=5s";
                let body = self.client.post(self.webhook, url, recorded.review.get()).await?;
                let mut review: Value = serde_json::from_slice(&body)?;
                return Ok(review["response"].take());
            }
        }
        bail!("failed to find the recorded review `{name}`")
    }

    /// Changes the mode in the configuration, as a person would in a ConfigMap.
    pub(super) fn set_mode(&mut self, mode: &str) -> anyhow::Result<()> {
        write_config(&self.folder.path().join("driftwall.yaml"), mode)?;
        self.reloader.reload().transpose().map(drop)
    }

    /// Commits a change of the manifests, and returns the commit's short hash.
    pub(super) fn commit(&mut self, from: &str, to: &str, message: &str) -> anyhow::Result<String> {
        let file = self.repository().join(MANIFEST_PATH);
        let text = std::fs::read_to_string(&file)?;
        std::fs::write(&file, text.replacen(from, to, 1))?;
        let id = commit(&self.git, message)?;
        self.reloader.sync_sources();
        Ok(id.to_string()[..7].to_owned())
    }

    /// The metrics, as Prometheus gets them.
    pub(super) async fn metrics(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8(Client::get(self.admin, "/metrics").await?)?)
    }
}

fn write_config(file: &Path, mode: &str) -> anyhow::Result<()> {
    let text = format!(
        "mode: {mode}\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\npresets: [argocd]\nsources:\n  \
         - {{name: prod, repo: gitops, revision: main, path: apps/prod, namespace: prod}}\n"
    );
    Ok(std::fs::write(file, text)?)
}

/// The ReplicaSet that owns the pod, as the cluster would return it.
fn pod_owner() -> anyhow::Result<OfflineLookup> {
    let mut cluster = OfflineLookup::default();
    cluster.insert(&serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": "python-app-prod-7d979486df",
            "namespace": "prod",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "python-app-prod", "controller": true},
            ],
        },
    }))?;
    Ok(cluster)
}

fn commit(git: &git2::Repository, message: &str) -> Result<git2::Oid, git2::Error> {
    let mut index = git.index()?;
    index.add_path(Path::new(MANIFEST_PATH))?;
    index.write()?;
    let tree = git.find_tree(index.write_tree()?)?;
    let author = git2::Signature::now("Dana", "dana@example.org")?;
    let parent = git.head().ok().map(|head| head.peel_to_commit()).transpose()?;
    git.commit(Some("HEAD"), &author, &author, message, &tree, &parent.iter().collect::<Vec<_>>())
}
