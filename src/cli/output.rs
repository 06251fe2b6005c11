//! What commands print. That the reader of the output went away (`| head`) is no error; everything else is one:
//! whoever redirects into a file must not go on with half of it.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use crate::plain_words::in_plain_words;

/// Output that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the output: {}", reason(.0))]
pub(super) struct OutputError(io::Error);

/// Prints a line to standard output, or several.
pub(super) fn print(text: impl Display) -> Result<(), OutputError> {
    write(format_args!("{text}\n"))
}

/// Writes a text to standard output.
pub(super) fn write(text: impl Display) -> Result<(), OutputError> {
    let mut out = anstream::stdout();
    // Written now: at the end of the program nobody could be told of a failure.
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(OutputError(error)),
        _ => Ok(()),
    }
}

/// Prints a line to standard error. Where that cannot be written, there is nobody to be told.
pub(super) fn tell(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{}", in_plain_words(&text.to_string()));
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no space is left there".into(),
        _ => error.to_string(),
    }
}
