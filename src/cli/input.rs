//! JSON from files: one value, several, one per line, an array, or a `List`.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("failed to read {file}")]
    File { file: String, source: std::io::Error },
    #[error("failed to parse value {number} of {file} as JSON")]
    Json { file: String, number: usize, source: serde_json::Error },
}

/// Reads a whole file, or standard input for `-`.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, InputError> {
    let content = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    content.map_err(|source| InputError::File { file: file.display().to_string(), source })
}

/// Calls `each` with every value of a file's content, and with those of arrays and
/// Lists one by one. If something else than JSON follows, `each` has got all before it.
pub(super) fn for_each_value(file: &Path, content: &[u8], mut each: impl FnMut(&str)) -> Result<(), InputError> {
    let values = serde_json::Deserializer::from_slice(content).into_iter::<&RawValue>();
    for (index, value) in values.enumerate() {
        let failed = |source| InputError::Json { file: file.display().to_string(), number: index + 1, source };
        flatten(value.map_err(failed)?.get(), &mut each);
    }
    Ok(())
}

fn flatten(text: &str, each: &mut impl FnMut(&str)) {
    let items = match text.as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(text).ok(),
        _ => serde_json::from_str::<List<'_>>(text)
            .ok()
            .filter(|list| list.kind.ends_with("List"))
            .and_then(|list| list.items),
    };
    match items {
        Some(items) => items.into_iter().for_each(|item| flatten(item.get(), each)),
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
