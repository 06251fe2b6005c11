//! Which versions of a chart are meant: ranges as Helm reads them.
//!
//! Helm reads ranges by Masterminds/semver 3. That differs from Cargo and npm: a
//! bare `1.2.3` is that version alone, `1.2` is `1.2.x`, a comma or a space means
//! "and", and where one part of an "and" names a prerelease, all prereleases in
//! the range count, not only those of the same patch version. So the versions
//! themselves are the crate `semver`'s, and the ranges are read here.

mod comparison;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::Version;

use comparison::{Comparison, Operator, parse_partial, parse_words};

/// A range of versions, such as `^1.2`, `~1.2.3`, `1.x`, `>=1.2 <2 || 3.x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// As it was written.
    text: String,
    /// One of these must match whole.
    alternatives: Vec<Alternative>,
}

/// A text that is no range of versions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version or range of versions; write one such as 1.2.3, ^1.2, ~1.2.3, 1.x or \">=1.2 <2\"")]
pub struct VersionRangeError(String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    comparisons: Vec<Comparison>,
    /// Whether one of the comparisons names a prerelease, so that prereleases count.
    has_prerelease: bool,
}

/// The most comparisons of a range; no range that people write has ten.
const MAX_COMPARISONS: usize = 100;

/// A version as Helm reads those of an index: `v1.2` is `1.2.0`.
pub(super) fn parse_version(text: &str) -> Option<Version> {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    if numbers.contains(['x', 'X', '*']) {
        return None;
    }
    parse_partial(text).map(|(version, _)| version)
}

impl VersionRange {
    /// Whether a version is in the range.
    pub fn matches(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|alternative| alternative.matches(version))
    }

    /// The one version that is meant, where it is written out in full.
    pub fn exact(&self) -> Option<&str> {
        let text = self.text.trim();
        let text = text.strip_prefix('=').unwrap_or(text).trim_start();
        Version::parse(text.strip_prefix('v').unwrap_or(text)).ok().map(|_| text)
    }

    /// The newest version of a list that is in the range. A version that is written
    /// exactly as the range is taken first, as Helm does.
    pub(super) fn newest<T>(&self, candidates: impl IntoIterator<Item = T>, text: impl Fn(&T) -> &str) -> Option<T> {
        let mut newest: Option<(Version, T)> = None;
        for candidate in candidates {
            if !self.text.is_empty() && text(&candidate) == self.text {
                return Some(candidate);
            }
            let Some(version) = parse_version(text(&candidate)).filter(|version| self.matches(version)) else {
                continue;
            };
            // Of equal ones the first counts.
            if newest.as_ref().is_none_or(|(best, _)| version.cmp_precedence(best) == Ordering::Greater) {
                newest = Some((version, candidate));
            }
        }
        newest.map(|(_, candidate)| candidate)
    }
}

impl FromStr for VersionRange {
    type Err = VersionRangeError;

    fn from_str(text: &str) -> Result<Self, VersionRangeError> {
        let alternatives: Option<Vec<_>> = text.split("||").map(Alternative::parse).collect();
        match alternatives {
            Some(alternatives) if alternatives.len() <= MAX_COMPARISONS => {
                Ok(Self { text: text.trim().to_owned(), alternatives })
            }
            _ => Err(VersionRangeError(text.chars().filter(|c| !c.is_control()).take(100).collect())),
        }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "*" } else { &self.text })
    }
}

impl Alternative {
    fn parse(text: &str) -> Option<Self> {
        let mut comparisons = Vec::new();
        // A comma separates like a space, but there must be something on both sides.
        for part in text.split(',') {
            let words: Vec<&str> = part.split_whitespace().collect();
            if words.is_empty() && !comparisons.is_empty() || words.is_empty() && text.contains(',') {
                return None;
            }
            parse_words(&words, &mut comparisons)?;
        }
        if comparisons.is_empty() {
            // Nothing is written: any version, as `*`.
            comparisons.push(Comparison { operator: Operator::Equal, version: Version::new(0, 0, 0), given: 0 });
        }
        if comparisons.len() > MAX_COMPARISONS {
            return None;
        }
        let has_prerelease = comparisons.iter().any(|comparison| !comparison.version.pre.is_empty());
        Some(Self { comparisons, has_prerelease })
    }

    fn matches(&self, version: &Version) -> bool {
        let may_match = version.pre.is_empty() || self.has_prerelease;
        may_match && self.comparisons.iter().all(|comparison| comparison.matches(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> VersionRange {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The behaviour that Masterminds/semver 3 documents, and its own tests' facts.
    #[test]
    fn ranges_mean_what_they_mean_to_helm() {
        for (text, inside, outside) in [
            ("1.2.3", "1.2.3 v1.2.3 1.2.3+build", "1.2.4 1.2.3-rc.1"),
            ("=2.0", "2.0.0 2.0.1", "1.2.3 2.1.0"),
            ("v1.2", "1.2.0 1.2.9", "1.3.0"),
            ("2", "2.1.1", "1.0.0 3.4.5"),
            ("1.x", "1.0.0 1.4", "2.0.0 0.9.0"),
            ("2.*", "2.1.1", "1 3.4.5"),
            ("2.1.X", "2.1.1", "2.2.1"),
            ("0.x.x", "0.9.1", "1.2.3"),
            ("0.0.x", "0.0.7", "0.1.0 1.2.3"),
            ("*", "1 4.5.6", "1.2.3-alpha.1"),
            ("", "1 4.5.6", "1.2.3-alpha.1"),
            ("*-0", "1.2.3-alpha.1 1.0.0", ""),
            ("!=4.1.0", "4.1.1", "4.1.0"),
            ("!=4.1", "5.1.0 4.2.0", "4.1.0 4.1.1 5.1.0-alpha.1"),
            ("!=4.x", "5.1.0", "4.1.0"),
            ("!=4.1-alpha", "4.1.0", "4.1.0-alpha 4.1.1-alpha"),
            ("<11", "0.1.0", "11.1.0 11.0.0"),
            ("<1.1", "0.1.0 1.0.9", "1.1.0 1.1.1"),
            ("<1.1.x", "1.0.500", "1.1.500 1.2.1"),
            ("<=11", "1.2.3 11.2.3", "12.2.3"),
            ("<=1.1", "0.1.0 1.1.0 1.1.1", "1.2.3 0.1.0-alpha"),
            ("<=1.1-a", "0.1.0-alpha", ""),
            ("=<4.5", "4.5.9 3.7.0", "4.6.3"),
            ("<=1.2.3", "1.2.3", "1.2.4"),
            (">1.1", "4.1.0 1.2.0", "1.1.0 1.1.1"),
            (">0", "1", "0 0.0.1-alpha 0.5.0"),
            (">0.0.0-0", "0.0.0-alpha", "0.0.0-0"),
            (">11", "12.0.0", "11.1.0"),
            (">1.2.3-alpha.1", "1.2.3-alpha.2 1.3.3-alpha.2", "1.2.3-alpha.1"),
            ("=>1.1", "4.1.0 1.1.0", "0.0.9 4.1.0-beta"),
            (">=0-0", "0.0.1-alpha 0.0.0-alpha", ""),
            (">=0.0.0-0", "1.2.3 3.4.5-beta.1", ""),
            ("~1.2.3", "1.2.3 1.2.5", "1.2.2 1.3.2"),
            ("~1.2", "1.2.4", "1.3.4"),
            ("~1", "1.2.4 1.4", "2.3.4 1.3.5-beta"),
            ("~1.x", "1.3.5", "2.1.1"),
            ("~>0.2.3", "0.2.5", "0.3.5"),
            ("~*", "2.1.1", ""),
            ("~0.0.0", "1.2.3", ""),
            ("~1.2.3-beta.2", "1.2.3-beta.4 1.2.4-beta.2", "1.3.4-beta.2 1.2.3-beta.1"),
            ("^1.2.3", "1.2.3 1.8.9", "2.8.9 1.2.1 1.3.0-alpha"),
            ("^1.2", "1.8.9", "2.0.0 1.1.9"),
            ("^1", "1.8.9", "2.8.9 0.9.0"),
            ("^0.2.3", "0.2.5", "0.3.0 0.2.2"),
            ("^0.2", "0.2.5", "0.5.6"),
            ("^0.0.3", "0.0.3", "0.0.4 0.1.0"),
            ("^0.0", "0.0.3", "0.1.4 1.0.4"),
            ("^0", "0.2.3", "1.1.4"),
            ("^0.0.0", "0.0.0", "1.2.3"),
            ("^*", "0.1.0 7.0.0", ""),
            ("^1.2.0-alpha.0", "1.2.1-alpha.1 1.2.0-alpha.0 1.9.0", "2.0.0"),
            (">= 1.2.3 < 2.0", "1.2.3 1.9.9", "2.0.0"),
            (">=1.1, <2, !=1.2.3 || > 3", "1.2.4 4.1.2", "1.2.3 3.1.2 3.0.0"),
            (">=1 <2 || 3.x", "1.5.0 3.1.2", "2.0.0 4.0.0 3.1.2-rc.1"),
            // One prerelease in an "and" makes the others count too.
            (">=1.0.0-0 <2", "1.5.0-rc.1", "2.0.0"),
            (">=1.0.0-0 <2 || 3.x", "1.5.0-rc.1 3.0.0", "3.0.0-rc.1"),
            ("1.1 - 2", "1.1.1 2.5.0", "3.0.0 1.0.9"),
            ("1.5.0 - 4.5", "3.7.0 4.5.9", "4.6.0"),
            ("12.3.34 ~12.3", "12.3.34", "12.3.35"),
        ] {
            let range = range(text);
            for (versions, expected) in [(inside, true), (outside, false)] {
                for version in versions.split(' ').filter(|version| !version.is_empty()) {
                    let parsed = parse_version(version).unwrap();
                    assert_eq!(range.matches(&parsed), expected, "{text} of {version}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "foo",
            ">= bar",
            "BAR >= 1.2.3",
            "12.3.4.1234",
            "12.3.34~ 1.2.3",
            ">=",
            "1,,2",
            ",1",
            "1.2.3-",
            "1.2.3+",
            "1..2",
            "1 - ",
            "- 1",
            "^",
            "1 && 2",
            "latest",
        ] {
            assert!(text.parse::<VersionRange>().is_err(), "{text}");
        }
        let error = ">=\n1 secret-looking".parse::<VersionRange>().unwrap_err().to_string();
        assert!(error.contains("^1.2") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn the_newest_in_the_range_is_taken_and_what_is_written_alike_before_it() {
        let versions = ["1.2.0", "1.10.0", "1.9.3", "2.0.0-rc.1", "odd", "1.2"];
        let newest = |text: &str| range(text).newest(versions, |version| version);
        for (text, expected) in [
            ("^1", Some("1.10.0")),
            ("1.2", Some("1.2")),
            ("1.2.x", Some("1.2.0")),
            ("*", Some("1.10.0")),
            ("", Some("1.10.0")),
            (">=2.0.0-0", Some("2.0.0-rc.1")),
            ("3", None),
        ] {
            assert_eq!(newest(text), expected, "{text}");
        }
    }

    #[test]
    fn a_version_written_in_full_is_exact() {
        for (text, expected) in [
            ("1.2.3", Some("1.2.3")),
            ("= 1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("v1.2.3", Some("v1.2.3")),
            ("1.2", None),
            ("^1.2.3", None),
            ("1.2.3 || 2.0.0", None),
            ("*", None),
        ] {
            assert_eq!(range(text).exact(), expected, "{text}");
        }
    }
}
