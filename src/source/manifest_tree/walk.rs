//! Walks the tree of a commit, beside what was read of the commit before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use git2::{ObjectType, Oid, Repository, Tree, TreeEntry};

use super::super::error::{FileError, SourceError};
use super::super::lfs;
use super::super::libgit2::LINK_MODE;
use super::super::limits::{
    MAX_DECLARED_BYTES, MAX_ENTRIES, MAX_FILE_BYTES, MAX_FILES, MAX_FOLDER_DEPTH, MAX_FOLDERS, MAX_REPEATED_FILES,
};
use super::super::reading_place::ReadingPlace;
use super::super::render::tree::{CommitFiles, FileEntry, join};
use super::super::render::{self, RenderError, RenderMode, SourceType};
use super::super::source_ignore::{self, IgnoredBy, SourceIgnore};
use super::super::spec::SourceSpec;
use super::manifest_file::{has_manifest_extension, is_almost_manifest, is_local_config, is_marked};
use super::{FileNode, FolderNode, Node};
use driftwall_core::desired::FileContents;
use driftwall_core::manifest;
use driftwall_core::skipped::{SkipReason, SkippedContent};

/// Where a file or folder is.
pub(super) struct Place {
    /// From the repository's root, without links.
    pub(super) path: String,
    /// From the source's path, as the globs of the source have it.
    pub(super) relative: String,
}

impl Place {
    fn child(&self, name: &str) -> Self {
        Self { path: join(&self.path, name), relative: join(&self.relative, name) }
    }
}

/// Walks the tree of a commit beside what was read of the commit before.
pub(super) struct Walk<'a> {
    git: &'a Repository,
    files: CommitFiles<'a>,
    source: &'a SourceSpec,
    ignore: SourceIgnore,
    files_read: usize,
    /// What declares something; the same file again is a repeated one.
    blobs_read: HashSet<Oid>,
    repeated_files: usize,
    /// About how much memory it all takes.
    declared_bytes: usize,
    folders_read: usize,
    entries_seen: usize,
    /// Trees with no manifest or link anywhere below. A small commit can have the
    /// same one in ten billion places: it is walked once.
    without_manifests: HashSet<Oid>,
    /// The folders around the one that is walked.
    open_folders: Vec<String>,
    /// The folders to which links led; each is walked once.
    linked_folders: HashSet<String>,
    /// The links on the way to what is read now.
    links_followed: usize,
    pub(super) errors: Vec<FileError>,
    /// The files that the commit changes.
    pub(super) changed: Vec<Arc<str>>,
    /// Whether there is a commit before: without one, `changed` would be every file.
    has_previous: bool,
}

impl<'a> Walk<'a> {
    /// A walk that has read nothing yet; `ignore` has the rules of the folders around the source's path.
    pub(super) fn new(
        git: &'a Repository,
        files: CommitFiles<'a>,
        source: &'a SourceSpec,
        ignore: SourceIgnore,
        has_previous: bool,
    ) -> Self {
        Self {
            git,
            files,
            source,
            ignore,
            files_read: 0,
            blobs_read: HashSet::new(),
            repeated_files: 0,
            declared_bytes: 0,
            folders_read: 0,
            entries_seen: 0,
            without_manifests: HashSet::new(),
            open_folders: Vec::new(),
            linked_folders: HashSet::new(),
            links_followed: 0,
            errors: Vec::new(),
            changed: Vec::new(),
            has_previous,
        }
    }

    /// Reads a folder, sharing what is the same in `previous`.
    pub(super) fn folder(
        &mut self,
        place: &Place,
        id: Oid,
        previous: Option<&Node>,
        depth: usize,
    ) -> Result<Node, SourceError> {
        let path = &place.path;
        let previous = match previous {
            Some(Node::Folder(folder)) if folder.path == *path => Some(folder),
            Some(Node::Folder(_) | Node::File(_)) | None => None,
        };
        if let Some(same) = previous.filter(|folder| folder.id == Some(id) && !folder.has_links) {
            return Ok(Node::Folder(Arc::clone(same)));
        }
        let mut folder = FolderNode { id: Some(id), path: path.clone(), ..FolderNode::default() };
        if previous.is_none() && self.without_manifests.contains(&id) {
            return Ok(Node::Folder(Arc::new(folder)));
        }
        self.folders_read += 1;
        if depth > MAX_FOLDER_DEPTH || self.folders_read > MAX_FOLDERS {
            return Err(SourceError::TooManyFiles { path: path.clone() });
        }
        let failed = |reason| SourceError::Git { action: format!("read the folder {path}"), reason };
        let tree = self.git.find_tree(id).map_err(failed)?;
        self.entries_seen += tree.len();
        if self.entries_seen > MAX_ENTRIES {
            return Err(SourceError::TooManyFiles { path: path.clone() });
        }
        let is_read = depth == 0 || self.reads_folder(&tree, place, &mut folder.skipped);
        let mut has_manifests = !is_read;
        let mut before: HashMap<&str, &Node> =
            previous.iter().flat_map(|folder| &folder.children).map(|(name, node)| (&**name, node)).collect();
        self.open_folders.push(path.clone());
        folder.rules = self.push_rules(path, &tree, &mut folder.skipped);
        // Under other rules a folder that is the same holds other files.
        let has_same_rules = previous.is_some_and(|previous| previous.rules == folder.rules);
        for entry in tree.iter().filter(|_| is_read) {
            let Ok(name) = entry.name() else {
                self.skip_unreadable_name(&entry, place, &mut folder.skipped);
                continue;
            };
            let child = place.child(name);
            if let Some(by) = self.ignore.ignores(&child.path, entry.kind() == Some(ObjectType::Tree)) {
                let may_hold_manifests = entry.kind() == Some(ObjectType::Tree) || has_manifest_extension(name);
                // Elsewhere the same tree may be read.
                has_manifests |= may_hold_manifests;
                if may_hold_manifests && by == IgnoredBy::File && self.source.files.may_match_in(&place.relative) {
                    folder.skipped.add(SkipReason::SourceIgnored, &child.path, None);
                }
                continue;
            }
            let previous = before.get(name).copied().filter(|_| has_same_rules);
            let is_link = entry.filemode() == LINK_MODE;
            has_manifests |= is_link || (entry.kind() == Some(ObjectType::Blob) && has_manifest_extension(name));
            folder.has_links |= is_link;
            let node = match entry.kind() {
                Some(ObjectType::Tree) => {
                    let node = self.folder(&child, entry.id(), previous, depth + 1)?;
                    has_manifests |= !self.without_manifests.contains(&entry.id());
                    Some(node)
                }
                Some(ObjectType::Blob) if is_link => self.link(place, name, previous, depth, &mut folder.skipped)?,
                Some(ObjectType::Blob) if self.is_manifest(&child.relative) => {
                    self.count_file()?;
                    Some(self.file(&child, entry.id(), previous))
                }
                Some(ObjectType::Blob) => {
                    if is_almost_manifest(name) && self.source.files.matches(&child.relative) {
                        folder.skipped.add(SkipReason::FileExtension, &child.path, None);
                    }
                    None
                }
                Some(ObjectType::Commit) if self.source.files.may_match_in(&child.relative) => {
                    folder.skipped.add(SkipReason::Submodule, &child.path, None);
                    None
                }
                _ => None,
            };
            if let Some(node) = node {
                if let Some(previous) = previous.filter(|previous| previous.path() != node.path()) {
                    previous.for_each_file(&mut |file| self.changed.push(Arc::clone(&file.path)));
                }
                before.remove(name);
                folder.children.push((name.into(), node));
            }
        }
        self.open_folders.pop();
        if folder.rules.is_some() {
            self.ignore.pop();
        }
        if !has_manifests {
            self.without_manifests.insert(id);
        }
        // What is left is not there any more.
        for child in before.into_values() {
            child.for_each_file(&mut |file| self.changed.push(Arc::clone(&file.path)));
        }
        Ok(Node::Folder(Arc::new(folder.complete())))
    }

    /// Adds the rules of the folder's `.sourceignore`, if it has one, and says which file that is.
    fn push_rules(&mut self, path: &str, tree: &Tree<'_>, skipped: &mut SkippedContent) -> Option<Oid> {
        let is_file = |entry: &TreeEntry<'_>| entry.kind() == Some(ObjectType::Blob) && entry.filemode() != LINK_MODE;
        let id = tree.get_name(source_ignore::FILE_NAME).filter(is_file)?.id();
        if self.ignore.push_file(self.git, path, id) {
            return Some(id);
        }
        skipped.add(SkipReason::RulesTooLong, &join(path, source_ignore::FILE_NAME), None);
        None
    }

    /// Whether a folder below the source's path is read: a chart or kustomization is
    /// something else than its manifests. Flux renders such a folder, Argo CD leaves
    /// it to an application of its own, and its patches and templates are no objects.
    fn reads_folder(&self, tree: &Tree<'_>, place: &Place, skipped: &mut SkippedContent) -> bool {
        let types = tree.iter().filter(|entry| entry.kind() == Some(ObjectType::Blob));
        let rendered = types.filter_map(|entry| {
            let name = entry.name().ok()?.to_owned();
            Some((render::type_by_file_name(&name)?, name))
        });
        let Some((source_type, name)) = rendered.min_by_key(|(source_type, _)| *source_type != SourceType::Kustomize)
        else {
            return true;
        };
        if !self.source.files.may_match_in(&place.relative) {
            return true;
        }
        let is_plain = self.source.render.mode == RenderMode::Plain;
        let reason = match (source_type, is_plain) {
            (SourceType::Kustomize, false) => SkipReason::Kustomization,
            (SourceType::Kustomize, true) => SkipReason::KustomizationIgnored,
            (SourceType::Helm, false) => SkipReason::Chart,
            // Its templates, if any are read, are told as what they are: no YAML.
            (SourceType::Helm, true) | (SourceType::Plain, _) => return true,
        };
        skipped.add(reason, &join(&place.path, &name), None);
        is_plain
    }

    /// A name that is not UTF-8: it cannot be matched by globs, nor named in a denial.
    fn skip_unreadable_name(&self, entry: &TreeEntry<'_>, folder: &Place, skipped: &mut SkippedContent) {
        let name = String::from_utf8_lossy(entry.name_bytes());
        let may_hold_manifests = entry.kind() != Some(ObjectType::Blob) || has_manifest_extension(&name);
        if may_hold_manifests && self.source.files.may_match_in(&folder.relative) {
            skipped.add(SkipReason::NameNotUtf8, &join(&folder.path, &name), None);
        }
    }

    /// Reads what a symbolic link leads to, if it is in the repository.
    fn link(
        &mut self,
        folder: &Place,
        name: &str,
        previous: Option<&Node>,
        depth: usize,
        skipped: &mut SkippedContent,
    ) -> Result<Option<Node>, SourceError> {
        let link = folder.child(name);
        let is_file = has_manifest_extension(name);
        let is_wanted = if is_file {
            self.source.files.matches(&link.relative)
        } else {
            self.source.files.may_match_in(&link.relative)
        };
        if !is_wanted {
            return Ok(None);
        }
        let mut skip = |reason| {
            // A link whose name has another ending may be anything but a manifest.
            if is_file || !name.contains('.') {
                skipped.add(reason, &link.path, None);
            }
            Ok(None)
        };
        let target = match self.files.find_from(&folder.path, name) {
            Ok(Some(target)) => target,
            Ok(None) => return skip(SkipReason::LinkDangling),
            Err(RenderError::LinkLoop { .. }) => return skip(SkipReason::LinkLoop),
            Err(RenderError::Git { file, reason }) => {
                return Err(SourceError::Git { action: format!("read {file}"), reason });
            }
            // Outside of the repository, or longer than any path.
            Err(_) => return skip(SkipReason::LinkOutside),
        };
        let FileEntry { path, id, is_folder, .. } = target;
        if !is_folder {
            if !is_file {
                return Ok(None);
            }
            self.count_file()?;
            self.links_followed += 1;
            let node = self.file(&Place { path, relative: link.relative }, id, previous);
            self.links_followed -= 1;
            return Ok(Some(node));
        }
        if self.open_folders.iter().any(|open| *open == path || is_below(open, &path)) {
            return skip(SkipReason::LinkLoop);
        }
        if !self.linked_folders.insert(path.clone()) {
            return Ok(None);
        }
        self.links_followed += 1;
        let node = self.folder(&Place { path, relative: link.relative }, id, previous, depth + 1);
        self.links_followed -= 1;
        node.map(Some)
    }

    fn is_manifest(&self, relative: &str) -> bool {
        has_manifest_extension(relative) && self.source.files.matches(relative)
    }

    /// Keeps the bounds, with one more file.
    fn count_file(&mut self) -> Result<(), SourceError> {
        self.files_read += 1;
        let path = || self.source.path.clone();
        if self.files_read > MAX_FILES {
            return Err(SourceError::TooManyFiles { path: path() });
        }
        if self.repeated_files > MAX_REPEATED_FILES {
            return Err(SourceError::RepeatedFiles { path: path() });
        }
        if self.declared_bytes > MAX_DECLARED_BYTES {
            return Err(SourceError::TooLarge { path: path() });
        }
        Ok(())
    }

    /// Reads a file; its errors come together in the walk.
    pub(super) fn file(&mut self, place: &Place, id: Oid, previous: Option<&Node>) -> Node {
        let path = place.path.as_str();
        let is_linked = self.links_followed > 0;
        if let Some(same @ Node::File(file)) = previous
            && (file.id, &*file.path, file.is_linked) == (id, path, is_linked)
        {
            return same.clone();
        }
        let path: Arc<str> = path.into();
        if self.has_previous {
            self.changed.push(Arc::clone(&path));
        }
        let contents = match self.contents(&path, id) {
            Ok(contents) => contents,
            Err(error) => {
                // The other files are read all the same, so that all errors are reported at once.
                self.errors.push(error);
                FileContents::default()
            }
        };
        let includes = self.source.files.matching_includes(&place.relative).into();
        Node::File(Arc::new(FileNode { id, path, is_linked, includes, contents: Arc::new(contents) }))
    }

    fn contents(&mut self, path: &Arc<str>, id: Oid) -> Result<FileContents, FileError> {
        let blob = self.blob(path, id)?;
        let _place = ReadingPlace::wait_for(blob.size());
        if lfs::is_pointer(blob.content()) {
            let mut skipped = SkippedContent::default();
            skipped.add(SkipReason::LfsPointer, path, None);
            return Ok(FileContents::default().with_skipped(&skipped));
        }
        if is_marked(blob.content()) {
            let mut skipped = SkippedContent::default();
            skipped.add(SkipReason::FileMarked, path, None);
            return Ok(FileContents::default().with_skipped(&skipped));
        }
        let manifest::ParsedFile { mut objects, errors, mut reported, .. } = manifest::parse(path, blob.content());
        objects.retain(|object| {
            let is_applied = !is_local_config(&object.value);
            if !is_applied {
                let position = object.positions.find(&object.value, &[]);
                reported.add(SkipReason::LocalConfig, path, position.map(|position| position.line));
            }
            is_applied
        });
        self.errors.extend(errors.into_iter().map(FileError::from));
        let contents = self.source.file_contents(path, objects)?.with_skipped(&reported);
        self.declared_bytes += contents.bytes();
        if !contents.is_empty() {
            self.repeated_files += usize::from(!self.blobs_read.insert(id));
        }
        Ok(contents)
    }

    fn blob(&self, file: &str, id: Oid) -> Result<git2::Blob<'a>, FileError> {
        let failed = |reason| FileError::Git { file: file.to_owned(), reason };
        // The header has the size, before the content is decompressed.
        let (size, _) = self.git.odb().and_then(|odb| odb.read_header(id)).map_err(failed)?;
        if size > MAX_FILE_BYTES {
            return Err(FileError::TooLarge { file: file.to_owned(), size });
        }
        self.git.find_blob(id).map_err(failed)
    }
}

/// Whether a path is inside a folder.
fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
