//! `driftwall webhook`: the webhook configuration for what Git declares.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use super::output::print;
use super::snapshot::{load_snapshot, read_config};
use crate::certs::Certificate;
use crate::config::{is_label, read_path_file};
use crate::serve::webhook_config::desired_webhook_config;
use driftwall_core::webhook_config::{ReviewPath, WebhookParameters, Writers, build};

#[derive(Args, Debug)]
pub(super) struct Webhook {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// CA of the serving certificate, PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Name of the webhook configuration, instead of `registration.name`
    #[arg(long)]
    name: Option<String>,
    /// Service in front of the webhook, instead of `registration.service`
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "url")]
    service: Option<String>,
    /// URL of the webhook for an API server that does not use the Service, instead of `registration.url`
    #[arg(long)]
    url: Option<String>,
    /// File with the path at which reviews are received, instead of `registration.pathFile`
    #[arg(long, value_name = "FILE")]
    path_file: Option<PathBuf>,
    /// Leave out matchConditions: for API servers before 1.28, which ignore them silently
    #[arg(long)]
    no_conditions: bool,
}

/// The namespace of the manifests that driftwall ships.
const DEFAULT_NAMESPACE: &str = "driftwall";

impl Webhook {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { config, ca, name, service, url, path_file, no_conditions } = self;
        let ca_pem = std::fs::read_to_string(&ca).with_context(|| format!("failed to read {}", ca.display()))?;
        // Checked here because the API server would only say that the webhook configuration is invalid.
        let certificates =
            Certificate::parse_pem(&ca_pem).with_context(|| format!("failed to use {}", ca.display()))?;
        if certificates.is_empty() {
            bail!("failed to use {}: it holds no certificate; give the CA's, PEM", ca.display());
        }
        let mut config = read_config(&config)?;
        let registration = &mut config.registration;
        let mut namespace = DEFAULT_NAMESPACE.to_owned();
        if let Some(service) = service {
            let Some((service_namespace, service_name)) = service.split_once('/') else {
                bail!("failed to use --service: `{service}` names no namespace; write namespace/name");
            };
            service_namespace.clone_into(&mut namespace);
            service_name.clone_into(&mut registration.service);
            registration.url = None;
        }
        if let Some(name) = name {
            registration.name = name;
        }
        if url.is_some() {
            registration.url = url;
        }
        // What the configuration says was checked when it was read.
        if let Some((flag, message)) = registration.problem() {
            bail!("failed to use --{flag}: {message}");
        }
        if !is_label(&namespace) {
            bail!(
                "failed to use --service: `{namespace}` is no name of a namespace; write such as driftwall/driftwall"
            );
        }
        let strict_namespaces = config.policy.strict_namespaces();
        let writers = Writers::of(&config.actors);
        let path = match path_file.as_ref().or(config.registration.path_file.as_ref()) {
            Some(file) => read_path_file(file)?.swap_remove(0),
            None => ReviewPath::well_known(),
        };
        let snapshot = load_snapshot(&config)?;
        let parameters = WebhookParameters {
            path,
            ca_bundle: Some(STANDARD.encode(ca_pem)),
            match_conditions: !no_conditions,
            ..desired_webhook_config(&config.registration, config.break_glass, strict_namespaces, writers, &namespace)
        };
        let text = serde_json::to_string_pretty(&build(&snapshot, &parameters))?;
        print(text)?;
        Ok(ExitCode::SUCCESS)
    }
}
