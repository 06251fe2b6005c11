//! Self-checks: writes of GitOps tools, compared with the snapshot after they were answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftwall_core::admission;
use driftwall_core::desired::DisputedField;
use driftwall_core::policy::{Disagreement, EvaluationContext, SelfCheck, self_check};
use tokio::time::sleep;

use super::handler::{AdmissionHandler, ReviewSettings};

/// How long a queued self-check may wait for its turn.
const SELF_CHECK_WAIT: Duration = Duration::from_mins(1);
/// After self-checks it is paused for so many times as long as they took, so that they take a twentieth of one
/// processor at most from the reviews that somebody waits for. What the queue does not hold meanwhile is skipped.
const SELF_CHECK_PAUSE: u32 = 19;
/// Shorter pauses are added up, and one that waited for a look-up is not waited for as long again.
const MIN_SELF_CHECK_PAUSE: Duration = Duration::from_millis(10);
const MAX_SELF_CHECK_PAUSE: Duration = Duration::from_secs(1);

impl AdmissionHandler {
    /// Compares writes of GitOps tools with the snapshot, one after another, for as
    /// long as it is polled. Where they differ, driftwall reads Git wrongly.
    pub(crate) async fn run_self_checks(self: Arc<Self>) {
        let Some(mut queued) = self.self_checks.take_receiver() else { return };
        let mut pause = Duration::ZERO;
        while let Some(review) = queued.recv().await {
            let Some(turn) = self.budget.spare_turn(&review.body, Instant::now() + SELF_CHECK_WAIT).await else {
                continue;
            };
            let handler = Arc::clone(&self);
            let start = Instant::now();
            // An object can be large, and no deadline waits for this.
            let checked = tokio::task::spawn_blocking(move || {
                handler.run_self_check(&review.body);
                drop((review, turn));
            });
            let done = checked.await;
            if done.is_err() {
                tracing::error!("Self-check panicked");
            }
            pause += start.elapsed() * SELF_CHECK_PAUSE;
            if pause >= MIN_SELF_CHECK_PAUSE {
                sleep(std::mem::take(&mut pause).min(MAX_SELF_CHECK_PAUSE)).await;
            }
        }
    }

    fn run_self_check(&self, body: &[u8]) {
        let (settings, snapshot) = (self.settings.load(), self.store.snapshot());
        let ReviewSettings { actors, policy, .. } = &**settings;
        let context = EvaluationContext { snapshot: &snapshot, actors, policy, cluster: &*self.lookup };
        let Ok(write) = admission::decode(body) else { return };
        let SelfCheck { disputed, settled } = self_check(&write, context);
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
