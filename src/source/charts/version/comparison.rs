//! The parts of a range: one operator and one version, which may have parts that
//! are missing or `x`.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

/// One comparison of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) operator: Operator,
    pub(super) version: Version,
    /// How many of major, minor and patch are given; the others may be anything.
    pub(super) given: usize,
}

/// How a version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Caret,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    NotEqual,
    Tilde,
}

/// The longest first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

/// Reads `>= 1.2 <2`, `1.2 - 2` and the like.
pub(super) fn parse_words(words: &[&str], comparisons: &mut Vec<Comparison>) -> Option<()> {
    let mut rest = words;
    while let [first, after @ ..] = rest {
        // `1.2 - 2` is `>=1.2 <=2`.
        if let [hyphen, last, after @ ..] = after
            && *hyphen == "-"
        {
            comparisons.push(Comparison::new(Operator::GreaterOrEqual, first)?);
            comparisons.push(Comparison::new(Operator::LessOrEqual, last)?);
            rest = after;
            continue;
        }
        let operator = OPERATORS.iter().find(|(sign, _)| first.starts_with(sign));
        let (operator, version) = match operator {
            Some((sign, operator)) => (*operator, &first[sign.len()..]),
            None => (Operator::Equal, *first),
        };
        rest = after;
        if !version.is_empty() {
            comparisons.push(Comparison::new(operator, version)?);
            continue;
        }
        // The version is the next word: `>= 1.2`.
        let [version, after @ ..] = after else { return None };
        comparisons.push(Comparison::new(operator, version)?);
        rest = after;
    }
    Some(())
}

impl Comparison {
    fn new(operator: Operator, version: &str) -> Option<Self> {
        let (version, given) = parse_partial(version)?;
        Some(Self { operator, version, given })
    }

    /// Whether a version fits; whether prereleases count is decided before.
    pub(super) fn matches(&self, other: &Version) -> bool {
        let Self { operator, version, given } = self;
        let order = other.cmp_precedence(version);
        let numbers = |version: &Version| [version.major, version.minor, version.patch];
        let (others, own) = (numbers(other), numbers(version));
        let same = |count: usize| others[..count] == own[..count];
        match operator {
            Operator::Equal if *given == 3 => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => {
                // `~0.0.0` and `~*` stand for any version.
                let is_any = own == [0, 0, 0] && matches!(given, 0 | 3);
                order != Ordering::Less && (is_any || same((*given).min(2)))
            }
            Operator::NotEqual => match given {
                3 => order != Ordering::Equal,
                2 if same(2) => other.pre != version.pre,
                given => !same(*given),
            },
            Operator::Greater if *given == 3 => order == Ordering::Greater,
            Operator::Greater => others[..*given] > own[..*given],
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual if *given == 3 => order != Ordering::Greater,
            Operator::LessOrEqual => others[..*given] <= own[..*given],
            Operator::Caret => {
                // Up to the next change of the first number that is not zero, else of the last that is given.
                let first_number = own.iter().position(|number| *number > 0).map_or(3, |index| index + 1);
                order != Ordering::Less && same(first_number.min(*given))
            }
        }
    }
}

/// A version whose last parts may be missing or `x`: those become 0. Returns how many are given.
pub(super) fn parse_partial(text: &str) -> Option<(Version, usize)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, BuildMetadata::new(build).ok().filter(|build| !build.is_empty())?),
        None => (text, BuildMetadata::EMPTY),
    };
    let (text, pre) = match text.split_once('-') {
        Some((text, pre)) => (text, Prerelease::new(pre).ok().filter(|pre| !pre.is_empty())?),
        None => (text, Prerelease::EMPTY),
    };
    let parts: Vec<&str> = text.split('.').collect();
    let mut numbers = [0; 3];
    let mut given = 0;
    for (index, part) in parts.iter().enumerate() {
        let is_any = matches!(*part, "x" | "X" | "*");
        match (is_any, part.parse::<u64>()) {
            _ if index > 2 => return None,
            (true, _) => {}
            // What follows an `x` does not count.
            (false, Ok(number)) if part.bytes().all(|byte| byte.is_ascii_digit()) => {
                if given == index {
                    numbers[index] = number;
                    given += 1;
                }
            }
            _ => return None,
        }
    }
    let [major, minor, patch] = numbers;
    Some((Version { major, minor, patch, pre, build }, given))
}
