//! From bytes to documents, as Kubernetes splits them: at lines that begin with
//! `---`, before any YAML is parsed. So a broken document cannot affect the next
//! ones, and a `---` at the start of a line ends even a quoted text.

use super::error::{DocumentError, Reason};
use super::positions::Position;

/// A part of a file that has more than comments.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// From the line after its `---`, or from that line where content follows on it.
    pub(super) bytes: &'a [u8],
    /// Its first line in the file, from 1.
    line: u32,
}

impl<'a> Document<'a> {
    pub(super) fn start(&self) -> Position {
        Position { line: self.line, column: 1 }
    }

    pub(super) fn text(&self) -> Result<&'a str, DocumentError> {
        std::str::from_utf8(self.bytes).map_err(|error| {
            let valid = &self.bytes[..error.valid_up_to()];
            let breaks = valid.split(|&byte| byte == b'\n').count() - 1;
            let tail = valid.rsplit(|&byte| byte == b'\n').next().unwrap_or(valid);
            let characters = tail.iter().filter(|&&byte| !is_continuation(byte)).count();
            let position = Position {
                line: self.line.saturating_add(saturating_u32(breaks)),
                column: saturating_u32(characters + 1),
            };
            DocumentError::at(position, Reason::NotUtf8)
        })
    }

    pub(super) fn looks_like_json(&self) -> bool {
        let first = self.bytes.trim_ascii_start().first();
        matches!(first, Some(b'{' | b'['))
    }
}

/// Whether this is UTF-16: by a byte order mark, or by an ASCII character of two bytes.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..])
        || matches!(bytes, [0, second, ..] if *second != 0)
        || matches!(bytes, [first, 0, ..] if *first != 0)
}

/// The documents of a file, without those that have only comments.
pub(super) fn documents(bytes: &[u8]) -> impl Iterator<Item = Document<'_>> {
    let mut rest = bytes;
    let mut line = 1;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (document, has_content) = next_document(&mut rest, &mut line);
            if has_content {
                return Some(document);
            }
        }
        None
    })
}

/// Takes one document from the front of `rest`, and whether it has content.
/// `line` is its first line.
fn next_document<'a>(rest: &mut &'a [u8], line: &mut u32) -> (Document<'a>, bool) {
    let all = *rest;
    let first_line = *line;
    let mut has_content = false;
    let mut has_directive = false;
    let mut end = 0;
    for text in all.split_inclusive(|&byte| byte == b'\n') {
        let first = end == 0;
        match classify(text) {
            // It begins this document, and content follows on its line.
            Line::Separator { content: true } if first => has_content = true,
            // A directive belongs to the document after the next `---`.
            Line::Separator { content } if has_directive && !has_content => {
                has_directive = false;
                has_content = content;
            }
            Line::Separator { content } => {
                let document = Document { bytes: &all[..end], line: first_line };
                if !content {
                    end += text.len();
                    *line = line.saturating_add(1);
                }
                *rest = &all[end..];
                return (document, has_content);
            }
            Line::Directive if !has_content => has_directive = true,
            Line::Directive | Line::Content => has_content = true,
            Line::Empty => {}
        }
        end += text.len();
        *line = line.saturating_add(1);
    }
    *rest = &[];
    let document = Document { bytes: all, line: first_line };
    (document, has_content)
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

fn classify(line: &[u8]) -> Line {
    if let Some(rest) = line.strip_prefix(b"---")
        && rest.first().is_none_or(u8::is_ascii_whitespace)
    {
        return Line::Separator { content: !is_blank(rest) };
    }
    // A byte order mark in the middle: files were joined.
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

/// Whether a byte of UTF-8 continues a character rather than begins one.
pub(super) fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// A count as `u32`, at its maximum where it is more: a document has at most 8 MiB, a file any size.
pub(super) fn saturating_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
