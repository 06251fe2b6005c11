//! The file with the paths at which reviews are received (`registration.pathFile`).

use std::io;
use std::path::{Path, PathBuf};

use driftwall_core::webhook_config::ReviewPath;

/// Why the paths of a file cannot be used. The text shows none of them.
#[derive(Debug, thiserror::Error)]
pub enum PathFileError {
    /// The file cannot be read.
    #[error("failed to read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A line is no path.
    #[error(
        "failed to use line {line} of {}: it is no path that an API server calls; write a slash and then lower-case \
         letters, digits, - and ., such as the output of `echo /$(openssl rand -hex 16)`",
        file.display()
    )]
    Line {
        /// The file.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
    /// The file has no line.
    #[error("failed to use {}: it is empty; write a path such as `echo /$(openssl rand -hex 16)` prints", .0.display())]
    Empty(PathBuf),
}

/// The paths in a file: one a line, the first of which is registered.
///
/// # Errors
///
/// If the file cannot be read, has a line that is no path, or none at all.
pub fn read_path_file(file: &Path) -> Result<Vec<ReviewPath>, PathFileError> {
    let text = std::fs::read_to_string(file).map_err(|source| PathFileError::Read { file: file.to_owned(), source })?;
    let mut paths = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let path = ReviewPath::parse(line);
        paths.push(path.ok_or_else(|| PathFileError::Line { file: file.to_owned(), line: index + 1 })?);
    }
    if paths.is_empty() {
        return Err(PathFileError::Empty(file.to_owned()));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_path_a_line_and_its_errors_show_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("path");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let paths = read_path_file(&file).map_err(|error| error.to_string())?;
            Ok::<_, String>(paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(read("/abc\n").unwrap(), ["/abc"]);
        assert_eq!(read("/abc\n\n /def \n").unwrap(), ["/abc", "/def"]);
        for (text, expected) in [("", "is empty"), ("\n\n", "is empty"), ("/abc\nSecret\n", "line 2")] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("Secret"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(read_path_file(&file), Err(PathFileError::Read { .. })));
    }
}
