//! What identifies driftwall in the cluster while it serves: its serving
//! certificate, checked against what is registered, and the Lease that makes one
//! replica the leader.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::watch;
use tokio::time::{interval, sleep, timeout};

use super::reload::ClusterSettings;
use super::review_path::ReviewPathSource;
use crate::certs;
use crate::cluster::{
    CertificateManager, CertificateSpec, ClusterContext, ElectionTiming, LeaderElector, RegisteredCa,
    RegisteredWebhooks, ReplicaReports, RotationTiming, poll_registered,
};
use crate::config::{CertificateSettings, TlsSettings, WebhookSettings};
use crate::error_chain::error_chain;
use crate::server::{ReviewPaths, probe};
use crate::telemetry::{LogChanges, Metrics};
use driftwall_core::webhook_config::ReviewPath;

/// How often the log says what a start waits for.
const WAIT_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// How often this replica dials itself.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// How long the server takes at most to serve with a new certificate.
const RELOAD_TIME: Duration = Duration::from_millis(500);

/// This replica's part in driftwall's own objects in the cluster; outside a cluster there are none.
pub(crate) struct ServingIdentity {
    cluster: Option<ClusterContext>,
    /// The name of the webhook configuration.
    webhook_config: String,
    /// The name by which API servers dial this replica.
    server_name: String,
    elector: Option<LeaderElector>,
    settings: watch::Receiver<ClusterSettings>,
    has_client_ca: bool,
    /// What this replica reports to the leader.
    reports: Option<Arc<ReplicaReports>>,
    review_path: ReviewPathSource,
    /// The self-managed certificate; none if it comes from files.
    certificates: Option<CertificateManager>,
    /// What is registered with the API server.
    registered: RegisteredWebhooks,
    /// The address at which this replica serves, once it does.
    address: watch::Sender<Option<SocketAddr>>,
}

impl ServingIdentity {
    /// Nothing happens before [`ServingIdentity::run`].
    pub(crate) fn new(
        cluster: Option<ClusterContext>,
        tls: &TlsSettings,
        settings: watch::Receiver<ClusterSettings>,
    ) -> anyhow::Result<Self> {
        let registration = settings.borrow().registration.clone();
        let registration = &registration;
        let timing = RotationTiming::default();
        let reports =
            cluster.as_ref().map(|cluster| Arc::new(ReplicaReports::new(cluster, &registration.service, timing)));
        let review_path = ReviewPathSource::new(cluster.as_ref().zip(reports.as_ref()), registration)
            .context("failed to use registration.pathFile")?;
        let namespace = cluster.as_ref().map(|cluster| cluster.namespace().to_owned()).unwrap_or_default();
        let dns_names = dns_names(registration, &namespace)?;
        let server_name = dns_names.last().cloned().unwrap_or_default();
        let certificates = match (&tls.certificate, cluster.as_ref().zip(reports.as_ref())) {
            (CertificateSettings::Files { .. }, _) => None,
            (CertificateSettings::SelfManaged(_), None) => bail!(
                "failed to use tls.selfManaged: it keeps the certificate in a Secret, but driftwall has no access \
                 to a cluster here; give certFile and keyFile instead"
            ),
            (CertificateSettings::SelfManaged(validity), Some((cluster, reports))) => {
                let spec = CertificateSpec {
                    service: registration.service.clone(),
                    names: dns_names,
                    ca_validity: validity.ca,
                    certificate_validity: validity.certificate,
                    renderer: tls.renderer.clone(),
                };
                let certificates = CertificateManager::new(cluster, spec, timing, Arc::clone(reports));
                if !registration.manage {
                    warn_unmanaged_ca(certificates.secret_name());
                }
                Some(certificates)
            }
        };
        // Even without anything to lead for yet: a reload may turn registration.manage on.
        let elector = cluster
            .as_ref()
            .map(|cluster| LeaderElector::new(cluster, &registration.service, ElectionTiming::default()));
        Ok(Self {
            cluster,
            webhook_config: registration.name.clone(),
            server_name,
            elector,
            settings,
            has_client_ca: tls.client_ca.is_some(),
            reports,
            review_path,
            certificates,
            registered: RegisteredWebhooks::default(),
            address: watch::Sender::new(None),
        })
    }

    /// Takes part in the election, renews the certificate and probes it, and keeps the review path. Never ends.
    pub(crate) async fn run(self: Arc<Self>, metrics: Arc<Metrics>) -> Infallible {
        tokio::select! {
            never = self.run_election() => never,
            never = self.watch_registered() => never,
            never = self.report() => never,
            never = self.keep_review_path() => never,
            never = self.review_path.warn(self.settings.clone(), self.has_client_ca) => never,
            never = self.manage_certificates() => never,
            never = self.export_ca_expiry(&metrics) => never,
            never = self.probe(&metrics) => never,
        }
    }

    /// Whether this replica is the leader; outside a cluster it is the only one.
    pub(crate) fn is_leader(&self) -> watch::Receiver<bool> {
        self.elector.as_ref().map_or_else(|| watch::Sender::new(true).subscribe(), LeaderElector::is_leader)
    }

    /// What belongs into `caBundle`, if the certificate is self-managed.
    pub(crate) fn ca_bundle(&self) -> Option<watch::Receiver<Option<String>>> {
        self.certificates.as_ref().map(CertificateManager::ca_bundle)
    }

    /// The path that is to be registered; `None` until it is known.
    pub(crate) fn path_to_register(&self) -> watch::Receiver<Option<ReviewPath>> {
        self.review_path.to_register()
    }

    /// Waits until there is a path to serve at, and logs what it waits for.
    pub(crate) async fn review_paths(&self) -> ReviewPaths {
        self.review_path.review_paths().await
    }

    /// Waits until there is a certificate to serve with, and logs what it waits for.
    /// The receiver sees every later certificate.
    pub(crate) async fn serving_certificate(&self) -> watch::Receiver<Arc<certs::ServingCertificate>> {
        let Some(certificates) = &self.certificates else { return std::future::pending().await };
        let mut pairs = certificates.serving_certificate();
        let first = loop {
            match timeout(WAIT_LOG_INTERVAL, pairs.wait_for(Option::is_some)).await {
                Ok(Ok(pair)) => {
                    if let Some(pair) = pair.clone() {
                        break pair;
                    }
                }
                // The sender is part of `certificates`, so it outlives this loop.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => {
                    let (secret, reason) = (certificates.secret_name(), certificates.waiting_reason());
                    tracing::warn!(secret, reason, "Waiting for a serving certificate");
                }
            }
        };
        let (sender, receiver) = watch::channel(first);
        tokio::spawn(async move {
            while pairs.changed().await.is_ok() {
                let pair = pairs.borrow_and_update().clone();
                if let Some(pair) = pair {
                    sender.send_replace(pair);
                }
            }
        });
        receiver
    }

    /// Tells the probe where this replica serves.
    pub(crate) fn set_address(&self, address: SocketAddr) {
        self.address.send_replace(Some(address));
    }

    /// Releases the Lease and withdraws this replica's report, so that no other replica
    /// has to wait for either to time out.
    pub(crate) async fn shutdown(&self) {
        tokio::join!(
            async {
                if let Some(elector) = &self.elector {
                    elector.release().await;
                }
            },
            async {
                if let Some(reports) = &self.reports {
                    reports.withdraw().await;
                }
            },
        );
    }

    async fn run_election(&self) -> Infallible {
        match &self.elector {
            Some(elector) => elector.run().await,
            None => std::future::pending().await,
        }
    }

    async fn watch_registered(&self) -> Infallible {
        let Some(cluster) = &self.cluster else { return std::future::pending().await };
        let mut settings = self.settings.clone();
        let is_needed = |settings: &ClusterSettings| self.certificates.is_some() || settings.registration.manage;
        if settings.wait_for(is_needed).await.is_err() {
            return std::future::pending().await;
        }
        poll_registered(cluster, &self.webhook_config, &self.registered).await
    }

    async fn report(&self) -> Infallible {
        match &self.reports {
            Some(reports) => reports.run().await,
            None => std::future::pending().await,
        }
    }

    async fn keep_review_path(&self) -> Infallible {
        let registered = self.registered.paths.subscribe();
        // On the heap: the future is large.
        Box::pin(self.review_path.run(self.settings.clone(), self.is_leader(), registered)).await
    }

    async fn manage_certificates(&self) -> Infallible {
        match &self.certificates {
            // On the heap: the future is large.
            Some(certificates) => Box::pin(certificates.run(self.is_leader(), self.registered.ca.subscribe())).await,
            None => std::future::pending().await,
        }
    }

    async fn export_ca_expiry(&self, metrics: &Metrics) -> Infallible {
        let Some(certificates) = &self.certificates else { return std::future::pending().await };
        let mut pairs = certificates.serving_certificate();
        loop {
            let pair = pairs.borrow_and_update().clone();
            let ca = pair.and_then(|pair| certs::Certificate::parse_pem(&pair.ca).ok()?.into_iter().next());
            if let Some(ca) = ca {
                metrics.set_ca_expiry(ca.expires_at);
            }
            if pairs.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Dials this replica as API servers do, again and again.
    async fn probe(&self, metrics: &Metrics) -> Infallible {
        let mut address = self.address.subscribe();
        let mut registered_ca = self.registered.ca.subscribe();
        // A certificate from files sends no changes; the interval covers it.
        let no_pairs = watch::Sender::new(None);
        let mut pairs =
            self.certificates.as_ref().map_or_else(|| no_pairs.subscribe(), CertificateManager::serving_certificate);
        let mut tick = interval(PROBE_INTERVAL);
        let mut log_changes = LogChanges::default();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                Ok(()) = address.changed() => {}
                Ok(()) = registered_ca.changed() => {}
                Ok(()) = pairs.changed() => {}
            }
            sleep(RELOAD_TIME).await;
            let address = *address.borrow_and_update();
            let ca_bundle = match registered_ca.borrow_and_update().clone() {
                RegisteredCa::Bundle(bundle) if !bundle.is_empty() => Some(bundle),
                RegisteredCa::Bundle(_) | RegisteredCa::Unknown | RegisteredCa::NoWebhookConfig => None,
            };
            let (Some(address), Some(ca_bundle)) = (address, ca_bundle) else {
                metrics.set_certificate_trusted(None);
                continue;
            };
            match probe(loopback_if_unspecified(address), &self.server_name, &ca_bundle).await {
                Ok(()) => {
                    metrics.set_certificate_trusted(Some(true));
                    if log_changes.recovered() {
                        tracing::info!("Serving certificate trusted by caBundle again");
                    }
                }
                Err(error) => {
                    metrics.set_certificate_trusted(Some(false));
                    let error = error_chain(&error);
                    if log_changes.is_new(&error) {
                        let webhook_config = &self.webhook_config;
                        tracing::error!(%error, %webhook_config, "Serving certificate not trusted by caBundle");
                    }
                }
            }
        }
    }
}

/// Warns of a CA that driftwall renews, but does not register.
fn warn_unmanaged_ca(secret: &str) {
    tracing::warn!(
        secret,
        "tls.selfManaged without registration.manage: driftwall does not register a renewed CA. Before the old one \
         expires, copy ca.crt of the Secret into caBundle of every webhook"
    );
}

/// The names and addresses of the webhook; the last is the one that API servers dial.
fn dns_names(registration: &WebhookSettings, namespace: &str) -> anyhow::Result<Vec<String>> {
    let WebhookSettings { service, url, .. } = registration;
    let mut names = vec![format!("{service}.{namespace}.svc.cluster.local"), format!("{service}.{namespace}.svc")];
    if let Some(url) = url {
        let host = url.parse::<axum::http::Uri>().ok().and_then(|url| url.host().map(str::to_owned));
        let host = host.with_context(|| format!("failed to use registration.url: {url} has no host"))?;
        let host = host.trim_matches(['[', ']']);
        // A certificate holds an IP address in binary, so every spelling of it has to become the same text.
        names.push(host.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string()));
    }
    Ok(names)
}

/// An address to dial, for one to listen on.
fn loopback_if_unspecified(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FailurePolicy;

    fn registration(url: Option<&str>) -> WebhookSettings {
        WebhookSettings {
            manage: false,
            name: "driftwall".into(),
            service: "webhook".into(),
            port: 443,
            url: url.map(str::to_owned),
            path_file: None,
            failure_policy: FailurePolicy::Ignore,
            timeout_seconds: 3,
            exclude_namespaces: Vec::new(),
            self_heal: false,
            canary: false,
        }
    }

    #[test]
    fn the_name_that_api_servers_dial_is_the_last() {
        for (url, expected) in [
            (None, Some("webhook.ops.svc")),
            (Some("https://webhook.example:8443/validate"), Some("webhook.example")),
            (Some("https://127.0.0.1:8443/validate"), Some("127.0.0.1")),
            (Some("https://[::1]/validate"), Some("::1")),
            (Some("https://[2001:DB8:0::1]:8443/validate"), Some("2001:db8::1")),
            (Some("https:///validate"), None),
        ] {
            let names = dns_names(&registration(url), "ops").ok();
            assert_eq!(names.as_ref().and_then(|names| names.last()).map(String::as_str), expected, "{url:?}");
            assert!(names.is_none_or(|names| names.contains(&"webhook.ops.svc".to_owned())));
        }
    }

    #[test]
    fn a_server_that_listens_on_every_address_is_dialed_on_loopback() {
        for (listened, dialed) in
            [("0.0.0.0:8443", "127.0.0.1:8443"), ("[::]:8443", "[::1]:8443"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(loopback_if_unspecified(listened.parse().unwrap()), dialed.parse().unwrap());
        }
    }
}
