//! Whether the configuration file can be read, told once for each change.

use std::io::{Error, ErrorKind};

/// How often in a row the file may be missing before that is told: Kubernetes replaces a mounted ConfigMap by swapping
/// a link, and editors rename files.
const PATIENCE: u32 = 3;

/// What is known of a file that is read again and again.
#[derive(Debug, Default)]
pub(super) struct UnreadableFile {
    /// How often in a row it was missing.
    missing: u32,
    /// Why it cannot be read, as it was told.
    told: Option<String>,
}

/// A change that is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Readability {
    /// The file cannot be read, and why.
    Lost(String),
    /// It can be read again.
    Regained,
}

impl UnreadableFile {
    /// Notes what reading the file came to.
    pub(super) fn observe(&mut self, error: Option<&Error>) -> Option<Readability> {
        let Some(error) = error else {
            self.missing = 0;
            return self.told.take().map(|_| Readability::Regained);
        };
        if error.kind() == ErrorKind::NotFound {
            self.missing = self.missing.saturating_add(1);
            if self.missing < PATIENCE {
                return None;
            }
        }
        let reason = match error.kind() {
            ErrorKind::NotFound => "the file is gone".to_owned(),
            _ => error.to_string(),
        };
        if self.told.as_ref() == Some(&reason) {
            return None;
        }
        self.told = Some(reason.clone());
        Some(Readability::Lost(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_told_once_and_so_is_its_return() {
        let (gone, denied) = (ErrorKind::NotFound, ErrorKind::PermissionDenied);
        let lost = |reason: &str| Some(Readability::Lost(reason.to_owned()));
        let mut file = UnreadableFile::default();
        for (step, (error, expected)) in [
            (None, None),
            (Some(gone), None),
            (None, None),
            (Some(gone), None),
            (Some(gone), None),
            (Some(gone), lost("the file is gone")),
            (Some(gone), None),
            (Some(denied), lost("permission denied")),
            (Some(denied), None),
            (None, Some(Readability::Regained)),
            (None, None),
            (Some(gone), None),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(file.observe(error.map(Error::from).as_ref()), expected, "step {step}");
        }
    }
}
