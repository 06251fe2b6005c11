//! Events: they make `kubectl describe` show a denial beside the object.
//!
//! Repeated Events of one object are merged into one with a count, and their rate is
//! limited, so that a flood of denials does not burden the API server and etcd.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{self, Event, EventType, Reporter};
use tokio::sync::mpsc;

use super::ClusterContext;
use super::api_error::{ApiError, with_timeout};
use crate::telemetry::LogLimiter;

/// An Event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The object that it is about.
    pub object: InvolvedObject,
    /// The reason for machines: one word in `UpperCamelCase`.
    pub reason: &'static str,
    /// What driftwall did, one word as well.
    pub action: &'static str,
    /// A sentence for people; cut where it is too long.
    pub note: String,
}

/// An object that an Event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvolvedObject {
    /// Its API version, with the group.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; without it `kubectl describe` does not find the Event.
    pub uid: String,
}

/// Records Events in the background; recording never blocks.
#[derive(Clone, Debug)]
pub struct Recorder(mpsc::Sender<EventRecord>);

/// Events that may wait to be recorded; more are dropped.
const QUEUE_LENGTH: usize = 64;
/// Events that may be recorded at once after a quiet time.
const BURST: u32 = 25;
/// After a burst, one Event is recorded in this time.
const REFILL_INTERVAL: Duration = Duration::from_secs(2);
/// How long recording one Event may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How often dropped Events are logged at most.
const DROP_LOG_INTERVAL: Duration = Duration::from_mins(1);
/// In bytes; the API server accepts 1024
/// (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`).
const MAX_NOTE_LENGTH: usize = 1000;

impl Recorder {
    /// Starts to record, until the last clone of the recorder is dropped. Must be
    /// called on a Tokio runtime.
    pub fn spawn(context: &ClusterContext) -> Self {
        let (sender, records) = mpsc::channel(QUEUE_LENGTH);
        let reporter =
            Reporter { controller: "driftwall.io/driftwall".into(), instance: Some(context.identity.clone()) };
        tokio::spawn(record_all(events::Recorder::new(context.client.clone(), reporter), records));
        Self(sender)
    }

    /// Queues an Event; drops it where too many are waiting.
    pub fn record(&self, record: EventRecord) {
        if self.0.try_send(record).is_err() {
            tracing::debug!("Event queue is full, dropping an Event");
        }
    }
}

async fn record_all(recorder: events::Recorder, mut records: mpsc::Receiver<EventRecord>) {
    let mut bucket = TokenBucket::new(Instant::now());
    let drop_log = LogLimiter::every(DROP_LOG_INTERVAL);
    let mut dropped = 0_u64;
    while let Some(record) = records.recv().await {
        if bucket.take(Instant::now()) {
            if let Err(error) = publish(&recorder, record).await {
                tracing::warn!(%error, "Failed to record an Event");
            }
            continue;
        }
        dropped += 1;
        if drop_log.allows() {
            tracing::warn!(dropped, "Event rate limit reached, dropping Events");
        }
    }
}

async fn publish(recorder: &events::Recorder, record: EventRecord) -> Result<(), ApiError> {
    let EventRecord { object, reason, action, note } = record;
    let event = Event {
        type_: EventType::Warning,
        reason: reason.into(),
        note: Some(shorten(note)),
        action: action.into(),
        secondary: None,
    };
    let mut reference = ObjectReference::from(object);
    // Bounded, since the Events in the queue wait for this one.
    let published = with_timeout(REQUEST_TIMEOUT, recorder.publish(&event, &reference)).await;
    match published {
        // kube records an Event of a cluster-wide object in the namespace `default`. Older
        // API servers (seen: 1.20) accept that only where the object names that namespace too.
        Err(ApiError::Refused { code: 422, .. }) if reference.namespace.is_none() => {
            reference.namespace = Some("default".into());
            with_timeout(REQUEST_TIMEOUT, recorder.publish(&event, &reference)).await
        }
        other => other,
    }
}

/// Limits a rate: a burst after a quiet time, then one at a time.
struct TokenBucket {
    tokens: u32,
    refilled: Instant,
}

impl TokenBucket {
    fn new(now: Instant) -> Self {
        Self { tokens: BURST, refilled: now }
    }

    /// Takes a token; false where none is left.
    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.refilled);
        let new_tokens = u32::try_from(since.as_millis() / REFILL_INTERVAL.as_millis()).unwrap_or(BURST);
        if new_tokens > 0 {
            self.tokens = self.tokens.saturating_add(new_tokens).min(BURST);
            // The rest of an interval counts for the next token.
            self.refilled += REFILL_INTERVAL.saturating_mul(new_tokens);
        }
        let Some(tokens) = self.tokens.checked_sub(1) else { return false };
        self.tokens = tokens;
        true
    }
}

fn shorten(mut note: String) -> String {
    if note.len() > MAX_NOTE_LENGTH {
        note.truncate(note.floor_char_boundary(MAX_NOTE_LENGTH));
        note.push('…');
    }
    note
}

impl From<InvolvedObject> for ObjectReference {
    fn from(object: InvolvedObject) -> Self {
        let InvolvedObject { api_version, kind, namespace, name, uid } = object;
        let non_empty = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            api_version: non_empty(api_version),
            kind: non_empty(kind),
            namespace: non_empty(namespace),
            name: non_empty(name),
            uid: non_empty(uid),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start);
        let passed = |bucket: &mut TokenBucket, at: Duration| (0..100).filter(|_| bucket.take(start + at)).count();
        assert_eq!(passed(&mut bucket, Duration::ZERO), 25);
        assert_eq!(passed(&mut bucket, REFILL_INTERVAL / 2), 0);
        assert_eq!(passed(&mut bucket, REFILL_INTERVAL), 1);
        assert_eq!(passed(&mut bucket, REFILL_INTERVAL * 2 + REFILL_INTERVAL / 2), 1);
        assert_eq!(passed(&mut bucket, REFILL_INTERVAL * 3), 1);
        assert_eq!(passed(&mut bucket, REFILL_INTERVAL * 1000), 25);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert_eq!(shorten("short".into()), "short");
        let cut = shorten("ä".repeat(1000));
        assert!(cut.len() < 1024 && cut.ends_with("ä…"), "{}", cut.len());
    }
}
