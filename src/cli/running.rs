//! What runs behind the server: the configuration in force and the sources,
//! both renewed while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use super::wall::{Terms, Wall};
use crate::config::{Config, TlsFiles};
use crate::git::{Refresher, Repository, Store};
use crate::judge::{Cluster, Mode};

/// A wall with what keeps it true.
pub(super) struct Running {
    pub(super) wall: Arc<Wall>,
    file: PathBuf,
    audit_only: bool,
    /// The text that was read last, good or bad.
    text: String,
    sources: Vec<Repository>,
    refresher: Refresher,
    pub(super) poll: Duration,
}

/// What only a new start can change.
#[derive(Debug, PartialEq)]
pub(super) struct Fixed {
    pub(super) listen: std::net::SocketAddr,
    pub(super) admin: std::net::SocketAddr,
    pub(super) tls: Option<TlsFiles>,
    pub(super) drain: Duration,
}

impl Running {
    /// Reads the configuration, which must be good.
    pub(super) fn begin(file: &Path, audit_only: bool, cluster: Box<dyn Cluster>) -> Result<(Self, Fixed), Failure> {
        let config = Config::read(file)?;
        let text = std::fs::read_to_string(file)?;
        let (terms, sources, poll, fixed) = split(config, audit_only);
        let store = Arc::new(Store::default());
        let refresher = Refresher::new(Arc::clone(&store), sources.clone());
        let wall = Arc::new(Wall::new(store, terms, cluster));
        Ok((Self { wall, file: file.to_owned(), audit_only, text, sources, refresher, poll }, fixed))
    }

    /// Looks at every source; blocks on disk.
    pub(super) fn look(&mut self) {
        for (source, error) in self.refresher.look() {
            tracing::error!(%source, %error, "Source not renewed");
        }
    }

    /// Takes the configuration over if its file has changed; `None` where it has
    /// not, the fixed part where it is good. A bad one changes nothing.
    pub(super) fn reload(&mut self) -> Option<Result<Fixed, Failure>> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) if text == self.text => return None,
            Ok(text) => text,
            // Between the two halves of a swap; the next look tells.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(error.into())),
        };
        let config = Config::parse(&text, &self.file);
        self.text = text;
        Some(config.map_err(Failure::from).map(|config| self.take(config)))
    }

    fn take(&mut self, config: Config) -> Fixed {
        let (terms, sources, poll, fixed) = split(config, self.audit_only);
        if sources != self.sources {
            // What was read stays in force until all that is wanted now is read.
            self.refresher = Refresher::new(Arc::clone(&self.wall.store), sources.clone());
            self.sources = sources;
            self.look();
        }
        self.wall.hold(terms);
        self.poll = poll;
        fixed
    }
}

fn split(config: Config, audit_only: bool) -> (Terms, Vec<Repository>, Duration, Fixed) {
    let Config { listen, admin, tls, sources, actors, mut policy, poll, max_staleness, drain } = config;
    if audit_only {
        policy.mode = Mode::Audit;
    }
    (Terms { actors, policy, max_staleness }, sources, poll, Fixed { listen, admin, tls, drain })
}
