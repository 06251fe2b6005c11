//! A temporary folder with the files that are rendered.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::job::{INPUTS, Job};

/// Where the files of a commit are copied to.
pub(super) trait FileSink {
    /// Makes a folder, and those that it is in.
    fn folder(&mut self, path: &str) -> io::Result<()>;
    /// Writes a file, which must not exist yet.
    fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()>;
    /// Makes a symbolic link; links come last.
    fn link(&mut self, path: &str, target: &str) -> io::Result<()>;
}

/// A folder with files of a commit, and one for what programs leave behind. All are deleted on drop.
#[derive(Debug)]
pub(super) struct Checkout {
    _folder: tempfile::TempDir,
    /// Where the repository's root is.
    pub(super) root: PathBuf,
    /// Where a job's inputs are.
    inputs: PathBuf,
    /// A home for the program that renders.
    pub(super) home: PathBuf,
}

impl Checkout {
    /// Empty folders.
    pub(super) fn create() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("driftwall-").tempdir()?;
        // Programs print real paths, and `relative_paths` must find the folder in what they print.
        let real = folder.path().canonicalize()?;
        let checkout =
            Self { _folder: folder, root: real.join("tree"), inputs: real.join(INPUTS), home: real.join("home") };
        for folder in [&checkout.root, &checkout.inputs, &checkout.home] {
            std::fs::create_dir(folder)?;
        }
        Ok(checkout)
    }

    /// Writes a job's inputs.
    pub(super) fn write_inputs(&self, job: &Job) -> io::Result<()> {
        for (name, content) in &job.inputs {
            if !is_safe_name(name) {
                return Err(io::Error::other(format!("{name:?} is no name of a file")));
            }
            write_new(&self.inputs.join(name), content.as_bytes())?;
        }
        Ok(())
    }

    /// What the program that renders may read.
    pub(super) fn readable(&self) -> Vec<PathBuf> {
        vec![self.root.clone(), self.inputs.clone()]
    }

    /// What a program printed, with file names as in the repository.
    pub(super) fn relative_paths(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for folder in [&self.root, &self.inputs, &self.home] {
            text = text.replace(&format!("{}/", folder.display()), "");
        }
        text.replace(&self.root.display().to_string(), "the repository")
    }

    /// The place of a path of the repository; an error for one that is none.
    fn place(&self, path: &str) -> io::Result<PathBuf> {
        if path.split('/').all(is_safe_name) {
            return Ok(self.root.join(path));
        }
        Err(io::Error::other(format!("{path:?} is no path in a repository")))
    }
}

impl FileSink for Checkout {
    fn folder(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        std::fs::create_dir_all(self.place(path)?)
    }

    fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let target = self.place(path)?;
        std::fs::create_dir_all(target.parent().unwrap_or(&self.root))?;
        write_new(&target, content)
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        symlink(target, self.place(path)?)
    }
}

/// Writes a file that must not exist yet: a tree may have a name twice, and
/// nothing may be written through what is there already.
fn write_new(file: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(content)
}

/// Whether a name of Git is one that a disk takes as it is.
pub(super) fn is_safe_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && !name.eq_ignore_ascii_case(".git")
}
