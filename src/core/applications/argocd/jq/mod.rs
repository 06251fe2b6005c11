//! jq expressions that name places in an object, as `ignoreDifferences` has them: `jqPathExpressions`.
//!
//! jaq reads them; of what it reads, only paths are taken, with `select` and simple conditions. Definitions, variables,
//! ranges, recursion and loops are refused when the rule is read, so what is left ends by itself, and its outputs are
//! bounded.

mod run;
#[cfg(test)]
mod tests;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::Cmp;
use jaq_core::path::{Opt, Part, Path};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use run::{Failure, Output};

/// Bytes of an expression that are read: each step is a level of the stack when it runs.
const MAX_EXPRESSION: usize = 1024;
/// Levels of brackets in one: the parser descends into each.
const MAX_BRACKETS: usize = 32;
/// Bytes that a regular expression in one may take, once it is compiled, and what it remembers while it matches.
const MAX_REGEX_SIZE: usize = 16 * 1024;
/// Bytes that each byte of an expression takes once it is read.
const BYTES_OF_BYTE: usize = 64;
/// Places that an expression may visit in one object.
const MAX_VISITS: usize = 50_000;

/// An expression that names places in an object.
#[derive(Clone, Debug)]
pub(crate) struct JqPaths(Filter);

/// What an expression may consist of.
#[derive(Clone, Debug)]
enum Filter {
    Alternative(Box<Filter>, Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Both(Box<Filter>, Box<Filter>),
    Compare(Cmp, Box<Filter>, Box<Filter>),
    Contains(Value),
    EndsWith(String),
    Has(Value),
    Identity,
    Literal(Value),
    Matches(Regex),
    Not,
    Optional(Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Pipe(Box<Filter>, Box<Filter>),
    Select(Box<Filter>),
    StartsWith(String),
    Step(Box<Filter>, Step, bool),
}

/// One step of a path; whether it may fail stands beside it.
#[derive(Clone, Debug)]
enum Step {
    All,
    Field(String),
    Index(i64),
}

/// A place in an object.
#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Field(String),
    Index(usize),
}

impl JqPaths {
    /// Reads an expression; `None` for one that is none, or does more than to name places.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_EXPRESSION || max_depth(text) > MAX_BRACKETS {
            return None;
        }
        let term = jaq_core::load::parse(text, |parser| parser.term())?;
        Filter::of(&term).filter(Filter::is_path).map(Self)
    }

    /// Bytes that an expression takes at most once it is read.
    pub(super) fn size_of(text: &str) -> usize {
        text.len() * BYTES_OF_BYTE + text.matches("test").count() * MAX_REGEX_SIZE
    }

    /// Removes the places from the object, as jq's `del` does. `false` where that would visit too much of it: then
    /// nobody knows which places these are. What fails for the object otherwise names none, as in Argo CD.
    pub(crate) fn remove_from(&self, object: &mut Value) -> bool {
        let mut visits_left = MAX_VISITS;
        let root = Output { value: object, place: Some(Vec::new()) };
        let outputs = match self.0.run(&root, &mut visits_left) {
            Ok(outputs) => outputs,
            Err(Failure::TooMuch) => return false,
            Err(Failure::OfExpression) => return true,
        };
        let mut places: Vec<Vec<Segment>> = outputs.into_iter().filter_map(|output| output.place).collect();
        // What is removed must not move what is removed after it.
        places.sort_by(|a, b| order(b).cmp(&order(a)));
        places.dedup();
        for place in places {
            remove(object, &place);
        }
        true
    }
}

/// Places in the order in which they stand in an object.
fn order(place: &[Segment]) -> Vec<(&str, usize)> {
    place
        .iter()
        .map(|segment| match segment {
            Segment::Field(name) => (name.as_str(), 0),
            Segment::Index(index) => ("", *index),
        })
        .collect()
}

fn remove(object: &mut Value, place: &[Segment]) {
    let Some((last, around)) = place.split_last() else { return };
    let mut value = object;
    for segment in around {
        let inside = match segment {
            Segment::Field(name) => value.get_mut(name),
            Segment::Index(index) => value.get_mut(index),
        };
        let Some(inside) = inside else { return };
        value = inside;
    }
    match (value, last) {
        (Value::Object(fields), Segment::Field(name)) => drop(fields.remove(name)),
        (Value::Array(items), Segment::Index(index)) if *index < items.len() => drop(items.remove(*index)),
        _ => {}
    }
}

fn max_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

// === reading ===

impl Filter {
    fn of(term: &Term<&str>) -> Option<Self> {
        let boxed = |term: &Term<&str>| Self::of(term).map(Box::new);
        Some(match term {
            Term::Id => Self::Identity,
            Term::Num(text) => Self::Literal(serde_json::from_str(text).ok()?),
            Term::Neg(term) => match Self::of(term)? {
                Self::Literal(Value::Number(number)) => Self::Literal((-number.as_f64()?).into()),
                _ => return None,
            },
            Term::Str(None, parts) => Self::Literal(text_of(parts)?.into()),
            Term::BinOp(left, operator, right) => {
                let (left, right) = (boxed(left)?, boxed(right)?);
                match operator {
                    BinaryOp::Pipe(None) => Self::Pipe(left, right),
                    BinaryOp::Comma => Self::Both(left, right),
                    BinaryOp::Alt => Self::Alternative(left, right),
                    BinaryOp::Or => Self::Or(left, right),
                    BinaryOp::And => Self::And(left, right),
                    BinaryOp::Cmp(comparison) => Self::Compare(*comparison, left, right),
                    _ => return None,
                }
            }
            Term::TryCatch(term, None) => Self::Optional(boxed(term)?),
            Term::Call(name, arguments) => Self::call(name, arguments)?,
            Term::Path(term, path) => Self::path(Self::of(term)?, path)?,
            _ => return None,
        })
    }

    fn path(mut filter: Self, Path(parts): &Path<Term<&str>>) -> Option<Self> {
        for (part, optional) in parts {
            let step = match part {
                Part::Range(None, None) => Step::All,
                Part::Range(..) => return None,
                Part::Index(term) => match Self::of(term)? {
                    Self::Literal(Value::String(name)) => Step::Field(name),
                    Self::Literal(Value::Number(index)) => Step::Index(index_of(&index)?),
                    _ => return None,
                },
            };
            filter = Self::Step(Box::new(filter), step, matches!(optional, Opt::Optional));
        }
        Some(filter)
    }

    fn call(name: &str, arguments: &[Term<&str>]) -> Option<Self> {
        let literal = |term: &Term<&str>| match Self::of(term)? {
            Self::Literal(value) => Some(value),
            _ => None,
        };
        let text = |term: &Term<&str>| literal(term)?.as_str().map(str::to_owned);
        Some(match (name, arguments) {
            ("select", [condition]) => Self::Select(Box::new(Self::of(condition)?)),
            ("not", []) => Self::Not,
            ("null", []) => Self::Literal(Value::Null),
            ("true", []) => Self::Literal(true.into()),
            ("false", []) => Self::Literal(false.into()),
            ("startswith", [prefix]) => Self::StartsWith(text(prefix)?),
            ("endswith", [suffix]) => Self::EndsWith(text(suffix)?),
            ("contains", [part]) => Self::Contains(literal(part)?),
            ("has", [key]) => Self::Has(literal(key)?),
            ("test", [expression]) => {
                let built = RegexBuilder::new(&text(expression)?)
                    .size_limit(MAX_REGEX_SIZE)
                    .dfa_size_limit(MAX_REGEX_SIZE)
                    .build();
                Self::Matches(built.ok()?)
            }
            _ => return None,
        })
    }

    /// Whether each of its outputs is a place.
    fn is_path(&self) -> bool {
        match self {
            Self::Identity | Self::Select(_) => true,
            Self::Step(filter, ..) | Self::Optional(filter) => filter.is_path(),
            Self::Pipe(left, right) | Self::Both(left, right) | Self::Alternative(left, right) => {
                left.is_path() && right.is_path()
            }
            _ => false,
        }
    }
}

/// A whole number; one with a sign comes as a float.
fn index_of(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| number.to_string().trim_end_matches(".0").parse().ok())
}

/// The text of a string without parts that are computed.
fn text_of(parts: &[StrPart<&str, Term<&str>>]) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(part) => text.push_str(part),
            StrPart::Char(character) => text.push(*character),
            StrPart::Term(_) => return None,
        }
    }
    Some(text)
}
