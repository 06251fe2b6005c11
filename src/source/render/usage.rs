//! What a running program uses, where no limit of the kernel counts it: the kernel
//! counts processes by user, and sizes by file.

use std::fs;
use std::path::Path;

/// Entries of a folder beyond which it is not walked any further.
const MAX_ENTRIES: usize = 10_000;

/// How many processes are in a process group.
pub(super) fn processes_in_group(group: i32) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let names = processes.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let group_of = |process: String| {
        let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name, in brackets, can hold anything; then come state, parent and group.
        status.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse::<i32>().ok()
    };
    names.filter(|name| is_process(name)).filter_map(group_of).filter(|other| *other == group).count()
}

/// How many bytes the files below a folder have. Too many entries count as too many bytes.
pub(super) fn files_below(folder: &Path) -> u64 {
    let (mut bytes, mut entries) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return u64::MAX;
            }
            // Of the entry itself: a link is not followed.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_folders_count_and_what_links_lead_to_does_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), [0; 300]).unwrap();
        fs::write(folder.path().join("c"), [0; 50]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("d")).unwrap();
        // A link's own size is the length of its target.
        assert_eq!(files_below(folder.path()), 351);
    }

    #[test]
    fn the_processes_of_a_group_are_counted() {
        let own = rustix::process::getpgrp().as_raw_pid();
        assert!(processes_in_group(own) >= 1);
        assert_eq!(processes_in_group(i32::MAX), 0);
    }
}
