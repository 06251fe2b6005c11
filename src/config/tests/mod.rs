//! What a configuration may say, and what is said of one that cannot be used.

mod documentation;
mod every_key;
mod keys;
mod notes;
mod problems;
mod yaml;

use std::path::Path;

use super::{Config, ConfigError, Problem};

/// The least that a configuration has.
const SOURCES: &str = "sources: [{name: a, repo: /r}]\n";

fn parse(text: impl AsRef<[u8]>) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/driftwall.yaml"))
}

fn problems(text: impl AsRef<[u8]>) -> Vec<Problem> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid { problems, .. }) => problems,
        Err(error) => panic!("{error}"),
    }
}

/// Fails where a sentence is one that a library makes.
fn assert_plain(message: &str) {
    let jargon = [
        "DuplicateKeyPolicy",
        "EOF",
        "Option<",
        "`Value`",
        "a fault of driftwall's",
        "data did not match",
        "deserialize",
        "expected",
        "from_str",
        "i64",
        "invalid",
        "line 1 column",
        "mapping start",
        "sequence",
        "u16",
        "u8",
        "unit variant",
        "unknown field",
        "unknown variant",
        "while parsing",
    ];
    for word in jargon {
        assert!(!message.contains(word), "{word}: {message}");
    }
}
