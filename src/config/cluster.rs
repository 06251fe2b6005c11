//! What driftwall does in a cluster: its certificate, its registration, broken glass.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Fault, duration, wire};

/// The serving certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where it comes from.
    pub certificate: CertificateSettings,
    /// The CA of clients that may call; everybody may, where there is none.
    pub client_ca: Option<PathBuf>,
}

/// Where the serving certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSettings {
    /// PEM files: the certificate with its chain, and its key.
    Files {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// driftwall makes it, keeps it in a Secret and renews it.
    SelfManaged(CertificateValidity),
}

/// How long certificates of driftwall's own making are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateValidity {
    /// The CA.
    pub ca: Duration,
    /// The serving certificate; no longer than the CA.
    pub certificate: Duration,
}

/// What is registered with the API server, and by what name driftwall goes in its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Whether driftwall keeps its `ValidatingWebhookConfiguration` itself.
    pub manage: bool,
    /// The name of that configuration, and of the `ClusterRole` that it goes with.
    pub name: String,
    /// The Service in front of the webhook, in driftwall's namespace. The Deployment is called
    /// the same; the Lease and the Secret of certificates are called after it.
    pub service: String,
    /// The Service's port.
    pub port: u16,
    /// Where the API server reaches the webhook without a Service.
    pub url: Option<String>,
    /// `Ignore` or `Fail`.
    pub failure_policy: FailurePolicy,
    /// How long the API server waits for an answer.
    pub timeout_seconds: u8,
    /// Namespaces that are never asked about, beside driftwall's own.
    pub exclude_namespaces: Vec<String>,
    /// Whether a configuration that somebody removed or weakened is put back.
    pub self_heal: bool,
}

/// What the API server does with a write when the webhook cannot be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Nothing passes.
    Fail,
    /// Everything passes.
    #[default]
    Ignore,
}

/// What may be done in an emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakGlassSettings {
    /// Whether a `BreakGlass` lets drift pass.
    pub enabled: bool,
    /// The longest that one may last.
    pub max_duration: Duration,
}

impl FailurePolicy {
    /// The policy's name, as Kubernetes has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Ignore => "Ignore",
        }
    }
}

/// Below this a certificate would end before everybody has its successor.
const MIN_VALIDITY: Duration = Duration::from_secs(10);

pub(super) fn tls(tls: wire::Tls, folder: &Path) -> Result<TlsSettings, Fault> {
    let wire::Tls { cert_file, key_file, client_ca_file, self_managed, ca_validity, certificate_validity } = tls;
    let fault = |key: &str, reason: &str| (format!("tls.{key}"), reason.to_owned());
    let certificate = match (self_managed, cert_file, key_file) {
        (false, Some(cert), Some(key)) => CertificateSettings::Files { cert: folder.join(cert), key: folder.join(key) },
        (false, None, _) => {
            return Err(fault("certFile", "it is missing; give certFile and keyFile, or selfManaged: true"));
        }
        (false, _, None) => return Err(fault("keyFile", "it is missing")),
        (true, None, None) => {
            let validity = CertificateValidity {
                ca: duration("tls.caValidity", &ca_validity)?,
                certificate: duration("tls.certificateValidity", &certificate_validity)?,
            };
            if validity.certificate < MIN_VALIDITY {
                return Err(fault("certificateValidity", "it is too short; write 10s or more, such as 2160h"));
            }
            if validity.ca < validity.certificate {
                return Err(fault("caValidity", "it is shorter than certificateValidity"));
            }
            CertificateSettings::SelfManaged(validity)
        }
        (true, _, _) => {
            return Err(fault(
                "selfManaged",
                "driftwall makes the certificate itself, so certFile and keyFile have no use",
            ));
        }
    };
    Ok(TlsSettings { certificate, client_ca: client_ca_file.map(|file| folder.join(file)) })
}

pub(super) fn registration(wire: wire::Registration) -> Result<WebhookSettings, Fault> {
    let wire::Registration {
        manage,
        name,
        service,
        port,
        url,
        failure_policy,
        timeout_seconds,
        exclude_namespaces,
        self_heal,
    } = wire;
    let fault = |key: &str, reason: &str| (format!("registration.{key}"), reason.to_owned());
    if !(1..=30).contains(&timeout_seconds) {
        return Err(fault("timeoutSeconds", "write a number of seconds from 1 to 30"));
    }
    if port == 0 {
        return Err(fault("port", "write a port from 1 to 65535"));
    }
    if let Some((key, _)) = [("name", &name), ("service", &service)].into_iter().find(|(_, name)| name.is_empty()) {
        return Err(fault(key, "it is empty"));
    }
    if url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
        return Err(fault("url", "the API server calls webhooks by https:// only"));
    }
    let failure_policy = match failure_policy {
        wire::FailurePolicy::Fail => FailurePolicy::Fail,
        wire::FailurePolicy::Ignore => FailurePolicy::Ignore,
    };
    Ok(WebhookSettings {
        manage,
        name,
        service,
        port,
        url,
        failure_policy,
        timeout_seconds,
        exclude_namespaces,
        self_heal,
    })
}

pub(super) fn break_glass(wire: &wire::BreakGlass) -> Result<BreakGlassSettings, Fault> {
    let max_duration = duration("breakGlass.maxDuration", &wire.max_duration)?;
    if max_duration.is_zero() {
        return Err((
            "breakGlass.maxDuration".into(),
            "it is zero; write how long, such as 4h, or enabled: false".into(),
        ));
    }
    Ok(BreakGlassSettings { enabled: wire.enabled, max_duration })
}
