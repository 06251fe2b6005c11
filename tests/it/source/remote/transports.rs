//! The same repository reached in each way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftwall::certs;
use driftwall::source::{Address, Credentials, FetchError, FetchLimits, Mirror};
use git2::Oid;
use tempfile::TempDir;

use crate::source::remote::git_http_server::Web;
use crate::source::remote::repository::Origin;
use crate::source::remote::sshd::Sshd;

/// A repository, how it is reached, and a data folder.
pub(crate) struct Place {
    pub(crate) origin: Origin,
    pub(crate) server: Server,
    pub(crate) data: TempDir,
}

pub(crate) enum Server {
    Folder,
    Ssh(Sshd),
    Web(Web, TempDir),
}

impl Place {
    pub(crate) fn folder(origin: Origin) -> Self {
        Self { origin, server: Server::Folder, data: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn web(origin: Origin) -> Self {
        let pair = certs::generate(&["127.0.0.1".to_owned()], 7).unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca.pem"), &pair.ca).unwrap();
        let web = Web::tls(origin.folder.path(), &pair);
        Self { origin, server: Server::Web(web, files), data: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn ssh(origin: Origin) -> Option<Self> {
        Some(Self { origin, server: Server::Ssh(Sshd::start()?), data: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::Folder => format!("file://{}", self.origin.path().display()),
            Server::Ssh(sshd) => sshd.url(&self.origin.path()),
            Server::Web(web, _) => web.url(),
        }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        match &self.server {
            Server::Folder => Credentials::default(),
            Server::Ssh(sshd) => Credentials {
                ssh_key: Some(sshd.key()),
                known_hosts: Some(sshd.file("known", &sshd.known("ed25519"))),
                ..Credentials::default()
            },
            Server::Web(_, files) => Credentials { ca: Some(files.path().join("ca.pem")), ..Credentials::default() },
        }
    }

    pub(crate) fn mirror(&self, revision: &str) -> Mirror {
        mirror(self.data.path(), &self.url(), revision, self.credentials())
    }

    pub(crate) fn stop(&mut self) {
        match &mut self.server {
            Server::Folder => {}
            Server::Ssh(sshd) => sshd.stop(),
            Server::Web(web, _) => web.stop(),
        }
    }

    pub(crate) fn resume(&mut self) {
        match &mut self.server {
            Server::Folder => {}
            Server::Ssh(sshd) => sshd.resume(),
            Server::Web(web, _) => web.start(),
        }
    }

    pub(crate) fn server(&self) -> &Web {
        match &self.server {
            Server::Web(web, _) => web,
            _ => panic!("not a web server"),
        }
    }
}

/// Runs a test on a fresh repository for each way to reach one.
pub(crate) fn everywhere(test: impl Fn(Place, Oid)) {
    let (origin, first) = Origin::new();
    test(Place::folder(origin), first);
    let (origin, first) = Origin::new();
    test(Place::web(origin), first);
    let (origin, first) = Origin::new();
    if let Some(place) = Place::ssh(origin) {
        test(place, first);
    }
}

/// Generous with a slow machine, and short enough for a test that waits for it.
pub(crate) const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(20),
    idle: Duration::from_secs(20),
    total: Duration::from_mins(1),
    bytes: 64 << 20,
};

pub(crate) fn mirror(data: &Path, url: &str, revision: &str, credentials: Credentials) -> Mirror {
    let address = Address::parse(url, Path::new("/")).unwrap();
    Mirror::new(data, "prod", address, revision, credentials).with_limits(LIMITS)
}

pub(crate) fn sync(mirror: &Mirror) -> Result<Oid, FetchError> {
    mirror.sync(&Arc::default())
}

/// Files of a mirror below `objects`.
pub(crate) fn objects(mirror: &Mirror) -> Vec<PathBuf> {
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
