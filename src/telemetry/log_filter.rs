//! What is logged: the filter of `DRIFTWALL_LOG`, checked. The library takes a word that is no level for the name of a
//! module, of which there are no lines: a slip would silence the log.

use tracing_subscriber::EnvFilter;

/// `DRIFTWALL_LOG` cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A word is neither a level nor a module of driftwall's.
    #[error(
        "failed to use DRIFTWALL_LOG: `{0}` is no level; write one of {LEVELS}, or add one for a module, {EXAMPLE}"
    )]
    Level(String),
    /// Something else is written there.
    #[error(
        "failed to use DRIFTWALL_LOG: `{0}` is no filter; write one of {LEVELS}, or add one for a module, {EXAMPLE}"
    )]
    Filter(String),
}

const LEVELS: &str = "error, warn, info, debug, trace or off";
const EXAMPLE: &str = "such as info,driftwall::source=debug";
/// The level where the filter names none for all modules.
const DEFAULT_LEVEL: &str = "info";
/// Our own modules, in both crates.
const OWN_MODULES: &str = "driftwall";

/// The filter that a text asks for; without one, level `info`.
pub(super) fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    let directives = directives(text)?;
    EnvFilter::builder().parse(&directives).map_err(|_| FilterError::Filter(text.to_owned()))
}

/// The directives of a text, with a level for all modules among them.
fn directives(text: &str) -> Result<String, FilterError> {
    let mut directives = Vec::new();
    let mut has_level_for_all = false;
    // A span's fields have commas, too; the library reads them.
    let has_spans = text.contains(['[', '{']);
    let parts = if has_spans { vec![text] } else { text.split(',').collect() };
    for directive in parts.into_iter().map(str::trim).filter(|directive| !directive.is_empty()) {
        match directive.rsplit_once('=') {
            _ if has_spans => {}
            Some((_, level)) if is_level(level.trim()) => {}
            Some((_, level)) => return Err(FilterError::Level(level.trim().to_owned())),
            None if is_level(directive) => has_level_for_all = true,
            None if directive.starts_with(OWN_MODULES) => {}
            None => return Err(FilterError::Level(directive.to_owned())),
        }
        directives.push(directive);
    }
    if !has_level_for_all {
        directives.insert(0, DEFAULT_LEVEL);
    }
    Ok(directives.join(","))
}

fn is_level(word: &str) -> bool {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    levels.iter().any(|level| word.eq_ignore_ascii_case(level)) || matches!(word, "0" | "1" | "2" | "3" | "4" | "5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_never_silences_the_log_by_a_slip() {
        let level = |word: &str| Err(FilterError::Level(word.to_owned()));
        for (text, expected) in [
            ("", Ok("info")),
            (" ", Ok("info")),
            ("warn", Ok("warn")),
            ("DEBUG", Ok("DEBUG")),
            ("off", Ok("off")),
            ("driftwall::source=debug", Ok("info,driftwall::source=debug")),
            ("warn, hyper=trace,", Ok("warn,hyper=trace")),
            ("driftwall::server", Ok("info,driftwall::server")),
            ("driftwall[review{uid=a}]=debug", Ok("info,driftwall[review{uid=a}]=debug")),
            ("warning", level("warning")),
            ("info,source", level("source")),
            ("driftwall=warning", level("warning")),
            ("info,hyper=", level("")),
        ] {
            assert_eq!(directives(text), expected.map(str::to_owned), "{text}");
            assert_eq!(parse(text).is_ok(), directives(text).is_ok(), "{text}");
        }
        assert_eq!(parse("driftwall[=debug").map(|_| ()), Err(FilterError::Filter("driftwall[=debug".to_owned())));
    }
}
