//! The outline of a JSON text: its shape, and where its fields stand, found in one pass
//! without reading what is in them.

use std::ops::Range;

use super::grammar::{Nesting, is_json_number};
use super::shape::{JsonShape, skip_string};
use super::write::Write;

/// What one pass over an object's text finds.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    /// How deep the text is nested, and what its value takes.
    pub(crate) shape: JsonShape,
    /// Whether the text is JSON at all.
    pub(super) is_json: bool,
    /// Where its fields stand; `None` where they cannot be told from the text alone: it is no object,
    /// names a field twice, or has what a parser may refuse.
    places: Option<Places>,
}

/// Where fields stand in a text.
#[derive(Clone, Debug, Default)]
struct Places {
    all: Vec<FieldPlace>,
    of_metadata: Vec<FieldPlace>,
    of_spec: Vec<FieldPlace>,
}

/// Where a field stands in a text.
#[derive(Clone, Debug)]
struct FieldPlace {
    name: Range<usize>,
    value: Range<usize>,
}

/// The fields of an object and of two of its parts, as they stand in the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) all: Vec<TextField<'a>>,
    pub(crate) of_metadata: Vec<TextField<'a>>,
    pub(crate) of_spec: Vec<TextField<'a>>,
}

/// A field as it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextField<'a> {
    /// Its name, which has no escapes.
    pub(crate) name: &'a str,
    /// Its value, with no space around it.
    pub(crate) value: &'a str,
}

/// Fields of more levels are not told.
const LEVELS: usize = 2;
/// A number of no more bytes, without an exponent, is one to every parser.
const SHORT_NUMBER: usize = 15;

impl Outline {
    /// The outline of a text. Of one that is no JSON, it says how deep that is nested, and nothing else of use.
    pub(crate) fn of(json: &str) -> Self {
        let mut scan = Scan::new(json);
        scan.run();
        let Scan { shape, is_json, is_plain, places, .. } = scan;
        let is_known =
            is_json && is_plain && json.trim_start().starts_with('{') && !places.fields_of(json).has_duplicates();
        Self { shape, is_json, places: is_known.then_some(places) }
    }

    /// The fields of the text that this outline was made of.
    pub(crate) fn fields<'a>(&self, json: &'a str) -> Option<Fields<'a>> {
        Some(self.places.as_ref()?.fields_of(json))
    }
}

impl Places {
    fn fields_of<'a>(&self, json: &'a str) -> Fields<'a> {
        let text = |range: &Range<usize>| json.get(range.clone()).unwrap_or_default();
        let fields = |places: &[FieldPlace]| {
            places
                .iter()
                .map(|place| TextField { name: text(&place.name), value: text(&place.value).trim_ascii() })
                .collect()
        };
        Fields { all: fields(&self.all), of_metadata: fields(&self.of_metadata), of_spec: fields(&self.of_spec) }
    }
}

impl Fields<'_> {
    fn has_duplicates(&self) -> bool {
        [&self.all, &self.of_metadata, &self.of_spec].into_iter().any(|fields| {
            let is_before = |index: usize| fields[..index].iter().any(|before| before.name == fields[index].name);
            // No object of Kubernetes has as many fields there.
            fields.len() > MAX_FIELDS || (0..fields.len()).any(is_before)
        })
    }
}

/// Objects with more fields at one place are not told apart.
const MAX_FIELDS: usize = 64;

/// The value of the field of this name.
pub(crate) fn text_of<'a>(fields: &[TextField<'a>], name: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.name == name).map(|field| field.value)
}

impl<'a> Write<'a> {
    /// The outline of `object`.
    pub(crate) fn object_outline(&self) -> Option<&Outline> {
        let raw = self.object?;
        Some(self.outlines[0].get_or_init(|| Outline::of(raw)))
    }

    /// The outline of `oldObject`.
    pub(crate) fn old_object_outline(&self) -> Option<&Outline> {
        let raw = self.old_object?;
        Some(self.outlines[1].get_or_init(|| Outline::of(raw)))
    }

    /// The fields of `object` as text, where they can be told from it.
    pub(crate) fn object_fields(&self) -> Option<Fields<'a>> {
        self.object_outline()?.fields(self.object?)
    }

    /// The same of `oldObject`.
    pub(crate) fn old_object_fields(&self) -> Option<Fields<'a>> {
        self.old_object_outline()?.fields(self.old_object?)
    }
}

struct Scan<'a> {
    json: &'a str,
    shape: JsonShape,
    is_json: bool,
    is_plain: bool,
    places: Places,
    /// Fields of what is open on the second level.
    inner: Vec<FieldPlace>,
    open: [Level; LEVELS],
    nesting: Nesting,
}

/// What is open on a level.
#[derive(Clone, Default)]
struct Level {
    is_object: bool,
    name: Option<Range<usize>>,
    /// Where the value of that field begins; `None` before its colon.
    value: Option<usize>,
}

/// What may come next in a JSON text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of a list that has none.
    FirstItem,
    Name,
    /// A name, or the end of an object that has none.
    FirstName,
    Colon,
    /// A comma, or the end of what is open.
    Rest,
}

impl<'a> Scan<'a> {
    fn new(json: &'a str) -> Self {
        Self {
            json,
            shape: JsonShape::default(),
            is_json: true,
            is_plain: true,
            places: Places::default(),
            inner: Vec::new(),
            open: Default::default(),
            nesting: Nesting::default(),
        }
    }

    fn run(&mut self) {
        let bytes = self.json.as_bytes();
        let mut depth = 0_usize;
        let mut next = Next::Value;
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            let start = at;
            at += 1;
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => {}
                b'{' | b'[' => {
                    self.begin_value(next);
                    let is_object = byte == b'{';
                    depth += 1;
                    self.shape.depth = self.shape.depth.max(depth);
                    self.nesting.open(depth, is_object);
                    if depth <= LEVELS {
                        self.open[depth - 1] = Level { is_object, ..Level::default() };
                    }
                    next = if is_object { Next::FirstName } else { Next::FirstItem };
                }
                b'}' | b']' => {
                    let is_object = byte == b'}';
                    let if_empty = if is_object { Next::FirstName } else { Next::FirstItem };
                    self.is_json &= self.nesting.is_open(depth, is_object) && (next == Next::Rest || next == if_empty);
                    self.end_field(depth, start);
                    depth = depth.saturating_sub(1);
                    next = Next::Rest;
                }
                b':' => {
                    self.is_json &= next == Next::Colon;
                    self.shape.field();
                    if (1..=LEVELS).contains(&depth) {
                        self.open[depth - 1].value = Some(at);
                    }
                    next = Next::Value;
                }
                b',' => {
                    let is_object = self.nesting.is_open(depth, true);
                    self.is_json &= next == Next::Rest && (is_object || self.nesting.is_open(depth, false));
                    self.shape.item();
                    self.end_field(depth, start);
                    next = if is_object { Next::Name } else { Next::Value };
                }
                b'"' => {
                    let text = skip_string(bytes, at);
                    self.is_json &= text.is_json;
                    self.is_plain &= !text.has_surrogates;
                    self.shape.string(text.length);
                    at = text.end;
                    match next {
                        Next::Name | Next::FirstName => {
                            self.shape.begin_name(next == Next::FirstName);
                            next = Next::Colon;
                        }
                        _ => {
                            self.begin_value(next);
                            next = Next::Rest;
                        }
                    }
                    if (1..=LEVELS).contains(&depth) {
                        self.name(depth, start..at, text.has_escapes);
                    }
                }
                b'-' | b'0'..=b'9' => {
                    self.begin_value(next);
                    next = Next::Rest;
                    let is_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
                    at += bytes[at..].iter().take_while(|byte| is_number(byte)).count();
                    let number = &bytes[start..at];
                    self.is_json &= is_json_number(number);
                    self.is_plain &= number.len() <= SHORT_NUMBER && !number.iter().any(u8::is_ascii_alphabetic);
                }
                _ => {
                    self.begin_value(next);
                    next = Next::Rest;
                    let rest = &bytes[start..];
                    match [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word)) {
                        Some(word) => at = start + word.len(),
                        None => self.is_json = false,
                    }
                }
            }
        }
        self.is_json &= depth == 0 && next == Next::Rest;
    }

    /// A value begins, where one may.
    fn begin_value(&mut self, next: Next) {
        self.is_json &= matches!(next, Next::Value | Next::FirstItem);
        self.shape.begin_item(next == Next::FirstItem);
    }

    /// A string on one of the levels: a name, where none is open.
    fn name(&mut self, depth: usize, quoted: Range<usize>, has_escapes: bool) {
        let level = &mut self.open[depth - 1];
        if level.is_object && level.value.is_none() {
            level.name = Some(quoted.start + 1..quoted.end - 1);
            self.is_plain &= !has_escapes;
        }
    }

    /// Ends the field that is open on a level, if one is.
    fn end_field(&mut self, depth: usize, end: usize) {
        if !(1..=LEVELS).contains(&depth) {
            return;
        }
        let level = &mut self.open[depth - 1];
        let (Some(name), Some(start)) = (level.name.take(), level.value.take()) else { return };
        let place = FieldPlace { name, value: start..end };
        if depth > 1 {
            self.inner.push(place);
            return;
        }
        match self.json.get(place.name.clone()) {
            Some("metadata") => self.places.of_metadata = std::mem::take(&mut self.inner),
            Some("spec") => self.places.of_spec = std::mem::take(&mut self.inner),
            _ => self.inner.clear(),
        }
        self.places.all.push(place);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_json_where_a_parser_says_so(
            text in r#"([\[\]{}:, ]|"a"|"\\[u"nx/]"|"\\u00[0-9a-g]1"|"[\t ]"|-?0?[0-9][.]?0?([eE][+-]?[0-9])?|true|nul?l|é){0,8}"#,
        ) {
            for text in [&*text, &format!("[{text}]"), &format!(r#"{{"a":{text}}}"#)] {
                prop_assert_eq!(Outline::of(text).is_json, serde_json::from_str::<IgnoredAny>(text).is_ok(), "{}", text);
            }
        }
    }

    #[test]
    fn what_is_nested_deep_is_json_as_well() {
        for depth in [1, 63, 64, 65, 1000, 20_000] {
            let text = format!("{}{}", r#"[{"a":"#.repeat(depth), "0}]".repeat(depth));
            assert!(!Outline::of(&text.replacen('0', "", 1)).is_json);
            let text = format!("{}0{}", r#"[{"a":"#.repeat(depth), "}]".repeat(depth));
            assert!(Outline::of(&text).is_json, "{depth}");
            assert!(!Outline::of(&text[..text.len() - 1]).is_json, "{depth}");
        }
        assert!(!Outline::of("[}").is_json && !Outline::of(r#"{"a":[1}]"#).is_json);
    }

    fn fields_of(json: &str) -> Option<Vec<(&str, &str)>> {
        let fields = Outline::of(json).fields(json)?;
        let all = [fields.all, fields.of_metadata, fields.of_spec];
        Some(all.into_iter().flatten().map(|field| (field.name, field.value)).collect())
    }

    #[test]
    fn fields_are_found_where_they_stand() {
        for (json, expected) in [
            ("{}", vec![]),
            (r#"{"a":1}"#, vec![("a", "1")]),
            (r#" { "a" : [ {"b":2} ] , "spec" : { } } "#, vec![("a", r#"[ {"b":2} ]"#), ("spec", "{ }")]),
            (
                r#"{"metadata":{"name":"x","labels":{"spec":"y"}},"spec":{"a":[],"b":"}"},"data":{"c":1}}"#,
                vec![
                    ("metadata", r#"{"name":"x","labels":{"spec":"y"}}"#),
                    ("spec", r#"{"a":[],"b":"}"}"#),
                    ("data", r#"{"c":1}"#),
                    ("name", r#""x""#),
                    ("labels", r#"{"spec":"y"}"#),
                    ("a", "[]"),
                    ("b", r#""}""#),
                ],
            ),
            (r#"{"a":"\"\u003c\n","b":-1.5}"#, vec![("a", r#""\"\u003c\n""#), ("b", "-1.5")]),
        ] {
            assert_eq!(fields_of(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn nothing_is_told_of_what_a_parser_may_read_otherwise() {
        for json in [
            "[]",
            r#"{"a":1,"a":2}"#,
            r#"{"spec":{"a":1,"a":2}}"#,
            r#"{"\u0061":1}"#,
            r#"{"metadata":{"\u0061":1}}"#,
            r#"{"a":"\ud83d"}"#,
            r#"{"a":["\uDBFF"]}"#,
            r#"{"a":1e999}"#,
            r#"{"a":{"b":{"c":12345678901234567890}}}"#,
        ] {
            assert!(fields_of(json).is_none(), "{json}");
        }
    }
}
