//! The recordings of a real API server in `tests/data/reviews`.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

/// The folder of the recordings, from the root of the repository, where tests run.
pub(crate) const FOLDER: &str = "tests/data/reviews";

/// The text of a compressed recording: one JSON value a line.
pub(crate) fn text(name: &str) -> String {
    let compressed = std::fs::read(Path::new(FOLDER).join(name)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut text).unwrap();
    text
}

/// The parsed lines of a compressed recording.
pub(crate) fn lines(name: &str) -> Vec<Value> {
    text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
