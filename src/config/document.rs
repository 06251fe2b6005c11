//! A YAML document as a tree in which each value knows its line.
//!
//! Scalars stay text: what a text means depends on the key that it is written for (`off` is a value of
//! `cluster`, and no boolean). Anchors and merge keys (`<<`) are resolved here.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag, options};

use super::problem::Problem;

/// The deepest nesting, through aliases too. A configuration needs six levels.
const MAX_DEPTH: usize = 100;

/// The largest file, in bytes. A ConfigMap holds 1 MiB.
const MAX_SIZE: usize = 16 << 20;

/// A value of the document.
#[derive(Debug)]
pub(super) struct Node {
    /// The line on which it begins, from 1.
    pub(super) line: u32,
    pub(super) kind: Kind,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    List(Vec<Rc<Node>>),
    Mapping(Vec<Entry>),
    Scalar {
        text: String,
        /// Neither quoted nor a block, so that it may be a null.
        is_plain: bool,
    },
}

/// A key of a mapping with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u32,
    pub(super) value: Rc<Node>,
}

impl Node {
    /// Whether nothing is written here, or `null`.
    pub(super) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, is_plain } => {
                *is_plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Kind::List(_) | Kind::Mapping(_) => false,
        }
    }
}

/// Reads the one document of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Rc<Node>, Problem> {
    let whole_file = |message: &str| Problem { line: 1, key: String::new(), message: message.to_owned() };
    if bytes.len() > MAX_SIZE {
        return Err(whole_file("the file is larger than 16 MiB, and a ConfigMap holds 1 MiB; is it the right file?"));
    }
    if matches!(bytes, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, _, ..] | [_, 0, ..]) {
        return Err(whole_file("the file is UTF-16; save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
        Problem { line: clamp(line), ..whole_file("the file is not UTF-8; save it in that encoding") }
    })?;
    Reader::default().document(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    /// The collections that have begun and not ended, the outermost first.
    open: Vec<Open>,
    /// Values that an alias may refer to. Only complete ones: a value cannot contain itself.
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

struct Open {
    line: u32,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Rc<Node>>),
    Mapping {
        entries: Vec<Entry>,
        /// The values of merge keys, in the order in which they are written.
        merged: Vec<Rc<Node>>,
        /// The key whose value comes next.
        key: Option<Key>,
    },
}

struct Key {
    text: String,
    line: u32,
    is_merge: bool,
}

impl Reader {
    fn document(mut self, text: &str) -> Result<Rc<Node>, Problem> {
        let options = options! {
            emit_comments: false,
            block_nesting_limit: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
        };
        let mut parser = Parser::new_from_str_with_options(text, options);
        let mut has_document = false;
        while let Some(event) = parser.next_event() {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let line = clamp(error.marker().line());
                    let is_tab = text.lines().nth(error.marker().line().saturating_sub(1)).is_some_and(has_tab_indent);
                    return Err(self.problem(line, &if is_tab { TAB.into() } else { syntax_message(&error) }));
                }
            };
            let line = clamp(span.start.line());
            match event {
                Event::DocumentStart(..) if has_document => {
                    return Err(self.problem(line, "a second document begins here; write one, without `---` in it"));
                }
                Event::DocumentStart(..) => has_document = true,
                Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                    Some(node) => self.add(line, node)?,
                    None => {
                        return Err(
                            self.problem(line, "an alias repeats the value that it is in; write it after that value")
                        );
                    }
                },
                Event::Scalar(text, style, anchor, tag) => {
                    let is_plain = style == ScalarStyle::Plain && tag.is_none();
                    if tag.as_deref().is_some_and(is_binary) {
                        return Err(self.problem(line, "`!!binary` is not read here; write the text itself"));
                    }
                    let kind = Kind::Scalar { text: text.into_owned(), is_plain };
                    self.finish(Node { line, kind, depth: 1 }, line, anchor)?;
                }
                Event::SequenceStart(_, anchor, _) => {
                    self.open.push(Open { line, anchor, items: Items::List(Vec::new()) });
                }
                Event::MappingStart(_, anchor, _) => {
                    let items = Items::Mapping { entries: Vec::new(), merged: Vec::new(), key: None };
                    self.open.push(Open { line, anchor, items });
                }
                Event::SequenceEnd | Event::MappingEnd => self.close()?,
                _ => {}
            }
        }
        match self.root {
            Some(root) if !root.is_null() => Ok(root),
            _ => Err(self.problem(1, "the file is empty; write `sources`, at least")),
        }
    }

    /// Ends the innermost collection.
    fn close(&mut self) -> Result<(), Problem> {
        let Some(Open { line, anchor, items }) = self.open.pop() else {
            return Ok(());
        };
        let kind = match items {
            Items::List(items) => Kind::List(items),
            Items::Mapping { entries, merged, .. } => Kind::Mapping(self.merge(entries, &merged)?),
        };
        let depth = match &kind {
            Kind::List(items) => items.iter().map(|item| item.depth).max(),
            Kind::Mapping(entries) => entries.iter().map(|entry| entry.value.depth).max(),
            Kind::Scalar { .. } => None,
        };
        self.finish(Node { line, kind, depth: depth.unwrap_or(0) + 1 }, line, anchor)
    }

    /// The entries with those of merge keys, which count where the mapping itself does not have the key.
    fn merge(&self, mut entries: Vec<Entry>, merged: &[Rc<Node>]) -> Result<Vec<Entry>, Problem> {
        if merged.is_empty() {
            return Ok(entries);
        }
        let mut keys: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        for node in merged {
            let mappings = match &node.kind {
                Kind::List(items) => items.as_slice(),
                Kind::Mapping(_) | Kind::Scalar { .. } => std::slice::from_ref(node),
            };
            for mapping in mappings {
                let Kind::Mapping(others) = &mapping.kind else {
                    return Err(self.problem(node.line, "`<<` takes a mapping, an alias of one, or a list of these"));
                };
                for entry in others {
                    if keys.insert(entry.key.clone()) {
                        entries.push(entry.clone());
                    }
                }
            }
        }
        Ok(entries)
    }

    /// Takes a complete value, which an alias may refer to from now on.
    fn finish(&mut self, node: Node, line: u32, anchor: usize) -> Result<(), Problem> {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(line, node)
    }

    /// Puts a value where it is written on `line`; an aliased one has another line of its own.
    fn add(&mut self, line: u32, node: Rc<Node>) -> Result<(), Problem> {
        if self.open.len() + node.depth > MAX_DEPTH {
            return Err(self.problem(line, "the nesting is too deep; at most 100 levels are read"));
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Mapping { entries, merged, key }) => match (key.take(), &node.kind) {
                (None, Kind::Scalar { text, is_plain }) => {
                    *key = Some(Key { text: text.clone(), line, is_merge: *is_plain && text == "<<" });
                }
                (None, _) => return Err(self.problem(line, "a key must be text")),
                (Some(Key { is_merge: true, .. }), _) => merged.push(node),
                (Some(Key { text, line, .. }), _) => entries.push(Entry { key: text, line, value: node }),
            },
        }
        Ok(())
    }

    /// A problem at the key that is being read.
    fn problem(&self, line: u32, message: &str) -> Problem {
        let mut path = String::new();
        for Open { items, .. } in &self.open {
            match items {
                Items::List(items) => path = item_path(&path, items.len()),
                Items::Mapping { key: Some(key), .. } => path = key_path(&path, &key.text),
                Items::Mapping { key: None, .. } => break,
            }
        }
        Problem { line, key: path, message: message.to_owned() }
    }
}

/// The path of a key in the mapping at `path`.
pub(super) fn key_path(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of an item of the list at `path`.
pub(super) fn item_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

const TAB: &str = "a tab is written where spaces must be; indent with spaces";

fn has_tab_indent(line: &str) -> bool {
    line.trim_start_matches(' ').starts_with('\t')
}

fn is_binary(tag: &Tag) -> bool {
    tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("binary")
}

/// What is wrong with text that is no YAML, in our words: the parser's are for people who write parsers.
fn syntax_message(error: &ScanError) -> String {
    match error.kind() {
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::BlockEntryInFlowCollection
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            "a `[` or `{` and its `]` or `}` do not match, or a comma is missing before here".into()
        }
        ErrorKind::DocumentIndicatorInQuotedScalar | ErrorKind::UnclosedQuotedScalar => {
            "a quotation mark is not closed; write it at the end of the text, too".into()
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            "something follows the closing quotation mark; put the whole text in quotes".into()
        }
        ErrorKind::InvalidLowSurrogate
        | ErrorKind::InvalidLowSurrogateHexEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape
        | ErrorKind::MissingLowSurrogate
        | ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::UnpairedLowSurrogate => {
            "a `\\` in double quotes begins no escape of YAML; write `\\\\`, or single quotes around the text".into()
        }
        ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabNotAllowed => TAB.into(),
        ErrorKind::UnknownAnchor => {
            "an alias (`*name`) has no anchor (`&name`) above it; quote the text if it only begins with a `*`".into()
        }
        ErrorKind::MissingAnchorOrAliasName => {
            "a name is missing after `&` or `*`; quote the text if it only begins with that".into()
        }
        ErrorKind::RecursionLimitExceeded => "the nesting is too deep; at most 100 levels are read".into(),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            "a control character is written here; remove it".into()
        }
        ErrorKind::UnexpectedCharacter { character } => {
            format!("no text can begin with `{character}`; put it in quotes")
        }
        ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::InvalidMappingValueWhitespace
        | ErrorKind::InvalidSimpleKey
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::SimpleKeyExpected => {
            "the indentation does not fit the lines before, or a `:` is missing or one too many (quote text that has one)"
                .into()
        }
        ErrorKind::ExpectedDocumentStart | ErrorKind::InvalidDocumentEnd => {
            "something follows the end of the document; write one document".into()
        }
        _ => "this is no YAML; compare it with the examples of docs/configuration.md".into(),
    }
}

/// Counts saturate: a file may be any size.
fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}
