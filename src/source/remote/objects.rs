//! The objects of a mirror: whether a commit is there with all its files, and how
//! it is copied without its history.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use git2::{ObjectType, Oid, PackBuilder, Repository, Tree};

use super::super::limits::MAX_FOLDER_DEPTH;
use super::budget::FetchBudget;
use super::error::FetchError;

/// Why objects could not be read.
pub(super) enum ReadError {
    /// One is missing or cannot be read.
    Damaged(git2::Error),
    /// There is no time left, or nobody wants the answer any more.
    Stopped(FetchError),
}

impl From<FetchError> for ReadError {
    fn from(error: FetchError) -> Self {
        Self::Stopped(error)
    }
}

/// Whether a commit is there with all its files. Reads the headers of objects
/// only, which is enough to find a pack that is gone, truncated or does not fit
/// its index. Folders that are the same in `verified`, a commit that is known to be
/// there with all its files, are not walked.
pub(super) fn verify_complete(
    git: &Repository,
    commit: Oid,
    verified: Option<Oid>,
    budget: &FetchBudget,
) -> Result<(), ReadError> {
    let tree = git.find_commit(commit).and_then(|commit| commit.tree()).map_err(ReadError::Damaged)?;
    // Without it everything is walked, which is as good.
    let verified = verified.and_then(|commit| git.find_commit(commit).and_then(|commit| commit.tree()).ok());
    if verified.as_ref().is_some_and(|verified| verified.id() == tree.id()) {
        return Ok(());
    }
    let odb = git.odb().map_err(ReadError::Damaged)?;
    let mut trees: Vec<(Tree<'_>, Option<Tree<'_>>, usize)> = vec![(tree, verified, 0)];
    // A small commit can have the same tree in ten billion places.
    let mut seen = HashSet::new();
    while let Some((tree, verified, depth)) = trees.pop() {
        budget.check()?;
        for entry in &tree {
            let before = verified.as_ref().and_then(|tree| tree.get_name_bytes(entry.name_bytes()));
            if before.as_ref().is_some_and(|before| before.id() == entry.id()) {
                continue;
            }
            match entry.kind() {
                // A deeper tree is refused when it is loaded.
                Some(ObjectType::Tree) if depth < MAX_FOLDER_DEPTH && seen.insert(entry.id()) => {
                    let tree = git.find_tree(entry.id()).map_err(ReadError::Damaged)?;
                    let before = before.and_then(|before| git.find_tree(before.id()).ok());
                    trees.push((tree, before, depth + 1));
                }
                Some(ObjectType::Blob) => {
                    odb.read_header(entry.id()).map_err(ReadError::Damaged)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A pack of commits with all their files and without their history.
///
/// libgit2's own way to add a commit walks a tree once for each place it is in,
/// and one frame deeper for each folder: a small commit could stop the program.
pub(super) fn pack_of<'git>(
    git: &'git Repository,
    commits: &[Oid],
    budget: &FetchBudget,
) -> Result<PackBuilder<'git>, ReadError> {
    let mut pack = git.packbuilder().map_err(ReadError::Damaged)?;
    // The other processor is for the reviews.
    pack.set_threads(1);
    let mut seen = HashSet::new();
    for commit in commits {
        let tree = git.find_commit(*commit).and_then(|commit| commit.tree()).map_err(ReadError::Damaged)?;
        pack.insert_object(*commit, None).map_err(ReadError::Damaged)?;
        let mut trees = Vec::new();
        if seen.insert(tree.id()) {
            trees.push((tree, 0));
        }
        while let Some((tree, depth)) = trees.pop() {
            budget.check()?;
            pack.insert_object(tree.id(), None).map_err(ReadError::Damaged)?;
            for entry in &tree {
                let is_new =
                    matches!(entry.kind(), Some(ObjectType::Tree | ObjectType::Blob)) && seen.insert(entry.id());
                match entry.kind() {
                    Some(ObjectType::Tree) if is_new && depth < MAX_FOLDER_DEPTH => {
                        trees.push((git.find_tree(entry.id()).map_err(ReadError::Damaged)?, depth + 1));
                    }
                    // The name puts similar files side by side, of which the pack keeps the differences.
                    Some(ObjectType::Blob) if is_new => {
                        pack.insert_object(entry.id(), entry.name().ok()).map_err(ReadError::Damaged)?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(pack)
}

/// Copies commits with all their files, and without their history.
pub(super) fn copy_commits(
    from: &Repository,
    to: &Repository,
    commits: &[Oid],
    budget: &FetchBudget,
) -> Result<(), ReadError> {
    let mut pack = pack_of(from, commits, budget)?;
    let odb = to.odb().map_err(ReadError::Damaged)?;
    let mut writer = odb.packwriter().map_err(ReadError::Damaged)?;
    let mut failure = None;
    let copied = pack.foreach(|bytes| match writer.write_all(bytes) {
        Ok(()) => true,
        Err(error) => {
            failure = Some(error);
            false
        }
    });
    if let Some(error) = failure {
        return Err(ReadError::Damaged(git2::Error::from_str(&error.to_string())));
    }
    copied.map_err(ReadError::Damaged)?;
    writer.commit().map_err(ReadError::Damaged)?;
    Ok(())
}

/// Names the commits whose parents are not there, so that Git and libgit2 do not look for them.
pub(super) fn write_shallow(folder: &Path, commits: &HashSet<Oid>) -> std::io::Result<()> {
    let mut lines: Vec<_> = commits.iter().map(|commit| format!("{commit}\n")).collect();
    lines.sort();
    let text = lines.concat();
    if std::fs::read_to_string(folder.join("shallow")).is_ok_and(|before| before == text) {
        return Ok(());
    }
    let mut file = tempfile::Builder::new().prefix(SHALLOW_TEMP_PREFIX).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(folder.join("shallow")).map_err(|error| error.error)?;
    Ok(())
}

/// What the names of half-written `shallow` files begin with.
pub(super) const SHALLOW_TEMP_PREFIX: &str = ".shallow.";
