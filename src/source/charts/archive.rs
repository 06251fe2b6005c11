//! A chart's archive, `.tgz`: read within bounds, whatever it claims to hold.
//! Nothing in it can lead out of its own folder: paths with `..` or from the root
//! are refused, and there are no links: to Helm one in an archive is an empty file.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use tar::{EntryType, PaxExtensions};

use crate::source::limits::MAX_FOLDER_DEPTH;

/// The most bytes of an archive as it is received.
pub(super) const MAX_ARCHIVE_BYTES: u64 = 32 << 20;
/// The most bytes of all files of a chart; the same as Helm's.
const MAX_CHART_BYTES: u64 = 100 << 20;
/// The most bytes of one file of a chart; the same as Helm's.
const MAX_FILE_BYTES: u64 = 5 << 20;
/// The most entries of an archive; as many as a rendering may use.
const MAX_ENTRIES: usize = 20_000;
/// The most bytes of an entry that says the name of the next one: a few of the longest paths that Linux takes.
const MAX_NAME_BYTES: u64 = 16 << 10;

/// A file of a chart.
#[derive(Debug, PartialEq, Eq)]
pub struct ChartFile {
    /// The path below the chart's own folder.
    pub path: String,
    /// The content.
    pub content: Vec<u8>,
}

/// Calls `visit` for every file of a chart, in the archive's order.
///
/// # Errors
///
/// Says what is wrong with the archive, or what `visit` returned.
pub fn for_each_file<E: From<String>>(
    archive: impl Read,
    mut visit: impl FnMut(ChartFile) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |error: io::Error| E::from(format!("it is no gzipped tar archive, or damaged: {}", kind(&error)));
    // Headers count too: an archive of a few bytes can hold millions of them.
    let overhead = 4 * 1_024 * MAX_ENTRIES as u64;
    let mut archive = tar::Archive::new(MultiGzDecoder::new(archive).take(MAX_CHART_BYTES + overhead));
    let mut bytes = 0;
    let mut long_name = None;
    // Raw: else the library reads a name of any length into memory.
    for (count, entry) in archive.entries().map_err(unreadable)?.raw(true).enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        if count >= MAX_ENTRIES {
            return Err(E::from(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let entry_type = entry.header().entry_type();
        if is_about_next_entry(entry_type) {
            if entry.size() > MAX_NAME_BYTES {
                return Err(E::from(format!("a name in it has more than {} KiB", MAX_NAME_BYTES >> 10)));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(unreadable)?;
            long_name = name_of_next_entry(entry_type, &content).map_err(unreadable)?.or(long_name);
            continue;
        }
        let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let name = String::from_utf8_lossy(&name).into_owned();
        match entry_type {
            EntryType::Regular | EntryType::Continuous => {}
            // Folders are made for their files; headers of a whole archive hold nothing.
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            _ => {
                path_in_chart::<E>(&name)?;
                continue;
            }
        }
        let Some(path) = path_in_chart(&name)? else { continue };
        bytes += entry.size();
        if entry.size() > MAX_FILE_BYTES || bytes > MAX_CHART_BYTES {
            let (file, all) = (MAX_FILE_BYTES >> 20, MAX_CHART_BYTES >> 20);
            return Err(E::from(format!("{} is too large: a file may have {file} MiB, all {all} MiB", shown(&name))));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unreadable)?;
        visit(ChartFile { path, content })?;
    }
    Ok(())
}

/// Whether an entry only says something of the one that follows.
fn is_about_next_entry(entry_type: EntryType) -> bool {
    entry_type.is_gnu_longname() || entry_type.is_gnu_longlink() || entry_type.is_pax_local_extensions()
}

/// The name that such an entry gives to the next one, if it does.
fn name_of_next_entry(entry_type: EntryType, content: &[u8]) -> io::Result<Option<Vec<u8>>> {
    if entry_type.is_gnu_longname() {
        return Ok(Some(content.strip_suffix(b"\0").unwrap_or(content).to_vec()));
    }
    let mut name = None;
    if entry_type.is_pax_local_extensions() {
        for record in PaxExtensions::new(content) {
            let record = record?;
            match record.key_bytes() {
                b"path" => name = Some(record.value_bytes().to_vec()),
                // Only for files of more than 8 GiB; programs disagree on which of two sizes counts.
                b"size" => return Err(io::Error::other("an entry has two sizes")),
                _ => {}
            }
        }
    }
    Ok(name)
}

/// One file of a chart; `None` where there is no such file.
pub fn file(archive: impl Read, path: &str) -> Result<Option<Vec<u8>>, String> {
    let mut found = None;
    for_each_file(archive, |file| {
        if file.path == path {
            found = Some(file.content);
        }
        Ok::<(), String>(())
    })?;
    Ok(found)
}

/// A path without the chart's own folder, which is its first part; `None` for what
/// is not in a folder: Helm does not read that either.
fn path_in_chart<E: From<String>>(name: &str) -> Result<Option<String>, E> {
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let is_unsafe = |part: &&str| *part == ".." || part.eq_ignore_ascii_case(".git") || part.contains(['\0', '\\']);
    if name.starts_with('/') || parts.iter().any(is_unsafe) {
        return Err(E::from(format!("{} leads out of the chart", shown(name))));
    }
    if name.contains(char::REPLACEMENT_CHARACTER) {
        return Err(E::from(format!("the name {} is not UTF-8", shown(name))));
    }
    if parts.len() > MAX_FOLDER_DEPTH {
        return Err(E::from(format!("{} is more than {MAX_FOLDER_DEPTH} folders deep", shown(name))));
    }
    match parts.as_slice() {
        [] | [_] => Ok(None),
        [_, path @ ..] => Ok(Some(path.join("/"))),
    }
}

/// A name from an archive, fit for a message.
fn shown(name: &str) -> String {
    format!("{:?}", driftwall_core::text::truncate(name, 100))
}

fn kind(error: &io::Error) -> String {
    driftwall_core::text::truncate(&error.to_string(), 200)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An archive of entries: a path, its type, and its content or the target of a link.
    pub(in crate::source::charts) fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(gzip);
        for (path, entry_type, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*entry_type);
            header.set_mode(0o644);
            // Not `set_path`, which refuses what must be tested here.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            if entry_type.is_file() {
                header.set_size(content.len() as u64);
            } else {
                header.set_size(0);
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
            }
            header.set_cksum();
            let content = if entry_type.is_file() { *content } else { &[] };
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn read(archive: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut files = Vec::new();
        for_each_file(archive, |file| {
            files.push((file.path, file.content));
            Ok::<(), String>(())
        })?;
        Ok(files)
    }

    #[test]
    fn the_files_below_the_chart_folder_are_read() {
        let archive = archive(&[
            ("web/", EntryType::Directory, b""),
            ("web/Chart.yaml", EntryType::Regular, b"name: web"),
            ("./web/templates//a.yaml", EntryType::Regular, b"a"),
            ("stray", EntryType::Regular, b"not in a folder"),
        ]);
        let expected = [("Chart.yaml", "name: web"), ("templates/a.yaml", "a")];
        let expected = expected.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()));
        assert_eq!(read(&archive).unwrap(), expected);
        assert_eq!(file(archive.as_slice(), "Chart.yaml").unwrap().unwrap(), b"name: web");
        assert_eq!(file(archive.as_slice(), "values.yaml").unwrap(), None);
    }

    /// An archive of one file, with an entry before it that says something of it.
    fn with_extension(entry_type: EntryType, content: &[u8], path: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (entry_type, path, content) in [(entry_type, "@", content), (EntryType::Regular, path, b"x")] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(entry_type);
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn a_name_may_stand_in_an_entry_of_its_own() {
        let long = format!("web/{}.yaml", "a".repeat(150));
        let pax = |record: &str| format!("{} {record}\n", record.len() + 5);
        let file = |name: &str| Ok(vec![(name.trim_start_matches("web/").to_owned(), b"x".to_vec())]);
        for (entry_type, content, expected) in [
            (EntryType::GNULongName, format!("{long}\0"), file(&long)),
            (EntryType::XHeader, pax(&format!("path={long}")), file(&long)),
            (EntryType::XHeader, "13 mtime=1.5\n".to_owned(), file("web/a")),
            (EntryType::GNULongLink, long.clone(), file("web/a")),
        ] {
            assert_eq!(read(&with_extension(entry_type, content.as_bytes(), "web/a")), expected, "{content}");
        }
        for (entry_type, content) in [
            (EntryType::GNULongName, "/etc/passwd".to_owned()),
            (EntryType::XHeader, pax(&"path=web/../../a".repeat(7))),
        ] {
            let error = read(&with_extension(entry_type, content.as_bytes(), "web/a")).unwrap_err();
            assert!(error.contains("leads out"), "{error}");
        }
        let error = read(&with_extension(EntryType::XHeader, b"10 size=9\n", "web/a")).unwrap_err();
        assert!(error.contains("two sizes"), "{error}");
    }

    #[test]
    fn nothing_leads_out_of_the_chart() {
        for (path, entry_type) in [
            ("/etc/passwd", EntryType::Regular),
            ("web/../../x", EntryType::Regular),
            ("../web/x", EntryType::Regular),
            ("web/.git/hooks/x", EntryType::Regular),
            ("web/.GIT/config", EntryType::Regular),
            ("web/a\\..\\b", EntryType::Regular),
            ("web/../link", EntryType::Symlink),
        ] {
            let error = read(&archive(&[(path, entry_type, b"x")])).unwrap_err();
            assert!(error.contains("leads out"), "{path}: {error}");
        }
        for (entry_type, target) in [
            (EntryType::Symlink, "/etc/passwd"),
            (EntryType::Symlink, "../../x"),
            (EntryType::Link, "web/values.yaml"),
            (EntryType::Fifo, ""),
            (EntryType::Block, ""),
        ] {
            assert_eq!(read(&archive(&[("web/a", entry_type, target.as_bytes())])), Ok(Vec::new()), "{entry_type:?}");
        }
        let deep = format!("web/{}x", "a/".repeat(45));
        assert!(read(&archive(&[(&deep, EntryType::Regular, b"x")])).is_ok());
    }

    #[test]
    fn an_archive_beyond_the_bounds_is_refused_before_it_is_held() {
        let large = vec![0; usize::try_from(MAX_FILE_BYTES).unwrap() + 1];
        let error = read(&archive(&[("web/large", EntryType::Regular, &large)])).unwrap_err();
        assert!(error.contains("too large"), "{error}");
        let five = &large[1..];
        let names: Vec<String> = (0..21).map(|number| format!("web/{number}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), EntryType::Regular, five)).collect();
        assert!(read(&archive(&many)).unwrap_err().contains("too large"));
        for entry_type in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let error = read(&with_extension(entry_type, &large, "web/a")).unwrap_err();
            assert!(error.contains("a name in it"), "{entry_type:?}: {error}");
        }
        let empty: Vec<_> = (0..=MAX_ENTRIES).map(|_| ("web/", EntryType::Directory, &b""[..])).collect();
        assert!(read(&archive(&empty)).unwrap_err().contains("entries"));
        for damaged in [&b"no archive"[..], &archive(&[("web/a", EntryType::Regular, b"abc")])[..40]] {
            assert!(read(damaged).unwrap_err().contains("no gzipped tar archive"));
        }
    }
}
