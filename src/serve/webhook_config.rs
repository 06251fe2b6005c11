//! The webhook configuration that driftwall registers with the API server: what it
//! should be, from the configuration and from what Git declares.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;

use super::identity::ServingIdentity;
use super::reload::{ClusterSettings, ConfigReloader};
use crate::cluster::{
    ClusterContext, ControllerInputs, DesiredWebhookConfig, EventRecord, InvolvedObject, Observer, Recorder,
    WebhookConfigController, WebhookConfigState, WebhookSpec,
};
use crate::config::{BreakGlassSettings, WebhookSettings};
use crate::source::SnapshotStore;
use crate::telemetry::Metrics;
use driftwall_core::webhook_config::{Endpoint, ReviewPath, ServedKinds, WebhookParameters, Writers};

/// The webhook configuration that the settings ask for.
pub(crate) fn desired_webhook_config(
    settings: &WebhookSettings,
    break_glass: BreakGlassSettings,
    strict_namespaces: Option<Vec<String>>,
    writers: Writers,
    namespace: &str,
) -> WebhookParameters {
    let WebhookSettings { name, service, port, url, failure_policy, timeout_seconds, exclude_namespaces, .. } =
        settings.clone();
    // Else a driftwall that is down could block its own start.
    let mut excluded_namespaces = vec![namespace.to_owned()];
    excluded_namespaces.extend(exclude_namespaces.into_iter().filter(|other| other != namespace));
    WebhookParameters {
        name,
        canary: settings.canary.then(|| settings.service.clone()),
        labels: BTreeMap::new(),
        ca_bundle: None,
        endpoint: match url {
            Some(url) => Endpoint::Url(url),
            None => Endpoint::Service { namespace: namespace.to_owned(), name: service, port },
        },
        // Until the path that is to be registered is known.
        path: ReviewPath::well_known(),
        failure_policy: failure_policy.as_str(),
        timeout_seconds,
        own_namespace: namespace.to_owned(),
        excluded_namespaces,
        strict_namespaces,
        break_glass: break_glass.enabled,
        match_conditions: false,
        writers,
        served: ServedKinds::new(),
    }
}

/// Keeps the webhook configuration, if driftwall is to manage it, for as long as it
/// is polled. Without a self-managed certificate, `caBundle` is left to others.
pub(crate) fn register(
    cluster: &ClusterContext,
    reloader: &ConfigReloader,
    identity: &ServingIdentity,
    metrics: Arc<Metrics>,
) -> impl Future<Output = Infallible> + use<> {
    let namespace = cluster.namespace().to_owned();
    let (specs, spec_receiver) = watch::channel(DesiredWebhookConfig::Unknown);
    let reporter = RegistrationReporter {
        metrics,
        recorder: Recorder::spawn(cluster),
        settings: reloader.cluster_settings(),
        namespace: namespace.clone(),
    };
    let inputs = ControllerInputs {
        is_leader: identity.is_leader(),
        desired: spec_receiver,
        ca_bundle: identity.ca_bundle(),
        path: identity.path_to_register(),
    };
    let controller = WebhookConfigController::new(cluster, inputs, Arc::new(reporter));
    let publish = publish_specs(specs, Arc::clone(&reloader.handler.store), reloader.cluster_settings(), namespace);
    async move {
        tokio::select! {
            never = publish => never,
            never = controller.run() => never,
        }
    }
}

/// Publishes what to register, for every snapshot and every configuration.
async fn publish_specs(
    specs: watch::Sender<DesiredWebhookConfig>,
    store: Arc<SnapshotStore>,
    mut settings: watch::Receiver<ClusterSettings>,
    namespace: String,
) -> Infallible {
    let mut generation = store.generation();
    loop {
        let has_snapshot = *generation.borrow_and_update() > 0;
        let ClusterSettings { registration, break_glass, strict_namespaces, writers, .. } =
            settings.borrow_and_update().clone();
        let spec = if !registration.manage {
            DesiredWebhookConfig::Off
        } else if !has_snapshot {
            DesiredWebhookConfig::Unknown
        } else {
            DesiredWebhookConfig::Managed(Box::new(WebhookSpec {
                snapshot: store.snapshot(),
                parameters: desired_webhook_config(&registration, break_glass, strict_namespaces, writers, &namespace),
                service: registration.service,
                self_heal: registration.self_heal,
            }))
        };
        specs.send_replace(spec);
        let changed = tokio::select! {
            changed = generation.changed() => changed,
            changed = settings.changed() => changed,
        };
        if changed.is_err() {
            // The senders only go when the program is about to end.
            std::future::pending::<()>().await;
        }
    }
}

/// Reports on the registration: metrics, and Events on driftwall's Deployment.
struct RegistrationReporter {
    metrics: Arc<Metrics>,
    recorder: Recorder,
    settings: watch::Receiver<ClusterSettings>,
    namespace: String,
}

impl Observer for RegistrationReporter {
    fn set_state(&self, state: WebhookConfigState, failure_policy: Option<&str>) {
        self.metrics.set_registration_state(state.as_str(), failure_policy);
    }

    fn record_write(&self, succeeded: bool) {
        self.metrics.count_registration_write(succeeded);
    }

    fn record_event(&self, reason: &'static str, note: String, deployment_uid: &str) {
        let ClusterSettings { registration, events, .. } = self.settings.borrow().clone();
        if events {
            let object = InvolvedObject {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: self.namespace.clone(),
                name: registration.service,
                uid: deployment_uid.to_owned(),
            };
            self.recorder.record(EventRecord { object, reason, action: "Register", note });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{MetricsFormat, NoSources};

    #[test]
    fn the_metrics_have_a_series_for_every_state() {
        let metrics = Metrics::new();
        for state in [
            WebhookConfigState::Absent,
            WebhookConfigState::Changed,
            WebhookConfigState::InSync,
            WebhookConfigState::Off,
            WebhookConfigState::Pending,
            WebhookConfigState::Unknown,
            WebhookConfigState::MissingCa,
        ] {
            metrics.set_registration_state(state.as_str(), None);
            let series = format!("driftwall_registration{{state=\"{}\"}} 1", state.as_str());
            assert!(metrics.render(&NoSources, MetricsFormat::Text).lines().any(|line| line == series), "{series}");
        }
    }
}
