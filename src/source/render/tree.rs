//! A commit's files by their paths, symbolic links followed.

use std::collections::VecDeque;

use git2::{Oid, Repository as Git, Tree};

use super::error::RenderError;
use crate::source::MAX_FILE;

/// The files of one commit.
pub(super) struct Files<'r> {
    pub(super) git: &'r Git,
    root: Tree<'r>,
}

/// Something at a path, under its real name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The path, without links and dots; empty for the root.
    pub(super) path: String,
    pub(super) id: Oid,
    pub(super) is_folder: bool,
    /// The symbolic links on the way, which whoever follows it needs too.
    pub(super) links: Vec<(String, Oid)>,
}

/// The mode of a symbolic link.
pub(super) const LINK: i32 = 0o120_000;
/// The mode of a submodule.
pub(super) const SUBMODULE: i32 = 0o160_000;
/// The mode of a folder.
pub(super) const FOLDER: i32 = 0o040_000;

/// Links on one way beyond which they are taken for a ring; Linux does so too.
const MAX_LINKS: usize = 40;

impl<'r> Files<'r> {
    pub(super) fn new(git: &'r Git, root: Oid) -> Result<Self, RenderError> {
        let root = git.find_tree(root).map_err(|reason| RenderError::Git { file: "the commit".into(), reason })?;
        Ok(Self { git, root })
    }

    pub(super) fn folder(&self, path: &str, id: Oid) -> Result<Tree<'r>, RenderError> {
        self.git.find_tree(id).map_err(|reason| RenderError::Git { file: path.to_owned(), reason })
    }

    /// What is at a path; `None` where nothing is, and for submodules, whose
    /// content is in another repository.
    pub(super) fn find(&self, path: &str) -> Result<Option<Found>, RenderError> {
        self.find_from("", path)
    }

    /// The same, the path being relative to `folder`, which has no links.
    pub(super) fn find_from(&self, folder: &str, path: &str) -> Result<Option<Found>, RenderError> {
        let outside = || RenderError::Link { file: join(folder, path) };
        let mut real: Vec<String> = parts(folder).map(str::to_owned).collect();
        let mut ahead: VecDeque<String> = parts(path).map(str::to_owned).collect();
        let mut links = Vec::new();
        let mut at = match self.entry(&real)? {
            Some((id, mode)) => (id, mode),
            None => return Ok(None),
        };
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                real.pop().ok_or_else(outside)?;
            } else {
                real.push(part);
            }
            at = match self.entry(&real)? {
                Some((id, LINK)) => {
                    links.push((real.join("/"), id));
                    let target = self.read(&real.join("/"), id)?;
                    let target = std::str::from_utf8(&target).map_err(|_| outside())?;
                    if links.len() > MAX_LINKS || target.starts_with('/') {
                        return Err(RenderError::Link { file: real.join("/") });
                    }
                    real.pop();
                    parts(target).rev().for_each(|part| ahead.push_front(part.to_owned()));
                    continue;
                }
                Some((_, SUBMODULE)) | None => return Ok(None),
                Some(entry) => entry,
            };
        }
        // A link's last part may have been `..`.
        if let Some(entry) = self.entry(&real)? {
            at = entry;
        }
        let (id, mode) = at;
        Ok(Some(Found { path: real.join("/"), id, is_folder: mode == FOLDER, links }))
    }

    /// An entry without following it.
    fn entry(&self, path: &[String]) -> Result<Option<(Oid, i32)>, RenderError> {
        if path.is_empty() {
            return Ok(Some((self.root.id(), FOLDER)));
        }
        let path = path.join("/");
        match self.root.get_path(std::path::Path::new(&path)) {
            Ok(entry) => Ok(Some((entry.id(), entry.filemode()))),
            Err(reason) if reason.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(reason) => Err(RenderError::Git { file: path, reason }),
        }
    }

    /// A file's content.
    pub(super) fn read(&self, path: &str, id: Oid) -> Result<Vec<u8>, RenderError> {
        let failed = |reason| RenderError::Git { file: path.to_owned(), reason };
        if self.size(path, id)? > MAX_FILE {
            let bound = format!("a file may have {} MiB", MAX_FILE >> 20);
            return Err(RenderError::Large { file: path.to_owned(), bound });
        }
        Ok(self.git.find_blob(id).map_err(failed)?.content().to_vec())
    }

    /// A file's size, told by its header before the content is unpacked.
    pub(super) fn size(&self, path: &str, id: Oid) -> Result<usize, RenderError> {
        let header = self.git.odb().and_then(|odb| odb.read_header(id));
        header.map(|(size, _)| size).map_err(|reason| RenderError::Git { file: path.to_owned(), reason })
    }
}

/// A path below a folder; both may be empty.
pub(super) fn join(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}
