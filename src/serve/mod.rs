//! `driftwall serve`: start, reload and the wiring of all rooms.

mod break_glass;
mod identity;
pub(crate) mod reload;
pub(crate) mod webhook_config;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use driftwall_core::policy::{ClusterLookup, NoCluster};
use tokio::task::JoinSet;

use self::break_glass::stand_by;
use self::identity::ServingIdentity;
use self::reload::{ConfigReloader, Fixed};
use self::webhook_config::register;
use crate::cluster::{ApiLookup, ClusterContext};
use crate::config::{CertificateSettings, ClusterAccess, TlsSettings};
use crate::server::{CertificateSource, Server, Settings, signals};
use crate::telemetry::Metrics;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How often the configuration's file is looked at. A mounted ConfigMap takes
/// up to a minute to change anyway.
const CONFIG_LOOK: Duration = Duration::from_secs(1);

/// Serves until a signal; every failure to start is an error.
pub(crate) async fn serve(file: PathBuf, audit_only: bool) -> Result<ExitCode, Failure> {
    let mut home = None;
    let (mut running, fixed) = ConfigReloader::begin(&file, audit_only, async |access| {
        home = find(access).await;
        look_ups(home.as_ref())
    })
    .await?;
    let metrics = Arc::new(Metrics::new());
    let tls = tls(&fixed, &file)?;
    let (shutdown, at_once) = signals()?;
    let (mut shutdown, mut at_once) = (pin!(shutdown), pin!(at_once));
    let household = ServingIdentity::new(home.clone(), &tls.certificate, &running.in_cluster().borrow())?;
    let household = Arc::new(household);
    // What runs as long as the server; dropping the set ends it.
    let mut helpers = JoinSet::new();
    let keeping = Box::pin(Arc::clone(&household).keep(Arc::clone(&metrics)));
    helpers.spawn(async { match keeping.await {} });
    let certificate = match tls.certificate {
        CertificateSettings::Files { cert, key } => CertificateSource::Files { cert, key },
        CertificateSettings::SelfManaged(_) => tokio::select! {
            pair = household.pair() => CertificateSource::Held(pair),
            () = &mut shutdown => return Ok(ExitCode::SUCCESS),
            () = &mut at_once => return Ok(ExitCode::SUCCESS),
        },
    };
    let mut settings = Settings::new(certificate);
    settings.listen = fixed.listen;
    settings.admin = fixed.admin;
    settings.client_ca = tls.client_ca;
    settings.times.drain = fixed.drain;
    let wall = Arc::clone(&running.wall);
    let server = Server::bind(settings, Arc::clone(&wall), wall, Arc::clone(&metrics)).await?;
    household.serves_at(server.webhook_address());
    running.follow();
    helpers.spawn(Arc::clone(&running.wall).check());
    if let Some(home) = home {
        let (leads, bundle) = (household.leads(), household.bundle());
        let (registering, _) = register(&home, &running, leads, bundle, Arc::clone(&metrics));
        helpers.spawn(async { match registering.await {} });
        helpers.spawn(stand_by(home, Arc::clone(&running.wall), running.in_cluster()));
    }
    tokio::select! {
        ended = server.run(shutdown, at_once) => ended?,
        never = renew(running, fixed, metrics) => match never {},
        // Better a new start than a wall of which a part is missing.
        Some(ended) = helpers.join_next() => {
            let why = ended.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
            return Err(format!("failed to keep serving: a part of the program is gone: {why}").into());
        }
    }
    helpers.shutdown().await;
    household.farewell().await;
    Ok(ExitCode::SUCCESS)
}

/// The cluster that driftwall is in, where it may be asked.
async fn find(access: ClusterAccess) -> Option<ClusterContext> {
    match access {
        ClusterAccess::Off => tracing::info!("The cluster is not asked for owners and definitions: cluster is off"),
        ClusterAccess::Auto => match ClusterContext::from_env().await {
            Ok(Some(home)) => return Some(home),
            Ok(None) => tracing::info!("The cluster is not asked for owners and definitions: there is none here"),
            Err(error) => tracing::warn!(%error, "The cluster is not asked for owners and definitions"),
        },
    }
    None
}

/// What only the cluster knows, where it can be asked.
fn look_ups(home: Option<&ClusterContext>) -> Box<dyn ClusterLookup> {
    match home {
        Some(home) => Box::new(ApiLookup::from_context(home)),
        None => Box::new(NoCluster),
    }
}

fn tls(fixed: &Fixed, file: &Path) -> Result<TlsSettings, Failure> {
    fixed.tls.clone().ok_or_else(|| {
        let words = "it is missing; give certFile and keyFile (`driftwall certs` makes both), or selfManaged: true";
        format!("failed to use tls of the configuration {}: {words}", file.display()).into()
    })
}

/// Keeps the configuration new, for as long as it serves.
async fn renew(mut running: ConfigReloader, fixed: Fixed, metrics: Arc<Metrics>) -> Infallible {
    loop {
        tokio::time::sleep(CONFIG_LOOK).await;
        match running.reload() {
            None => {}
            Some(Ok(now)) => {
                metrics.count_config_reload(true);
                tracing::info!("Configuration taken over");
                if now != fixed {
                    tracing::warn!(
                        "A change of listen, admin, tls, cluster, drain or of the registration's name, service, \
                         port or url takes a new start"
                    );
                }
            }
            Some(Err(error)) => {
                metrics.count_config_reload(false);
                tracing::error!(%error, "Configuration refused, the old one stays");
            }
        }
    }
}
