//! The files of a commit by their paths, symbolic links followed.

use std::collections::VecDeque;
use std::path::Path;

use git2::{ErrorCode, Oid, Repository, Tree};

use super::error::RenderError;
use crate::source::libgit2::{FOLDER_MODE, LINK_MODE, SUBMODULE_MODE};
use crate::source::limits::MAX_FILE_BYTES;

/// The files of one commit.
pub(in crate::source) struct CommitFiles<'r> {
    git: &'r Repository,
    root: Tree<'r>,
}

/// A file or folder, under its real path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) struct FileEntry {
    /// The path, without links and dots; empty for the root.
    pub(in crate::source) path: String,
    pub(in crate::source) id: Oid,
    pub(in crate::source) is_folder: bool,
    /// The symbolic links on the way to it, which a program needs to follow the same way.
    pub(in crate::source) links: Vec<(String, Oid)>,
}

/// Links on one way beyond which they are taken for a loop; the same as on Linux.
const MAX_LINKS: usize = 40;
/// The most bytes of a link: the longest path that Linux takes.
const MAX_LINK_BYTES: usize = 4096;

impl<'r> CommitFiles<'r> {
    pub(in crate::source) fn new(git: &'r Repository, root: Oid) -> Result<Self, RenderError> {
        match git.find_tree(root) {
            Ok(root) => Ok(Self { git, root }),
            Err(reason) => Err(RenderError::Git { file: "the commit".into(), reason }),
        }
    }

    pub(in crate::source) fn folder(&self, path: &str, id: Oid) -> Result<Tree<'r>, RenderError> {
        self.git.find_tree(id).map_err(|reason| RenderError::Git { file: path.to_owned(), reason })
    }

    /// What is at a path; `None` where nothing is, and for submodules, whose
    /// content is in another repository.
    pub(in crate::source) fn find(&self, path: &str) -> Result<Option<FileEntry>, RenderError> {
        self.find_from("", path)
    }

    /// The same for a path relative to `folder`, which has no links.
    pub(in crate::source) fn find_from(&self, folder: &str, path: &str) -> Result<Option<FileEntry>, RenderError> {
        let outside = || RenderError::OutsideRepository { file: join(folder, path) };
        let mut real: Vec<String> = parts(folder).map(str::to_owned).collect();
        let mut remaining: VecDeque<String> = parts(path).map(str::to_owned).collect();
        let mut links = Vec::new();
        let Some(mut entry) = self.entry(&real)? else { return Ok(None) };
        while let Some(part) = remaining.pop_front() {
            if part == ".." {
                real.pop().ok_or_else(outside)?;
            } else {
                real.push(part);
            }
            entry = match self.entry(&real)? {
                Some((id, LINK_MODE)) => {
                    links.push((real.join("/"), id));
                    let link = real.join("/");
                    if self.size(&link, id)? > MAX_LINK_BYTES {
                        let limit = format!("a symbolic link may have at most {MAX_LINK_BYTES} bytes");
                        return Err(RenderError::TooLarge { file: link, limit });
                    }
                    let target = self.read(&link, id)?;
                    let target = std::str::from_utf8(&target).map_err(|_| outside())?;
                    if links.len() > MAX_LINKS {
                        return Err(RenderError::LinkLoop { file: real.join("/") });
                    }
                    if target.starts_with('/') {
                        return Err(RenderError::OutsideRepository { file: real.join("/") });
                    }
                    real.pop();
                    parts(target).rev().for_each(|part| remaining.push_front(part.to_owned()));
                    continue;
                }
                Some((_, SUBMODULE_MODE)) | None => return Ok(None),
                Some(entry) => entry,
            };
        }
        // A link's last part may have been `..`.
        if let Some(last) = self.entry(&real)? {
            entry = last;
        }
        let (id, mode) = entry;
        Ok(Some(FileEntry { path: real.join("/"), id, is_folder: mode == FOLDER_MODE, links }))
    }

    /// The id and mode of an entry; a link is not followed.
    fn entry(&self, path: &[String]) -> Result<Option<(Oid, i32)>, RenderError> {
        if path.is_empty() {
            return Ok(Some((self.root.id(), FOLDER_MODE)));
        }
        let path = path.join("/");
        match self.root.get_path(Path::new(&path)) {
            Ok(entry) => Ok(Some((entry.id(), entry.filemode()))),
            Err(reason) if reason.code() == ErrorCode::NotFound => Ok(None),
            Err(reason) => Err(RenderError::Git { file: path, reason }),
        }
    }

    /// A file's content.
    pub(in crate::source) fn read(&self, path: &str, id: Oid) -> Result<Vec<u8>, RenderError> {
        if self.size(path, id)? > MAX_FILE_BYTES {
            let limit = format!("a file may have at most {} MiB", MAX_FILE_BYTES >> 20);
            return Err(RenderError::TooLarge { file: path.to_owned(), limit });
        }
        match self.git.find_blob(id) {
            Ok(blob) => Ok(blob.content().to_vec()),
            Err(reason) => Err(RenderError::Git { file: path.to_owned(), reason }),
        }
    }

    /// A file's size in bytes, from its header, before the content is decompressed.
    pub(in crate::source) fn size(&self, path: &str, id: Oid) -> Result<usize, RenderError> {
        match self.git.odb().and_then(|odb| odb.read_header(id)) {
            Ok((size, _)) => Ok(size),
            Err(reason) => Err(RenderError::Git { file: path.to_owned(), reason }),
        }
    }
}

/// A path below a folder; both may be empty.
pub(in crate::source) fn join(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}
