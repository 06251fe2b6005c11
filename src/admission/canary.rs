//! The answer to the canary, by which driftwall sees that the API server calls it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::http::StatusCode;

use crate::server::ReviewResponse;
use driftwall_core::admission::{self, Answer, Write};
use driftwall_core::canary::{CANARY_WARNING, CanaryObject};

/// Knows the canary, once it is told.
#[derive(Default)]
pub(super) struct CanaryAnswerer(ArcSwapOption<CanaryObject>);

impl CanaryAnswerer {
    pub(super) fn set(&self, canary: CanaryObject) {
        self.0.store(Some(Arc::new(canary)));
    }

    /// The answer where the write is the canary: whoever sent it sees by the warning that driftwall was called.
    pub(super) fn answer(&self, write: &Write<'_>) -> Option<ReviewResponse> {
        if !self.0.load().as_ref()?.is_written_by(write) {
            return None;
        }
        let answer = Answer { warnings: vec![CANARY_WARNING.to_owned()], ..Answer::default() };
        Some(ReviewResponse {
            status: StatusCode::OK,
            body: admission::encode(&write.uid, &answer),
            labels: None,
            drift: None,
        })
    }
}
