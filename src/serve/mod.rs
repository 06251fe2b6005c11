//! `driftwall serve`: start, reload and the wiring of all modules.

mod break_glass;
mod canary;
mod identity;
pub(crate) mod reload;
mod review_path;
mod unmatched_rules;
mod unreadable_file;
pub(crate) mod webhook_config;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use driftwall_core::policy::{ClusterLookup, NoCluster};
use tokio::task::JoinSet;

use self::break_glass::run_watch;
use self::canary::run_canary;
use self::identity::ServingIdentity;
use self::reload::{ConfigReloader, StartupSettings};
use self::unmatched_rules::tell_unmatched_rules;
use self::webhook_config::register;
use crate::admission::ReviewRecording;
use crate::cluster::{ApiDiscovery, ApiLookup, ClusterContext};
use crate::config::{CertificateSettings, ClusterAccess, TlsSettings};
use crate::discovery;
use crate::error_chain::error_chain;
use crate::server::{CertificateSource, Server, ServerSettings, shutdown_signals};
use crate::source::render::{Capabilities, ServedApis};
use crate::telemetry::Metrics;

/// How often the configuration file is read. A mounted ConfigMap takes up to a
/// minute to change anyway.
const CONFIG_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How often the API server is asked what it serves: kinds come and go rarely.
const CAPABILITIES_INTERVAL: Duration = Duration::from_mins(5);

/// Serves until a signal. Everything that can fail at the start fails before the port opens.
pub(crate) async fn serve(
    file: PathBuf,
    audit_only: bool,
    recording: Option<ReviewRecording>,
) -> anyhow::Result<ExitCode> {
    let mut cluster = None;
    let capabilities = Capabilities::default();
    let (mut reloader, startup) = ConfigReloader::start(&file, audit_only, capabilities.clone(), async |access| {
        cluster = connect(access).await;
        if let Some(cluster) = &cluster {
            read_capabilities(cluster, &capabilities).await;
        }
        cluster_lookup(cluster.as_ref())
    })
    .await?;
    if let Some(recording) = recording {
        reloader.handler.set_recording(recording);
    }
    let metrics = Arc::new(Metrics::of_cluster(&startup.cluster_name));
    let tls = tls_settings(&startup, &file)?;
    let (shutdown, at_once) = shutdown_signals()?;
    let (mut shutdown, mut at_once) = (pin!(shutdown), pin!(at_once));
    let identity = Arc::new(ServingIdentity::new(cluster.clone(), &tls, reloader.cluster_settings())?);
    // Tasks that run as long as the server; dropping the set ends them.
    let mut tasks = JoinSet::new();
    let run_identity = Box::pin(Arc::clone(&identity).run(Arc::clone(&metrics)));
    tasks.spawn(async { match run_identity.await {} });
    let certificate = match tls.certificate {
        CertificateSettings::Files { cert, key } => CertificateSource::Files { cert, key },
        CertificateSettings::SelfManaged(_) => tokio::select! {
            pair = identity.serving_certificate() => CertificateSource::Managed(pair),
            () = &mut shutdown => return Ok(ExitCode::SUCCESS),
            () = &mut at_once => return Ok(ExitCode::SUCCESS),
        },
    };

    let paths = tokio::select! {
        paths = identity.review_paths() => paths,
        () = &mut shutdown => return Ok(ExitCode::SUCCESS),
        () = &mut at_once => return Ok(ExitCode::SUCCESS),
    };

    let mut settings = ServerSettings::new(certificate);
    settings.paths = paths;
    settings.listen = startup.listen;
    settings.admin = startup.admin;
    settings.client_ca = tls.client_ca;
    settings.timeouts.drain = startup.drain;
    let handler = Arc::clone(&reloader.handler);
    let health = Arc::clone(&handler);
    let server = Server::bind(settings, Arc::clone(&handler), health, Arc::clone(&metrics)).await?;
    identity.set_address(server.webhook_address());
    reloader.start_polling();
    tasks.spawn(Arc::clone(&handler).run_self_checks());
    let telling = tell_unmatched_rules(Arc::clone(&handler), reloader.discovery());
    tasks.spawn(async { match telling.await {} });
    if let Some(cluster) = cluster {
        let registration = register(&cluster, &reloader, &identity, Arc::clone(&metrics));
        tasks.spawn(async { match registration.await {} });
        let states = Arc::clone(&handler.watches);
        let discovery = discovery::run(cluster.clone(), Arc::clone(&handler.store), reloader.discovery(), states);
        tasks.spawn(async { match discovery.await {} });
        let following = follow_capabilities(cluster.clone(), capabilities);
        tasks.spawn(async { match following.await {} });
        let settings = reloader.cluster_settings();
        let canary =
            run_canary(cluster.clone(), Arc::clone(&handler), identity.is_leader(), settings, Arc::clone(&metrics));
        tasks.spawn(async { match Box::pin(canary).await {} });
        tasks.spawn(run_watch(cluster, handler, reloader.cluster_settings()));
    }

    tokio::select! {
        ended = server.run(shutdown, at_once) => ended?,
        never = run_reloads(reloader, startup, metrics) => match never {},
        // A restart is better than serving on without one of them.
        Some(ended) = tasks.join_next() => {
            let cause = ended.err().map_or_else(|| anyhow!("it ended"), anyhow::Error::from);
            return Err(cause.context("failed to keep serving: a background task is gone"));
        }
    }
    tasks.shutdown().await;
    identity.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// The cluster that driftwall runs in, if it runs in one and may use it.
async fn connect(access: ClusterAccess) -> Option<ClusterContext> {
    let reason = match access {
        ClusterAccess::Off => "cluster is off in the configuration".to_owned(),
        ClusterAccess::Auto => match ClusterContext::from_env().await {
            Ok(Some(cluster)) => return Some(cluster),
            Ok(None) => "driftwall runs outside a cluster".to_owned(),
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), "No cluster access: owners and CRDs stay unknown");
                return None;
            }
        },
    };
    tracing::info!(%reason, "No cluster access: owners and CRDs stay unknown");
    None
}

/// Tells charts what the cluster serves; nothing changes where it does not say.
async fn read_capabilities(cluster: &ClusterContext, capabilities: &Capabilities) {
    if let Some(ApiDiscovery { version, api_versions }) = ApiDiscovery::read(cluster).await {
        capabilities.set(ServedApis { version, api_versions });
    }
}

/// Keeps [`Capabilities`] current. Never ends.
async fn follow_capabilities(cluster: ClusterContext, capabilities: Capabilities) -> Infallible {
    loop {
        tokio::time::sleep(CAPABILITIES_INTERVAL).await;
        read_capabilities(&cluster, &capabilities).await;
    }
}

/// Answers what only the cluster knows, if there is access to one.
fn cluster_lookup(cluster: Option<&ClusterContext>) -> Box<dyn ClusterLookup> {
    match cluster {
        Some(cluster) => Box::new(ApiLookup::from_context(cluster)),
        None => Box::new(NoCluster),
    }
}

fn tls_settings(startup: &StartupSettings, file: &Path) -> anyhow::Result<TlsSettings> {
    startup.tls.clone().with_context(|| {
        format!(
            "failed to use tls of the configuration {}: it is missing; give certFile and keyFile \
             (`driftwall certs` makes both), or selfManaged: true",
            file.display()
        )
    })
}

/// Applies every change of the configuration file. Never ends.
async fn run_reloads(mut reloader: ConfigReloader, startup: StartupSettings, metrics: Arc<Metrics>) -> Infallible {
    loop {
        tokio::time::sleep(CONFIG_POLL_INTERVAL).await;
        match reloader.reload() {
            None => {}
            Some(Ok(current)) => {
                metrics.count_config_reload(true);
                tracing::info!("Configuration reloaded");
                if current != startup {
                    tracing::warn!(
                        "Restart needed: a change of listen, admin, tls, cluster, clusterName, drain or of the \
                         registration's name, service, port, url or pathFile has no effect before"
                    );
                }
            }
            Some(Err(error)) => {
                metrics.count_config_reload(false);
                tracing::error!(error = %error_chain(&*error), "Configuration rejected, the old one stays in force");
            }
        }
    }
}
