//! One commit of a repository, read into what it declares. What the commit
//! before had already is not read again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use git2::{Blob, ObjectType, Oid, Repository as Git, RepositoryOpenFlags, Tree};

use super::render::{self, Plan, Rendered};
use super::{FileError, GitError, MAX_DEPTH, MAX_FILE, MAX_FILES, SourceSpec, prepare, source_at};
use driftwall_core::desired::{DesiredError, FileContents, SourceContents};
use driftwall_core::manifest;

/// Files that can hold manifests.
const ENDINGS: [&str; 3] = [".json", ".yaml", ".yml"];

/// The mode of a symbolic link.
const LINK: i32 = 0o120_000;

/// A commit as it was read, shared with the next: a folder or file whose id is
/// the same is the same.
#[derive(Debug)]
pub struct Reading {
    /// What the commit declares.
    pub contents: Arc<SourceContents>,
    tree: Oid,
    made: Made,
}

/// How a commit was read: what the next one may share.
#[derive(Debug)]
enum Made {
    /// As it is.
    Plain(Entry),
    /// By a program; the key is of all that it needed.
    Rendered { key: String, files: Vec<Arc<FileContents>> },
}

#[derive(Clone, Debug)]
enum Entry {
    File(Arc<File>),
    Folder(Arc<Folder>),
}

#[derive(Debug)]
struct File {
    id: Oid,
    path: Arc<str>,
    contents: Arc<FileContents>,
}

#[derive(Debug)]
struct Folder {
    id: Oid,
    entries: HashMap<Box<str>, Entry>,
    /// The entries' names in Git's order.
    order: Vec<Box<str>>,
}

/// The commit that the source's revision names now.
pub fn commit_of(repository: &SourceSpec) -> Result<String, GitError> {
    let git = open(repository)?;
    let revision = &repository.revision;
    let commit = git.revparse_single(revision).and_then(|object| object.peel_to_commit());
    let action = || format!("find the revision {revision} in {}", repository.folder.display());
    commit.map(|commit| commit.id().to_string()).map_err(|reason| GitError::Git { action: action(), reason })
}

/// Reads all that a source declares at `commit`; `before` is what was read of it
/// last. Blocks; a program that renders is stopped soon after `cancel` is set.
pub fn read(
    repository: &SourceSpec,
    commit: &str,
    before: Option<&Reading>,
    cancel: &AtomicBool,
) -> Result<Reading, GitError> {
    let git = open(repository)?;
    let failed = |reason| GitError::Git { action: format!("read commit {commit}"), reason };
    let id = Oid::from_str(commit).map_err(failed)?;
    let tree = git.find_commit(id).and_then(|commit| commit.tree()).map_err(failed)?;
    let source = source_at(repository, commit);
    if let Some(same) = before.filter(|before| before.tree == tree.id()) {
        // Another commit, the same files: a merge, a change that was taken back.
        let contents = Arc::new(same.contents.at_commit(source));
        return Ok(Reading { contents, tree: tree.id(), made: same.made.share() });
    }
    let unrendered = |reason| GitError::Render { commit: commit.to_owned(), reason };
    if let Some(plan) = render::plan(&git, tree.id(), &repository.path, &repository.render).map_err(unrendered)? {
        let (key, files) = rendered(repository, commit, &plan, before, cancel)?;
        let contents = Arc::new(SourceContents::new(source, files.clone()));
        return Ok(Reading { contents, tree: tree.id(), made: Made::Rendered { key, files } });
    }
    let before = before.and_then(|reading| match &reading.made {
        Made::Plain(root) => Some(root),
        Made::Rendered { .. } => None,
    });
    let mut walk =
        Walk { git: &git, repository, count: 0, errors: Vec::new(), changed: Vec::new(), compares: before.is_some() };
    let root = walk.start(&tree, commit, before)?;
    let Walk { errors, changed, .. } = walk;
    if !errors.is_empty() {
        return Err(GitError::Broken { commit: commit.to_owned(), errors, changed });
    }
    let mut files = Vec::new();
    root.each(&mut |file| files.push(Arc::clone(&file.contents)));
    Ok(Reading { contents: Arc::new(SourceContents::new(source, files)), tree: tree.id(), made: Made::Plain(root) })
}

/// What a program makes of a commit; what it made before where nothing that it
/// needs has changed.
fn rendered(
    repository: &SourceSpec,
    commit: &str,
    plan: &Plan<'_, '_>,
    before: Option<&Reading>,
    cancel: &AtomicBool,
) -> Result<(String, Vec<Arc<FileContents>>), GitError> {
    let key = plan.key();
    match before.map(|before| &before.made) {
        Some(Made::Rendered { key: same, files }) if *same == key => return Ok((key, files.clone())),
        _ => {}
    }
    let Rendered { files, by, opaque, warnings, took, .. } =
        plan.render(cancel).map_err(|reason| GitError::Render { commit: commit.to_owned(), reason })?;
    let source = &repository.name;
    tracing::info!(%source, %commit, file = %by.file, program = %by.program, ?took, opaque = opaque.len(), "Rendered");
    for warning in warnings {
        tracing::warn!(%source, %commit, %warning, "Left out of what was rendered");
    }
    let broken = |error: DesiredError| {
        let (errors, changed) = (vec![FileError::from(error)], Vec::new());
        GitError::Broken { commit: commit.to_owned(), errors, changed }
    };
    let namespace = repository.namespace.as_deref();
    let contents = files.into_iter().map(|(file, objects)| FileContents::new(&file, namespace, objects).map(Arc::new));
    Ok((key, contents.collect::<Result<_, _>>().map_err(broken)?))
}

impl Made {
    fn share(&self) -> Self {
        match self {
            Self::Plain(root) => Self::Plain(root.clone()),
            Self::Rendered { key, files } => Self::Rendered { key: key.clone(), files: files.clone() },
        }
    }
}

fn open(repository: &SourceSpec) -> Result<Git, GitError> {
    prepare();
    let flags = RepositoryOpenFlags::NO_SEARCH;
    Git::open_ext(&repository.folder, flags, [] as [&str; 0]).map_err(|reason| GitError::Git {
        action: format!("open the Git repository {}", repository.folder.display()),
        reason,
    })
}

impl Entry {
    fn each(&self, then: &mut impl FnMut(&File)) {
        match self {
            Self::File(file) => then(file),
            Self::Folder(folder) => folder.order.iter().for_each(|name| folder.entries[name].each(then)),
        }
    }

    fn is_of(&self, id: Oid) -> bool {
        match self {
            Self::File(file) => file.id == id,
            Self::Folder(folder) => folder.id == id,
        }
    }
}

struct Walk<'a> {
    git: &'a Git,
    repository: &'a SourceSpec,
    count: usize,
    errors: Vec<FileError>,
    changed: Vec<Arc<str>>,
    /// Whether there is a commit before, for `changed` to mean something.
    compares: bool,
}

impl<'a> Walk<'a> {
    fn start(&mut self, root: &Tree<'_>, commit: &str, before: Option<&Entry>) -> Result<Entry, GitError> {
        let path = self.repository.path.trim_matches('/');
        let (kind, id) = match path {
            "" | "." => (Some(ObjectType::Tree), root.id()),
            _ => match root.get_path(Path::new(path)) {
                Ok(entry) => (entry.kind(), entry.id()),
                Err(_) => (None, root.id()),
            },
        };
        let base = if path == "." { "" } else { path };
        match kind {
            Some(ObjectType::Blob) => Ok(self.file(base, id, before)),
            Some(ObjectType::Tree) => self.folder(base, id, before, 0),
            _ => Err(GitError::Path { path: path.to_owned(), commit: commit.to_owned() }),
        }
    }

    fn folder(&mut self, path: &str, id: Oid, before: Option<&Entry>, depth: usize) -> Result<Entry, GitError> {
        if let Some(same) = before.filter(|entry| entry.is_of(id)) {
            return Ok(same.clone());
        }
        if depth > MAX_DEPTH {
            return Err(GitError::Files { path: path.to_owned() });
        }
        let failed = |reason| GitError::Git { action: format!("read the folder {path}"), reason };
        let tree = self.git.find_tree(id).map_err(failed)?;
        let earlier = match before {
            Some(Entry::Folder(folder)) => Some(folder),
            _ => None,
        };
        let mut folder = Folder { id, entries: HashMap::new(), order: Vec::new() };
        for entry in &tree {
            // A name that is no text cannot end in `.yaml`.
            let Ok(name) = entry.name() else { continue };
            let below = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let before = earlier.and_then(|folder| folder.entries.get(name));
            let read = match entry.kind() {
                Some(ObjectType::Tree) => self.folder(&below, entry.id(), before, depth + 1)?,
                // A link's blob is its target's name; submodules have no content here.
                Some(ObjectType::Blob) if entry.filemode() != LINK && self.is_wanted(&below) => {
                    self.count += 1;
                    if self.count > MAX_FILES {
                        return Err(GitError::Files { path: self.repository.path.clone() });
                    }
                    self.file(&below, entry.id(), before)
                }
                _ => continue,
            };
            folder.order.push(name.into());
            folder.entries.insert(name.into(), read);
        }
        for (name, gone) in earlier.iter().flat_map(|folder| &folder.entries) {
            if !folder.entries.contains_key(name) {
                gone.each(&mut |file| self.changed.push(Arc::clone(&file.path)));
            }
        }
        Ok(Entry::Folder(Arc::new(folder)))
    }

    fn is_wanted(&self, file: &str) -> bool {
        let base = self.repository.path.trim_matches('/');
        let relative = file.strip_prefix(base).unwrap_or(file).trim_start_matches('/');
        ENDINGS.iter().any(|ending| file.ends_with(ending)) && self.repository.files.has(relative)
    }

    fn file(&mut self, path: &str, id: Oid, before: Option<&Entry>) -> Entry {
        if let Some(same) = before.filter(|entry| entry.is_of(id)) {
            return same.clone();
        }
        let path: Arc<str> = path.into();
        if self.compares {
            self.changed.push(Arc::clone(&path));
        }
        let contents = self.contents(&path, id).unwrap_or_else(|error| {
            self.errors.push(error);
            FileContents::default()
        });
        Entry::File(Arc::new(File { id, path, contents: Arc::new(contents) }))
    }

    fn contents(&mut self, path: &Arc<str>, id: Oid) -> Result<FileContents, FileError> {
        let blob = self.blob(path, id)?;
        let manifest::ParsedFile { objects, errors, .. } = manifest::parse(path, blob.content());
        self.errors.extend(errors.into_iter().map(FileError::from));
        Ok(FileContents::new(path, self.repository.namespace.as_deref(), objects)?)
    }

    fn blob(&self, file: &str, id: Oid) -> Result<Blob<'a>, FileError> {
        let failed = |reason| FileError::Git { file: file.to_owned(), reason };
        // The header tells the size before the content is unpacked.
        let (size, _) = self.git.odb().and_then(|odb| odb.read_header(id)).map_err(failed)?;
        if size > MAX_FILE {
            return Err(FileError::Size { file: file.to_owned(), size });
        }
        self.git.find_blob(id).map_err(failed)
    }
}
