//! The recorded reviews of `tests/data/reviews`, and what Git declares there.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use serde_json::Value;

/// One recorded review, and what is expected of it.
pub struct Recorded {
    /// The whole AdmissionReview.
    pub review: Value,
    /// The class of the writer.
    pub actor: String,
    /// `allow`, `warn` or `deny`: the answer in enforce mode.
    pub expect: String,
    /// The paths that drift.
    pub fields: Vec<String>,
}

/// All of `actions.jsonl.gz`.
pub static RECORDED: LazyLock<Vec<Recorded>> = LazyLock::new(|| lines("actions.jsonl.gz").map(recorded).collect());

/// What Git declares: the files, as name and YAML.
pub fn git_files() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder().join("git/apps/prod")).expect("the recordings are in the tree");
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let yaml = fs::read_to_string(&path).expect("the file can be read");
        files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), yaml));
    }
    files.sort();
    files
}

/// The JSON values of a file, one a line.
pub fn lines(file: &str) -> impl Iterator<Item = Value> {
    let file = File::open(folder().join(file)).expect("the recordings are in the tree");
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.expect("it can be unpacked")).expect("each line is JSON"))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/reviews")
}

fn recorded(mut line: Value) -> Recorded {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Recorded {
        actor: text(&line["actor"]),
        expect: text(&line["expect"]),
        fields: line["fields"].as_array().into_iter().flatten().map(text).collect(),
        review: line["review"].take(),
    }
}
