//! The configuration file: read at the start and again whenever it changes, and
//! applied to the admission handler, the source poller and the work in the cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::sync::watch;

use super::unreadable_file::{Readability, UnreadableFile};
use crate::admission::{AdmissionHandler, ReviewSettings};
use crate::config::{BreakGlassSettings, ClusterAccess, Config, Problem, TlsSettings, WebhookSettings};
use crate::discovery::DiscoverySettings;
use crate::source::render::Capabilities;
use crate::source::render::set_parallel;
use crate::source::{SnapshotStore, SourcePoller, SourceSpec};
use crate::telemetry::set_cluster_name;
use driftwall_core::policy::{ClusterLookup, Mode};
use driftwall_core::webhook_config::Writers;

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from, where whoever built it said so; a tarball has none.
const COMMIT: &str = match option_env!("DRIFTWALL_COMMIT") {
    Some(commit) => commit,
    None => "",
};

/// The admission handler, and what keeps its configuration current.
pub(crate) struct ConfigReloader {
    pub(crate) handler: Arc<AdmissionHandler>,
    file: PathBuf,
    audit_only: bool,
    /// The text that was read last, valid or not.
    text: Vec<u8>,
    /// Why the file cannot be read.
    unreadable: UnreadableFile,
    sources: Vec<SourceSpec>,
    /// What charts may ask of the cluster.
    capabilities: Capabilities,
    poll_interval: Duration,
    is_polling: bool,
    cluster_settings: watch::Sender<ClusterSettings>,
    discovery: watch::Sender<DiscoverySettings>,
}

/// What driftwall does in the cluster besides answering reviews; it can change while it serves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterSettings {
    pub(crate) registration: WebhookSettings,
    pub(crate) break_glass: BreakGlassSettings,
    pub(crate) events: bool,
    /// Namespaces in which every new object is to be reviewed; `None` if that may be any namespace.
    pub(crate) strict_namespaces: Option<Vec<String>>,
    /// What of the rules for writers decides which writes are sent.
    pub(crate) writers: Writers,
}

/// Settings that only a restart can change.
#[derive(Debug, PartialEq)]
pub(crate) struct StartupSettings {
    pub(crate) listen: std::net::SocketAddr,
    pub(crate) admin: std::net::SocketAddr,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) cluster: ClusterAccess,
    pub(crate) cluster_name: String,
    pub(crate) drain: Duration,
    pub(crate) names: InstanceNames,
}

/// What driftwall and its webhook configuration are called, and where they are
/// reached. Certificate, Lease and probe use these for as long as they live.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceNames {
    name: String,
    service: String,
    port: u16,
    url: Option<String>,
    path_file: Option<PathBuf>,
}

impl InstanceNames {
    fn of(registration: &WebhookSettings) -> Self {
        let WebhookSettings { name, service, port, url, path_file, .. } = registration.clone();
        Self { name, service, port, url, path_file }
    }

    /// The registration with these names in place of its own.
    fn pin_names(self, registration: WebhookSettings) -> WebhookSettings {
        let Self { name, service, port, url, path_file } = self;
        WebhookSettings { name, service, port, url, path_file, ..registration }
    }
}

/// A configuration, by who uses it.
struct Partition {
    presets: Vec<String>,
    review: ReviewSettings,
    sources: Vec<SourceSpec>,
    poll_interval: Duration,
    startup: StartupSettings,
    cluster: ClusterSettings,
    discovery: DiscoverySettings,
}

impl ConfigReloader {
    /// Reads the configuration, which must be valid; `capabilities` is what charts may ask
    /// of the cluster, `lookup` makes what answers questions about it.
    pub(crate) async fn start(
        file: &Path,
        audit_only: bool,
        capabilities: Capabilities,
        lookup: impl AsyncFnOnce(ClusterAccess) -> Box<dyn ClusterLookup>,
    ) -> anyhow::Result<(Self, StartupSettings)> {
        let config = Config::read(file)?;
        let text = std::fs::read(file)?;
        let Partition { presets, review, mut sources, poll_interval, startup, cluster, discovery } =
            partition(config, file, audit_only);
        // Before the first line that says what is wanted.
        set_cluster_name(&startup.cluster_name);
        let (version, commit, mode) = (VERSION, COMMIT, review.policy.mode.as_str());
        let presets = presets.join(", ");
        tracing::info!(version, commit, mode, audit_only, sources = sources.len(), presets, "Starting");
        for source in &mut sources {
            source.render.helm.cluster = capabilities.clone();
            let renderer = source.render.program();
            let renderer = renderer.with_context(|| format!("failed to prepare the source {}", source.name))?;
            if let Some(renderer) = renderer {
                tracing::info!(source = %source.name, %renderer, "Renderer found");
            }
        }
        let store = Arc::new(SnapshotStore::default());
        let poller = SourcePoller::new(&store, &sources);
        let lookup = lookup(startup.cluster).await;
        let reloader = Self {
            handler: Arc::new(AdmissionHandler::new(store, poller, review, lookup)),
            file: file.to_owned(),
            audit_only,
            text,
            unreadable: UnreadableFile::default(),
            sources,
            capabilities,
            poll_interval,
            is_polling: false,
            cluster_settings: watch::Sender::new(cluster),
            discovery: watch::Sender::new(discovery),
        };
        Ok((reloader, startup))
    }

    /// Syncs every source once, and blocks until that is done.
    pub(crate) fn sync_sources(&self) {
        self.handler.poller().sync_all();
    }

    /// Polls the sources from now on. Must be called on a runtime.
    pub(crate) fn start_polling(&mut self) {
        self.is_polling = true;
        self.handler.poller().start(self.poll_interval);
    }

    /// Applies the configuration if its file has changed; `None` if it has not, the
    /// startup settings if it is valid. An invalid one changes nothing.
    pub(crate) fn reload(&mut self) -> Option<anyhow::Result<StartupSettings>> {
        let read = std::fs::read(&self.file);
        match self.unreadable.observe(read.as_ref().err()) {
            Some(Readability::Lost(reason)) => {
                let file = self.file.display();
                return Some(Err(anyhow!("failed to read {file}: {reason}; a change of it would not be noticed")));
            }
            Some(Readability::Regained) => tracing::info!("Configuration file can be read again"),
            None => {}
        }
        let text = read.ok().filter(|text| *text != self.text)?;
        let config = Config::parse(&text, &self.file);
        self.text = text;
        match config {
            Ok(config) => Some(Ok(self.apply(config))),
            Err(error) => Some(Err(error.into())),
        }
    }

    fn apply(&mut self, config: Config) -> StartupSettings {
        let Partition { presets: _, review, mut sources, poll_interval, startup, mut cluster, discovery } =
            partition(config, &self.file, self.audit_only);
        for source in &mut sources {
            source.render.helm.cluster = self.capabilities.clone();
        }
        // With new names API servers would call a Service that the certificate does not
        // name, and this replica would compete for another Lease than the others do.
        let names = InstanceNames::of(&self.cluster_settings.borrow().registration);
        cluster.registration = names.pin_names(cluster.registration);

        let sources_changed = sources != self.sources;
        if sources_changed {
            self.handler.poller().set_sources(&sources);
            self.sources = sources;
        }
        let interval_changed = poll_interval != self.poll_interval;
        self.poll_interval = poll_interval;
        if self.is_polling && interval_changed {
            self.start_polling();
        }
        self.handler.set_settings(review);
        self.cluster_settings.send_if_modified(|current| {
            let changed = *current != cluster;
            *current = cluster;
            changed
        });
        self.discovery.send_if_modified(|current| {
            let changed = *current != discovery;
            *current = discovery;
            changed
        });
        startup
    }

    /// Which applications to find, now and after every reload.
    pub(crate) fn discovery(&self) -> watch::Receiver<DiscoverySettings> {
        self.discovery.subscribe()
    }

    /// What to do in the cluster, now and after every reload.
    pub(crate) fn cluster_settings(&self) -> watch::Receiver<ClusterSettings> {
        self.cluster_settings.subscribe()
    }
}

fn partition(config: Config, file: &Path, audit_only: bool) -> Partition {
    let Config {
        listen,
        admin,
        tls,
        cluster,
        cluster_name,
        registration,
        break_glass,
        events,
        discovery,
        sources,
        render_parallel,
        actors,
        mut policy,
        notes,
        presets,
        poll_interval,
        has_refresh_after,
        refresh_timeout,
        max_staleness,
        drain,
        positions: _,
    } = config;
    set_parallel(render_parallel);
    if audit_only {
        policy.mode = Mode::Audit;
        policy.modes.clear();
        policy.source_modes.clear();
    }
    if has_refresh_after {
        tracing::warn!("Key git.refreshAfter has no effect: every denial is preceded by a sync");
    }
    let file = file.display();
    for Problem { line, key, message } in notes {
        if audit_only && (key.starts_with("modes") || key.starts_with("sources")) {
            // Every mode is audit.
            continue;
        }
        tracing::warn!(%file, line, key, note = message, "A rule of the configuration may not do what it seems to");
    }
    let strict_namespaces = policy.strict_namespaces();
    let writers = Writers::of(&actors);
    Partition {
        review: ReviewSettings {
            actors,
            policy,
            refresh_timeout,
            max_staleness,
            max_break_glass_duration: break_glass.max_duration,
            cluster_name: cluster_name.clone(),
        },
        sources,
        poll_interval,
        startup: StartupSettings {
            listen,
            admin,
            tls,
            cluster,
            cluster_name,
            drain,
            names: InstanceNames::of(&registration),
        },
        presets,
        cluster: ClusterSettings { registration, break_glass, events, strict_namespaces, writers },
        discovery,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FailurePolicy;
    use driftwall_core::policy::NoCluster;

    #[tokio::test]
    async fn a_reload_applies_everything_but_the_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("driftwall.yaml");
        let write = |registration: &str| {
            let git = format!("git: {{data: {}}}", folder.path().display());
            std::fs::write(&file, format!("sources: [{{name: a, repo: /nowhere}}]\n{git}\n{registration}\n")).unwrap();
        };
        write("registration: {manage: true, name: webhook, service: webhook, port: 443}");
        let started = ConfigReloader::start(&file, false, Capabilities::default(), async |_| {
            Box::new(NoCluster) as Box<dyn ClusterLookup>
        })
        .await;
        let (mut reloader, startup) = started.unwrap();
        let at_start = reloader.cluster_settings().borrow().registration.clone();
        for (changed, keeps_startup_settings) in [
            ("name: other, service: webhook, port: 443", false),
            ("name: webhook, service: other, port: 443", false),
            ("name: webhook, service: webhook, port: 8443", false),
            ("name: webhook, service: webhook, port: 443, url: 'https://webhook.example'", false),
            ("name: webhook, service: webhook, port: 443, selfHeal: true", true),
        ] {
            write(&format!("registration: {{manage: true, failurePolicy: Fail, {changed}}}"));
            let now = reloader.reload().unwrap().unwrap();
            assert_eq!(now == startup, keeps_startup_settings, "{changed}");
            let current = reloader.cluster_settings().borrow().registration.clone();
            assert_eq!(current.failure_policy, FailurePolicy::Fail, "the rest applies");
            assert_eq!(InstanceNames::of(&current), InstanceNames::of(&at_start), "{changed}");
        }
    }
}
