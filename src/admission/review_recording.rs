//! A recording of reviews for `driftwall check` and `driftwall suggest`, on request: the values of Secrets replaced, and
//! bounded in size. Reviews are written aside; what does not keep up is left out, never waited for.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

/// Writes reviews to a file.
#[derive(Debug)]
pub(crate) struct ReviewRecording {
    queue: SyncSender<Bytes>,
}

/// How many reviews may wait to be written.
const QUEUE: usize = 16;
/// The largest review that is recorded, in bytes: those that wait are in memory.
const MAX_REVIEW: usize = 1 << 20;
/// An annotation of kubectl's that repeats what a Secret holds.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl ReviewRecording {
    /// Records to a file, which only its owner may read, until it has `max_bytes`. What is there already stays.
    pub(crate) fn start(file: &Path, max_bytes: u64) -> std::io::Result<Self> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
        let left = max_bytes.saturating_sub(opened.metadata()?.len());
        let (queue, reviews) = sync_channel(QUEUE);
        std::thread::Builder::new().name("recording".into()).spawn(move || write_all(&reviews, opened, left))?;
        Ok(Self { queue })
    }

    /// Records a review, if there is room for it.
    pub(crate) fn record(&self, body: &Bytes) {
        if body.len() <= MAX_REVIEW {
            // Where the disk does not keep up, reviews are left out.
            let _ = self.queue.try_send(body.clone());
        }
    }
}

/// Writes reviews, until the file is full or cannot be written.
fn write_all(reviews: &Receiver<Bytes>, mut file: File, mut left: u64) {
    for body in reviews {
        let Some(mut line) = without_secrets(&body) else { continue };
        line.push('\n');
        let bytes = line.len() as u64;
        if bytes > left {
            tracing::warn!("Recording is full, no more reviews are recorded");
            return;
        }
        if let Err(error) = file.write_all(line.as_bytes()) {
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
        write_all(&reviews, file(), 3 * (line.len() as u64 + 1) + 5);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{line}\n").repeat(3));
    }
}
