//! What the story is told on: a repository, a configuration, a certificate and
//! the server, all in a temporary folder.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;

use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cluster::OfflineLookup;
use crate::serve::reload::ConfigReloader;
use crate::server::{CertificateSource, ServeError, Server, Settings};
use crate::telemetry::Metrics;
use driftwall_core::policy::ClusterLookup;

/// What Git declares at first.
const APP: &str = include_str!("app.yaml");
/// Reviews that a real API server sent, by name.
const REVIEWS: &str = include_str!("reviews.jsonl");
/// Where the application stands in the repository.
const FILE: &str = "apps/prod/app.yaml";

pub(super) struct Stage {
    running: ConfigReloader,
    client: Client,
    git: git2::Repository,
    folder: TempDir,
    pub(super) webhook: SocketAddr,
    admin: SocketAddr,
}

/// One recorded review.
#[derive(Deserialize)]
struct Scene<'a> {
    name: &'a str,
    #[serde(borrow)]
    review: &'a RawValue,
}

impl Stage {
    /// Sets everything up; the server runs as long as the future is polled.
    pub(super) async fn set() -> Result<(Self, impl Future<Output = Result<(), ServeError>>), Failure> {
        let folder = tempfile::tempdir()?;
        let git = git2::Repository::init_opts(
            folder.path().join("gitops"),
            git2::RepositoryInitOptions::new().initial_head("main"),
        )?;
        let workdir = folder.path().join("gitops");
        std::fs::create_dir_all(workdir.join("apps/prod"))?;
        std::fs::write(workdir.join(FILE), APP)?;
        commit(&git, "Declare the application")?;

        let config = folder.path().join("driftwall.yaml");
        configure(&config, "enforce")?;
        let owners: Box<dyn ClusterLookup> = Box::new(owners()?);
        let (running, fixed) = ConfigReloader::begin(&config, false, async |_| owners).await?;
        running.look();

        let pair = crate::certs::generate(&["localhost".to_owned(), fixed.listen.ip().to_string()], 1)?;
        let client = Client::new(&pair.ca)?;
        let mut settings = Settings::new(CertificateSource::Held(tokio::sync::watch::channel(Arc::new(pair)).1));
        (settings.listen, settings.admin) = (fixed.listen, fixed.admin);
        let wall = Arc::clone(&running.wall);
        let server = Server::bind(settings, Arc::clone(&wall), wall, Arc::new(Metrics::new())).await?;
        let (webhook, admin) = (server.webhook_address(), server.admin_address());
        let serving = server.run(std::future::pending(), std::future::pending());
        Ok((Self { running, client, git, folder, webhook, admin }, serving))
    }

    /// The repository's folder.
    pub(super) fn repository(&self) -> std::path::PathBuf {
        self.folder.path().join("gitops")
    }

    /// Sends a recorded review, and returns the response of the AdmissionReview that comes back.
    pub(super) async fn send(&self, name: &str) -> Result<Value, Failure> {
        for line in REVIEWS.lines() {
            let scene: Scene<'_> = serde_json::from_str(line)?;
            if scene.name == name {
                let url = "/validate?timeout=5s";
                let body = self.client.post(self.webhook, url, scene.review.get()).await?;
                let mut review: Value = serde_json::from_slice(&body)?;
                return Ok(review["response"].take());
            }
        }
        Err(format!("there is no review `{name}`").into())
    }

    /// Changes the mode in the configuration, as a person would in a ConfigMap.
    pub(super) fn mode(&mut self, mode: &str) -> Result<(), Failure> {
        configure(&self.folder.path().join("driftwall.yaml"), mode)?;
        self.running.reload().transpose().map(drop)
    }

    /// Commits a change of the application; the short name of the commit.
    pub(super) fn commit(&mut self, from: &str, to: &str, message: &str) -> Result<String, Failure> {
        let file = self.repository().join(FILE);
        let text = std::fs::read_to_string(&file)?;
        std::fs::write(&file, text.replacen(from, to, 1))?;
        let id = commit(&self.git, message)?;
        self.running.look();
        Ok(id.to_string()[..7].to_owned())
    }

    /// The metrics, as a scraper gets them.
    pub(super) async fn metrics(&self) -> Result<String, Failure> {
        Ok(String::from_utf8(Client::get(self.admin, "/metrics").await?)?)
    }
}

fn configure(file: &Path, mode: &str) -> Result<(), Failure> {
    let text = format!(
        "mode: {mode}\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\npresets: [argocd]\nsources:\n  \
         - {{name: prod, repo: gitops, revision: main, path: apps/prod, namespace: prod}}\n"
    );
    Ok(std::fs::write(file, text)?)
}

/// What a cluster would say of the pod's owner.
fn owners() -> Result<OfflineLookup, Failure> {
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
    index.add_path(Path::new(FILE))?;
    index.write()?;
    let tree = git.find_tree(index.write_tree()?)?;
    let author = git2::Signature::now("Dana", "dana@example.org")?;
    let parent = git.head().ok().map(|head| head.peel_to_commit()).transpose()?;
    git.commit(Some("HEAD"), &author, &author, message, &tree, &parent.iter().collect::<Vec<_>>())
}
