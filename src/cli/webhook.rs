//! `driftwall webhook`: the registration for what Git declares.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use super::Failure;
use super::check::snapshot;
use crate::config::Config;
use crate::judge::Outcome;
use crate::registration::{Endpoint, Registration, registration};

#[derive(Args, Debug)]
pub(super) struct Webhook {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The CA of the serving certificate, PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The name of the configuration that is registered
    #[arg(long, default_value = "driftwall")]
    name: String,
    /// The Service in front of the webhook
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "driftwall/driftwall", conflicts_with = "url")]
    service: String,
    /// Where the API server reaches the webhook without a Service
    #[arg(long)]
    url: Option<String>,
}

/// The control plane never depends on driftwall.
const CONTROL_PLANE: &str = "kube-system";

impl Webhook {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { config, ca, name, service, url } = self;
        let authority = std::fs::read(&ca).map_err(|error| format!("failed to read {}: {error}", ca.display()))?;
        let config = Config::read(&config)?;
        let snapshot = snapshot(&config)?;
        let (namespace, service) = service
            .split_once('/')
            .ok_or_else(|| format!("failed to use the service `{service}`: write namespace/name"))?;
        let is_strict = |namespace: &&str| config.policy.unmanaged_in(namespace) != Outcome::Allow;
        let made = Registration {
            name,
            ca_bundle: STANDARD.encode(authority),
            endpoint: match url {
                Some(url) => Endpoint::Url(url),
                None => Endpoint::Service { namespace: namespace.to_owned(), name: service.to_owned() },
            },
            left_out: vec![namespace.to_owned(), CONTROL_PLANE.to_owned()],
            strict: snapshot.namespaces().into_iter().filter(is_strict).map(str::to_owned).collect(),
        };
        let text = serde_json::to_string_pretty(&registration(&snapshot, &made))?;
        // A reader of the output that goes away is no error of ours.
        let _ = writeln!(std::io::stdout(), "{text}");
        Ok(ExitCode::SUCCESS)
    }
}
