//! Bytes to documents, as Kubernetes splits them: on lines that begin with
//! `---`, before any YAML is parsed. So one broken document cannot take the
//! next ones with it, and a `---` at the start of a line ends even a quoted
//! text.

use super::error::{Fault, Reason};
use super::positions::Position;

/// A part of a file that holds something besides comments.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// From the line after its `---`; from that line where it goes on behind it.
    pub(super) bytes: &'a [u8],
    /// Its first line in the file, from 1.
    line: u32,
}

impl<'a> Document<'a> {
    pub(super) fn start(&self) -> Position {
        Position { line: self.line, column: 1 }
    }

    pub(super) fn text(&self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes).map_err(|error| {
            let valid = &self.bytes[..error.valid_up_to()];
            let breaks = valid.split(|&byte| byte == b'\n').count() - 1;
            let tail = valid.rsplit(|&byte| byte == b'\n').next().unwrap_or(valid);
            let characters = tail.iter().filter(|&&byte| !is_continuation(byte)).count();
            let position = Position { line: self.line.saturating_add(clamp(breaks)), column: clamp(characters + 1) };
            Fault::at(position, Reason::NotUtf8)
        })
    }

    pub(super) fn looks_like_json(&self) -> bool {
        let first = self.bytes.trim_ascii_start().first();
        matches!(first, Some(b'{' | b'['))
    }
}

/// Whether this is UTF-16: a byte order mark, or half of an ASCII character.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..])
        || matches!(bytes, [0, second, ..] if *second != 0)
        || matches!(bytes, [first, 0, ..] if *first != 0)
}

/// The documents of a file; what holds nothing but comments is left out.
pub(super) fn documents(bytes: &[u8]) -> impl Iterator<Item = Document<'_>> {
    let mut rest = bytes;
    let mut line = 1;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (document, holds_something) = next(&mut rest, &mut line);
            if holds_something {
                return Some(document);
            }
        }
        None
    })
}

/// Takes one document off the front of `rest`, `line` being its first line.
fn next<'a>(rest: &mut &'a [u8], line: &mut u32) -> (Document<'a>, bool) {
    let all = *rest;
    let first_line = *line;
    let mut holds_something = false;
    let mut has_directive = false;
    let mut end = 0;
    for text in all.split_inclusive(|&byte| byte == b'\n') {
        let first = end == 0;
        match kind(text) {
            // It begins this document, with content behind it.
            Line::Separator { content: true } if first => holds_something = true,
            // A directive belongs to the document behind the next `---`.
            Line::Separator { content } if has_directive && !holds_something => {
                has_directive = false;
                holds_something = content;
            }
            Line::Separator { content } => {
                let document = Document { bytes: &all[..end], line: first_line };
                if !content {
                    end += text.len();
                    *line = line.saturating_add(1);
                }
                *rest = &all[end..];
                return (document, holds_something);
            }
            Line::Directive if !holds_something => has_directive = true,
            Line::Directive | Line::Content => holds_something = true,
            Line::Empty => {}
        }
        end += text.len();
        *line = line.saturating_add(1);
    }
    *rest = &[];
    let document = Document { bytes: all, line: first_line };
    (document, holds_something)
}

enum Line {
    Content,
    Directive,
    /// Blank, a comment, or a document's end.
    Empty,
    Separator {
        /// Something besides a comment follows on the line. Kubernetes
        /// refuses that; YAML does not.
        content: bool,
    },
}

fn kind(line: &[u8]) -> Line {
    if let Some(behind) = line.strip_prefix(b"---")
        && behind.first().is_none_or(u8::is_ascii_whitespace)
    {
        let content = !is_blank(behind);
        return Line::Separator { content };
    }
    // A byte order mark in mid-file: files that were joined.
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    if is_blank(line) || line.trim_ascii_end() == b"..." {
        Line::Empty
    } else if line.starts_with(b"%") {
        Line::Directive
    } else {
        Line::Content
    }
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), None | Some(b'#'))
}

/// Whether a byte of UTF-8 continues a character.
pub(super) fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Counts saturate: a document is at most 8 MiB, a file may be any size.
pub(super) fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
