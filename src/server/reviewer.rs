//! What the server asks of the admission handler.

use std::time::Instant;

use axum::http::StatusCode;
use bytes::Bytes;

use super::in_flight::InFlightPermit;
use crate::telemetry::{DriftLabels, ReviewLabels};

/// Answers reviews. Never fails: a review that cannot be evaluated gets an answer too.
pub trait Reviewer: Send + Sync + 'static {
    /// Answers the review in `body` at once; `None` where that takes waiting or a while, and then nothing is left of it.
    fn review_at_once(&self, body: &Bytes) -> Option<ReviewResponse>;
    /// Answers the review in `body` before the deadline. While it waits for something that takes no thread, it may
    /// drop its place: then another one is judged meanwhile.
    fn review(&self, body: Bytes, deadline: Instant, place: ReviewPlace)
    -> impl Future<Output = ReviewResponse> + Send;
    /// Answers a review that is not kept, by its first bytes.
    fn review_head(&self, start: &[u8], reason: HeadReason, deadline: Instant) -> ReviewResponse;
    /// The answer if `review` did not finish before the deadline.
    fn overdue(&self, body: &Bytes) -> ReviewResponse;
}

/// A review's place among those that are judged at once, until it is dropped.
pub struct ReviewPlace {
    _permit: InFlightPermit,
}

impl ReviewPlace {
    pub(super) fn new(permit: InFlightPermit) -> Self {
        Self { _permit: permit }
    }
}

/// Why only the beginning of a review is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadReason {
    /// Other large ones took all room; it may be sent again.
    NoRoom,
    /// No review is as large.
    TooLarge,
}

/// The answer to a review.
#[derive(Clone, Debug)]
pub struct ReviewResponse {
    /// 200 whenever the body is an `AdmissionReview`.
    pub status: StatusCode,
    /// JSON.
    pub body: Vec<u8>,
    /// The labels that it is counted under; none if the request was no review, or the canary, which is not counted.
    pub labels: Option<ReviewLabels>,
    /// The labels that drift is counted under; none where it is no drift.
    pub drift: Option<DriftLabels>,
}
