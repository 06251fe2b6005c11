//! The log on standard error: text for people, JSON for machines.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::log_filter::{self, FilterError};
use super::log_writer::{LogGuard, LogWriter};
use crate::plain_words::in_plain_words;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `DRIFTWALL_LOG` cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// This process has a log already.
    #[error("failed to set up the log")]
    AlreadySet(#[from] TryInitError),
    /// The thread that writes it cannot be started.
    #[error("failed to set up the log")]
    Thread(#[source] io::Error),
}

/// Writes lines, with the errors of the operating system that libraries left in them in plain words.
struct PlainLines<W>(W);

impl<W: Write> Write for PlainLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The subscriber writes a line at once.
        match std::str::from_utf8(line).map(in_plain_words) {
            Ok(Cow::Owned(plain)) => self.0.write_all(plain.as_bytes()).map(|()| line.len()),
            _ => self.0.write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// How each line of JSON begins, once the cluster's name is known.
static LINE_START: OnceLock<String> = OnceLock::new();

/// From now on every line of JSON has the field `cluster`, unless the name is empty. The first name stays.
pub fn set_cluster_name(name: &str) {
    if !name.is_empty() {
        LINE_START.get_or_init(|| line_start(name));
    }
}

/// Writes the log to standard error, filtered by `DRIFTWALL_LOG` (default `info`), as long as
/// the result is kept.
pub fn init_logging(format: LogFormat) -> Result<LogGuard, LogError> {
    let text = std::env::var_os("DRIFTWALL_LOG").unwrap_or_default();
    let filter = log_filter::parse(&text.to_string_lossy())?;
    let is_terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let tell_lost = |lines| tracing::warn!(lines, "Log too fast for its reader, lines lost");
    let (writer, guard) = LogWriter::start(io::stderr(), tell_lost).map_err(LogError::Thread)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(move || PlainLines(NamedLines(writer.clone())));
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        // The one span that lines are in is `span`: the list of all of them would say it again.
        let lines = lines.json().flatten_event(true).with_span_list(false).with_ansi(false);
        registry.with(lines).try_init()?;
    } else {
        registry.with(lines.with_target(false).with_ansi(is_terminal)).try_init()?;
    }
    Ok(guard)
}

fn line_start(cluster: &str) -> String {
    format!("{{\"cluster\":{},", serde_json::Value::from(cluster))
}

/// Writes lines, with the cluster's name in each of JSON. A line comes in one piece.
struct NamedLines<W>(W);

impl<W: Write> Write for NamedLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&named(line, LINE_START.get())).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn named<'a>(line: &'a [u8], line_start: Option<&String>) -> Cow<'a, [u8]> {
    match (line_start, line.strip_prefix(b"{")) {
        (Some(start), Some(fields)) => [start.as_bytes(), fields].concat().into(),
        _ => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_name_of_the_cluster_once_it_is_known() {
        let line = b"{\"level\":\"INFO\"}\n";
        assert_eq!(&*named(line, None), line);
        let start = line_start("a/b:\"c\"");
        let line: serde_json::Value = serde_json::from_slice(&named(line, Some(&start))).unwrap();
        assert_eq!(line, serde_json::json!({"cluster": "a/b:\"c\"", "level": "INFO"}));
        assert_eq!(&*named(b"half a line", Some(&start)), b"half a line");
    }
}
