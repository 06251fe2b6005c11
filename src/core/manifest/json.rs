//! From JSON to trees, with positions.
//!
//! YAML is nearly a superset, but it has no values one after another without a
//! `---`, and no keys of more than 1024 characters in flow style.

use std::borrow::Cow;

use super::error::{DocumentError, Reason};
use super::positions::Position;
use super::split::{is_continuation, saturating_u32};
use super::tree::{NodeKind, Scalar, Tag, Tree, TreeBuilder};

/// The values of `text`, which begins at `start` in its file. After an error
/// there are no more: nothing tells where the next value begins.
pub(super) fn parse_trees(text: &str, start: Position) -> impl Iterator<Item = Result<Tree<'_>, DocumentError>> {
    let mut parser = JsonParser { text, at: 0, line: start.line, line_start: 0, continuations: 0 };
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let tree = parser.next_tree();
        failed = matches!(tree, Some(Err(_)));
        tree
    })
}

struct JsonParser<'a> {
    text: &'a str,
    /// The next byte.
    at: usize,
    line: u32,
    /// The first byte of the line.
    line_start: usize,
    /// Bytes before `at` on this line that do not begin a character.
    continuations: usize,
}

impl<'a> JsonParser<'a> {
    fn next_tree(&mut self) -> Option<Result<Tree<'a>, DocumentError>> {
        self.skip_between();
        if self.rest().is_empty() || self.rest().starts_with("...") {
            return None;
        }
        let mut builder = TreeBuilder::default();
        let result = self.value(&mut builder);
        result.map(|()| builder.finish()).transpose()
    }

    fn value(&mut self, builder: &mut TreeBuilder<'a>) -> Result<(), DocumentError> {
        let position = self.position();
        match self.peek() {
            Some(b'{') => {
                builder.open(NodeKind::Mapping, position)?;
                self.items(b'}', |parser| {
                    parser.string(builder)?;
                    parser.skip_space();
                    parser.expect(b':', "expected ':' after the key")?;
                    parser.skip_space();
                    parser.value(builder)
                })?;
                builder.close();
            }
            Some(b'[') => {
                builder.open(NodeKind::Sequence, position)?;
                self.items(b']', |parser| parser.value(builder))?;
                builder.close();
            }
            Some(b'"') => self.string(builder)?,
            _ => {
                let text = self.word()?;
                builder.leaf(plain(text), position)?;
            }
        }
        Ok(())
    }

    /// The items between the bracket that is next and its closing one.
    fn items(
        &mut self,
        end: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), DocumentError>,
    ) -> Result<(), DocumentError> {
        self.at += 1;
        self.skip_space();
        if self.eat(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_space();
            if self.eat(end) {
                return Ok(());
            }
            self.expect(b',', "expected ',' or the closing bracket")?;
            self.skip_space();
        }
    }

    fn string(&mut self, builder: &mut TreeBuilder<'a>) -> Result<(), DocumentError> {
        let position = self.position();
        let from = self.at;
        self.expect(b'"', "expected a string in double quotes")?;
        let mut escapes = false;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let stop = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))
                .ok_or_else(|| error(position, "this string does not end"))?;
            let continuations = rest[..stop].iter().filter(|byte| is_continuation(**byte));
            self.continuations += continuations.count();
            self.at += stop;
            match rest[stop] {
                b'"' => break,
                b'\\' if matches!(rest.get(stop + 1), Some(b' '..=b'~')) => {
                    escapes = true;
                    self.at += 2;
                }
                _ => return Err(self.error("a control character in a string must be escaped")),
            }
        }
        self.at += 1;
        let quoted = &self.text[from..self.at];
        let text = if escapes {
            let text = serde_json::from_str(quoted);
            Cow::Owned(text.map_err(|_| error(position, "this string has an invalid escape"))?)
        } else {
            Cow::Borrowed(&quoted[1..quoted.len() - 1])
        };
        let scalar = Scalar { text, plain: false, tag: Tag::Absent };
        builder.leaf(NodeKind::Scalar(scalar), position)?;
        Ok(())
    }

    /// A number, a boolean or a null.
    fn word(&mut self) -> Result<&'a str, DocumentError> {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        if !matches!(word, "true" | "false" | "null") && !is_number(word) {
            return Err(self.error("expected a value"));
        }
        self.at += end;
        Ok(word)
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.line = self.line.saturating_add(1);
                    self.line_start = self.at + 1;
                    self.continuations = 0;
                }
                b' ' | b'\t' | b'\r' => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    /// Between values there may be comments: the file may call itself YAML.
    fn skip_between(&mut self) {
        self.skip_space();
        while self.peek() == Some(b'#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            self.skip_space();
        }
    }

    fn expect(&mut self, byte: u8, otherwise: &str) -> Result<(), DocumentError> {
        if self.eat(byte) {
            return Ok(());
        }
        Err(self.error(otherwise))
    }

    /// Consumes `byte` where it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn position(&self) -> Position {
        Position { line: self.line, column: saturating_u32(self.at - self.line_start - self.continuations + 1) }
    }

    fn error(&self, what: &str) -> DocumentError {
        error(self.position(), what)
    }
}

fn plain(text: &str) -> NodeKind<'_> {
    NodeKind::Scalar(Scalar { text: Cow::Borrowed(text), plain: true, tag: Tag::Absent })
}

/// Whether this is a number in JSON. YAML has more of them: octal, underscores.
fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let octal = matches!(digits.as_bytes(), [b'0', b'0'..=b'9', ..]);
    digits.starts_with(|first: char| first.is_ascii_digit())
        && !octal
        && !digits.ends_with('.')
        && !digits.contains(".e")
        && !digits.contains(".E")
        && digits.parse::<f64>().is_ok()
}

fn error(position: Position, what: &str) -> DocumentError {
    DocumentError::at(position, Reason::Syntax(format!("not JSON: {what}")))
}
