//! A recording of reviews for `driftwall check` and `driftwall suggest`, on request: the values of Secrets replaced, and
//! bounded in size. Reviews are written aside; what does not keep up is left out, never waited for, and counted.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::telemetry::LogLimiter;

/// Writes reviews to a file.
#[derive(Debug)]
pub(crate) struct ReviewRecording {
    queue: SyncSender<Bytes>,
    /// Reviews that are not in the recording.
    left_out: Arc<AtomicU64>,
    log: LogLimiter,
}

/// How many reviews may wait to be written.
const QUEUE: usize = 16;
/// The largest review that is recorded, in bytes: those that wait are in memory.
const MAX_REVIEW: usize = 1 << 20;
/// How often it is told that reviews are left out.
const TELL_INTERVAL: Duration = Duration::from_mins(1);
/// An annotation of kubectl's that repeats what a Secret holds.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl ReviewRecording {
    /// Records to a file, which only its owner may read, until it has `max_bytes`. What is there already stays.
    pub(crate) fn start(file: &Path, max_bytes: u64) -> std::io::Result<Self> {
        let mut opened = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
        let length = opened.metadata()?.len();
        // A full disk is found now, and told to whoever asked for the recording.
        opened.write_all(b"\n")?;
        // What cannot be made shorter, such as a pipe, keeps an empty line, which readers skip.
        let _ = opened.set_len(length);
        let left = max_bytes.saturating_sub(length);
        let (queue, reviews) = sync_channel(QUEUE);
        let left_out = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&left_out);
        let write = move || write_all(&reviews, opened, left, &counter);
        std::thread::Builder::new().name("recording".into()).spawn(write)?;
        Ok(Self { queue, left_out, log: LogLimiter::every(TELL_INTERVAL) })
    }

    /// Records a review, if there is room for it.
    pub(crate) fn record(&self, body: &Bytes) {
        // Where the disk does not keep up, reviews are left out, and where the file is full.
        if body.len() <= MAX_REVIEW && self.queue.try_send(body.clone()).is_ok() {
            return;
        }
        let left_out = self.left_out.fetch_add(1, Ordering::Relaxed) + 1;
        if self.log.allows() {
            tracing::warn!(left_out, "Reviews are missing in the recording");
        }
    }
}

impl Drop for ReviewRecording {
    fn drop(&mut self) {
        let left_out = self.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(left_out, "Reviews are missing in the recording");
        }
    }
}

/// Writes reviews, until the file is full or cannot be written.
fn write_all(reviews: &Receiver<Bytes>, mut file: File, mut left: u64, left_out: &AtomicU64) {
    for body in reviews {
        let Some(mut line) = without_secrets(&body) else {
            left_out.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        line.push('\n');
        let bytes = line.len() as u64;
        if bytes > left {
            left_out.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("Recording is full, no more reviews are recorded");
            return;
        }
        if let Err(error) = file.write_all(line.as_bytes()) {
            left_out.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "Failed to record a review, no more are recorded");
            return;
        }
        left -= bytes;
    }
}

/// A review as one line, with other values in Secrets: equal ones stay equal. `None` for what cannot be read whole.
fn without_secrets(body: &[u8]) -> Option<String> {
    let mut review: Value = serde_json::from_slice(body).ok()?;
    let request = review.get_mut("request")?;
    let kind = &request["kind"];
    if kind["kind"] == "Secret" && kind["group"] == "" {
        let mut known = HashMap::new();
        for field in ["object", "oldObject"] {
            if let Some(object) = request.get_mut(field).and_then(Value::as_object_mut) {
                hide_values(object, &mut known);
            }
        }
    }
    Some(review.to_string())
}

fn hide_values(object: &mut serde_json::Map<String, Value>, known: &mut HashMap<String, usize>) {
    for (field, is_base64) in [("data", true), ("stringData", false)] {
        for value in object.get_mut(field).and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut()) {
            let number = known.len() + 1;
            let text = format!("hidden-{}", *known.entry(value.to_string()).or_insert(number));
            *value = if is_base64 { STANDARD.encode(text) } else { text }.into();
        }
    }
    let annotations = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    if let Some(last_applied) = annotations.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
        *last_applied = "{}".into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_secrets_are_replaced_and_equal_ones_stay_equal() {
        let secret = |password: &str| {
            let annotations = json!({LAST_APPLIED: "{\"data\":{\"password\":\"b2xk\"}}", "a": "b"});
            json!({"kind": "Secret", "metadata": {"name": "s", "annotations": annotations},
                "data": {"password": password, "user": "bWU="}, "stringData": {"x": "b2xk-plain"}})
        };
        let kind = json!({"group": "", "version": "v1", "kind": "Secret"});
        let review = json!({"request": {"kind": kind, "object": secret("bmV3"), "oldObject": secret("b2xk")}});
        let line = without_secrets(review.to_string().as_bytes()).unwrap();
        for value in ["b2xk", "bmV3", "bWU="] {
            assert!(!line.contains(value), "{line}");
        }
        let recorded: Value = serde_json::from_str(&line).unwrap();
        let (new, old) = (&recorded["request"]["object"], &recorded["request"]["oldObject"]);
        assert_ne!(new["data"]["password"], old["data"]["password"]);
        assert_eq!(new["data"]["user"], old["data"]["user"]);
        assert_eq!(new["metadata"]["annotations"]["a"], "b");

        let other = json!({"request": {"kind": {"group": "", "kind": "ConfigMap"}, "object": {"data": {"a": "b2xk"}}}});
        assert_eq!(without_secrets(other.to_string().as_bytes()).unwrap(), other.to_string());
        assert_eq!(without_secrets(b"{\"request\":"), None);
    }

    #[test]
    fn what_is_not_recorded_is_counted_and_a_full_disk_found_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let recording = ReviewRecording::start(&folder.path().join("reviews"), 1 << 20).unwrap();
        recording.record(&Bytes::from(vec![b' '; MAX_REVIEW + 1]));
        assert_eq!(recording.left_out.load(Ordering::Relaxed), 1);
        let full = ReviewRecording::start(Path::new("/dev/full"), 1 << 20);
        assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_recording_ends_where_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews");
        let file = || OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let line = r#"{"request":{"kind":{}}}"#;
        let (queue, reviews) = sync_channel(8);
        for _ in 0..5 {
            queue.send(Bytes::from_static(line.as_bytes())).unwrap();
        }
        drop(queue);
        let left_out = AtomicU64::new(0);
        write_all(&reviews, file(), 3 * (line.len() as u64 + 1) + 5, &left_out);
        assert_eq!(left_out.into_inner(), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{line}\n").repeat(3));
    }
}
