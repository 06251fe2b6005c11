//! Globs of names, users, groups and paths: one place that compiles them.

use globset::{Error, Glob, GlobMatcher, GlobSet, GlobSetBuilder};

/// Characters that make a name a pattern for several.
pub const CHARACTERS: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// Whether the glob matches the name, or is the same glob: then it matches whatever the other one does. Of two
/// different patterns nothing is known.
pub fn is_within(name: &str, glob: &str) -> bool {
    let is_plain = !name.contains(CHARACTERS);
    name == glob || glob == "*" || (is_plain && matcher(glob).is_ok_and(|matcher| matcher.is_match(name)))
}

/// The matcher of one glob.
pub fn matcher(glob: &str) -> Result<GlobMatcher, Error> {
    Ok(Glob::new(glob)?.compile_matcher())
}

/// A set that matches what any of these globs matches: nothing, where there are none.
pub fn set(globs: &[impl AsRef<str>]) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob.as_ref())?);
    }
    set.build()
}

/// The same for a list that may be left out: `None` where there are no globs.
pub fn optional_set(globs: &[impl AsRef<str>]) -> Result<Option<GlobSet>, Error> {
    if globs.is_empty() { Ok(None) } else { set(globs).map(Some) }
}
