//! JSON to trees, with positions.
//!
//! YAML is nearly a superset, but does not have values one after another
//! without a `---`, nor keys of more than 1024 characters in flow style.

use std::borrow::Cow;

use super::error::{Fault, Reason};
use super::positions::Position;
use super::split::{clamp, is_continuation};
use super::tree::{Builder, Kind, Scalar, Tag, Tree};

/// The values of `text`, which begins at `start` in its file. After an error
/// there are no more: where the next value begins can only be guessed.
pub(super) fn trees(text: &str, start: Position) -> impl Iterator<Item = Result<Tree<'_>, Fault>> {
    let mut walker = Walker { text, at: 0, line: start.line, line_start: 0, continuations: 0 };
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let tree = walker.next_tree();
        failed = matches!(tree, Some(Err(_)));
        tree
    })
}

struct Walker<'a> {
    text: &'a str,
    /// How many bytes are read.
    at: usize,
    line: u32,
    /// Where the line begins.
    line_start: usize,
    /// Bytes read on this line that begin no character.
    continuations: usize,
}

impl<'a> Walker<'a> {
    fn next_tree(&mut self) -> Option<Result<Tree<'a>, Fault>> {
        self.skip_between();
        if self.rest().is_empty() || self.rest().starts_with("...") {
            return None;
        }
        let mut builder = Builder::default();
        let result = self.value(&mut builder);
        result.map(|()| builder.finish()).transpose()
    }

    fn value(&mut self, builder: &mut Builder<'a>) -> Result<(), Fault> {
        let position = self.position();
        match self.peek() {
            Some(b'{') => {
                builder.open(Kind::Mapping, position)?;
                self.items(b'}', |walker| {
                    walker.string(builder)?;
                    walker.skip_space();
                    walker.expect(b':', "expected ':' after the key")?;
                    walker.skip_space();
                    walker.value(builder)
                })?;
                builder.close();
            }
            Some(b'[') => {
                builder.open(Kind::Sequence, position)?;
                self.items(b']', |walker| walker.value(builder))?;
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

    /// What stands between the bracket that is next and its end.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.at += 1;
        self.skip_space();
        if self.take(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_space();
            if self.take(end) {
                return Ok(());
            }
            self.expect(b',', "expected ',' or the closing bracket")?;
            self.skip_space();
        }
    }

    fn string(&mut self, builder: &mut Builder<'a>) -> Result<(), Fault> {
        let position = self.position();
        let from = self.at;
        self.expect(b'"', "expected a string in double quotes")?;
        let mut escapes = false;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let stop = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))
                .ok_or_else(|| fault(position, "this string does not end"))?;
            let continuations = rest[..stop].iter().filter(|byte| is_continuation(**byte));
            self.continuations += continuations.count();
            self.at += stop;
            match rest[stop] {
                b'"' => break,
                b'\\' if matches!(rest.get(stop + 1), Some(b' '..=b'~')) => {
                    escapes = true;
                    self.at += 2;
                }
                _ => return Err(self.fault("a control character in a string must be escaped")),
            }
        }
        self.at += 1;
        let quoted = &self.text[from..self.at];
        let text = if escapes {
            let text = serde_json::from_str(quoted);
            Cow::Owned(text.map_err(|_| fault(position, "this string has an invalid escape"))?)
        } else {
            Cow::Borrowed(&quoted[1..quoted.len() - 1])
        };
        let scalar = Scalar { text, plain: false, tag: Tag::Absent };
        builder.leaf(Kind::Scalar(scalar), position)?;
        Ok(())
    }

    /// A number, a boolean or a null.
    fn word(&mut self) -> Result<&'a str, Fault> {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        if !matches!(word, "true" | "false" | "null") && !is_number(word) {
            return Err(self.fault("expected a value"));
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

    fn expect(&mut self, byte: u8, otherwise: &str) -> Result<(), Fault> {
        if self.take(byte) {
            return Ok(());
        }
        Err(self.fault(otherwise))
    }

    fn take(&mut self, byte: u8) -> bool {
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
        Position { line: self.line, column: clamp(self.at - self.line_start - self.continuations + 1) }
    }

    fn fault(&self, what: &str) -> Fault {
        fault(self.position(), what)
    }
}

fn plain(text: &str) -> Kind<'_> {
    Kind::Scalar(Scalar { text: Cow::Borrowed(text), plain: true, tag: Tag::Absent })
}

/// Whether JSON has such a number. YAML has more of them: octal, underscores.
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

fn fault(position: Position, what: &str) -> Fault {
    Fault::at(position, Reason::Syntax(format!("not JSON: {what}")))
}
