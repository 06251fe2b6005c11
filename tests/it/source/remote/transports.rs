//! The same repository over each transport.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use driftwall::certs;
use driftwall::source::{Address, Credentials, FetchError, FetchLimits, Mirror, RemoteUrl};
use git2::Oid;
use tempfile::TempDir;

use crate::source::remote::git_http_server::GitHttpServer;
use crate::source::remote::repository::TestRepository;
use crate::source::remote::sshd::Sshd;

/// A repository, how it is reached, and a data folder.
pub(crate) struct RemoteSetup {
    pub(crate) repository: TestRepository,
    pub(crate) server: Transport,
    pub(crate) data: TempDir,
}

pub(crate) enum Transport {
    Folder,
    Ssh(Sshd),
    Web(GitHttpServer, TempDir),
}

impl RemoteSetup {
    /// A repository on this machine, which is read where it is.
    pub(crate) fn folder(repository: TestRepository) -> Self {
        Self { repository, server: Transport::Folder, data: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn web(repository: TestRepository) -> Self {
        let pair = certs::generate(&["127.0.0.1".to_owned()], 7).unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca.pem"), &pair.ca).unwrap();
        let web = GitHttpServer::tls(repository.folder.path(), &pair);
        Self { repository, server: Transport::Web(web, files), data: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn ssh(repository: TestRepository) -> Option<Self> {
        Some(Self { repository, server: Transport::Ssh(Sshd::start()?), data: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn url(&self) -> String {
        match &self.server {
            Transport::Folder => format!("file://{}", self.repository.path().display()),
            Transport::Ssh(sshd) => sshd.url(&self.repository.path()),
            Transport::Web(web, _) => web.url(),
        }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        match &self.server {
            Transport::Folder => Credentials::default(),
            Transport::Ssh(sshd) => Credentials {
                ssh_key: Some(sshd.key()),
                known_hosts: Some(sshd.file("known", &sshd.known("ed25519"))),
                ..Credentials::default()
            },
            Transport::Web(_, files) => Credentials { ca: Some(files.path().join("ca.pem")), ..Credentials::default() },
        }
    }

    pub(crate) fn mirror(&self, revision: &str) -> RevisionMirror {
        mirror(self.data.path(), &self.url(), revision, self.credentials())
    }

    pub(crate) fn stop(&mut self) {
        match &mut self.server {
            Transport::Folder => {}
            Transport::Ssh(sshd) => sshd.stop(),
            Transport::Web(web, _) => web.stop(),
        }
    }

    pub(crate) fn resume(&mut self) {
        match &mut self.server {
            Transport::Folder => {}
            Transport::Ssh(sshd) => sshd.resume(),
            Transport::Web(web, _) => web.start(),
        }
    }

    pub(crate) fn server(&self) -> &GitHttpServer {
        match &self.server {
            Transport::Web(web, _) => web,
            _ => panic!("not a web server"),
        }
    }
}

/// Runs a test on a fresh repository for each kind of server.
pub(crate) fn with_each_transport(test: impl Fn(RemoteSetup, Oid)) {
    let (repository, first) = TestRepository::new();
    test(RemoteSetup::web(repository), first);
    let (repository, first) = TestRepository::new();
    if let Some(remote) = RemoteSetup::ssh(repository) {
        test(remote, first);
    }
}

/// Generous with a slow machine, and short enough for a test that waits for it.
pub(crate) const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(20),
    idle: Duration::from_secs(20),
    total: Duration::from_mins(1),
    bytes: 64 << 20,
};

/// The requests of one fetch over HTTP beside the one for the references: how deep, and for what.
pub(crate) const ONE_FETCH: usize = 2;

/// A mirror, and the one revision that a test is about.
#[derive(Debug)]
pub(crate) struct RevisionMirror {
    pub(crate) mirror: Mirror,
    revision: String,
}

impl RevisionMirror {
    pub(crate) fn with_limits(self, limits: FetchLimits) -> Self {
        Self { mirror: self.mirror.with_limits(limits), ..self }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.mirror.folder()
    }

    pub(crate) fn mirrored_commit(&self) -> Option<Oid> {
        self.mirror.mirrored_commit(&self.revision)
    }

    pub(crate) fn sync(&self, cancel: &Arc<AtomicBool>) -> Result<Oid, FetchError> {
        self.mirror.sync(std::slice::from_ref(&self.revision), cancel)?.remove(0)
    }
}

pub(crate) fn mirror(data: &Path, url: &str, revision: &str, credentials: Credentials) -> RevisionMirror {
    let mirror = Mirror::new(data, remote_url(url), credentials, 0).with_limits(LIMITS);
    RevisionMirror { mirror, revision: revision.to_owned() }
}

pub(crate) fn remote_url(url: &str) -> RemoteUrl {
    match Address::parse(url, Path::new("/")) {
        Ok(Address::Remote(url)) => url,
        other => panic!("{url}: {other:?}"),
    }
}

pub(crate) fn sync(mirror: &RevisionMirror) -> Result<Oid, FetchError> {
    mirror.sync(&Arc::default())
}

/// Files of a mirror below `objects`.
pub(crate) fn objects(mirror: &RevisionMirror) -> Vec<PathBuf> {
    let mut folders = vec![mirror.folder().join("objects")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}
