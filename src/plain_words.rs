//! What libraries say of a failure, in words that fit into a sentence and need no table of numbers.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{Error, ErrorKind};

/// What stands before the number in the texts of `std::io::Error`.
const MARK: &str = " (os error ";

/// What the C library says of names, and it in plain words.
const OF_NAMES: [(&str, &str); 3] = [
    ("failed to lookup address information: Name or service not known", "no address is known for that name"),
    ("failed to lookup address information: No address associated with hostname", "that name has no address"),
    ("failed to lookup address information: Temporary failure in name resolution", "the name server does not answer"),
];

/// The text with what libraries write in plain words: `Connection refused (os error 111)`, of libgit2
/// `; class=Os (2); code=NotFound (-3)`.
pub(crate) fn in_plain_words(text: &str) -> Cow<'_, str> {
    let has_names = text.contains("failed to lookup address information");
    if !text.contains(MARK) && !text.contains(CLASS) && !has_names {
        return Cow::Borrowed(text);
    }
    let mut plain = without_classes(&of_operating_system(text));
    for (words, in_plain) in OF_NAMES {
        plain = plain.replace(words, in_plain);
    }
    Cow::Owned(plain)
}

/// What libgit2 adds to its messages: the class of an error, and its code where it has one.
const CLASS: &str = "; class=";

fn without_classes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(CLASS) {
        plain.push_str(before);
        let after = after.split_once(')').map_or("", |(_, after)| after);
        rest = match after.strip_prefix("; code=") {
            Some(code) => code.split_once(')').map_or("", |(_, after)| after),
            None => after,
        };
    }
    plain.push_str(rest);
    plain
}

fn of_operating_system(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        let number = after.split_once(')').and_then(|(number, after)| Some((number.parse().ok()?, after)));
        let Some((number, after)) = number else {
            plain.push_str(before);
            plain.push_str(MARK);
            rest = after;
            continue;
        };
        let error = Error::from_raw_os_error(number);
        let whole = error.to_string();
        let name = whole.strip_suffix(&format!("{MARK}{number})")).unwrap_or_default();
        match before.strip_suffix(name) {
            Some(before) => {
                plain.push_str(before);
                plain.push_str(&words(error.kind(), name));
            }
            None => plain.push_str(before),
        }
        rest = match temporary_folder(after) {
            Some((folder, after)) => {
                // Writing to a String cannot fail.
                let _ = write!(plain, " (a temporary file in {folder}; TMPDIR names another folder)");
                after
            }
            None => after,
        };
    }
    plain.push_str(rest);
    plain
}

/// The folder that a temporary file was to be made in, where the text goes on with such a file's path (the crate
/// `tempfile` writes so), and what follows.
fn temporary_folder(text: &str) -> Option<(&str, &str)> {
    let (path, after) = text.strip_prefix(" at path \"")?.split_once('"')?;
    let (folder, file) = path.rsplit_once('/')?;
    let is_temporary = file.starts_with(".tmp") || file.starts_with("driftwall-");
    is_temporary.then_some((if folder.is_empty() { "/" } else { folder }, after))
}

fn words(kind: ErrorKind, name: &str) -> String {
    let words = match kind {
        ErrorKind::AddrInUse => "another program listens there already",
        ErrorKind::AddrNotAvailable => "this machine does not have that address",
        ErrorKind::AlreadyExists => "it exists already",
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => "the other side closed the connection",
        ErrorKind::ConnectionRefused => "connection refused, nothing listens there",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no network leads there",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::NotADirectory => "a part of its path is a file, not a folder",
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::QuotaExceeded | ErrorKind::StorageFull => "no space is left there",
        ErrorKind::ReadOnlyFilesystem => "its file system is read-only",
        ErrorKind::TimedOut => "it did not answer in time",
        _ => return name.to_lowercase(),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_operating_system_are_told_without_numbers() {
        for (text, plain) in [
            (
                "failed to read x: No such file or directory (os error 2)",
                "failed to read x: there is no such file or folder",
            ),
            ("Is a directory (os error 21): x", "it is a folder: x"),
            (
                "a: Connection refused (os error 111), b: Broken pipe (os error 32)",
                "a: connection refused, nothing listens there, b: broken pipe",
            ),
            ("tcp connect error: Permission denied (os error 13)", "tcp connect error: permission denied"),
            // What somebody else wrote before the number is not thrown away.
            ("in my words (os error 2)", "in my words"),
            ("odd (os error x) text", "odd (os error x) text"),
            ("nothing of the kind", "nothing of the kind"),
            (
                "no a: could not find repository at 'a'; class=Repository (6); code=NotFound (-3)",
                "no a: could not find repository at 'a'",
            ),
            ("a; class=Net (12): b", "a: b"),
            (
                "No such file or directory (os error 2) at path \"/nope/.tmpeL7pnu\"",
                "there is no such file or folder (a temporary file in /nope; TMPDIR names another folder)",
            ),
            ("Permission denied (os error 13) at path \"/etc/x\"", "permission denied at path \"/etc/x\""),
            (
                "c: failed to lookup address information: Name or service not known",
                "c: no address is known for that name",
            ),
        ] {
            assert_eq!(in_plain_words(text), plain, "{text}");
        }
    }
}
