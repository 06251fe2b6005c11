//! The part of a commit that a render needs, written into a folder of its own,
//! which goes when it is dropped.
//!
//! Only what can be reached is written: the folders of the kustomizations or of
//! the chart, and what symbolic links in them lead to. A repository of a hundred
//! thousand files costs no more than the part of it that is rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use git2::Oid;

use super::error::RenderError;
use super::tree::{FOLDER, Files, Found, LINK, SUBMODULE, join};
use crate::source::MAX_DEPTH;

/// Files that a render may need.
const MAX_FILES: usize = 20_000;
/// Bytes that a render may need; charts can have large archives beside them.
const MAX_BYTES: usize = 256 << 20;

/// What of a commit is to be written.
#[derive(Debug, Default)]
pub(super) struct Selection {
    files: BTreeMap<String, Oid>,
    links: BTreeMap<String, Oid>,
    folders: BTreeSet<String>,
    bytes: usize,
}

/// A folder with files of a commit, and one for what programs leave behind.
#[derive(Debug)]
pub(super) struct Checkout {
    _folder: tempfile::TempDir,
    /// Where the repository's root is.
    pub(super) root: PathBuf,
    /// A home for the program that renders.
    pub(super) home: PathBuf,
}

impl Selection {
    /// Takes in a file, or a folder with all that is in it.
    pub(super) fn add(&mut self, files: &Files<'_>, found: &Found) -> Result<(), RenderError> {
        let mut queue = vec![found.clone()];
        while let Some(Found { path, id, is_folder, links }) = queue.pop() {
            self.links.extend(links);
            let links_before: BTreeSet<_> = self.links.keys().cloned().collect();
            if is_folder {
                self.folder(files, &path, id)?;
            } else {
                self.file(files, path, id)?;
            }
            for link in self.links.keys().filter(|link| !links_before.contains(*link)) {
                // A link to nothing is left as it is: whoever follows it says so.
                queue.extend(files.find(link)?);
            }
        }
        Ok(())
    }

    fn folder(&mut self, files: &Files<'_>, path: &str, id: Oid) -> Result<(), RenderError> {
        if path.split('/').count() > MAX_DEPTH {
            let bound = format!("folders may be {MAX_DEPTH} deep");
            return Err(RenderError::Large { file: path.to_owned(), bound });
        }
        if !self.folders.insert(path.to_owned()) {
            return Ok(());
        }
        for entry in &files.folder(path, id)? {
            let refused = |name: &str| RenderError::Unsafe { folder: path.to_owned(), name: name.to_owned() };
            let name = entry.name().map_err(|_| refused(&String::from_utf8_lossy(entry.name_bytes())))?;
            if !is_safe(name) {
                return Err(refused(name));
            }
            let below = join(path, name);
            match entry.filemode() {
                FOLDER => self.folder(files, &below, entry.id())?,
                LINK => drop(self.links.insert(below, entry.id())),
                SUBMODULE => {}
                _ => self.file(files, below, entry.id())?,
            }
        }
        Ok(())
    }

    fn file(&mut self, files: &Files<'_>, path: String, id: Oid) -> Result<(), RenderError> {
        let size = files.size(&path, id)?;
        if self.files.insert(path.clone(), id).is_some() {
            return Ok(());
        }
        self.bytes += size;
        if self.bytes > MAX_BYTES {
            let bound = format!("a render may need {} MiB", MAX_BYTES >> 20);
            return Err(RenderError::Large { file: path, bound });
        }
        if self.files.len() + self.links.len() > MAX_FILES {
            let bound = format!("a render may need {MAX_FILES} files");
            return Err(RenderError::Large { file: path, bound });
        }
        Ok(())
    }

    /// All that is selected, as text: the same for the same content.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        for (path, id) in self.files.iter().chain(&self.links) {
            key.extend([id.to_string().as_str(), " ", path, "\n"]);
        }
        key
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(super) fn id(&self, path: &str) -> Option<Oid> {
        self.files.get(path).copied()
    }

    /// Writes it all to the disk.
    pub(super) fn write(&self, files: &Files<'_>) -> Result<Checkout, RenderError> {
        let failed = |reason| RenderError::Folder { action: "make a temporary folder".into(), reason };
        let folder = tempfile::Builder::new().prefix("driftwall-").tempdir().map_err(failed)?;
        // Programs name their files by the real path, and errors must know it again.
        let real = folder.path().canonicalize().map_err(failed)?;
        let checkout = Checkout { _folder: folder, root: real.join("tree"), home: real.join("home") };
        for folder in [&checkout.root, &checkout.home] {
            std::fs::create_dir(folder).map_err(failed)?;
        }
        let make = |path: &str, folder: Option<&Path>| {
            let failed = |reason| RenderError::Folder { action: format!("make the folder of {path}"), reason };
            folder.map_or(Ok(()), std::fs::create_dir_all).map_err(failed)
        };
        for path in &self.folders {
            make(path, Some(&checkout.root.join(path)))?;
        }
        for (path, id) in &self.files {
            let to = checkout.root.join(path);
            make(path, to.parent())?;
            let content = files.read(path, *id)?;
            // Never through something that is there: a tree may have a name twice.
            let file = OpenOptions::new().write(true).create_new(true).open(&to);
            let done = file.and_then(|mut file| file.write_all(&content));
            done.map_err(|reason| RenderError::Folder { action: format!("write {path}"), reason })?;
        }
        // Last, so that nothing is written through a link.
        for (path, id) in &self.links {
            let failed = |reason| RenderError::Folder { action: format!("write the link {path}"), reason };
            let target = files.read(path, *id)?;
            let target = String::from_utf8(target).map_err(|_| RenderError::Link { file: path.clone() })?;
            symlink(&target, checkout.root.join(path)).map_err(failed)?;
        }
        Ok(checkout)
    }
}

impl Checkout {
    /// What a program said, with the repository's names of files.
    pub(super) fn shown(&self, words: &str) -> String {
        let (root, home) = (self.root.display().to_string(), self.home.display().to_string());
        words.replace(&format!("{root}/"), "").replace(&root, "the repository").replace(&format!("{home}/"), "")
    }
}

fn is_safe(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && !name.eq_ignore_ascii_case(".git")
}

#[cfg(unix)]
use std::os::unix::fs::symlink;
