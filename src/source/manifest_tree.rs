//! The manifests of one commit, read as they are. The next commit shares the
//! files and folders that it does not change.

mod manifest_file;
mod walk;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use git2::{Oid, Repository};

use super::error::SourceError;
use super::file_filter::FileFilter;
use super::limits::MAX_DECLARED_BYTES;
use super::render::tree::{CommitFiles, join};
use super::source_ignore::{self, SourceIgnore};
use super::spec::SourceSpec;
use driftwall_core::desired::FileContents;
use driftwall_core::skipped::{SkipReason, SkippedContent};
use walk::{Place, Walk};

/// What a source's path holds at one commit.
#[derive(Clone, Debug)]
pub(super) struct ManifestTree {
    node: Node,
    /// The `.sourceignore` of the folders around the source's path.
    rules_around: Vec<Oid>,
    /// What is not read beside what is in its folders: `include` globs that match no file, rules around the path.
    skipped: SkippedContent,
}

/// A file or folder that was read.
#[derive(Clone, Debug)]
enum Node {
    File(Arc<FileNode>),
    Folder(Arc<FolderNode>),
}

#[derive(Debug)]
struct FileNode {
    id: Oid,
    path: Arc<str>,
    /// Whether a symbolic link leads to it.
    is_linked: bool,
    /// The `include` globs that it matches, by their indices.
    includes: Box<[usize]>,
    contents: Arc<FileContents>,
}

#[derive(Debug, Default)]
struct FolderNode {
    id: Option<Oid>,
    path: String,
    /// Its `.sourceignore`, which holds for all that is below it.
    rules: Option<Oid>,
    /// By their names, in Git's order.
    children: Vec<(Box<str>, Node)>,
    /// What in it and below it is not read; files have their own.
    skipped: SkippedContent,
    /// About how much memory the files in it and below it take.
    bytes: usize,
    /// The `include` globs that files in it or below it match, by their indices.
    includes: BTreeSet<usize>,
    /// Whether there is a symbolic link in it or below it. What that leads to can
    /// change while the folder does not.
    has_links: bool,
}

impl ManifestTree {
    /// Reads what is at the source's path in the tree `root` of `commit`, sharing what
    /// is the same in `previous`.
    ///
    /// # Errors
    ///
    /// A file cannot be read, there is nothing at the path, or there is too much.
    pub(super) fn read(
        git: &Repository,
        source: &SourceSpec,
        commit: &str,
        root: Oid,
        previous: Option<&Self>,
    ) -> Result<Self, SourceError> {
        let failed = |reason| SourceError::Render { commit: commit.to_owned(), reason };
        let files = CommitFiles::new(git, root).map_err(failed)?;
        let Some(entry) = files.find(&source.path).map_err(failed)? else {
            return Err(SourceError::PathNotFound { path: source.path.clone(), commit: commit.to_owned() });
        };
        let rules_around = rules_around(&files, &entry.path);
        let mut ignore = SourceIgnore::new();
        let mut skipped = SkippedContent::default();
        for (folder, id) in &rules_around {
            if !ignore.push_file(git, folder, *id) {
                skipped.add(SkipReason::RulesTooLong, &join(folder, source_ignore::FILE_NAME), None);
            }
        }
        let rules_around: Vec<_> = rules_around.into_iter().map(|(_, id)| id).collect();
        // Under other rules the same folder holds other files.
        let previous = previous.filter(|previous| previous.rules_around == rules_around);
        let mut walk = Walk::new(git, files, source, ignore, previous.is_some());
        let previous = previous.map(|tree| &tree.node);
        let node = if entry.is_folder {
            walk.folder(&Place { path: entry.path, relative: String::new() }, entry.id, previous, 0)?
        } else {
            // Globs choose among the files of a folder.
            walk.file(&Place { path: entry.path, relative: String::new() }, entry.id, previous)
        };
        let Walk { errors, changed, .. } = walk;
        if errors.is_empty() {
            if node.bytes() > MAX_DECLARED_BYTES {
                return Err(SourceError::TooLarge { path: source.path.clone() });
            }
            let unmatched = if entry.is_folder { unmatched_includes(&source.files, &node) } else { Vec::new() };
            for glob in unmatched {
                skipped.add(SkipReason::IncludeUnmatched, &glob, None);
            }
            return Ok(Self { node, rules_around, skipped });
        }
        Err(SourceError::InvalidFiles { commit: commit.to_owned(), errors, changed })
    }

    /// The files, each once, however many links lead to it.
    pub(super) fn files(&self) -> Vec<Arc<FileContents>> {
        let (mut direct, mut linked) = (Vec::new(), Vec::new());
        self.node.for_each_file(&mut |file| {
            let files = if file.is_linked { &mut linked } else { &mut direct };
            files.push((file.path.clone(), file.contents.clone()));
        });
        if !linked.is_empty() {
            let mut seen: HashSet<_> = direct.iter().map(|(path, _)| path.clone()).collect();
            direct.extend(linked.into_iter().filter(|(path, _)| seen.insert(path.clone())));
        }
        direct.into_iter().map(|(_, contents)| contents).collect()
    }

    /// What of the folders is not read, and globs without files; files have their own.
    pub(super) fn skipped(&self) -> SkippedContent {
        let mut skipped = self.skipped.clone();
        if let Node::Folder(folder) = &self.node {
            skipped.merge(&folder.skipped);
        }
        skipped
    }
}

/// The `.sourceignore` files of the folders around a path, the outermost first.
fn rules_around(files: &CommitFiles<'_>, path: &str) -> Vec<(String, Oid)> {
    let mut folders = vec![""];
    folders.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
    let mut rules = Vec::new();
    for folder in folders.into_iter().filter(|folder| *folder != path) {
        if let Ok(Some(file)) = files.find(&join(folder, source_ignore::FILE_NAME))
            && !file.is_folder
        {
            rules.push((folder.to_owned(), file.id));
        }
    }
    rules
}

/// The `include` globs that match none of the files.
fn unmatched_includes(filter: &FileFilter, node: &Node) -> Vec<String> {
    let matched: BTreeSet<_> = node.includes().collect();
    let globs = filter.includes().iter().enumerate();
    globs.filter(|(index, _)| !matched.contains(index)).map(|(_, glob)| glob.clone()).collect()
}

impl FolderNode {
    /// The folder when all that is in it is known: with what is known of that.
    fn complete(mut self) -> Self {
        self.children.shrink_to_fit();
        for (_, child) in &self.children {
            self.has_links |= child.has_links();
            self.bytes += child.bytes();
            self.includes.extend(child.includes());
            if let Node::Folder(folder) = child {
                self.skipped.merge(&folder.skipped);
            }
        }
        self
    }
}

impl Node {
    fn for_each_file(&self, visit: &mut impl FnMut(&FileNode)) {
        match self {
            Self::File(file) => visit(file),
            Self::Folder(folder) => {
                for (_, child) in &folder.children {
                    child.for_each_file(visit);
                }
            }
        }
    }

    /// About how much memory its files take.
    fn bytes(&self) -> usize {
        match self {
            Self::File(file) => file.contents.bytes(),
            Self::Folder(folder) => folder.bytes,
        }
    }

    /// The `include` globs that its files match.
    fn includes(&self) -> impl Iterator<Item = usize> {
        let (of_file, of_folder) = match self {
            Self::File(file) => (Some(&file.includes), None),
            Self::Folder(folder) => (None, Some(&folder.includes)),
        };
        of_file.into_iter().flatten().chain(of_folder.into_iter().flatten()).copied()
    }

    fn path(&self) -> &str {
        match self {
            Self::File(file) => &file.path,
            Self::Folder(folder) => &folder.path,
        }
    }

    fn has_links(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Folder(folder) => folder.has_links,
        }
    }
}
