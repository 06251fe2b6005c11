//! A job with its files as one file: a tar archive, by which a renderer gets it.
//!
//! ```text
//! job.json     the job
//! tree/…       the files of the commit: folders and files first, then links
//! ```

use std::io::{self, Read, Write};

use tar::{Archive, Builder, EntryType, Header};

use super::checkout::{Checkout, FileSink};
use super::job::Job;

/// The most bytes of an archive that are read: those of the files, and what a name takes.
pub const MAX_ARCHIVE_BYTES: u64 = 320 << 20;
/// The most entries of an archive, as many as a rendering may use.
const MAX_ENTRIES: usize = 70_000;
/// The most bytes of a job: values are a part of it.
const MAX_JOB_BYTES: u64 = 8 << 20;

const JOB: &str = "job.json";
const TREE: &str = "tree/";

/// Writes an archive.
pub(super) struct JobArchive<W: Write>(Builder<W>);

impl<W: Write> JobArchive<W> {
    /// An archive of a job, without files yet.
    pub(super) fn new(job: &Job, writer: W) -> io::Result<Self> {
        let mut archive = Self(Builder::new(writer));
        archive.append(JOB, EntryType::Regular, &serde_json::to_vec(job)?)?;
        Ok(archive)
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> io::Result<W> {
        self.0.into_inner()
    }

    fn append(&mut self, path: &str, kind: EntryType, content: &[u8]) -> io::Result<()> {
        let mut header = Self::header(kind);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content)
    }

    fn header(kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        header
    }
}

impl<W: Write> FileSink for JobArchive<W> {
    fn folder(&mut self, path: &str) -> io::Result<()> {
        match path {
            "" => Ok(()),
            path => self.append(&format!("{TREE}{path}/"), EntryType::Directory, &[]),
        }
    }

    fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.append(&format!("{TREE}{path}"), EntryType::Regular, content)
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let mut header = Self::header(EntryType::Symlink);
        self.0.append_link(&mut header, format!("{TREE}{path}"), target)
    }
}

/// Unpacks an archive into a checkout; the job that it holds.
pub(super) fn unpack(archive: impl Read, checkout: &mut Checkout) -> io::Result<Job> {
    let mut archive = Archive::new(archive);
    let mut job = None;
    let mut has_links = false;
    for (index, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if index > MAX_ENTRIES {
            return Err(invalid("it has too many entries"));
        }
        let path = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| invalid("a name is no UTF-8"))?;
        let kind = entry.header().entry_type();
        if path == JOB {
            let mut text = Vec::new();
            entry.take(MAX_JOB_BYTES).read_to_end(&mut text)?;
            job = Some(serde_json::from_slice(&text)?);
            continue;
        }
        let Some(path) = path.strip_prefix(TREE).map(|path| path.trim_end_matches('/')) else {
            return Err(invalid("it holds something beside the job and its tree"));
        };
        // Nothing is written through a link.
        if has_links && kind != EntryType::Symlink {
            return Err(invalid("a file comes after a link"));
        }
        match kind {
            EntryType::Directory => checkout.folder(path)?,
            EntryType::Regular => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                checkout.file(path, &content)?;
            }
            EntryType::Symlink => {
                has_links = true;
                let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
                checkout.link(path, &target.unwrap_or_default())?;
            }
            _ => return Err(invalid("an entry is neither a file, nor a folder, nor a link")),
        }
    }
    let job: Job = job.ok_or_else(|| invalid("it holds no job"))?;
    checkout.write_inputs(&job)?;
    Ok(job)
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive cannot be used: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::render::job::{Runs, Tool};

    fn job() -> Job {
        Job {
            tool: Tool::Helm,
            folder: "a".into(),
            arguments: vec!["template".into()],
            inputs: [("helm.values".to_owned(), "x: 1".to_owned())].into(),
            runs: Runs::Twice,
            helm: false,
        }
    }

    #[test]
    fn a_job_and_its_files_arrive_as_they_were() {
        let mut archive = JobArchive::new(&job(), Vec::new()).unwrap();
        let long = format!("a/{}/b.yaml", "long".repeat(50));
        archive.folder("a/empty").unwrap();
        archive.file(&long, b"content").unwrap();
        archive.link("a/link", "../b").unwrap();
        let bytes = archive.finish().unwrap();
        let mut checkout = Checkout::create().unwrap();
        assert_eq!(unpack(bytes.as_slice(), &mut checkout).unwrap(), job());
        assert_eq!(std::fs::read(checkout.root.join(long)).unwrap(), b"content");
        assert!(checkout.root.join("a/empty").is_dir());
        assert_eq!(checkout.root.join("a/link").read_link().unwrap().to_str(), Some("../b"));
        assert_eq!(std::fs::read(checkout.root.join("../inputs/helm.values")).unwrap(), b"x: 1");
    }

    #[test]
    fn an_archive_that_leads_elsewhere_is_refused() {
        let with = |change: &dyn Fn(&mut JobArchive<Vec<u8>>)| {
            let mut archive = JobArchive::new(&job(), Vec::new()).unwrap();
            change(&mut archive);
            let bytes = archive.finish().unwrap();
            unpack(bytes.as_slice(), &mut Checkout::create().unwrap()).unwrap_err().to_string()
        };
        let through_a_link = with(&|archive| {
            archive.link("a", "/tmp").unwrap();
            archive.file("a/b", b"x").unwrap();
        });
        assert!(through_a_link.contains("after a link"), "{through_a_link}");
        let beside = with(&|archive| archive.append("etc/passwd", EntryType::Regular, b"x").unwrap());
        assert!(beside.contains("beside"), "{beside}");
        let device = with(&|archive| archive.append("tree/null", EntryType::Char, b"").unwrap());
        assert!(device.contains("neither"), "{device}");
        let git = with(&|archive| archive.file(".git/config", b"x").unwrap());
        assert!(git.contains("no path in a repository"), "{git}");
    }
}
