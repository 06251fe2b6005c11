//! Which files of a source are read: its `include` and `exclude` globs.

use globset::GlobSet;

use driftwall_core::glob;

/// Which files of a source are read.
#[derive(Clone, Debug, Default)]
pub struct FileFilter {
    /// The globs as they were written, for comparison.
    globs: [Vec<String>; 2],
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
}

impl FileFilter {
    /// The files that match an `include` glob (all, where there is none) and no `exclude` glob.
    ///
    /// # Errors
    ///
    /// A glob is not valid.
    pub fn new(include: Vec<String>, exclude: Vec<String>) -> Result<Self, globset::Error> {
        let (include_set, exclude_set) = (glob::optional_set(&include)?, glob::optional_set(&exclude)?);
        Ok(Self { globs: [include, exclude], include: include_set, exclude: exclude_set })
    }

    /// Whether a file is read; its name is relative to the source's path.
    pub(super) fn matches(&self, file: &str) -> bool {
        let is_included = self.include.as_ref().is_none_or(|globs| globs.is_match(file));
        let is_excluded = self.exclude.as_ref().is_some_and(|globs| globs.is_match(file));
        is_included && !is_excluded
    }

    /// The `include` globs.
    pub(super) fn includes(&self) -> &[String] {
        &self.globs[0]
    }

    /// Which `include` globs a file matches, by their indices.
    pub(super) fn matching_includes(&self, file: &str) -> Vec<usize> {
        match &self.include {
            Some(globs) => globs.matches(file),
            None => Vec::new(),
        }
    }

    /// Whether files of this folder may be read.
    pub(super) fn may_match_in(&self, folder: &str) -> bool {
        let is_excluded = self.exclude.as_ref().is_some_and(|globs| globs.is_match(folder));
        let below = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        !is_excluded && ["_.yaml", "_.yml", "_.json"].iter().any(|name| self.matches(&below(name)))
    }
}

impl PartialEq for FileFilter {
    fn eq(&self, other: &Self) -> bool {
        self.globs == other.globs
    }
}
