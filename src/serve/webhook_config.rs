//! The registration with the API server, kept by what Git declares and by the
//! configuration, for as long as driftwall serves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;

use super::reload::{ClusterSettings, ConfigReloader};
use crate::cluster::{
    ClusterContext, ControllerInputs, Desired, EventRecord, InvolvedObject, Observer, Recorder,
    WebhookConfigController, WebhookConfigState, WebhookSpec,
};
use crate::config::{BreakGlassSettings, WebhookSettings};
use crate::source::SnapshotStore;
use crate::telemetry::Metrics;
use driftwall_core::webhook_config::{Endpoint, Plurals, WebhookParameters};

/// What a configuration asks to register.
pub(crate) fn asked(
    settings: &WebhookSettings,
    break_glass: BreakGlassSettings,
    strict: Option<Vec<String>>,
    namespace: &str,
) -> WebhookParameters {
    let WebhookSettings { name, service, port, url, failure_policy, timeout_seconds, exclude_namespaces, .. } =
        settings.clone();
    // driftwall never depends on driftwall.
    let mut excluded_namespaces = vec![namespace.to_owned()];
    excluded_namespaces.extend(exclude_namespaces.into_iter().filter(|other| other != namespace));
    WebhookParameters {
        name,
        labels: BTreeMap::new(),
        ca_bundle: None,
        endpoint: match url {
            Some(url) => Endpoint::Url(url),
            None => Endpoint::Service { namespace: namespace.to_owned(), name: service, port },
        },
        failure_policy: failure_policy.as_str(),
        timeout_seconds,
        excluded_namespaces,
        strict_namespaces: strict,
        break_glass: break_glass.enabled,
        match_conditions: false,
        plurals: Plurals::new(),
    }
}

/// Registers, where the configuration says so, for as long as it is polled. Without
/// `bundle` the `caBundle` is left to whoever keeps it. Beside it the
/// `caBundle` that the API server goes by.
pub(crate) fn register(
    home: &ClusterContext,
    running: &ConfigReloader,
    leading: watch::Receiver<bool>,
    bundle: Option<watch::Receiver<Option<String>>>,
    metrics: Arc<Metrics>,
) -> (impl Future<Output = Infallible> + use<>, watch::Receiver<Option<String>>) {
    let (plans, plan) = watch::channel(Desired::Unknown);
    let inputs = ControllerInputs { leading, plan, bundle };
    let (recorder, settings) = (Recorder::spawn(home), running.in_cluster());
    let outlook = Outlook { metrics, recorder, settings, namespace: home.namespace().to_owned() };
    let registrar = WebhookConfigController::new(home, inputs, Arc::new(outlook));
    let live = registrar.bundle();
    let planning = plan_on(plans, Arc::clone(&running.wall.store), running.in_cluster(), home.namespace().to_owned());
    let work = async move {
        tokio::select! {
            never = planning => never,
            never = registrar.run() => never,
        }
    };
    (work, live)
}

/// Makes a plan of every snapshot and every configuration.
async fn plan_on(
    plans: watch::Sender<Desired>,
    store: Arc<SnapshotStore>,
    mut settings: watch::Receiver<ClusterSettings>,
    namespace: String,
) -> Infallible {
    let mut renewals = store.renewals();
    loop {
        let has_snapshot = *renewals.borrow_and_update() > 0;
        let ClusterSettings { registration, break_glass, strict, .. } = settings.borrow_and_update().clone();
        let plan = || WebhookSpec {
            snapshot: store.snapshot(),
            registration: asked(&registration, break_glass, strict, &namespace),
            service: registration.service.clone(),
            restore: registration.self_heal,
        };
        let order = match (registration.manage, has_snapshot) {
            (false, _) => Desired::Off,
            (true, false) => Desired::Unknown,
            (true, true) => Desired::Managed(Box::new(plan())),
        };
        plans.send_replace(order);
        let changed = tokio::select! {
            changed = renewals.changed() => changed,
            changed = settings.changed() => changed,
        };
        if changed.is_err() {
            // The program is about to end.
            std::future::pending::<()>().await;
        }
    }
}

/// Metrics, and Events on the Deployment.
struct Outlook {
    metrics: Arc<Metrics>,
    recorder: Recorder,
    settings: watch::Receiver<ClusterSettings>,
    namespace: String,
}

impl Observer for Outlook {
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
