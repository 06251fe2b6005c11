//! `driftwall renderer`: renders for other driftwalls.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::values::{listen_address, number};
use crate::server::{CertificateSource, ServerSettings};
use crate::source::render::{JobRunner, Limits, Programs, set_parallel};
use crate::telemetry::{LogFormat, init_logging};

#[derive(Args, Debug)]
pub(super) struct Renderer {
    /// Address and port of the renderer
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8444)), value_parser = listen_address)]
    listen: SocketAddr,
    /// Address and port of probes and metrics
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)), value_parser = listen_address)]
    admin: SocketAddr,
    /// PEM file of the serving certificate; it is reloaded when it changes, as are the others
    #[arg(long, value_name = "FILE")]
    cert_file: PathBuf,
    /// PEM file of its key
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// PEM file of the CA of the clients that are answered
    #[arg(long, value_name = "FILE")]
    client_ca_file: PathBuf,
    /// How many kustomizations and charts are rendered at once
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = number(1..=64))]
    parallel: u64,
    /// How much memory a program that renders may use, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 224, value_parser = number(128..=1 << 20))]
    memory: u64,
    /// How long a program that renders may run, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = number(1..=3600))]
    timeout: u64,
    /// Path of helm; without it, that on PATH
    #[arg(long, value_name = "FILE")]
    helm: Option<PathBuf>,
    /// Path of kubectl, which renders kustomizations where there is no kustomize
    #[arg(long, value_name = "FILE")]
    kubectl: Option<PathBuf>,
    /// Path of kustomize; without it, that on PATH
    #[arg(long, value_name = "FILE")]
    kustomize: Option<PathBuf>,
}

impl Renderer {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { listen, admin, cert_file, key_file, client_ca_file, .. } = self;
        let _log = init_logging(LogFormat::Auto)?;
        set_parallel(usize::try_from(self.parallel)?);
        let mut settings = ServerSettings::new(CertificateSource::Files { cert: cert_file, key: key_file });
        settings.listen = listen;
        settings.admin = admin;
        settings.client_ca = Some(client_ca_file);
        // Nobody waits for a renderer in the way that an API server does.
        settings.timeouts.drain = Duration::ZERO;
        let (helm, kubectl, kustomize) = (self.helm, self.kubectl, self.kustomize);
        let programs = Programs { kustomize, kubectl, helm, launcher: None };
        let limits = Limits { time: Duration::from_secs(self.timeout), memory: self.memory << 20, ..Limits::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(crate::renderer::serve(settings, JobRunner { programs, limits }))?;
        Ok(ExitCode::SUCCESS)
    }
}
