//! An error with its causes, as one line, or the last of them.

use crate::plain_words::in_plain_words;

/// The error and all its causes, joined by colons. A cause that is already part of
/// the text is left out, since some libraries repeat it.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    in_plain_words(&text).into_owned()
}

/// The last cause: what happened, without the libraries through which it came.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    in_plain_words(&cause.to_string()).into_owned()
}
