//! The part of a commit that a rendering needs, written into a temporary folder.
//!
//! Only what can be reached is written: the folders of the kustomizations or of
//! the chart, and what symbolic links in them lead to. A repository of a hundred
//! thousand files costs no more than the part of it that is rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use git2::Oid;

use super::error::RenderError;
use super::tree::{CommitFiles, FileEntry, join};
use crate::source::libgit2::{FOLDER_MODE, LINK_MODE, SUBMODULE_MODE};
use crate::source::limits::MAX_FOLDER_DEPTH;

/// The most files that a rendering may use.
const MAX_FILES: usize = 20_000;
/// The most bytes that a rendering may use; charts can have large archives beside them.
const MAX_BYTES: usize = 256 << 20;

/// The files, links and folders of a commit that are to be written.
#[derive(Debug, Default)]
pub(super) struct Selection {
    files: BTreeMap<String, Oid>,
    links: BTreeMap<String, Oid>,
    folders: BTreeSet<String>,
    bytes: usize,
}

/// A folder with files of a commit, and one for what programs leave behind. Both are deleted on drop.
#[derive(Debug)]
pub(super) struct Checkout {
    _folder: tempfile::TempDir,
    /// Where the repository's root is.
    pub(super) root: PathBuf,
    /// A home for the program that renders.
    pub(super) home: PathBuf,
}

impl Selection {
    /// Adds a file, or a folder with all that is in it, and what links in it lead to.
    pub(super) fn add(&mut self, files: &CommitFiles<'_>, entry: &FileEntry) -> Result<(), RenderError> {
        let mut queue = vec![entry.clone()];
        while let Some(FileEntry { path, id, is_folder, links }) = queue.pop() {
            self.links.extend(links);
            let links_before: BTreeSet<_> = self.links.keys().cloned().collect();
            if is_folder {
                self.add_folder(files, &path, id)?;
            } else {
                self.add_file(files, path, id)?;
            }
            for link in self.links.keys().filter(|link| !links_before.contains(*link)) {
                // A dangling link is written as it is: a program that follows it reports it.
                queue.extend(files.find(link)?);
            }
        }
        Ok(())
    }

    fn add_folder(&mut self, files: &CommitFiles<'_>, path: &str, id: Oid) -> Result<(), RenderError> {
        if path.split('/').count() > MAX_FOLDER_DEPTH {
            let limit = format!("folders may be nested at most {MAX_FOLDER_DEPTH} deep");
            return Err(RenderError::TooLarge { file: path.to_owned(), limit });
        }
        if !self.folders.insert(path.to_owned()) {
            return Ok(());
        }
        self.check_count(path)?;
        for entry in &files.folder(path, id)? {
            let unsafe_name = |name: &str| RenderError::UnsafeName { folder: path.to_owned(), name: name.to_owned() };
            let name = entry.name().map_err(|_| unsafe_name(&String::from_utf8_lossy(entry.name_bytes())))?;
            if !is_safe(name) {
                return Err(unsafe_name(name));
            }
            let child = join(path, name);
            match entry.filemode() {
                FOLDER_MODE => self.add_folder(files, &child, entry.id())?,
                LINK_MODE => {
                    self.links.insert(child, entry.id());
                    self.check_count(path)?;
                }
                SUBMODULE_MODE => {}
                _ => self.add_file(files, child, entry.id())?,
            }
        }
        Ok(())
    }

    fn add_file(&mut self, files: &CommitFiles<'_>, path: String, id: Oid) -> Result<(), RenderError> {
        let size = files.size(&path, id)?;
        if self.files.insert(path.clone(), id).is_some() {
            return Ok(());
        }
        self.bytes += size;
        if self.bytes > MAX_BYTES {
            let limit = format!("a rendering may use at most {} MiB", MAX_BYTES >> 20);
            return Err(RenderError::TooLarge { file: path, limit });
        }
        self.check_count(&path)
    }

    /// A small commit can hold billions of folders and links without a file in them.
    fn check_count(&self, path: &str) -> Result<(), RenderError> {
        if self.files.len() + self.links.len() > MAX_FILES || self.folders.len() > MAX_FILES {
            let limit = format!("a rendering may use at most {MAX_FILES} files and as many folders");
            return Err(RenderError::TooLarge { file: path.to_owned(), limit });
        }
        Ok(())
    }

    /// A text that identifies all that is selected: the same for the same content.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        for (path, id) in self.files.iter().chain(&self.links) {
            key.extend([id.to_string().as_str(), " ", path, "\n"]);
        }
        key
    }

    /// The files that are selected.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, Oid)> {
        self.files.iter().map(|(path, id)| (path.as_str(), *id))
    }

    /// Writes it all into a temporary folder.
    pub(super) fn write(&self, files: &CommitFiles<'_>) -> Result<Checkout, RenderError> {
        let failed = |reason| RenderError::Io { action: "create a temporary folder".into(), reason };
        let folder = tempfile::Builder::new().prefix("driftwall-").tempdir().map_err(failed)?;
        // Programs print real paths, and `relative_paths` must find the folder in what they print.
        let real = folder.path().canonicalize().map_err(failed)?;
        let checkout = Checkout { _folder: folder, root: real.join("tree"), home: real.join("home") };
        for folder in [&checkout.root, &checkout.home] {
            std::fs::create_dir(folder).map_err(failed)?;
        }
        for path in &self.folders {
            create_folder(path, Some(&checkout.root.join(path)))?;
        }
        for (path, id) in &self.files {
            let target = checkout.root.join(path);
            create_folder(path, target.parent())?;
            write_new(&target, &files.read(path, *id)?)
                .map_err(|reason| RenderError::Io { action: format!("write {path}"), reason })?;
        }
        // Last, so that nothing is written through a link.
        for (path, id) in &self.links {
            let target = String::from_utf8(files.read(path, *id)?)
                .map_err(|_| RenderError::OutsideRepository { file: path.clone() })?;
            symlink(&target, checkout.root.join(path))
                .map_err(|reason| RenderError::Io { action: format!("write the link {path}"), reason })?;
        }
        Ok(checkout)
    }
}

fn create_folder(path: &str, folder: Option<&Path>) -> Result<(), RenderError> {
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|reason| RenderError::Io { action: format!("create the folder of {path}"), reason })
}

/// Writes a file that must not exist yet: a tree may have a name twice, and
/// nothing may be written through what is there already.
fn write_new(file: &Path, content: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(content)
}

impl Checkout {
    /// What a program printed, with file names as in the repository.
    pub(super) fn relative_paths(&self, text: &str) -> String {
        let (root, home) = (self.root.display().to_string(), self.home.display().to_string());
        text.replace(&format!("{root}/"), "").replace(&root, "the repository").replace(&format!("{home}/"), "")
    }
}

fn is_safe(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && !name.eq_ignore_ascii_case(".git")
}
