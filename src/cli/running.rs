//! What runs behind the server: the configuration in force and the sources,
//! both renewed while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Failure;
use super::wall::{Terms, Wall};
use crate::config::{Access, BreakGlass, Config, Registration, Tls};
use crate::git::{Follower, Repository, Store};
use crate::judge::{Cluster, Mode};

/// A wall with what keeps it true.
pub(super) struct Running {
    pub(super) wall: Arc<Wall>,
    file: PathBuf,
    audit_only: bool,
    /// The text that was read last, good or bad.
    text: String,
    sources: Vec<Repository>,
    poll: Duration,
    begun: bool,
    in_cluster: watch::Sender<InCluster>,
}

/// What driftwall does in a cluster beside judging; it can change while it serves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InCluster {
    pub(super) registration: Registration,
    pub(super) break_glass: BreakGlass,
    pub(super) events: bool,
    /// Namespaces in which all that is new is asked about; `None` where it may be any.
    pub(super) strict: Option<Vec<String>>,
}

/// What only a new start can change.
#[derive(Debug, PartialEq)]
pub(super) struct Fixed {
    pub(super) listen: std::net::SocketAddr,
    pub(super) admin: std::net::SocketAddr,
    pub(super) tls: Option<Tls>,
    pub(super) cluster: Access,
    pub(super) drain: Duration,
}

impl Running {
    /// Reads the configuration, which must be good; `cluster` makes what it asks for.
    pub(super) async fn begin(
        file: &Path,
        audit_only: bool,
        cluster: impl AsyncFnOnce(Access) -> Box<dyn Cluster>,
    ) -> Result<(Self, Fixed), Failure> {
        let config = Config::read(file)?;
        let text = std::fs::read_to_string(file)?;
        let (terms, sources, poll, fixed, in_cluster) = split(config, audit_only);
        for source in &sources {
            let program = source.render.program();
            let program = program.map_err(|error| format!("failed to prepare the source {}: {error}", source.name))?;
            if let Some(program) = program {
                tracing::info!(source = %source.name, %program, "Renders");
            }
        }
        let store = Arc::new(Store::default());
        let follower = Follower::new(&store, &sources);
        let cluster = cluster(fixed.cluster).await;
        let wall = Arc::new(Wall::new(store, follower, terms, cluster));
        let in_cluster = watch::Sender::new(in_cluster);
        Ok((Self { wall, file: file.to_owned(), audit_only, text, sources, poll, begun: false, in_cluster }, fixed))
    }

    /// Looks at every source once; blocks on it.
    pub(super) fn look(&self) {
        self.wall.follower().look();
    }

    /// Follows the sources from now on; needs a runtime.
    pub(super) fn follow(&mut self) {
        self.begun = true;
        self.wall.follower().begin(self.poll);
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
        let (terms, sources, poll, fixed, in_cluster) = split(config, self.audit_only);
        let other_sources = sources != self.sources;
        if other_sources {
            self.wall.follow(Follower::new(&self.wall.store, &sources));
            self.sources = sources;
        }
        let other_pace = std::mem::replace(&mut self.poll, poll) != poll;
        if self.begun && (other_sources || other_pace) {
            self.follow();
        }
        self.wall.hold(terms);
        self.in_cluster.send_if_modified(|now| std::mem::replace(now, in_cluster.clone()) != in_cluster);
        fixed
    }

    /// What is to be done in the cluster, now and whenever the configuration says otherwise.
    pub(super) fn in_cluster(&self) -> watch::Receiver<InCluster> {
        self.in_cluster.subscribe()
    }
}

fn split(config: Config, audit_only: bool) -> (Terms, Vec<Repository>, Duration, Fixed, InCluster) {
    let Config { listen, admin, tls, cluster, sources, actors, mut policy, .. } = config;
    let Config { poll, freshness, longest_look, max_staleness, drain, registration, break_glass, events, .. } = config;
    if audit_only {
        policy.mode = Mode::Audit;
    }
    let strict = policy.strict_namespaces();
    (
        Terms { actors, policy, freshness, longest_look, max_staleness, longest_glass: break_glass.longest },
        sources,
        poll,
        Fixed { listen, admin, tls, cluster, drain },
        InCluster { registration, break_glass, events, strict },
    )
}
