//! Self-checks: writes of GitOps tools, compared with the snapshot after they were answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftwall_core::admission;
use driftwall_core::desired::DisputedField;
use driftwall_core::policy::{Disagreement, SelfCheck, self_check};

use super::handler::AdmissionHandler;
use super::self_check_queue::QueuedReview;

/// How long a queued self-check may wait for its turn.
const SELF_CHECK_WAIT: Duration = Duration::from_mins(1);

impl AdmissionHandler {
    /// Compares writes of GitOps tools with the snapshot, one after another, for as
    /// long as it is polled. Where they differ, driftwall reads Git wrongly.
    pub(crate) async fn run_self_checks(self: Arc<Self>) {
        let Some(mut queued) = self.self_checks.take_receiver() else { return };
        while let Some(review) = queued.recv().await {
            let Some(turn) = self.budget.spare_turn(&review.body, Instant::now() + SELF_CHECK_WAIT).await else {
                self.self_checks.count_skipped();
                continue;
            };
            let handler = Arc::clone(&self);
            // An object can be large, and no deadline waits for this.
            let checked = tokio::task::spawn_blocking(move || {
                handler.run_self_check(&review);
                drop((review, turn));
            });
            let done = checked.await;
            if done.is_err() {
                tracing::error!("Self-check panicked");
            }
        }
    }

    fn run_self_check(&self, review: &QueuedReview) {
        let basis = self.basis();
        let Ok(write) = admission::decode(&review.body) else { return };
        let SelfCheck { disputed, settled } = self_check(&write, basis.context(&*self.lookup));
        self.self_checks.note_compared(review.key, &basis);
        for Disagreement { source, commit, field } in disputed {
            let DisputedField { object, path, user } = field.clone();
            if self.store.dispute(&source, commit, field) {
                let field = path;
                tracing::warn!(%source, %object, %field, %user, "Field disputed by a GitOps tool, no denial by it");
            }
        }
        for Disagreement { source, field, .. } in settled {
            let DisputedField { object, path, user } = field.clone();
            if self.store.settle(&source, field) {
                let field = path;
                tracing::info!(%source, %object, %field, %user, "Field no longer disputed by a GitOps tool");
            }
        }
    }
}
