//! Patterns of names in rules of the tools: globs of Argo CD, regular expressions of Flux. Most are plain names, and
//! those are not compiled: thousands of applications may have the same rules.

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

use super::rule_budget::{RuleBudget, TooMuch};
use crate::glob;

/// What names a rule is for.
#[derive(Clone, Debug)]
pub(super) enum NamePattern {
    Any,
    Exact(Box<str>),
    Expression(Regex),
    Glob(GlobMatcher),
}

/// Bytes that a compiled expression may take, tried in this order.
const REGEX_SIZES: [usize; 2] = [4 * 1024, 64 * 1024];
/// Bytes of what an expression remembers while it matches.
const MAX_REGEX_CACHE: usize = 64 * 1024;
/// What a compiled glob takes, apart from its text.
const GLOB_SIZE: usize = 4 * 1024;
/// What each byte of a pattern's text takes once it is compiled.
const BYTES_OF_BYTE: usize = 64;

/// Why a pattern is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternError {
    /// It is none, as said in words.
    Invalid(String),
    /// There is no room for it.
    TooMuch,
}

impl From<TooMuch> for PatternError {
    fn from(TooMuch: TooMuch) -> Self {
        Self::TooMuch
    }
}

impl NamePattern {
    /// A glob, in which `*` does not end at a `/` (`argoproj/argo-cd`, `util/glob`).
    pub(super) fn glob(pattern: &str, budget: &mut RuleBudget) -> Result<Self, PatternError> {
        budget.take(pattern.len())?;
        if pattern == "*" {
            return Ok(Self::Any);
        }
        if !pattern.contains(glob::CHARACTERS) {
            return Ok(Self::Exact(pattern.into()));
        }
        budget.take(GLOB_SIZE + pattern.len() * BYTES_OF_BYTE)?;
        let built = GlobBuilder::new(pattern).literal_separator(false).build();
        let invalid = |_| PatternError::Invalid(format!("`{pattern}` is not a pattern"));
        Ok(Self::Glob(built.map_err(invalid)?.compile_matcher()))
    }

    /// A regular expression that matches the whole name; empty for any (`fluxcd/pkg`, `apis/kustomize`, `Selector`).
    pub(super) fn whole_name(pattern: &str, budget: &mut RuleBudget) -> Result<Self, PatternError> {
        budget.take(pattern.len())?;
        let inner = pattern.trim_start_matches('^').trim_end_matches('$');
        if inner.is_empty() {
            return Ok(Self::Any);
        }
        if regex::escape(inner) == inner.replace('-', "\\-") {
            return Ok(Self::Exact(inner.into()));
        }
        let expression = expression(&format!("^(?:{inner})$"), budget)?;
        expression
            .map(Self::Expression)
            .ok_or_else(|| PatternError::Invalid(format!("`{pattern}` is not a regular expression that is read")))
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *name,
            Self::Expression(expression) => expression.is_match(name),
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}

/// Compiles an expression of bounded size; `None` for one that is none or too large.
pub(super) fn expression(text: &str, budget: &mut RuleBudget) -> Result<Option<Regex>, TooMuch> {
    for size in REGEX_SIZES {
        let built = RegexBuilder::new(text).size_limit(size).dfa_size_limit(MAX_REGEX_CACHE).build();
        match built {
            Ok(expression) => {
                budget.take(size)?;
                return Ok(Some(expression));
            }
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_compared_and_others_compiled() {
        let budget = &mut RuleBudget::default();
        let is_exact = |pattern: &NamePattern| matches!(pattern, NamePattern::Exact(_));
        for (pattern, name, exact, matches) in [
            ("apps", "apps", true, true),
            ("", "", true, true),
            ("", "apps", true, false),
            ("*.k8s.io", "storage.k8s.io", false, true),
            ("a*", "a/b", false, true),
        ] {
            let glob = NamePattern::glob(pattern, budget).unwrap();
            assert_eq!((is_exact(&glob), glob.matches(name)), (exact, matches), "{pattern}");
        }
        for (pattern, name, exact, matches) in [
            ("Deployment", "Deployment", true, true),
            ("web-1", "web-1", true, true),
            ("^web-1$", "web-1", true, true),
            ("web", "web-1", true, false),
            ("web.1", "web-1", false, true),
            ("web|api", "api", false, true),
            ("", "anything", false, true),
        ] {
            let expression = NamePattern::whole_name(pattern, budget).unwrap();
            assert_eq!((is_exact(&expression), expression.matches(name)), (exact, matches), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_an_error() {
        for pattern in ["(", "(a{1000}){1000}", "[z-a]"] {
            let found = NamePattern::whole_name(pattern, &mut RuleBudget::default());
            assert!(matches!(found, Err(PatternError::Invalid(_))), "{pattern}");
        }
        assert!(matches!(NamePattern::glob("a{", &mut RuleBudget::default()), Err(PatternError::Invalid(_))));
        let mut budget = RuleBudget::default();
        let last = (0..100_000).map(|_| NamePattern::whole_name("a.b", &mut budget)).find(Result::is_err);
        assert!(matches!(last, Some(Err(PatternError::TooMuch))));
    }
}
