//! Keeps the admission handler's `BreakGlass` objects and its Event recorder as the
//! cluster and the configuration have them.

use std::sync::Arc;

use tokio::sync::watch::{self, Receiver};

use super::reload::ClusterSettings;
use crate::admission::AdmissionHandler;
use crate::cluster::{self, ClusterContext, Recorder};

/// Watches `BreakGlass` objects and switches Events on and off, for as long as it is polled.
pub(crate) async fn run_watch(
    context: ClusterContext,
    handler: Arc<AdmissionHandler>,
    mut settings: Receiver<ClusterSettings>,
) {
    let recorder = Recorder::spawn(&context);
    let (max_duration, max_duration_receiver) = watch::channel(None);
    let receiving_handler = Arc::clone(&handler);
    let watch = cluster::break_glass::watch(context, max_duration_receiver, move |break_glasses| {
        receiving_handler.set_break_glasses(break_glasses);
    });
    let apply_settings = async {
        loop {
            let ClusterSettings { break_glass, events, .. } = settings.borrow_and_update().clone();
            let configured = break_glass.enabled.then_some(break_glass.max_duration);
            max_duration.send_if_modified(|current| {
                let changed = *current != configured;
                *current = configured;
                changed
            });
            handler.set_recorder(events.then(|| recorder.clone()));
            if settings.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::join!(watch, apply_settings);
}
