//! Loads one commit of a repository: what its files declare. Files that are the
//! same in the commit before are not read again.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use git2::{Blob, ObjectType, Oid, Repository, Tree};

use super::charts::{self, ChartError, ChartTree, ResolvedChart};
use super::error::{FileError, SourceError};
use super::libgit2::{self, LINK_MODE};
use super::limits::{MAX_ENTRIES, MAX_FILE_BYTES, MAX_FILES, MAX_FOLDER_DEPTH, MAX_FOLDERS};
use super::render::{self, FetchedChart, RenderPlan, Rendered};
use super::revision;
use super::spec::{ChartSource, SourceSpec};
use driftwall_core::desired::{FileContents, SourceContents};
use driftwall_core::manifest;

/// The ends of the names of files that can hold manifests.
const EXTENSIONS: [&str; 3] = [".json", ".yaml", ".yml"];

/// A commit as it was loaded. The next commit shares what it does not change: a
/// folder or file of the same object id has the same content.
#[derive(Debug)]
pub struct LoadedCommit {
    /// What the commit declares.
    pub contents: Arc<SourceContents>,
    tree: Oid,
    from: LoadedFrom,
}

/// How a commit was loaded, and what the next one can share of it.
#[derive(Clone, Debug)]
enum LoadedFrom {
    /// Its manifests were read as they are.
    Manifests(Node),
    /// A program rendered it; the key identifies everything that the program was given.
    Rendered { key: String, files: Vec<Arc<FileContents>> },
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
    contents: Arc<FileContents>,
}

#[derive(Debug)]
struct FolderNode {
    id: Oid,
    children: HashMap<Box<str>, Node>,
    /// The children's names in Git's order.
    order: Vec<Box<str>>,
}

/// Loads all that a source declares at `commit`, sharing what is the same in
/// `previous`. Blocks; a program that renders is stopped soon after `cancel` is set.
///
/// # Errors
///
/// The commit, or one of its files, cannot be read or rendered.
pub fn load(
    source: &SourceSpec,
    commit: &str,
    previous: Option<&LoadedCommit>,
    cancel: &Arc<AtomicBool>,
) -> Result<LoadedCommit, SourceError> {
    let failed = |reason| SourceError::Git { action: format!("read commit {commit}"), reason };
    // The temporary repository of a chart lives until it is loaded.
    let chart = source.chart.as_ref().map(|chart| open_chart(chart, commit)).transpose()?;
    let repository;
    let (git, tree) = if let Some(chart) = &chart {
        (&chart.git, chart.git.find_tree(chart.tree).map_err(failed)?)
    } else {
        repository = revision::open(source)?;
        let id = Oid::from_str(commit).map_err(failed)?;
        (&repository, repository.find_commit(id).and_then(|commit| commit.tree()).map_err(failed)?)
    };
    let tree_id = tree.id();
    if let Some(same) = previous.filter(|previous| previous.tree == tree_id) {
        // Another commit with the same files: a merge, or a change that was reverted.
        let contents = Arc::new(same.contents.at_commit(source.at_commit(commit)));
        return Ok(LoadedCommit { contents, tree: tree_id, from: same.from.clone() });
    }
    let plan = match render::plan(git, tree_id, &source.path, &source.render) {
        Ok(plan) => plan,
        Err(reason) => return Err(SourceError::Render { commit: commit.to_owned(), reason }),
    };
    let previous = previous.map(|previous| &previous.from);
    let (from, files) = match plan {
        Some(mut plan) => {
            if let Err(reason) = fetch_dependencies(source, &mut plan, cancel) {
                return Err(SourceError::Render { commit: commit.to_owned(), reason: reason.into() });
            }
            load_rendered(source, commit, &plan, previous, cancel)?
        }
        None => load_manifests(git, source, commit, &tree, previous)?,
    };
    let contents = Arc::new(SourceContents::new(source.at_commit(commit), files));
    Ok(LoadedCommit { contents, tree: tree_id, from })
}

/// The files of a chart; `commit` is its version with its digest.
fn open_chart(ChartSource { request, store }: &ChartSource, commit: &str) -> Result<ChartTree, SourceError> {
    libgit2::init();
    let resolved: ResolvedChart = commit.parse().map_err(|reason: &str| ChartError::NotFound {
        chart: request.to_string(),
        url: request.repository.to_string(),
        reason: reason.to_owned(),
    })?;
    Ok(charts::unpack(store, &request.name, &resolved)?)
}

/// Gives a chart the charts that it depends on and that are not committed.
fn fetch_dependencies(
    source: &SourceSpec,
    plan: &mut RenderPlan<'_, '_>,
    cancel: &Arc<AtomicBool>,
) -> Result<(), ChartError> {
    // Without access, Helm reports what is missing.
    let Some(access) = &source.chart_access else { return Ok(()) };
    for dependency in plan.dependencies().to_vec() {
        if let Some(ResolvedChart { digest, .. }) = access.fetch(&source.name, &dependency, cancel)? {
            plan.add_chart(&dependency.name, FetchedChart { digest, store: access.store.clone() });
        }
    }
    Ok(())
}

/// What a program renders of a commit; what it rendered before, where nothing
/// that it is given has changed.
fn load_rendered(
    source: &SourceSpec,
    commit: &str,
    plan: &RenderPlan<'_, '_>,
    previous: Option<&LoadedFrom>,
    cancel: &AtomicBool,
) -> Result<(LoadedFrom, Vec<Arc<FileContents>>), SourceError> {
    let key = plan.key();
    if let Some(same @ LoadedFrom::Rendered { key: previous_key, files }) = previous
        && *previous_key == key
    {
        return Ok((same.clone(), files.clone()));
    }
    let rendered = match plan.render(&source.name, cancel) {
        Ok(rendered) => rendered,
        Err(reason) => return Err(SourceError::Render { commit: commit.to_owned(), reason }),
    };
    log_rendered(&source.name, commit, &rendered);
    let mut files = Vec::new();
    for (file, objects) in rendered.files {
        match FileContents::new(&file, source.namespace.as_deref(), objects) {
            Ok(contents) => files.push(Arc::new(contents)),
            Err(error) => {
                let (errors, changed) = (vec![error.into()], Vec::new());
                return Err(SourceError::InvalidFiles { commit: commit.to_owned(), errors, changed });
            }
        }
    }
    Ok((LoadedFrom::Rendered { key, files: files.clone() }, files))
}

fn log_rendered(source: &str, commit: &str, rendered: &Rendered) {
    let Rendered { by, opaque, warnings, duration, .. } = rendered;
    let opaque = opaque.len();
    tracing::info!(%source, %commit, file = %by.file, program = %by.program, ?duration, opaque, "Commit rendered");
    for warning in warnings {
        tracing::warn!(%source, %commit, %warning, "Rendered object ignored");
    }
}

/// What the manifests of a commit declare, read as they are.
fn load_manifests(
    git: &Repository,
    source: &SourceSpec,
    commit: &str,
    tree: &Tree<'_>,
    previous: Option<&LoadedFrom>,
) -> Result<(LoadedFrom, Vec<Arc<FileContents>>), SourceError> {
    let previous = match previous {
        Some(LoadedFrom::Manifests(root)) => Some(root),
        Some(LoadedFrom::Rendered { .. }) | None => None,
    };
    let mut walk = TreeWalk {
        git,
        source,
        files_read: 0,
        folders_read: 0,
        entries_seen: 0,
        without_manifests: HashSet::new(),
        errors: Vec::new(),
        changed: Vec::new(),
        has_previous: previous.is_some(),
    };
    let root = walk.root(tree, commit, previous)?;
    let TreeWalk { errors, changed, .. } = walk;
    if !errors.is_empty() {
        return Err(SourceError::InvalidFiles { commit: commit.to_owned(), errors, changed });
    }
    let mut files = Vec::new();
    root.for_each_file(&mut |file| files.push(Arc::clone(&file.contents)));
    Ok((LoadedFrom::Manifests(root), files))
}

fn has_manifest_extension(file: &str) -> bool {
    EXTENSIONS.iter().any(|extension| file.ends_with(extension))
}

impl Node {
    fn for_each_file(&self, visit: &mut impl FnMut(&FileNode)) {
        match self {
            Self::File(file) => visit(file),
            Self::Folder(folder) => {
                for name in &folder.order {
                    folder.children[name].for_each_file(visit);
                }
            }
        }
    }

    fn has_id(&self, id: Oid) -> bool {
        match self {
            Self::File(file) => file.id == id,
            Self::Folder(folder) => folder.id == id,
        }
    }
}

/// Walks the tree of a commit beside what was read of the commit before.
struct TreeWalk<'a> {
    git: &'a Repository,
    source: &'a SourceSpec,
    files_read: usize,
    folders_read: usize,
    entries_seen: usize,
    /// Trees with no manifest anywhere below. A small commit can have the same one
    /// in ten billion places: it is walked once.
    without_manifests: HashSet<Oid>,
    errors: Vec<FileError>,
    changed: Vec<Arc<str>>,
    /// Whether there is a commit before: without one, `changed` would be every file.
    has_previous: bool,
}

impl<'a> TreeWalk<'a> {
    /// Reads what is at the source's path.
    fn root(&mut self, tree: &Tree<'_>, commit: &str, previous: Option<&Node>) -> Result<Node, SourceError> {
        let path = self.source.path.trim_matches('/');
        if matches!(path, "" | ".") {
            return self.folder("", tree.id(), previous, 0);
        }
        match tree.get_path(Path::new(path)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Blob) => Ok(self.file(path, entry.id(), previous)),
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => self.folder(path, entry.id(), previous, 0),
            _ => Err(SourceError::PathNotFound { path: path.to_owned(), commit: commit.to_owned() }),
        }
    }

    fn folder(&mut self, path: &str, id: Oid, previous: Option<&Node>, depth: usize) -> Result<Node, SourceError> {
        if let Some(same) = previous.filter(|node| node.has_id(id)) {
            return Ok(same.clone());
        }
        if previous.is_none() && self.without_manifests.contains(&id) {
            return Ok(Node::Folder(Arc::new(FolderNode { id, children: HashMap::new(), order: Vec::new() })));
        }
        self.folders_read += 1;
        if depth > MAX_FOLDER_DEPTH || self.folders_read > MAX_FOLDERS {
            return Err(SourceError::TooManyFiles { path: path.to_owned() });
        }
        let failed = |reason| SourceError::Git { action: format!("read the folder {path}"), reason };
        let tree = self.git.find_tree(id).map_err(failed)?;
        self.entries_seen += tree.len();
        if self.entries_seen > MAX_ENTRIES {
            return Err(SourceError::TooManyFiles { path: path.to_owned() });
        }
        let previous = match previous {
            Some(Node::Folder(folder)) => Some(folder),
            Some(Node::File(_)) | None => None,
        };
        let mut folder = FolderNode { id, children: HashMap::new(), order: Vec::new() };
        let mut has_manifests = false;
        for entry in &tree {
            // A name that is not UTF-8 cannot end in `.yaml`.
            let Ok(name) = entry.name() else { continue };
            let child_path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let previous = previous.and_then(|folder| folder.children.get(name));
            let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode() != LINK_MODE;
            has_manifests |= is_file && has_manifest_extension(name);
            let child = match entry.kind() {
                Some(ObjectType::Tree) => {
                    let child = self.folder(&child_path, entry.id(), previous, depth + 1)?;
                    has_manifests |= !self.without_manifests.contains(&entry.id());
                    child
                }
                // A symbolic link's blob is its target's name; submodules have no content here.
                Some(ObjectType::Blob) if is_file && self.is_manifest(&child_path) => {
                    self.files_read += 1;
                    if self.files_read > MAX_FILES {
                        return Err(SourceError::TooManyFiles { path: self.source.path.clone() });
                    }
                    self.file(&child_path, entry.id(), previous)
                }
                _ => continue,
            };
            folder.order.push(name.into());
            folder.children.insert(name.into(), child);
        }
        if !has_manifests {
            self.without_manifests.insert(id);
        }
        for (name, child) in previous.iter().flat_map(|folder| &folder.children) {
            if !folder.children.contains_key(name) {
                child.for_each_file(&mut |file| self.changed.push(Arc::clone(&file.path)));
            }
        }
        Ok(Node::Folder(Arc::new(folder)))
    }

    fn is_manifest(&self, file: &str) -> bool {
        let base = self.source.path.trim_matches('/');
        let relative = file.strip_prefix(base).unwrap_or(file).trim_start_matches('/');
        has_manifest_extension(file) && self.source.files.matches(relative)
    }

    fn file(&mut self, path: &str, id: Oid, previous: Option<&Node>) -> Node {
        if let Some(same) = previous.filter(|node| node.has_id(id)) {
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
        Node::File(Arc::new(FileNode { id, path, contents: Arc::new(contents) }))
    }

    fn contents(&mut self, path: &Arc<str>, id: Oid) -> Result<FileContents, FileError> {
        let blob = self.blob(path, id)?;
        let manifest::ParsedFile { objects, errors, .. } = manifest::parse(path, blob.content());
        self.errors.extend(errors.into_iter().map(FileError::from));
        Ok(FileContents::new(path, self.source.namespace.as_deref(), objects)?)
    }

    fn blob(&self, file: &str, id: Oid) -> Result<Blob<'a>, FileError> {
        let failed = |reason| FileError::Git { file: file.to_owned(), reason };
        // The header has the size, before the content is decompressed.
        let (size, _) = self.git.odb().and_then(|odb| odb.read_header(id)).map_err(failed)?;
        if size > MAX_FILE_BYTES {
            return Err(FileError::TooLarge { file: file.to_owned(), size });
        }
        self.git.find_blob(id).map_err(failed)
    }
}
