//! What a source has and driftwall does not read. It is told, with the file, and
//! with what to write instead: what is left out in silence is taken for enforced.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Why something is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// An API version that a chart asks for, and that is not known to be served.
    ApiVersionUnknown,
    /// A Helm chart below a path of plain manifests.
    Chart,
    /// A file that only its ending keeps from being read.
    FileExtension,
    /// A file that says that Argo CD does not render it.
    FileMarked,
    /// An object that the API server would name.
    GeneratedName,
    /// An `include` glob that matches no file.
    IncludeUnmatched,
    /// A kustomization below a path of plain manifests.
    Kustomization,
    /// The same, where the configuration asks for plain manifests.
    KustomizationIgnored,
    /// A pointer to content in Git LFS.
    LfsPointer,
    /// A symbolic link to nothing.
    LinkDangling,
    /// A symbolic link that leads back to a folder around it, or through too many others.
    LinkLoop,
    /// A symbolic link out of the repository.
    LinkOutside,
    /// An object for tools alone, that is not to be applied.
    LocalConfig,
    /// A name that is not UTF-8.
    NameNotUtf8,
    /// A document without `kind` or `apiVersion`.
    NoKind,
    /// A source that declares nothing.
    NothingDeclared,
    /// A placeholder in a kind, namespace or name.
    PlaceholderInName,
    /// A `.sourceignore` that is too long to be read.
    RulesTooLong,
    /// A file or folder that a `.sourceignore` keeps from Flux.
    SourceIgnored,
    /// A folder whose content is in another repository.
    Submodule,
}

/// What is not read, by reason: how often, and the first places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkippedContent(BTreeMap<SkipReason, SkippedPlaces>);

/// Where something is not read for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkippedPlaces {
    /// How many places there are.
    pub count: usize,
    /// The first of them, at most [`MAX_PLACES`].
    pub first: Vec<SkippedPlace>,
}

/// A place that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedPlace {
    /// The file or folder, from the repository's root.
    pub file: Arc<str>,
    /// The line, from 1, where it is a part of a file.
    pub line: Option<u32>,
}

/// The most places that are kept for a reason; the others are counted.
pub const MAX_PLACES: usize = 20;

impl SkipReason {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::ApiVersionUnknown,
        Self::Chart,
        Self::FileExtension,
        Self::FileMarked,
        Self::GeneratedName,
        Self::IncludeUnmatched,
        Self::Kustomization,
        Self::KustomizationIgnored,
        Self::LfsPointer,
        Self::LinkDangling,
        Self::LinkLoop,
        Self::LinkOutside,
        Self::LocalConfig,
        Self::NameNotUtf8,
        Self::NoKind,
        Self::NothingDeclared,
        Self::PlaceholderInName,
        Self::RulesTooLong,
        Self::SourceIgnored,
        Self::Submodule,
    ];

    /// Whether there may be objects in it that the source's tool applies: who meets one that Git
    /// does not seem to declare should look there.
    pub fn may_hide_objects(self) -> bool {
        match self {
            Self::ApiVersionUnknown
            | Self::FileExtension
            | Self::Kustomization
            | Self::LfsPointer
            | Self::NameNotUtf8
            | Self::PlaceholderInName
            | Self::Submodule => true,
            Self::Chart
            | Self::FileMarked
            | Self::GeneratedName
            | Self::IncludeUnmatched
            | Self::KustomizationIgnored
            | Self::LinkDangling
            | Self::LinkLoop
            | Self::LinkOutside
            | Self::LocalConfig
            | Self::NoKind
            | Self::NothingDeclared
            | Self::RulesTooLong
            | Self::SourceIgnored => false,
        }
    }

    /// The name by which metrics and scripts know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiVersionUnknown => "api_version_unknown",
            Self::Chart => "chart",
            Self::FileExtension => "file_extension",
            Self::FileMarked => "file_marked",
            Self::GeneratedName => "generated_name",
            Self::IncludeUnmatched => "include_unmatched",
            Self::Kustomization => "kustomization",
            Self::KustomizationIgnored => "kustomization_ignored",
            Self::LfsPointer => "lfs_pointer",
            Self::LinkDangling => "link_dangling",
            Self::LinkLoop => "link_loop",
            Self::LinkOutside => "link_outside",
            Self::LocalConfig => "local_config",
            Self::NameNotUtf8 => "name_not_utf8",
            Self::NoKind => "no_kind",
            Self::NothingDeclared => "nothing_declared",
            Self::PlaceholderInName => "placeholder_in_name",
            Self::RulesTooLong => "rules_too_long",
            Self::SourceIgnored => "source_ignored",
            Self::Submodule => "submodule",
        }
    }

    /// What is not read, and what to do about it.
    pub fn message(self) -> &'static str {
        match self {
            Self::ApiVersionUnknown => {
                "the chart asks whether the cluster serves an API version, and driftwall answers no; if it does, add it to \
                 helm.apiVersions"
            }
            Self::Chart => {
                "a Helm chart below a path of plain manifests is not rendered, and its folder is not read; give it a \
                 source of its own"
            }
            Self::FileExtension => {
                "only .yaml, .yml and .json files are read; rename the file, or commit what is rendered from it"
            }
            Self::FileMarked => {
                "the file says +argocd:skip-file-rendering; remove the mark if its objects are to be applied"
            }
            Self::GeneratedName => "metadata.generateName gives no name to find the object by; write metadata.name",
            Self::IncludeUnmatched => "the include glob matches no file that is read; correct or remove it",
            Self::Kustomization => {
                "a kustomization below a path of plain manifests is not applied, and its folder is not read; give it a \
                 source of its own, or set render: plain to read the manifests as they are"
            }
            Self::KustomizationIgnored => {
                "the kustomization is not applied, since this source is read as plain manifests; give it a source of \
                 its own"
            }
            Self::LfsPointer => "the content is in Git LFS, which is not fetched; commit the file itself",
            Self::LinkDangling => "the symbolic link leads to nothing in this commit; correct or remove it",
            Self::LinkLoop => {
                "the symbolic link leads back to a folder around it, or through more than 40 others; remove it"
            }
            Self::LinkOutside => "the symbolic link leads out of the repository; commit what it leads to",
            Self::LocalConfig => {
                "the annotation config.kubernetes.io/local-config says that the object is for tools and not to be \
                 applied; remove it if it is"
            }
            Self::NameNotUtf8 => "the name is not UTF-8; rename the file or folder",
            Self::NoKind => {
                "the document has no kind or no apiVersion, so it is no object; add them, or exclude the file"
            }
            Self::NothingDeclared => "no object is declared here; check path, include and exclude of the source",
            Self::PlaceholderInName => {
                "a placeholder in kind, namespace or name: which object it becomes is not known; write it out"
            }
            Self::RulesTooLong => {
                "a .sourceignore of more than 64 KiB is not read, and what it keeps from Flux counts as declared; shorten it"
            }
            Self::SourceIgnored => {
                "a .sourceignore keeps it out of what Flux applies; remove the rule if it is to be applied"
            }
            Self::Submodule => "the content of a submodule is in another repository; give that a source of its own",
        }
    }
}

impl SkippedContent {
    /// Adds a place; a whole file or folder has no line.
    pub fn add(&mut self, reason: SkipReason, file: &str, line: Option<u32>) {
        let places = self.0.entry(reason).or_default();
        places.count += 1;
        if places.first.len() < MAX_PLACES {
            places.first.push(SkippedPlace { file: file.into(), line });
        }
    }

    /// Adds what is not read of another part.
    pub fn merge(&mut self, other: &Self) {
        for (reason, SkippedPlaces { count, first }) in &other.0 {
            let places = self.0.entry(*reason).or_default();
            places.count += count;
            let room = MAX_PLACES.saturating_sub(places.first.len());
            places.first.extend(first.iter().take(room).cloned());
        }
    }

    /// Whether all is read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The places by their reasons.
    pub fn iter(&self) -> impl Iterator<Item = (SkipReason, &SkippedPlaces)> {
        self.0.iter().map(|(reason, places)| (*reason, places))
    }
}

impl SkippedPlaces {
    /// The first places in words, and how many others there are.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.first.iter().map(ToString::to_string).collect();
        let others = self.count.saturating_sub(names.len());
        if others > 0 {
            names.push(format!("and {others} more"));
        }
        names
    }
}

impl fmt::Display for SkippedPlace {
    /// Whoever may commit chooses the name, and must not be able to forge a line of a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.escape_debug())?;
        match self.line {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_the_first_are_kept() {
        let mut whole = SkippedContent::default();
        for line in 1..=30 {
            let mut part = SkippedContent::default();
            part.add(SkipReason::NoKind, "a.yaml", Some(line));
            whole.merge(&part);
        }
        whole.add(SkipReason::Submodule, "lib\n", None);
        let all: Vec<_> = whole.iter().collect();
        let [(SkipReason::NoKind, no_kind), (SkipReason::Submodule, submodule)] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!((no_kind.count, no_kind.first.len()), (30, MAX_PLACES));
        assert_eq!(no_kind.names()[0], "a.yaml:1");
        assert_eq!(no_kind.names()[MAX_PLACES], "and 10 more");
        assert_eq!(submodule.names(), ["lib\\n"]);
    }
}
