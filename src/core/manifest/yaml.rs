//! From a YAML document to a tree.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, options};

use super::error::{DocumentError, Reason};
use super::positions::Position;
use super::split::saturating_u32;
use super::tree::{MAX_DEPTH, NodeKind, Scalar, Tag, Tree, TreeBuilder};

/// Parses the first document of `text`, which begins at `start` in its file.
///
/// What follows its end (`...`) up to the next `---` is ignored: Kubernetes
/// never applies it.
pub(super) fn parse_tree(text: &str, start: Position) -> Result<Tree<'_>, DocumentError> {
    let options = options! {
        emit_comments: false,
        block_nesting_limit: MAX_DEPTH + 1,
        flow_nesting_limit: MAX_DEPTH + 1,
    };
    let document_start = DocumentStart(start);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = TreeBuilder::default();
    // Complete nodes only, so that an alias inside its own anchor is an error.
    let mut anchors = HashMap::new();
    let mut open_anchors = Vec::new();

    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| document_start.error(&error))?;
        let position = document_start.position(&span.start);
        match event {
            Event::Alias(anchor) => {
                let target = anchors.get(&anchor).ok_or_else(|| DocumentError::at(position, Reason::CyclicAlias))?;
                builder.leaf(NodeKind::Alias(*target), position)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let tag = tag.map_or(Tag::Absent, |tag| known_tag(&tag));
                let scalar = Scalar { text, plain, tag };
                let index = builder.leaf(NodeKind::Scalar(scalar), position)?;
                if anchor != 0 {
                    anchors.insert(anchor, index);
                }
            }
            Event::SequenceStart(_, anchor, _) => {
                builder.open(NodeKind::Sequence, position)?;
                open_anchors.push(anchor);
            }
            Event::MappingStart(_, anchor, _) => {
                builder.open(NodeKind::Mapping, position)?;
                open_anchors.push(anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let (Some(index), Some(anchor)) = (builder.close(), open_anchors.pop())
                    && anchor != 0
                {
                    anchors.insert(anchor, index);
                }
            }
            Event::DocumentEnd | Event::StreamEnd => break,
            _ => {}
        }
    }
    // Text without any node is a null, as an empty value is.
    builder.finish().map_or_else(|| null(start), Ok)
}

fn null<'a>(start: Position) -> Result<Tree<'a>, DocumentError> {
    let mut builder = TreeBuilder::default();
    let scalar = Scalar { text: Cow::Borrowed(""), plain: true, tag: Tag::Absent };
    builder.leaf(NodeKind::Scalar(scalar), start)?;
    Ok(builder.finish().expect("a node was just added"))
}

fn known_tag(tag: &granit_parser::Tag) -> Tag {
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

/// Where the document begins in its file: added to the parser's own positions.
struct DocumentStart(Position);

impl DocumentStart {
    /// The parser counts lines from 1 and columns from 0.
    fn position(&self, marker: &Marker) -> Position {
        let line = saturating_u32(marker.line()).max(1) - 1;
        Position { line: self.0.line.saturating_add(line), column: saturating_u32(marker.col()).saturating_add(1) }
    }

    fn error(&self, error: &ScanError) -> DocumentError {
        let reason = match error.kind() {
            ErrorKind::RecursionLimitExceeded => Reason::TooDeep,
            _ => Reason::Syntax(error.info()),
        };
        DocumentError::at(self.position(error.marker()), reason)
    }
}
