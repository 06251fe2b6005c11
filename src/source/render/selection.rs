//! The part of a commit that a rendering needs.
//!
//! Only what can be reached is part of it: the folders of the kustomizations or of
//! the chart, and what symbolic links in them lead to. A repository of a hundred
//! thousand files costs no more than the part of it that is rendered.

use std::collections::{BTreeMap, BTreeSet};

use git2::Oid;

use super::checkout::{FileSink, is_safe_name};
use super::error::RenderError;
use super::fetched_chart::FetchedChart;
use super::tree::{CommitFiles, FileEntry, join};
use crate::source::lfs;
use crate::source::libgit2::{FOLDER_MODE, LINK_MODE, SUBMODULE_MODE};
use crate::source::limits::MAX_FOLDER_DEPTH;
use driftwall_core::skipped::{SkipReason, SkippedContent};

/// The most files that a rendering may use.
const MAX_FILES: usize = 20_000;
/// The most bytes that a rendering may use; charts can have large archives beside them.
const MAX_BYTES: usize = 256 << 20;

/// The files, links and folders of a commit that are to be written.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Charts that were fetched, by the folders that they are unpacked into.
    charts: BTreeMap<String, FetchedChart>,
    files: BTreeMap<String, Oid>,
    links: BTreeMap<String, Oid>,
    folders: BTreeSet<String>,
    bytes: usize,
    /// What is in the folders and cannot be written.
    skipped: SkippedContent,
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
                match files.find(link)? {
                    Some(target) => queue.push(target),
                    // Written as it is: a program that needs it reports it as well.
                    None => self.skipped.add(SkipReason::LinkDangling, link, None),
                }
            }
        }
        Ok(())
    }

    /// Adds a folder with all that is in it, to be written at another path.
    pub(super) fn add_folder_at(
        &mut self,
        files: &CommitFiles<'_>,
        entry: &FileEntry,
        path: &str,
    ) -> Result<(), RenderError> {
        self.add_folder(files, path, entry.id)
    }

    /// Adds a chart that was fetched, to be unpacked into a folder.
    pub(super) fn add_chart(&mut self, folder: String, chart: FetchedChart) {
        self.charts.insert(folder, chart);
    }

    /// The charts that were fetched.
    pub(super) fn charts(&self) -> impl Iterator<Item = &FetchedChart> {
        self.charts.values()
    }

    /// Whether anything is to be written at a path or below it.
    pub(super) fn has_below(&self, path: &str) -> bool {
        let is_below =
            |other: &String| other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let mut all = self.files.keys().chain(self.links.keys()).chain(&self.folders).chain(self.charts.keys());
        all.any(is_below)
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
            if !is_safe_name(name) {
                return Err(unsafe_name(name));
            }
            let child = join(path, name);
            match entry.filemode() {
                FOLDER_MODE => self.add_folder(files, &child, entry.id())?,
                LINK_MODE => {
                    self.links.insert(child, entry.id());
                    self.check_count(path)?;
                }
                SUBMODULE_MODE => self.skipped.add(SkipReason::Submodule, &child, None),
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
        for (folder, chart) in &self.charts {
            key.extend([chart.digest.as_str(), " ", folder, "\n"]);
        }
        key
    }

    /// What of the selected folders cannot be written, and files whose content is in Git LFS.
    pub(super) fn skipped(&self, files: &CommitFiles<'_>) -> Result<SkippedContent, RenderError> {
        let mut skipped = self.skipped.clone();
        for (path, id) in self.files() {
            if files.size(path, id)? < lfs::MAX_POINTER_BYTES && lfs::is_pointer(&files.read(path, id)?) {
                skipped.add(SkipReason::LfsPointer, path, None);
            }
        }
        Ok(skipped)
    }

    /// The files that are selected.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, Oid)> {
        self.files.iter().map(|(path, id)| (path.as_str(), *id))
    }

    /// Copies it all: folders and files first, so that nothing is written through a link.
    pub(super) fn copy_to(&self, files: &CommitFiles<'_>, sink: &mut impl FileSink) -> Result<(), RenderError> {
        let failed = |path: &str| {
            let action = format!("write {path}");
            |reason| RenderError::Io { action, reason }
        };
        for path in &self.folders {
            sink.folder(path).map_err(failed(path))?;
        }
        for (path, id) in &self.files {
            sink.file(path, &files.read(path, *id)?).map_err(failed(path))?;
        }
        for (folder, chart) in &self.charts {
            chart.copy_to(folder, sink)?;
        }
        for (path, id) in &self.links {
            let target = String::from_utf8(files.read(path, *id)?)
                .map_err(|_| RenderError::OutsideRepository { file: path.clone() })?;
            sink.link(path, &target).map_err(failed(path))?;
        }
        Ok(())
    }
}
