//! driftwall's own part in a cluster: its certificate, its webhook configuration, break-glass.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::file_format;
use super::values::{KeyProblem, duration, positive_duration};

/// The serving certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where it comes from.
    pub certificate: CertificateSettings,
    /// The CA of the clients that are answered; all are, where there is none.
    pub client_ca: Option<PathBuf>,
    /// The name of the renderer whose certificates driftwall creates too.
    pub renderer: Option<String>,
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
    /// driftwall creates it, keeps it in a Secret and renews it.
    SelfManaged(CertificateValidity),
}

/// How long self-managed certificates are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateValidity {
    /// The CA.
    pub ca: Duration,
    /// The serving certificate; no longer than the CA.
    pub certificate: Duration,
}

/// The `ValidatingWebhookConfiguration`, and the names of driftwall's objects in its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Whether driftwall manages its `ValidatingWebhookConfiguration` itself.
    pub manage: bool,
    /// The name of that configuration, and of the `ClusterRole` that it goes with.
    pub name: String,
    /// The Service in front of the webhook, in driftwall's namespace. The Deployment has the same
    /// name; the Lease and the Secret of certificates are named after it.
    pub service: String,
    /// The Service's port.
    pub port: u16,
    /// Where the API server reaches the webhook without a Service.
    pub url: Option<String>,
    /// The file with the paths at which reviews are received, where driftwall does not register itself.
    pub path_file: Option<PathBuf>,
    /// What the API server does with a write when it cannot call driftwall.
    pub failure_policy: FailurePolicy,
    /// How many seconds the API server waits for an answer.
    pub timeout_seconds: u8,
    /// Namespaces whose writes are not sent to driftwall, beside driftwall's own.
    pub exclude_namespaces: Vec<String>,
    /// Whether a webhook configuration that somebody removed or changed is restored.
    pub self_heal: bool,
    /// Whether the canary is sent, where driftwall manages the webhook configuration.
    pub canary: bool,
}

/// What the API server does with a write when it cannot call driftwall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The write fails.
    Fail,
    /// The write passes, not evaluated.
    #[default]
    Ignore,
}

/// What may be done in an emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakGlassSettings {
    /// Whether a `BreakGlass` lets drift pass.
    pub enabled: bool,
    /// How long one may last at most.
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

/// A shorter certificate could expire before every replica serves the next one.
const MIN_VALIDITY: Duration = Duration::from_secs(10);

pub(super) fn tls(written: file_format::Tls, folder: &Path) -> Result<TlsSettings, KeyProblem> {
    let file_format::Tls {
        cert_file,
        key_file,
        client_ca_file,
        self_managed,
        ca_validity,
        certificate_validity,
        renderer,
    } = written;
    if let Some(name) = &renderer {
        if !self_managed {
            let message = "driftwall creates the certificates of a renderer only with selfManaged: true; remove this, \
                 and put them into their Secrets yourself";
            return Err(KeyProblem::new("tls.renderer", message));
        }
        if ServerName::try_from(name.as_str()).is_err() {
            let message = format!("`{name}` is no DNS name; write driftwall-renderer.driftwall.svc");
            return Err(KeyProblem::new("tls.renderer", message));
        }
    }
    let certificate = match (self_managed, cert_file, key_file) {
        (false, Some(cert), Some(key)) => CertificateSettings::Files { cert: folder.join(cert), key: folder.join(key) },
        (false, None, _) => {
            return Err(KeyProblem::new(
                "tls.certFile",
                "it is missing; give certFile and keyFile, or selfManaged: true",
            ));
        }
        (false, Some(_), None) => {
            return Err(KeyProblem::new("tls.keyFile", "it is missing; give the key of certFile"));
        }
        (true, None, None) => CertificateSettings::SelfManaged(validity(&ca_validity, &certificate_validity)?),
        (true, _, _) => {
            return Err(KeyProblem::new(
                "tls.selfManaged",
                "driftwall creates the certificate itself with true; remove certFile and keyFile, or this",
            ));
        }
    };
    Ok(TlsSettings { certificate, client_ca: client_ca_file.map(|file| folder.join(file)), renderer })
}

fn validity(ca: &str, certificate: &str) -> Result<CertificateValidity, KeyProblem> {
    let validity = CertificateValidity {
        ca: duration("tls.caValidity", ca)?,
        certificate: duration("tls.certificateValidity", certificate)?,
    };
    if validity.certificate < MIN_VALIDITY {
        return Err(KeyProblem::new("tls.certificateValidity", "it is too short; write 10s or more, such as 2160h"));
    }
    if validity.ca < validity.certificate {
        return Err(KeyProblem::new(
            "tls.caValidity",
            "it is shorter than certificateValidity; write as much, or more",
        ));
    }
    Ok(validity)
}

pub(super) fn registration(written: file_format::Registration, folder: &Path) -> Result<WebhookSettings, KeyProblem> {
    let file_format::Registration {
        manage,
        name,
        service,
        port,
        url,
        path_file,
        failure_policy,
        timeout_seconds,
        exclude_namespaces,
        self_heal,
        canary,
    } = written;
    if manage && path_file.is_some() {
        return Err(KeyProblem::new(
            "registration.pathFile",
            "driftwall creates the path itself with manage: true; remove this, or manage",
        ));
    }
    let failure_policy = match failure_policy {
        file_format::FailurePolicy::Fail => FailurePolicy::Fail,
        file_format::FailurePolicy::Ignore => FailurePolicy::Ignore,
    };
    let settings = WebhookSettings {
        manage,
        name,
        service,
        port,
        url,
        path_file: path_file.map(|file| folder.join(file)),
        failure_policy,
        timeout_seconds,
        exclude_namespaces,
        self_heal,
        canary: canary && manage,
    };
    match settings.problem() {
        Some((key, message)) => Err(KeyProblem::new(format!("registration.{key}"), message)),
        None => Ok(settings),
    }
}

pub(super) fn break_glass(written: &file_format::BreakGlass) -> Result<BreakGlassSettings, KeyProblem> {
    let file_format::BreakGlass { enabled, max_duration } = written;
    let max_duration = positive_duration("breakGlass.maxDuration", max_duration, "4h, or enabled: false")?;
    Ok(BreakGlassSettings { enabled: *enabled, max_duration })
}
