//! Any bytes as a chart's archive: each file is in the chart's own folder, and there is a bounded number of bytes.

use std::io::Write as _;

use driftwall::source::charts::{ChartFile, for_each_file};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{EntryType, Header};

use super::mutated;

/// One entry of an archive, as it is written.
#[derive(Clone, Debug)]
struct Entry {
    /// What it is, as a header says it.
    flag: u8,
    name: Vec<u8>,
    content: Vec<u8>,
    /// What its header says of its size, beside what it is.
    size_off_by: u64,
}

fn entry() -> impl Strategy<Value = Entry> {
    let part = prop::sample::select(vec![
        "web",
        "a",
        "..",
        ".",
        "",
        ".git",
        ".GIT",
        "Chart.yaml",
        "templates",
        "\\",
        "C:",
        "\u{e9}",
        "charts",
        "b.tgz",
    ]);
    let name = prop_oneof![
        8 => prop::collection::vec(part, 0..6).prop_map(|parts| parts.join("/").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..90),
        1 => (1..90_usize).prop_map(|depth| b"a/".repeat(depth)),
    ];
    let record = |key: &str, value: &str| {
        let length = key.len() + value.len() + 5;
        format!("{length} {key}={value}\n").into_bytes()
    };
    let content = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..1500),
        1 => Just(b"web/../../outside\0".to_vec()),
        1 => Just(record("path", "../outside")),
        1 => Just(record("size", "1000000")),
        1 => Just(vec![b'a'; 40_000]),
    ];
    let flag = prop::sample::select(b"00000001234567LKxgSVDA\0".to_vec());
    let size_off_by = prop_oneof![9 => Just(0), 1 => any::<u64>()];
    (flag, name, content, size_off_by).prop_map(|(flag, name, content, size_off_by)| Entry {
        flag,
        name,
        content,
        size_off_by,
    })
}

fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for Entry { flag, name, content, size_off_by } in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::new(*flag));
        let length = name.len().min(100);
        header.as_old_mut().name[..length].copy_from_slice(&name[..length]);
        header.set_size((content.len() as u64).wrapping_add(*size_off_by) % (1 << 33));
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        gzip.write_all(content).unwrap();
        gzip.write_all(&vec![0; content.len().next_multiple_of(512) - content.len()]).unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

fn stays_in_its_folder(archive: &[u8]) {
    let (mut files, mut bytes) = (0, 0);
    let read = for_each_file(archive, |ChartFile { path, content }| {
        files += 1;
        bytes += content.len();
        let parts: Vec<_> = path.split('/').collect();
        let is_inside = parts.iter().all(|part| !part.is_empty() && !matches!(*part, "." | ".."));
        assert!(is_inside && !path.contains(['\0', '\\']), "{path:?}");
        assert!(!parts.iter().any(|part| part.eq_ignore_ascii_case(".git")), "{path:?}");
        Ok::<(), String>(())
    });
    assert!(files <= 20_000 && bytes <= 100 << 20, "{files} files, {bytes} bytes");
    if let Err(error) = read {
        assert!(!error.is_empty() && error.len() < 1000 && !error.contains('\n'), "{error:?}");
    }
}

proptest! {
    #[test]
    fn the_files_of_a_chart_are_in_its_folder(entries in prop::collection::vec(entry(), 0..8)) {
        stays_in_its_folder(&archive(&entries));
    }

    #[test]
    fn a_damaged_archive_is_refused_or_read_in_part(
        bytes in prop::collection::vec(entry(), 1..4).prop_flat_map(|entries| mutated(vec![archive(&entries)], &["\0"])),
    ) {
        stays_in_its_folder(&bytes);
    }
}
