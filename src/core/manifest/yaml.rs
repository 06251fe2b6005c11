//! A YAML document to a tree.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, options};

use super::error::{Fault, Reason};
use super::positions::Position;
use super::split::clamp;
use super::tree::{Builder, Kind, MAX_DEPTH, Scalar, Tag, Tree};

/// Reads the first document of `text`, which begins at `start` in its file.
///
/// What follows its end (`...`) up to the next `---` is not read: Kubernetes
/// never applies it.
pub(super) fn tree(text: &str, start: Position) -> Result<Tree<'_>, Fault> {
    let options = options! {
        emit_comments: false,
        block_nesting_limit: MAX_DEPTH + 1,
        flow_nesting_limit: MAX_DEPTH + 1,
    };
    let place = Place { start };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::default();
    // Complete nodes only, so that an alias inside its anchor is not found.
    let mut anchors = HashMap::new();
    let mut open_anchors = Vec::new();

    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| place.fault(&error))?;
        let position = place.position(&span.start);
        match event {
            Event::Alias(anchor) => {
                let target = anchors.get(&anchor).ok_or_else(|| Fault::at(position, Reason::CyclicAlias))?;
                builder.leaf(Kind::Alias(*target), position)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let tag = tag.map_or(Tag::Absent, |tag| read_tag(&tag));
                let scalar = Scalar { text, plain, tag };
                let at = builder.leaf(Kind::Scalar(scalar), position)?;
                if anchor != 0 {
                    anchors.insert(anchor, at);
                }
            }
            Event::SequenceStart(_, anchor, _) => {
                builder.open(Kind::Sequence, position)?;
                open_anchors.push(anchor);
            }
            Event::MappingStart(_, anchor, _) => {
                builder.open(Kind::Mapping, position)?;
                open_anchors.push(anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let (Some(at), Some(anchor)) = (builder.close(), open_anchors.pop())
                    && anchor != 0
                {
                    anchors.insert(anchor, at);
                }
            }
            Event::DocumentEnd | Event::StreamEnd => break,
            _ => {}
        }
    }
    // Text that holds no node at all is a null, as an empty value is.
    builder.finish().map_or_else(|| null(start), Ok)
}

fn null<'a>(start: Position) -> Result<Tree<'a>, Fault> {
    let mut builder = Builder::default();
    let scalar = Scalar { text: Cow::Borrowed(""), plain: true, tag: Tag::Absent };
    builder.leaf(Kind::Scalar(scalar), start)?;
    Ok(builder.finish().expect("a node was just added"))
}

fn read_tag(tag: &granit_parser::Tag) -> Tag {
    match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
        Some("binary") => Tag::Binary,
        Some("bool") => Tag::Bool,
        Some("float") => Tag::Float,
        Some("int") => Tag::Int,
        Some("merge") => Tag::Merge,
        Some("null") => Tag::Null,
        _ => Tag::Text,
    }
}

/// Where the text lies in its file.
struct Place {
    start: Position,
}

impl Place {
    /// The parser counts lines from 1 and columns from 0.
    fn position(&self, marker: &Marker) -> Position {
        let line = clamp(marker.line()).max(1) - 1;
        Position { line: self.start.line.saturating_add(line), column: clamp(marker.col()).saturating_add(1) }
    }

    fn fault(&self, error: &ScanError) -> Fault {
        let reason = match error.kind() {
            ErrorKind::RecursionLimitExceeded => Reason::TooDeep,
            _ => Reason::Syntax(error.info()),
        };
        Fault::at(self.position(error.marker()), reason)
    }
}
