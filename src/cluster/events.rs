//! Events: what `kubectl describe` shows of a denial beside the object.
//!
//! Many of one object become one with a count, and no flood of denials becomes a
//! flood of Events: the API server and etcd have better to do.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{self, Event, EventType, Reporter};
use tokio::sync::mpsc;

use super::ClusterContext;

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The object.
    pub object: InvolvedObject,
    /// One word for machines, in `UpperCamelCase`.
    pub reason: &'static str,
    /// What driftwall did, one word as well.
    pub action: &'static str,
    /// A sentence for people; longer ones are cut.
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
    /// Its uid, without which `kubectl describe` does not find the Event.
    pub uid: String,
}

/// Takes what happened, and never keeps anybody waiting.
#[derive(Clone, Debug)]
pub struct Recorder(mpsc::Sender<EventRecord>);

/// What may wait to be recorded; more is dropped.
const WAITING: usize = 64;
/// Events that may be recorded at once after a quiet time.
const BURST: u32 = 25;
/// Afterwards one in this time.
const PACE: Duration = Duration::from_secs(2);
/// How long one may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How often it is told that some were dropped.
const TOLD: Duration = Duration::from_mins(1);
/// The longest note that the API server takes is 1024 bytes
/// (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`).
const NOTE: usize = 1000;

impl Recorder {
    /// Records from now on, as long as there is somebody to take from. Must be called on a runtime.
    pub fn spawn(home: &ClusterContext) -> Self {
        let (sender, happenings) = mpsc::channel(WAITING);
        let reporter = Reporter { controller: "driftwall.io/driftwall".into(), instance: Some(home.identity.clone()) };
        tokio::spawn(record(events::Recorder::new(home.client.clone(), reporter), happenings));
        Self(sender)
    }

    /// Records what happened, soon, if there is not too much of it.
    pub fn record(&self, happening: EventRecord) {
        if self.0.try_send(happening).is_err() {
            tracing::debug!("Too much happens to record it all as Events");
        }
    }
}

async fn record(recorder: events::Recorder, mut happenings: mpsc::Receiver<EventRecord>) {
    let mut bucket = Bucket::new(Instant::now());
    let (mut dropped, mut told) = (0_u64, None::<Instant>);
    while let Some(happening) = happenings.recv().await {
        if !bucket.take(Instant::now()) {
            dropped += 1;
            if told.is_none_or(|told| told.elapsed() > TOLD) {
                tracing::warn!(dropped, "Too much happens to record it all as Events");
                told = Some(Instant::now());
            }
            continue;
        }
        let EventRecord { object, reason, action, note } = happening;
        let event = Event {
            type_: EventType::Warning,
            reason: reason.into(),
            note: Some(shortened(note)),
            action: action.into(),
            secondary: None,
        };
        let mut reference = ObjectReference::from(object);
        let mut published = publish(&recorder, &event, &reference).await;
        // An older API server (seen: 1.20) takes it only where the object is said to be in that namespace.
        if matches!(&published, Some(Err(kube::Error::Api(status))) if status.code == 422)
            && reference.namespace.is_none()
        {
            reference.namespace = Some("default".into());
            published = publish(&recorder, &event, &reference).await;
        }
        match published {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "Failed to record an Event"),
            None => tracing::warn!("Failed to record an Event: the API server does not answer"),
        }
    }
}

/// `None` where the API server does not answer: what waits behind must not wait for ever.
async fn publish(
    recorder: &events::Recorder,
    event: &Event,
    reference: &ObjectReference,
) -> Option<Result<(), kube::Error>> {
    tokio::time::timeout(LONGEST, recorder.publish(event, reference)).await.ok()
}

/// How many may pass: a burst after a quiet time, then one at a time.
struct Bucket {
    left: u32,
    filled: Instant,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self { left: BURST, filled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled);
        let more = u32::try_from(since.as_millis() / PACE.as_millis()).unwrap_or(BURST);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            // What is left of a pace counts for the next.
            self.filled += PACE.saturating_mul(more);
        }
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        true
    }
}

fn shortened(mut note: String) -> String {
    if note.len() > NOTE {
        note.truncate(note.floor_char_boundary(NOTE));
        note.push('…');
    }
    note
}

impl From<InvolvedObject> for ObjectReference {
    fn from(object: InvolvedObject) -> Self {
        let InvolvedObject { api_version, kind, namespace, name, uid } = object;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            api_version: some(api_version),
            kind: some(kind),
            namespace: some(namespace),
            name: some(name),
            uid: some(uid),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(begun);
        let passed = |bucket: &mut Bucket, at: Duration| (0..100).filter(|_| bucket.take(begun + at)).count();
        assert_eq!(passed(&mut bucket, Duration::ZERO), 25);
        assert_eq!(passed(&mut bucket, PACE / 2), 0);
        assert_eq!(passed(&mut bucket, PACE), 1);
        assert_eq!(passed(&mut bucket, PACE * 2 + PACE / 2), 1);
        assert_eq!(passed(&mut bucket, PACE * 3), 1);
        assert_eq!(passed(&mut bucket, PACE * 1000), 25);
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(shortened("short".into()), "short");
        let cut = shortened("ä".repeat(1000));
        assert!(cut.len() < 1024 && cut.ends_with("ä…"), "{}", cut.len());
    }
}
