//! What runs behind the server: the configuration in force and the sources,
//! both renewed while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Failure;
use crate::admission::{AdmissionHandler, Terms};
use crate::config::{BreakGlassSettings, ClusterAccess, Config, TlsSettings, WebhookSettings};
use crate::source::{SnapshotStore, SourcePoller, SourceSpec};
use driftwall_core::policy::{ClusterLookup, Mode};

/// A wall with what keeps it true.
pub(crate) struct ConfigReloader {
    pub(crate) wall: Arc<AdmissionHandler>,
    file: PathBuf,
    audit_only: bool,
    /// The text that was read last, good or bad.
    text: String,
    sources: Vec<SourceSpec>,
    poll: Duration,
    begun: bool,
    in_cluster: watch::Sender<ClusterSettings>,
}

/// What driftwall does in a cluster beside judging; it can change while it serves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterSettings {
    pub(crate) registration: WebhookSettings,
    pub(crate) break_glass: BreakGlassSettings,
    pub(crate) events: bool,
    /// Namespaces in which all that is new is asked about; `None` where it may be any.
    pub(crate) strict: Option<Vec<String>>,
}

/// What only a new start can change.
#[derive(Debug, PartialEq)]
pub(crate) struct Fixed {
    pub(crate) listen: std::net::SocketAddr,
    pub(crate) admin: std::net::SocketAddr,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) cluster: ClusterAccess,
    pub(crate) drain: Duration,
    pub(crate) called: InstanceNames,
}

/// What driftwall and its registration are called, and where: certificate, Lease and probe go by
/// it for as long as they live.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceNames {
    name: String,
    service: String,
    port: u16,
    url: Option<String>,
}

impl InstanceNames {
    fn of(registration: &WebhookSettings) -> Self {
        let WebhookSettings { name, service, port, url, .. } = registration.clone();
        Self { name, service, port, url }
    }

    fn held_in(self, registration: WebhookSettings) -> WebhookSettings {
        let Self { name, service, port, url } = self;
        WebhookSettings { name, service, port, url, ..registration }
    }
}

impl ConfigReloader {
    /// Reads the configuration, which must be good; `cluster` makes what it asks for.
    pub(crate) async fn begin(
        file: &Path,
        audit_only: bool,
        cluster: impl AsyncFnOnce(ClusterAccess) -> Box<dyn ClusterLookup>,
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
        let store = Arc::new(SnapshotStore::default());
        let follower = SourcePoller::new(&store, &sources);
        let cluster = cluster(fixed.cluster).await;
        let wall = Arc::new(AdmissionHandler::new(store, follower, terms, cluster));
        let in_cluster = watch::Sender::new(in_cluster);
        Ok((Self { wall, file: file.to_owned(), audit_only, text, sources, poll, begun: false, in_cluster }, fixed))
    }

    /// Looks at every source once; blocks on it.
    pub(crate) fn look(&self) {
        self.wall.follower().look();
    }

    /// Follows the sources from now on; needs a runtime.
    pub(crate) fn follow(&mut self) {
        self.begun = true;
        self.wall.follower().begin(self.poll);
    }

    /// Takes the configuration over if its file has changed; `None` where it has
    /// not, the fixed part where it is good. A bad one changes nothing.
    pub(crate) fn reload(&mut self) -> Option<Result<Fixed, Failure>> {
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
        let (terms, sources, poll, fixed, mut in_cluster) = split(config, self.audit_only);
        // Else API servers would be sent where no certificate fits and no other replica's Lease is.
        let called = InstanceNames::of(&self.in_cluster.borrow().registration);
        in_cluster.registration = called.held_in(in_cluster.registration);
        let other_sources = sources != self.sources;
        if other_sources {
            self.wall.follow(SourcePoller::new(&self.wall.store, &sources));
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
    pub(crate) fn in_cluster(&self) -> watch::Receiver<ClusterSettings> {
        self.in_cluster.subscribe()
    }
}

fn split(config: Config, audit_only: bool) -> (Terms, Vec<SourceSpec>, Duration, Fixed, ClusterSettings) {
    let Config { listen, admin, tls, cluster, sources, actors, mut policy, .. } = config;
    let Config {
        poll_interval: poll,
        refresh_after: freshness,
        refresh_timeout: longest_look,
        max_staleness,
        drain,
        registration,
        break_glass,
        events,
        ..
    } = config;
    if audit_only {
        policy.mode = Mode::Audit;
    }
    let strict = policy.strict_namespaces();
    (
        Terms { actors, policy, freshness, longest_look, max_staleness, longest_glass: break_glass.max_duration },
        sources,
        poll,
        Fixed { listen, admin, tls, cluster, drain, called: InstanceNames::of(&registration) },
        ClusterSettings { registration, break_glass, events, strict },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FailurePolicy;
    use driftwall_core::policy::NoCluster;

    #[tokio::test]
    async fn what_driftwall_is_called_stays_what_it_was_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("driftwall.yaml");
        let write = |registration: &str| {
            let git = format!("git: {{dataDir: {}}}", folder.path().display());
            std::fs::write(&file, format!("sources: [{{name: a, repo: /nowhere}}]\n{git}\n{registration}\n")).unwrap();
        };
        write("registration: {manage: true, name: wall, service: wall, port: 443}");
        let begun = ConfigReloader::begin(&file, false, async |_| Box::new(NoCluster) as Box<dyn ClusterLookup>).await;
        let (mut running, fixed) = begun.map_err(|error| error.to_string()).unwrap();
        let begun = running.in_cluster().borrow().registration.clone();
        for (changed, is_fixed) in [
            ("name: other, service: wall, port: 443", false),
            ("name: wall, service: other, port: 443", false),
            ("name: wall, service: wall, port: 8443", false),
            ("name: wall, service: wall, port: 443, url: 'https://wall.example'", false),
            ("name: wall, service: wall, port: 443, selfHeal: true", true),
        ] {
            write(&format!("registration: {{manage: true, failurePolicy: Fail, {changed}}}"));
            let now = running.reload().unwrap().map_err(|error| error.to_string()).unwrap();
            assert_eq!(now == fixed, is_fixed, "{changed}");
            let held = running.in_cluster().borrow().registration.clone();
            assert_eq!(held.failure_policy, FailurePolicy::Fail, "the rest applies");
            assert_eq!(InstanceNames::of(&held), InstanceNames::of(&begun), "{changed}");
        }
    }
}
