//! Sends the canary as the configuration says, and shows what comes of it.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;

use super::reload::ClusterSettings;
use crate::admission::AdmissionHandler;
use crate::cluster::{CanaryObserver, CanarySender, CanarySettings, CanaryStatus, ClusterContext};
use crate::telemetry::{CanaryDisplay, Metrics};
use driftwall_core::canary::{CanaryObject, CanaryResult};

/// Sends the canary while this replica leads, and has the handler answer it. Never ends.
pub(crate) async fn run_canary(
    context: ClusterContext,
    handler: Arc<AdmissionHandler>,
    is_leader: watch::Receiver<bool>,
    mut settings: watch::Receiver<ClusterSettings>,
    metrics: Arc<Metrics>,
) -> Infallible {
    let (sender, receiver) = watch::channel(None);
    let canary = CanarySender::new(&context, is_leader, receiver, Arc::new(CanaryReporter(metrics)));
    let apply_settings = async {
        loop {
            let registration = settings.borrow_and_update().registration.clone();
            let object = CanaryObject { namespace: context.namespace().to_owned(), service: registration.service };
            // Also where this replica sends none: during a change of the configuration another one may.
            handler.set_canary(object.clone());
            let current = registration.canary.then_some(CanarySettings { object, webhook_config: registration.name });
            sender.send_if_modified(|last| std::mem::replace(last, current.clone()) != current);
            if settings.changed().await.is_err() {
                // The sender only goes when the program is about to end.
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        never = canary.run() => never,
        never = apply_settings => never,
    }
}

struct CanaryReporter(Arc<Metrics>);

impl CanaryObserver for CanaryReporter {
    fn set_status(&self, status: CanaryStatus) {
        self.0.show_canary(match status {
            CanaryStatus::Off => CanaryDisplay::Off,
            CanaryStatus::Sending(result) => CanaryDisplay::Result(result),
            CanaryStatus::Standby => CanaryDisplay::Standby,
        });
    }

    fn record(&self, result: CanaryResult) {
        self.0.count_canary(result);
    }
}
