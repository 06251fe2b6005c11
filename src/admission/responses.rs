//! Decisions as the server answers and counts them.

use axum::http::StatusCode;

use crate::server::ReviewResponse;
use crate::telemetry::ReviewLabels;
use driftwall_core::admission::{self, ReviewError, Status};
use driftwall_core::decision::{Decision, decide_unreadable_review};
use driftwall_core::policy::{Policy, Verdict};
use driftwall_core::text::truncate;

/// Characters of a reason in the log.
const MAX_REASON_CHARS: usize = 512;

/// The answer to a review that cannot be evaluated, by the policy's `onError`.
pub(super) fn error_response(error: &ReviewError, policy: &Policy) -> ReviewResponse {
    let reason = truncate(&error.to_string(), MAX_REASON_CHARS);
    tracing::warn!(error = %reason, "Review not evaluated");
    let Some(uid) = error.uid() else {
        let message = error.to_string();
        let status = Status::failure(400, "BadRequest", &message);
        let body = serde_json::to_vec(&status).expect("a status holds only texts and a number");
        return ReviewResponse { status: StatusCode::BAD_REQUEST, body, labels: None, drift: None };
    };
    response(uid, Verdict::Error, "unknown", &decide_unreadable_review(error, policy))
}

/// The answer to a review of this verdict.
pub(super) fn response(uid: &str, verdict: Verdict, actor: &'static str, decision: &Decision) -> ReviewResponse {
    let mode = if decision.break_glass.is_some() { "break-glass" } else { decision.mode.as_str() };
    ReviewResponse {
        status: StatusCode::OK,
        body: admission::encode(uid, &decision.answer),
        labels: Some(ReviewLabels { verdict: verdict.as_str(), actor, answer: decision.outcome.as_str(), mode }),
        drift: None,
    }
}
