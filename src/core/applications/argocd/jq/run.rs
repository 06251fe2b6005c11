//! Running an expression on an object: which places it names.

use jaq_core::ops::Cmp;
use serde_json::Value;

use self::Failure::{OfExpression, TooMuch};
use super::{Filter, Segment, Step};

/// An output: a value, and where it is; `None` for one that was made.
#[derive(Clone)]
pub(super) struct Output<'v> {
    pub(super) value: &'v Value,
    pub(super) place: Option<Vec<Segment>>,
}

/// Why an expression has no outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It fails for this object.
    OfExpression,
    /// It visits too much of it.
    TooMuch,
}

static NULL: Value = Value::Null;
static TRUE: Value = Value::Bool(true);
static FALSE: Value = Value::Bool(false);

impl Filter {
    pub(super) fn run<'v>(&'v self, input: &Output<'v>, visits_left: &mut usize) -> Result<Vec<Output<'v>>, Failure> {
        *visits_left = visits_left.checked_sub(1).ok_or(TooMuch)?;
        let of_bool = |is_true: bool| vec![Output { value: if is_true { &TRUE } else { &FALSE }, place: None }];
        Ok(match self {
            Self::Identity => vec![input.clone()],
            Self::Literal(value) => vec![Output { value, place: None }],
            Self::Step(filter, step, is_optional) => {
                let mut outputs = Vec::new();
                for output in filter.run(input, visits_left)? {
                    match step.take(&output, visits_left) {
                        Ok(found) => outputs.extend(found),
                        Err(OfExpression) if *is_optional => {}
                        Err(failure) => return Err(failure),
                    }
                }
                outputs
            }
            Self::Optional(filter) => match filter.run(input, visits_left) {
                Err(OfExpression) => Vec::new(),
                result => result?,
            },
            Self::Pipe(left, right) => {
                let mut outputs = Vec::new();
                for output in left.run(input, visits_left)? {
                    outputs.extend(right.run(&output, visits_left)?);
                }
                outputs
            }
            Self::Both(left, right) => {
                let mut outputs = left.run(input, visits_left)?;
                outputs.extend(right.run(input, visits_left)?);
                outputs
            }
            Self::Alternative(left, right) => {
                let mut outputs = match left.run(input, visits_left) {
                    Err(OfExpression) => Vec::new(),
                    result => result?,
                };
                outputs.retain(|output| is_true(output.value));
                if outputs.is_empty() { right.run(input, visits_left)? } else { outputs }
            }
            Self::Select(condition) => {
                let conditions = condition.run(input, visits_left)?;
                conditions.iter().filter(|it| is_true(it.value)).map(|_| input.clone()).collect()
            }
            Self::And(left, right) => {
                of_bool(all_true(&left.run(input, visits_left)?) && all_true(&right.run(input, visits_left)?))
            }
            Self::Or(left, right) => {
                of_bool(all_true(&left.run(input, visits_left)?) || all_true(&right.run(input, visits_left)?))
            }
            Self::Not => of_bool(!is_true(input.value)),
            Self::Compare(comparison, left, right) => {
                let mut outputs = Vec::new();
                let rights = right.run(input, visits_left)?;
                for left in left.run(input, visits_left)? {
                    for right in &rights {
                        *visits_left = visits_left.checked_sub(1).ok_or(TooMuch)?;
                        outputs.extend(of_bool(compare(*comparison, left.value, right.value).ok_or(OfExpression)?));
                    }
                }
                outputs
            }
            Self::StartsWith(prefix) => of_bool(input.value.as_str().ok_or(OfExpression)?.starts_with(prefix)),
            Self::EndsWith(suffix) => of_bool(input.value.as_str().ok_or(OfExpression)?.ends_with(suffix)),
            Self::Matches(expression) => of_bool(expression.is_match(input.value.as_str().ok_or(OfExpression)?)),
            Self::Contains(part) => of_bool(contains(input.value, part).ok_or(OfExpression)?),
            Self::Has(key) => of_bool(match (input.value, key) {
                (Value::Object(fields), Value::String(key)) => fields.contains_key(key),
                (Value::Array(items), Value::Number(index)) => index.as_u64().is_some_and(|it| it < items.len() as u64),
                _ => return Err(OfExpression),
            }),
        })
    }
}

impl Step {
    fn take<'v>(&self, from: &Output<'v>, visits_left: &mut usize) -> Result<Vec<Output<'v>>, Failure> {
        let at = |segment: Segment, value: &'v Value| {
            let mut place = from.place.clone();
            if let Some(place) = &mut place {
                place.push(segment);
            }
            Output { value, place }
        };
        match (self, from.value) {
            (Self::Field(name), Value::Object(fields)) => {
                Ok(vec![at(Segment::Field(name.clone()), fields.get(name).unwrap_or(&NULL))])
            }
            (Self::Field(name), Value::Null) => Ok(vec![at(Segment::Field(name.clone()), &NULL)]),
            (Self::Index(index), Value::Array(items)) => {
                let length = i64::try_from(items.len()).map_err(|_| OfExpression)?;
                let index = if *index < 0 { index + length } else { *index };
                let found = usize::try_from(index).ok().filter(|index| *index < items.len());
                Ok(found.map(|index| at(Segment::Index(index), &items[index])).into_iter().collect())
            }
            (Self::Index(_), Value::Null) => Ok(Vec::new()),
            (Self::All, Value::Array(items)) => {
                *visits_left = visits_left.checked_sub(items.len()).ok_or(TooMuch)?;
                Ok(items.iter().enumerate().map(|(index, item)| at(Segment::Index(index), item)).collect())
            }
            (Self::All, Value::Object(fields)) => {
                *visits_left = visits_left.checked_sub(fields.len()).ok_or(TooMuch)?;
                Ok(fields.iter().map(|(name, value)| at(Segment::Field(name.clone()), value)).collect())
            }
            _ => Err(OfExpression),
        }
    }
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn all_true(outputs: &[Output<'_>]) -> bool {
    !outputs.is_empty() && outputs.iter().all(|output| is_true(output.value))
}

/// Compares two values; `None` where their order is not known here.
fn compare(comparison: Cmp, left: &Value, right: &Value) -> Option<bool> {
    match (comparison, left, right) {
        (Cmp::Eq, ..) => Some(is_equal(left, right)),
        (Cmp::Ne, ..) => Some(!is_equal(left, right)),
        (_, Value::Number(left), Value::Number(right)) => Some(comparison.run(&left.as_f64()?, &right.as_f64()?)),
        (_, Value::String(left), Value::String(right)) => Some(comparison.run(left, right)),
        _ => None,
    }
}

fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

/// jq's `contains`; `None` where the types differ.
fn contains(value: &Value, part: &Value) -> Option<bool> {
    match (value, part) {
        (Value::String(text), Value::String(part)) => Some(text.contains(part.as_str())),
        (Value::Array(items), Value::Array(parts)) => {
            Some(parts.iter().all(|part| items.iter().any(|item| contains(item, part) == Some(true))))
        }
        (Value::Object(fields), Value::Object(parts)) => Some(
            parts.iter().all(|(name, part)| fields.get(name).is_some_and(|value| contains(value, part) == Some(true))),
        ),
        _ if std::mem::discriminant(value) == std::mem::discriminant(part) => Some(is_equal(value, part)),
        _ => None,
    }
}
