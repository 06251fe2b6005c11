//! `driftwall webhook`: the registration for what Git declares.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use super::Failure;
use super::check::snapshot;
use crate::certs::Certificate;
use crate::config::Config;
use crate::serve::webhook_config::asked;
use driftwall_core::webhook_config::{WebhookParameters, build};

#[derive(Args, Debug)]
pub(super) struct Webhook {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The CA of the serving certificate, PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The name of the configuration that is registered, in place of `registration.name`
    #[arg(long)]
    name: Option<String>,
    /// The Service in front of the webhook, in place of `registration.service`
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "url")]
    service: Option<String>,
    /// Where the API server reaches the webhook without a Service, in place of `registration.url`
    #[arg(long)]
    url: Option<String>,
    /// For an API server before 1.28, which drops matchConditions in silence
    #[arg(long)]
    no_conditions: bool,
}

/// Where the manifests that driftwall comes with put it.
const NAMESPACE: &str = "driftwall";

impl Webhook {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { config, ca, name, service, url, no_conditions } = self;
        let authority =
            std::fs::read_to_string(&ca).map_err(|error| format!("failed to read {}: {error}", ca.display()))?;
        // The API server would say no more than that it cannot use the configuration.
        let certificates = Certificate::parse_pem(&authority);
        if certificates.map_err(|error| format!("failed to use {}: {error}", ca.display()))?.is_empty() {
            return Err(format!("failed to use {}: it holds no certificate; give the CA's, PEM", ca.display()).into());
        }
        let mut config = Config::read(&config)?;
        let snapshot = snapshot(&config)?;
        let named = &mut config.registration;
        let mut namespace = NAMESPACE.to_owned();
        if let Some(service) = service {
            let (of, service) = service
                .split_once('/')
                .ok_or_else(|| format!("failed to use the service `{service}`: write namespace/name"))?;
            (namespace, named.service, named.url) = (of.to_owned(), service.to_owned(), None);
        }
        named.name = name.unwrap_or_else(|| named.name.clone());
        named.url = url.or_else(|| named.url.take());
        let strict = config.policy.strict_namespaces();
        let made = WebhookParameters {
            ca_bundle: Some(STANDARD.encode(authority)),
            match_conditions: !no_conditions,
            ..asked(&config.registration, config.break_glass, strict, &namespace)
        };
        let text = serde_json::to_string_pretty(&build(&snapshot, &made))?;
        // A reader of the output that goes away is no error of ours.
        let _ = writeln!(std::io::stdout(), "{text}");
        Ok(ExitCode::SUCCESS)
    }
}
