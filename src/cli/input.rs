//! JSON from files: one value, several, one a line, an array, or a `List`.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("failed to read {file}: {reason}")]
    File { file: String, reason: std::io::Error },
    #[error("failed to read {file}: value {number} is no JSON: {reason}")]
    Json { file: String, number: usize, reason: serde_json::Error },
}

/// Reads a whole file, or standard input for `-`.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let done = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|content| bytes = content)
    };
    done.map(|()| bytes).map_err(|reason| InputError::File { file: file.display().to_string(), reason })
}

/// Hands over every value of a text, those of arrays and Lists one by one. A
/// text that ends in something else than JSON has handed over all before it.
pub(super) fn values(file: &Path, bytes: &[u8], mut each: impl FnMut(&str)) -> Result<(), InputError> {
    let values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
    for (index, value) in values.enumerate() {
        let failed = |reason| InputError::Json { file: file.display().to_string(), number: index + 1, reason };
        open(value.map_err(failed)?.get(), &mut each);
    }
    Ok(())
}

fn open(text: &str, each: &mut impl FnMut(&str)) {
    let items = match text.as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(text).ok(),
        _ => serde_json::from_str::<List<'_>>(text)
            .ok()
            .filter(|list| list.kind.ends_with("List"))
            .and_then(|list| list.items),
    };
    match items {
        Some(items) => items.into_iter().for_each(|item| open(item.get(), each)),
        None => each(text),
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(default)]
    kind: String,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}
