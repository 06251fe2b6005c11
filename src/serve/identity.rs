//! What driftwall keeps of its own in the cluster while it serves: the
//! certificate, and one leader for what only one replica may do.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{interval, sleep, timeout};

use super::Failure;
use super::reload::ClusterSettings;
use crate::certs;
use crate::cluster::{
    CertificateManager, CertificateSpec, ClusterContext, ElectionTiming, LeaderElector, RegisteredCa, RotationTiming,
    poll_registered_ca,
};
use crate::config::{CertificateSettings, WebhookSettings};
use crate::server::probe;
use crate::telemetry::Metrics;

/// Between two words on what a start waits for.
const WAIT_WORDS: Duration = Duration::from_secs(10);
/// Between two probes of what is served.
const PROBE: Duration = Duration::from_secs(30);
/// How long the server takes at most to take a pair over.
const TAKE_OVER: Duration = Duration::from_millis(500);

/// driftwall's own objects, and this replica's part in them. Without a cluster there are none.
pub(crate) struct ServingIdentity {
    home: Option<ClusterContext>,
    /// What the webhook configuration is called.
    configuration: String,
    /// By which name API servers dial this replica.
    dialed: String,
    elector: Option<LeaderElector>,
    /// Whether the registered CAs violation here.
    follows: bool,
    certificates: Option<CertificateManager>,
    /// The `caBundle` that API servers have.
    registered: watch::Sender<RegisteredCa>,
    /// Where this replica serves, once it does.
    address: watch::Sender<Option<SocketAddr>>,
}

impl ServingIdentity {
    /// Nothing happens before [`ServingIdentity::keep`].
    pub(crate) fn new(
        home: Option<ClusterContext>,
        certificate: &CertificateSettings,
        asked: &ClusterSettings,
    ) -> Result<Self, Failure> {
        let registration = &asked.registration;
        let namespace = home.as_ref().map(|home| home.namespace().to_owned()).unwrap_or_default();
        let names = names(registration, &namespace)?;
        let dialed = names.last().cloned().unwrap_or_default();
        let certificates = match (certificate, &home) {
            (CertificateSettings::Files { .. }, _) => None,
            (CertificateSettings::SelfManaged(_), None) => {
                return Err("failed to use tls.selfManaged: it keeps the certificate in a Secret, \
                            and no cluster is asked here; give certFile and keyFile instead"
                    .into());
            }
            (CertificateSettings::SelfManaged(validity), Some(home)) => {
                let wanted = CertificateSpec {
                    service: registration.service.clone(),
                    names,
                    ca_validity: validity.ca,
                    certificate_validity: validity.certificate,
                };
                let certificates = CertificateManager::new(home, wanted, RotationTiming::default());
                if let Some(warning) = unfollowed(registration) {
                    tracing::warn!(secret = certificates.secret(), "{warning}");
                }
                Some(certificates)
            }
        };
        // Also where nothing is kept yet: the registration may be asked for while it serves.
        let elector =
            home.as_ref().map(|home| LeaderElector::new(home, &registration.service, ElectionTiming::default()));
        let follows = certificates.is_some() || registration.manage;
        Ok(Self {
            home,
            configuration: registration.name.clone(),
            dialed,
            elector,
            follows,
            certificates,
            registered: watch::Sender::default(),
            address: watch::Sender::new(None),
        })
    }

    /// Keeps everything, for ever.
    pub(crate) async fn keep(self: Arc<Self>, metrics: Arc<Metrics>) -> Infallible {
        tokio::select! {
            never = self.elect() => never,
            never = self.follow_registered() => never,
            never = self.keep_certificates() => never,
            never = self.tell_end(&metrics) => never,
            never = self.probe(&metrics) => never,
        }
    }

    /// Whether this replica leads; without a cluster there is nobody else.
    pub(crate) fn leads(&self) -> watch::Receiver<bool> {
        self.elector.as_ref().map_or_else(|| watch::Sender::new(true).subscribe(), LeaderElector::is_leader)
    }

    /// What is to be registered as `caBundle`, where driftwall makes it.
    pub(crate) fn bundle(&self) -> Option<watch::Receiver<Option<String>>> {
        self.certificates.as_ref().map(CertificateManager::bundle)
    }

    /// Waits, loudly, until there is something to serve; what is returned follows
    /// every change of it.
    pub(crate) async fn pair(&self) -> watch::Receiver<Arc<certs::ServingCertificate>> {
        let Some(certificates) = &self.certificates else { return std::future::pending().await };
        let mut pairs = certificates.pair();
        let first = loop {
            match timeout(WAIT_WORDS, pairs.wait_for(Option::is_some)).await {
                Ok(Ok(pair)) => {
                    if let Some(pair) = pair.clone() {
                        break pair;
                    }
                }
                // The sender lives as long as what it was asked of.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => {
                    let (secret, lacking) = (certificates.secret(), certificates.waiting_reason());
                    tracing::warn!(secret, lacking, "Waiting for a certificate to serve with");
                }
            }
        };
        let (held, holder) = watch::channel(first);
        tokio::spawn(async move {
            while pairs.changed().await.is_ok() {
                let pair = pairs.borrow_and_update().clone();
                if let Some(pair) = pair {
                    held.send_replace(pair);
                }
            }
        });
        holder
    }

    /// From now on it is worth dialing.
    pub(crate) fn serves_at(&self, address: SocketAddr) {
        self.address.send_replace(Some(address));
    }

    /// Leaves nothing that others would wait for.
    pub(crate) async fn farewell(&self) {
        tokio::join!(
            async {
                if let Some(elector) = &self.elector {
                    elector.release().await;
                }
            },
            async {
                if let Some(certificates) = &self.certificates {
                    certificates.withdraw_report().await;
                }
            },
        );
    }

    async fn elect(&self) -> Infallible {
        match &self.elector {
            Some(elector) => elector.run().await,
            None => std::future::pending().await,
        }
    }

    async fn follow_registered(&self) -> Infallible {
        match &self.home {
            Some(home) if self.follows => poll_registered_ca(home, &self.configuration, &self.registered).await,
            _ => std::future::pending().await,
        }
    }

    async fn keep_certificates(&self) -> Infallible {
        match &self.certificates {
            Some(certificates) => certificates.run(self.leads(), self.registered.subscribe()).await,
            None => std::future::pending().await,
        }
    }

    async fn tell_end(&self, metrics: &Metrics) -> Infallible {
        let Some(certificates) = &self.certificates else { return std::future::pending().await };
        let mut pairs = certificates.pair();
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
        let mut registered = self.registered.subscribe();
        // Where the certificate is of files, they are looked at again anyway.
        let none = watch::Sender::new(None);
        let mut pairs = self.certificates.as_ref().map_or_else(|| none.subscribe(), CertificateManager::pair);
        let mut tick = interval(PROBE);
        let mut told = String::new();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                Ok(()) = address.changed() => {}
                Ok(()) = registered.changed() => {}
                Ok(()) = pairs.changed() => {}
            }
            sleep(TAKE_OVER).await;
            let (at, bundle) = (*address.borrow_and_update(), registered.borrow_and_update().clone());
            let bundle = match bundle {
                RegisteredCa::Bundle(bundle) if !bundle.is_empty() => Some(bundle),
                RegisteredCa::Bundle(_) | RegisteredCa::Unknown | RegisteredCa::NoWebhookConfig => None,
            };
            let Some((at, bundle)) = at.zip(bundle) else {
                metrics.set_certificate_trusted(None);
                continue;
            };
            match probe(dial(at), &self.dialed, &bundle).await {
                Ok(()) => {
                    if !std::mem::take(&mut told).is_empty() {
                        tracing::info!("API servers trust the certificate again");
                    }
                    metrics.set_certificate_trusted(Some(true));
                }
                Err(error) => {
                    metrics.set_certificate_trusted(Some(false));
                    let error = error.to_string();
                    if told != error {
                        let configuration = &self.configuration;
                        tracing::error!(%error, %configuration, "API servers cannot trust the certificate");
                        told = error;
                    }
                }
            }
        }
    }
}

/// What keeps a certificate of driftwall's own from being renewed to the end.
fn unfollowed(registration: &WebhookSettings) -> Option<&'static str> {
    (!registration.manage).then_some(
        "With tls.selfManaged and registration.manage: false nobody registers a new CA: \
         before the old one ends, caBundle of every webhook must be made ca.crt of the Secret, by hand or by a tool",
    )
}

/// What the webhook is called by; the last is what API servers dial.
fn names(registration: &WebhookSettings, namespace: &str) -> Result<Vec<String>, Failure> {
    let WebhookSettings { service, url, .. } = registration;
    let mut names = vec![format!("{service}.{namespace}.svc.cluster.local"), format!("{service}.{namespace}.svc")];
    if let Some(url) = url {
        let host = url.parse::<axum::http::Uri>().ok().and_then(|url| url.host().map(str::to_owned));
        let host = host.ok_or_else(|| format!("failed to use registration.url: {url} has no host"))?;
        let host = host.trim_matches(['[', ']']);
        // An address in a certificate has one spelling only.
        names.push(host.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string()));
    }
    Ok(names)
}

/// An address that can be dialed, of one that is listened at.
fn dial(mut address: SocketAddr) -> SocketAddr {
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

    fn asked(manage: bool, url: Option<&str>) -> WebhookSettings {
        WebhookSettings {
            manage,
            name: "driftwall".into(),
            service: "wall".into(),
            port: 443,
            url: url.map(str::to_owned),
            failure_policy: FailurePolicy::Ignore,
            timeout_seconds: 3,
            exclude_namespaces: Vec::new(),
            self_heal: false,
        }
    }

    #[test]
    fn a_ca_that_nobody_registers_is_warned_of() {
        assert!(unfollowed(&asked(false, None)).is_some_and(|warning| warning.contains("caBundle")));
        assert_eq!(unfollowed(&asked(true, None)), None);
    }

    #[test]
    fn the_name_that_is_dialed_is_the_last() {
        for (url, expected) in [
            (None, Some("wall.ops.svc")),
            (Some("https://wall.example:8443/validate"), Some("wall.example")),
            (Some("https://127.0.0.1:8443/validate"), Some("127.0.0.1")),
            (Some("https://[::1]/validate"), Some("::1")),
            (Some("https://[2001:DB8:0::1]:8443/validate"), Some("2001:db8::1")),
            (Some("https:///validate"), None),
        ] {
            let registration = asked(false, url);
            let found = names(&registration, "ops").ok();
            assert_eq!(found.as_ref().and_then(|names| names.last()).map(String::as_str), expected, "{url:?}");
            assert!(found.is_none_or(|names| names.contains(&"wall.ops.svc".to_owned())));
        }
    }

    #[test]
    fn what_listens_everywhere_is_dialed_here() {
        for (listened, dialed) in
            [("0.0.0.0:8443", "127.0.0.1:8443"), ("[::]:8443", "[::1]:8443"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(dial(listened.parse().unwrap()), dialed.parse().unwrap());
        }
    }
}
