//! Files that Flux leaves out of what it applies: those of `.sourceignore`, in the format of `.gitignore`, and those
//! of CI systems (<https://fluxcd.io/flux/components/source/gitrepositories/#default-exclusions>).

use std::path::Path;

use git2::{Oid, Repository};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The file's name, in any folder.
pub(super) const FILE_NAME: &str = ".sourceignore";
/// Bytes of a file that is read; a longer one leaves nothing out.
const MAX_BYTES: usize = 64 * 1024;

/// What Flux leaves out of every repository, where it may be taken for manifests.
const DEFAULTS: [&str; 12] = [
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// Who says that a file or folder is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IgnoredBy {
    /// Flux's own list.
    Default,
    /// A `.sourceignore` of the repository.
    File,
}

/// The rules that hold for one folder.
pub(super) struct SourceIgnore {
    defaults: Gitignore,
    /// Those of the files around it, the innermost last.
    files: Vec<Gitignore>,
}

impl SourceIgnore {
    /// Flux's own list alone.
    pub(super) fn new() -> Self {
        Self { defaults: rules("", &DEFAULTS.join("\n")), files: Vec::new() }
    }

    /// Adds the rules of the file `id`; `folder` is where it is, from the repository's root.
    /// False where it is too long, or cannot be read: then its folder is read whole.
    pub(super) fn push_file(&mut self, git: &Repository, folder: &str, id: Oid) -> bool {
        // The header has the size, before the content is decompressed.
        let size = git.odb().and_then(|odb| odb.read_header(id)).map(|(size, _)| size);
        match size {
            Ok(size) if size <= MAX_BYTES => {}
            Ok(_) | Err(_) => return false,
        }
        let Ok(file) = git.find_blob(id) else { return false };
        self.push(folder, file.content());
        true
    }

    fn push(&mut self, folder: &str, contents: &[u8]) {
        self.files.push(rules(folder, &String::from_utf8_lossy(contents)));
    }

    /// Takes the rules away that were added last.
    pub(super) fn pop(&mut self) {
        self.files.pop();
    }

    /// Whether a file or folder is left out; what is around it is not.
    pub(super) fn ignores(&self, path: &str, is_folder: bool) -> Option<IgnoredBy> {
        let path = Path::new("/").join(path);
        for rules in self.files.iter().rev() {
            if !path.starts_with(rules.path()) {
                continue;
            }
            let found = rules.matched(&path, is_folder);
            if found.is_whitelist() {
                return None;
            }
            if found.is_ignore() {
                return Some(IgnoredBy::File);
            }
        }
        self.defaults.matched(&path, is_folder).is_ignore().then_some(IgnoredBy::Default)
    }
}

/// A line that is no pattern is left out, as Git does.
fn rules(folder: &str, text: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new(Path::new("/").join(folder));
    for line in text.lines() {
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_below_the_folder_of_their_file_and_the_innermost_wins() {
        let mut ignore = SourceIgnore::new();
        ignore.push("", b"# comment\n/docs/\n*.tmp.yaml\nbad[\n");
        ignore.push("apps", b"!keep.tmp.yaml\n/local/\n");
        for (path, is_folder, expected) in [
            ("docs", true, Some(IgnoredBy::File)),
            ("apps/docs", true, None),
            ("docs", false, None),
            ("a.tmp.yaml", false, Some(IgnoredBy::File)),
            ("apps/x/a.tmp.yaml", false, Some(IgnoredBy::File)),
            ("apps/x/keep.tmp.yaml", false, None),
            ("keep.tmp.yaml", false, Some(IgnoredBy::File)),
            ("apps/local", true, Some(IgnoredBy::File)),
            ("local", true, None),
            (".github", true, Some(IgnoredBy::Default)),
            ("x/.sops.yaml", false, Some(IgnoredBy::Default)),
            ("x/web.yaml", false, None),
        ] {
            assert_eq!(ignore.ignores(path, is_folder), expected, "{path}");
        }
        ignore.pop();
        assert_eq!(ignore.ignores("apps/local", true), None);
    }

    #[test]
    fn a_rule_may_take_back_what_flux_leaves_out() {
        let mut ignore = SourceIgnore::new();
        ignore.push("", b"!.github/\n");
        assert_eq!(ignore.ignores(".github", true), None);
    }
}
