//! `driftwall serve`: the admission webhook.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::Failure;
use super::emergency::stand_by;
use super::registering::register;
use super::running::{Fixed, Running};
use crate::cluster::{Home, Live};
use crate::config::{Access, Certificate, Tls};
use crate::judge::{Cluster, NoCluster};
use crate::server::{CertificateSource, Server, Settings, signals};
use crate::telemetry::{LogFormat, Metrics, init_logging};

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// The configuration; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Record drift and let everything pass, whatever the configuration says
    #[arg(long)]
    audit_only: bool,
}

/// What work in the background gets to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often the configuration's file is looked at. A mounted ConfigMap takes
/// up to a minute to change anyway.
const CONFIG_LOOK: Duration = Duration::from_secs(1);

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        init_logging(LogFormat::Auto)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(self.serve());
        // A look at a server or a rendering that is under way is called off, and not waited for.
        runtime.shutdown_timeout(FAREWELL);
        ended
    }

    async fn serve(self) -> Result<ExitCode, Failure> {
        let Self { config: file, audit_only } = self;
        let mut home = None;
        let (mut running, fixed) = Running::begin(&file, audit_only, async |access| {
            home = find(access).await;
            look_ups(home.as_ref())
        })
        .await?;
        let metrics = Arc::new(Metrics::new());
        let settings = settings(&fixed, &file)?;
        let wall = Arc::clone(&running.wall);
        let server = Server::bind(settings, Arc::clone(&wall), wall, Arc::clone(&metrics)).await?;
        let (shutdown, at_once) = signals()?;
        running.follow();
        tokio::spawn(Arc::clone(&running.wall).check());
        if let Some(home) = home {
            // One replica alone leads.
            let leading = watch::Sender::new(true).subscribe();
            tokio::spawn(register(&home, &running, leading, None, Arc::clone(&metrics)).0);
            tokio::spawn(stand_by(home, Arc::clone(&running.wall), running.in_cluster()));
        }
        tokio::select! {
            ended = server.run(shutdown, at_once) => ended?,
            never = renew(running, fixed, metrics) => match never {},
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The cluster that driftwall is in, where it may be asked.
async fn find(access: Access) -> Option<Home> {
    match access {
        Access::Off => tracing::info!("The cluster is not asked for owners and definitions: cluster is off"),
        Access::Auto => match Home::find().await {
            Ok(Some(home)) => return Some(home),
            Ok(None) => tracing::info!("The cluster is not asked for owners and definitions: there is none here"),
            Err(error) => tracing::warn!(%error, "The cluster is not asked for owners and definitions"),
        },
    }
    None
}

/// What only the cluster knows, where it can be asked.
fn look_ups(home: Option<&Home>) -> Box<dyn Cluster> {
    match home {
        Some(home) => Box::new(Live::of(home)),
        None => Box::new(NoCluster),
    }
}

fn settings(fixed: &Fixed, file: &std::path::Path) -> Result<Settings, Failure> {
    let Some(Tls { certificate, client_ca }) = fixed.tls.clone() else {
        return Err(format!(
            "failed to use tls of the configuration {}: it is missing; give certFile and keyFile (`driftwall certs` makes both)",
            file.display()
        )
        .into());
    };
    let certificate = match certificate {
        Certificate::Files { cert, key } => CertificateSource::Files { cert, key },
        Certificate::SelfManaged(_) => return Err("failed to use tls.selfManaged: there is no cluster here".into()),
    };
    let mut settings = Settings::new(certificate);
    settings.listen = fixed.listen;
    settings.admin = fixed.admin;
    settings.client_ca = client_ca;
    settings.times.drain = fixed.drain;
    Ok(settings)
}

/// Keeps the configuration new, for as long as it serves.
async fn renew(mut running: Running, fixed: Fixed, metrics: Arc<Metrics>) -> Infallible {
    loop {
        tokio::time::sleep(CONFIG_LOOK).await;
        match running.reload() {
            None => {}
            Some(Ok(now)) => {
                metrics.config_reloaded(true);
                tracing::info!("Configuration taken over");
                if now != fixed {
                    tracing::warn!("A change of listen, admin, tls, cluster or drain takes a new start");
                }
            }
            Some(Err(error)) => {
                metrics.config_reloaded(false);
                tracing::error!(%error, "Configuration refused, the old one stays");
            }
        }
    }
}
