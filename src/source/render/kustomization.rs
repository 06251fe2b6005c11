//! Following kustomizations through a commit, before any program sees them:
//! which folders they need, which files hold their objects, and whether one
//! names something that is not in the repository.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::error::RenderError;
use super::tree::{Files, Found, join};
use driftwall_core::manifest;

/// The names that a kustomization's file may have.
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Kustomizations that one may be made of.
const MAX_KUSTOMIZATIONS: usize = 2_000;

/// What a kustomization is made of.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// The file of the kustomization itself.
    pub(super) top: String,
    /// The folders of all kustomizations.
    pub(super) folders: Vec<Found>,
    /// The files of objects and patches, in the order in which they count.
    pub(super) resources: Vec<Found>,
    pub(super) patches: Vec<Found>,
    /// What names can begin and end with.
    pub(super) prefixes: Vec<String>,
    pub(super) suffixes: Vec<String>,
    /// What is generated: its kind, its name without a hash, and the kustomization.
    pub(super) generated: Vec<(&'static str, String, Arc<str>)>,
}

/// The kustomization's file in a folder.
pub(super) fn file_in(files: &Files<'_>, folder: &str) -> Result<Option<Found>, RenderError> {
    for name in NAMES {
        if let Some(found) = files.find_from(folder, name)?.filter(|found| !found.is_folder) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Follows the kustomization in `folder` to all that it is made of.
pub(super) fn follow(files: &Files<'_>, folder: &Found, allow_remote: bool) -> Result<Sources, RenderError> {
    let mut following = Following { files, allow_remote, sources: Sources::default() };
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([folder.clone()]);
    while let Some(folder) = queue.pop_front() {
        if !seen.insert(folder.path.clone()) {
            continue;
        }
        if seen.len() > MAX_KUSTOMIZATIONS {
            let bound = format!("at most {MAX_KUSTOMIZATIONS} kustomizations are followed");
            return Err(RenderError::Large { file: folder.path, bound });
        }
        following.kustomization(&folder, &mut queue)?;
    }
    // The outermost patch is applied last.
    following.sources.patches.reverse();
    Ok(following.sources)
}

struct Following<'a, 'r> {
    files: &'a Files<'r>,
    allow_remote: bool,
    sources: Sources,
}

/// Fields that list other kustomizations, files of objects, or URLs of either.
const ROOTS: [&str; 6] = ["bases", "components", "generators", "resources", "transformers", "validators"];
/// Fields that list files or URLs of files.
const LISTS: [&str; 3] = ["configurations", "crds", "patchesStrategicMerge"];
/// Fields whose entries name a file or its URL.
const ENTRIES: [&str; 3] = ["patches", "patchesJson6902", "replacements"];
const GENERATORS: [(&str, &str); 2] = [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")];

impl Following<'_, '_> {
    fn kustomization(&mut self, folder: &Found, queue: &mut VecDeque<Found>) -> Result<(), RenderError> {
        // A folder without one is for kustomize to complain about.
        let Some(found) = file_in(self.files, &folder.path)? else { return Ok(()) };
        self.sources.folders.push(folder.clone());
        let file = join(&folder.path, found.path.rsplit('/').next().unwrap_or_default());
        if self.sources.top.is_empty() {
            self.sources.top.clone_from(&file);
        }
        let failed = |reason: String| RenderError::Kustomization { file: file.clone(), reason };
        let content = self.files.read(&found.path, found.id)?;
        let text = std::str::from_utf8(&content).map_err(|error| failed(error.to_string()))?;
        let value: Value = serde_saphyr::from_str(text).map_err(|error| failed(error.to_string()))?;

        for field in ROOTS {
            for path in texts(&value[field]) {
                self.local(&file, field, path)?;
                // Its folder first: a base is read before what is laid over it.
                match self.look(&folder.path, path)? {
                    Some(found) if found.is_folder => queue.push_back(found),
                    Some(found) if field == "resources" => self.sources.resources.push(found),
                    _ => {}
                }
            }
        }
        for field in LISTS {
            for path in texts(&value[field]) {
                self.file(&file, field, path)?;
                if field == "patchesStrategicMerge" {
                    let found = self.look(&folder.path, path)?;
                    self.sources.patches.extend(found.filter(|found| !found.is_folder));
                }
            }
        }
        for field in ENTRIES {
            for path in entries(&value[field]).filter_map(|entry| entry["path"].as_str()) {
                self.file(&file, field, path)?;
                if field == "patches" {
                    let found = self.look(&folder.path, path)?;
                    self.sources.patches.extend(found.filter(|found| !found.is_folder));
                }
            }
        }
        if let Some(path) = value["openapi"]["path"].as_str() {
            self.file(&file, "openapi", path)?;
        }
        for (field, kind) in GENERATORS {
            for entry in entries(&value[field]) {
                let lists = ["envs", "files"].iter().flat_map(|list| texts(&entry[*list]));
                for path in lists.chain(entry["env"].as_str()) {
                    self.file(&file, field, path.split_once('=').map_or(path, |(_, path)| path))?;
                }
                let name = entry["name"].as_str().unwrap_or_default().to_owned();
                self.sources.generated.push((kind, name, file.as_str().into()));
            }
        }
        self.sources.prefixes.extend(value["namePrefix"].as_str().map(str::to_owned));
        self.sources.suffixes.extend(value["nameSuffix"].as_str().map(str::to_owned));
        Ok(())
    }

    fn look(&self, folder: &str, path: &str) -> Result<Option<Found>, RenderError> {
        // Written in place: generators and patches may be.
        if path.contains('\n') || is_remote(path) { Ok(None) } else { self.files.find_from(folder, path) }
    }

    /// Refuses what kustomize would fetch a repository or a file for.
    fn local(&self, file: &str, field: &str, path: &str) -> Result<(), RenderError> {
        let is_written_here = field != "resources" && path.contains('\n');
        if self.allow_remote || is_written_here || !is_remote(path) { Ok(()) } else { Err(remote(file, field, path)) }
    }

    /// Refuses what kustomize would fetch a file for.
    fn file(&self, file: &str, field: &str, path: &str) -> Result<(), RenderError> {
        let is_url = has_scheme(path.trim_start()) && !path.contains('\n');
        if self.allow_remote || !is_url { Ok(()) } else { Err(remote(file, field, path)) }
    }
}

fn remote(file: &str, field: &str, path: &str) -> RenderError {
    // A URL can carry a password, and a query a token.
    let shown = path.split_once("://").map_or(path.to_owned(), |(scheme, rest)| {
        let host = rest.split('/').next().unwrap_or_default();
        let user = host.rfind('@').map_or(0, |at| at + 1);
        format!("{scheme}://{}", &rest[user..])
    });
    let reference = shown.split('?').next().unwrap_or_default().to_owned();
    RenderError::Remote { file: file.to_owned(), field: field.to_owned(), reference }
}

/// Whether kustomize could take a path for a repository or a URL. It tries that
/// before it looks for a folder of that name.
fn is_remote(path: &str) -> bool {
    let lower = path.trim().to_ascii_lowercase();
    let before_slash = lower.split('/').next().unwrap_or_default();
    has_scheme(&lower)
        || ["git::", "gh:", "github.com/", "github.com:", "git@"].iter().any(|start| lower.starts_with(start))
        || ["?ref=", "?version=", "&ref=", ".git/", "_git/"].iter().any(|part| format!("{lower}/").contains(part))
        // A module's `//` between repository and folder, or scp's `user@host:`.
        || (lower.contains("//") && before_slash.contains('.') && !before_slash.starts_with('.'))
        || (before_slash.contains('@') && before_slash.contains(':'))
}

fn has_scheme(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c))
    })
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    entries(list).filter_map(Value::as_str)
}

/// The objects of a file, and whatever else it holds left out.
pub(super) fn objects(files: &Files<'_>, found: &Found) -> Result<Vec<manifest::Object>, RenderError> {
    let content = files.read(&found.path, found.id)?;
    Ok(manifest::parse(&found.path, &content).objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kustomize_would_fetch_is_remote() {
        for (path, expected) in [
            ("https://example.org/a.yaml", true),
            ("HTTPS://example.org/a.yaml", true),
            ("ssh://git@example.org/a", true),
            ("git::https://example.org/a", true),
            ("file:///etc", true),
            ("git@example.org:a/b", true),
            ("org-1234@example.org:a/b.git", true),
            ("github.com/a/b/c?ref=main", true),
            ("GitHub.com/a/b", true),
            ("example.org/a/b.git/c", true),
            ("example.org/a//b", true),
            ("../base?ref=v1", true),
            ("../base", false),
            ("..//base", false),
            ("./base//", false),
            ("base", false),
            ("a.yaml", false),
            ("github.companion/a", false),
            ("name@2/a.yaml", false),
        ] {
            assert_eq!(is_remote(path), expected, "{path}");
        }
    }

    #[test]
    fn a_refusal_tells_no_password() {
        let error = remote("k", "resources", "https://user:secret@example.org/a?token=b").to_string();
        assert!(error.contains("names https://example.org/a,") && !error.contains("secret"), "{error}");
    }
}
