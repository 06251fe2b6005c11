//! One commit of a repository, read into what it declares.

use std::sync::Arc;

use git2::{Blob, ObjectType, Oid, Repository as Git, RepositoryOpenFlags, Tree};

use super::{GitError, MAX_DEPTH, MAX_FILE, MAX_FILES, Repository, prepare, source_at};
use crate::desired::Contents;
use crate::manifest;

/// Files that can hold manifests.
const ENDINGS: [&str; 3] = [".json", ".yaml", ".yml"];

/// The commit that the source's revision names now.
pub fn commit_of(repository: &Repository) -> Result<String, GitError> {
    let git = open(repository)?;
    Ok(resolve(&git, repository)?.to_string())
}

/// Reads all that a source declares at `commit`.
pub fn read(repository: &Repository, commit: &str) -> Result<Contents, GitError> {
    let git = open(repository)?;
    let failed = |reason| GitError::Git { action: format!("read commit {commit}"), reason };
    let id = Oid::from_str(commit).map_err(failed)?;
    let tree = git.find_commit(id).and_then(|commit| commit.tree()).map_err(failed)?;
    let mut walk = Walk { git: &git, repository, files: Vec::new(), errors: Vec::new() };
    walk.start(&tree, commit)?;
    let Walk { files, errors, .. } = walk;
    if !errors.is_empty() {
        return Err(GitError::Broken { commit: commit.to_owned(), errors });
    }
    Contents::new(source_at(repository, commit), repository.namespace.as_deref(), files)
        .map_err(|reason| GitError::Content { commit: commit.to_owned(), reason })
}

fn open(repository: &Repository) -> Result<Git, GitError> {
    prepare();
    let flags = RepositoryOpenFlags::NO_SEARCH;
    Git::open_ext(&repository.folder, flags, [] as [&str; 0]).map_err(|reason| GitError::Git {
        action: format!("open the Git repository {}", repository.folder.display()),
        reason,
    })
}

fn resolve(git: &Git, repository: &Repository) -> Result<Oid, GitError> {
    let revision = &repository.revision;
    let commit = git.revparse_single(revision).and_then(|object| object.peel_to_commit());
    let action = || format!("find the revision {revision} in {}", repository.folder.display());
    commit.map(|commit| commit.id()).map_err(|reason| GitError::Git { action: action(), reason })
}

struct Walk<'a> {
    git: &'a Git,
    repository: &'a Repository,
    files: Vec<(Arc<str>, Vec<manifest::Object>)>,
    errors: Vec<manifest::ManifestError>,
}

impl<'a> Walk<'a> {
    fn start(&mut self, root: &Tree<'_>, commit: &str) -> Result<(), GitError> {
        let path = self.repository.path.trim_matches('/');
        if path.is_empty() || path == "." {
            return self.folder(root, "", 0);
        }
        let missing = |_| GitError::Path { path: path.to_owned(), commit: commit.to_owned() };
        let entry = root.get_path(std::path::Path::new(path)).map_err(missing)?;
        match entry.kind() {
            Some(ObjectType::Blob) => self.file(path, entry.id()),
            Some(ObjectType::Tree) => self.folder(&self.git.find_tree(entry.id()).map_err(missing)?, path, 0),
            _ => Err(GitError::Path { path: path.to_owned(), commit: commit.to_owned() }),
        }
    }

    fn folder(&mut self, tree: &Tree<'_>, path: &str, depth: usize) -> Result<(), GitError> {
        if depth > MAX_DEPTH {
            return Err(GitError::Files { path: path.to_owned() });
        }
        for entry in tree {
            // A name that is no text cannot end in `.yaml`.
            let Ok(name) = entry.name() else { continue };
            let below = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let failed = |reason| GitError::Git { action: format!("read the folder {below}"), reason };
                    let tree = self.git.find_tree(entry.id()).map_err(failed)?;
                    self.folder(&tree, &below, depth + 1)?;
                }
                // A link's blob is its target's name; submodules have no content here.
                Some(ObjectType::Blob) if entry.filemode() != LINK && self.is_wanted(&below) => {
                    self.file(&below, entry.id())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn is_wanted(&self, file: &str) -> bool {
        let base = self.repository.path.trim_matches('/');
        let relative = file.strip_prefix(base).unwrap_or(file).trim_start_matches('/');
        ENDINGS.iter().any(|ending| file.ends_with(ending)) && self.repository.files.has(relative)
    }

    fn file(&mut self, file: &str, id: Oid) -> Result<(), GitError> {
        if self.files.len() == MAX_FILES {
            return Err(GitError::Files { path: self.repository.path.clone() });
        }
        let blob = self.blob(file, id)?;
        let manifest::Reading { objects, errors, .. } = manifest::read(file, blob.content());
        self.errors.extend(errors);
        self.files.push((file.into(), objects));
        Ok(())
    }

    fn blob(&self, file: &str, id: Oid) -> Result<Blob<'a>, GitError> {
        let failed = |reason| GitError::Git { action: format!("read the file {file}"), reason };
        // The header tells the size before the content is unpacked.
        let (size, _) = self.git.odb().and_then(|odb| odb.read_header(id)).map_err(failed)?;
        if size > MAX_FILE {
            return Err(GitError::FileSize { file: file.to_owned(), size });
        }
        self.git.find_blob(id).map_err(failed)
    }
}

/// The mode of a symbolic link.
const LINK: i32 = 0o120_000;
