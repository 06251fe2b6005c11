//! Follows a kustomization through a commit, before any program reads it: which
//! folders it needs, which files hold its objects, and whether it refers to
//! something that is not in the repository.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::RenderOptions;
use super::error::RenderError;
use super::kustomization_charts::{self, NamedChart, WrittenChart};
use super::kustomize::LoadRestrictor;
use super::tree::{CommitFiles, FileEntry, join};
use crate::source::yaml_error::yaml_error;
use driftwall_core::manifest;

/// The names that a kustomization's file may have.
pub(super) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The most kustomizations that one may consist of.
const MAX_KUSTOMIZATIONS: usize = 2_000;

/// What a kustomization consists of.
#[derive(Debug, Default)]
pub(super) struct KustomizationInputs {
    /// The file of the kustomization itself; empty where there is none.
    pub(super) root_file: String,
    /// The folders of all kustomizations.
    pub(super) folders: Vec<FileEntry>,
    /// The files of objects.
    pub(super) resources: Vec<FileEntry>,
    /// The files of patches; what is applied last comes first.
    pub(super) patches: Vec<FileEntry>,
    /// What names can begin with.
    pub(super) prefixes: Vec<String>,
    /// What names can end with.
    pub(super) suffixes: Vec<String>,
    /// What generators make.
    pub(super) generated: Vec<Generated>,
    /// Other files that they name, where those need not be in their own folders.
    pub(super) files: Vec<FileEntry>,
    /// The charts that they name.
    pub(super) charts: Vec<NamedChart>,
}

/// A ConfigMap or Secret that a generator makes.
#[derive(Debug)]
pub(super) struct Generated {
    pub(super) kind: &'static str,
    /// The name, to which kustomize may add prefix, suffix and a hash.
    pub(super) name: String,
    /// The kustomization's file.
    pub(super) kustomization: Arc<str>,
}

/// The kustomization's file in a folder.
pub(super) fn file_in(files: &CommitFiles<'_>, folder: &str) -> Result<Option<FileEntry>, RenderError> {
    for name in FILE_NAMES {
        if let Some(entry) = files.find_from(folder, name)?.filter(|entry| !entry.is_folder) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Collects what the kustomization in `folder` consists of.
pub(super) fn collect_inputs(
    files: &CommitFiles<'_>,
    folder: &FileEntry,
    options: &RenderOptions,
) -> Result<KustomizationInputs, RenderError> {
    let mut collector = Collector { files, options, inputs: KustomizationInputs::default() };
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([Base { folder: folder.clone(), plugins_of: None }]);
    while let Some(base) = queue.pop_front() {
        let Base { folder, plugins_of } = &base;
        if !seen.insert((folder.path.clone(), plugins_of.clone())) {
            continue;
        }
        if seen.len() > MAX_KUSTOMIZATIONS {
            let limit = format!("at most {MAX_KUSTOMIZATIONS} kustomizations are followed");
            return Err(RenderError::TooLarge { file: folder.path.clone(), limit });
        }
        collector.kustomization(&base, &mut queue)?;
    }
    // The outermost patch is applied last.
    collector.inputs.patches.reverse();
    Ok(collector.inputs)
}

/// A folder with a kustomization.
struct Base {
    folder: FileEntry,
    /// The folder of the kustomization whose generators and transformers its objects configure, if they do.
    plugins_of: Option<String>,
}

struct Collector<'a, 'r> {
    files: &'a CommitFiles<'r>,
    options: &'a RenderOptions,
    inputs: KustomizationInputs,
}

/// Fields that list other kustomizations, files of objects, or URLs of either.
const BASE_FIELDS: [&str; 3] = ["bases", "components", "resources"];
/// The same for objects that configure generators and transformers, which may also be written in place.
const PLUGIN_FIELDS: [&str; 3] = ["generators", "transformers", "validators"];
/// Fields that list files or URLs of files.
const FILE_FIELDS: [&str; 3] = ["configurations", "crds", "patchesStrategicMerge"];
/// Fields whose entries name a file or its URL in `path`.
const PATH_FIELDS: [&str; 3] = ["patches", "patchesJson6902", "replacements"];
/// Fields of generators, and the kind that each makes.
const GENERATOR_FIELDS: [(&str, &str); 2] = [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")];

/// Fields in which objects that configure kustomize's own generators and transformers name files or their URLs
/// (`plugin/builtin` of kustomize: `ConfigMapGenerator`, `SecretGenerator`, the patch transformers,
/// `HelmChartInflationGenerator`; `ReplacementTransformer` has `replacements`).
const PLUGIN_FILE_FIELDS: [&str; 7] = ["additionalValuesFiles", "env", "envs", "files", "path", "paths", "valuesFile"];

impl Collector<'_, '_> {
    /// Collects what one kustomization names; further kustomizations go into the queue.
    fn kustomization(&mut self, base: &Base, queue: &mut VecDeque<Base>) -> Result<(), RenderError> {
        let Base { folder, plugins_of } = base;
        // A folder without one is left to kustomize to report.
        let Some(entry) = file_in(self.files, &folder.path)? else { return Ok(()) };
        self.inputs.folders.push(folder.clone());
        let file = join(&folder.path, entry.path.rsplit('/').next().unwrap_or_default());
        if self.inputs.root_file.is_empty() {
            self.inputs.root_file.clone_from(&file);
        }
        let invalid = |reason: String| RenderError::InvalidKustomization { file: file.clone(), reason };
        let content = self.files.read(&entry.path, entry.id)?;
        let text = std::str::from_utf8(&content).map_err(|_| invalid("it is not UTF-8".to_owned()))?;
        let value: Value = serde_saphyr::from_str(text).map_err(|error| invalid(yaml_error(&error)))?;

        for field in BASE_FIELDS {
            for path in texts(&value[field]) {
                self.refuse_remote_base(&file, field, path)?;
                match self.find(&folder.path, path)? {
                    Some(folder) if folder.is_folder => {
                        queue.push_back(Base { folder, plugins_of: plugins_of.clone() });
                    }
                    Some(entry) if field == "resources" => {
                        if let Some(root) = plugins_of {
                            self.plugins(root, &entry.path, &read_objects(self.files, &entry)?)?;
                        }
                        self.inputs.resources.push(entry);
                    }
                    _ => {}
                }
            }
        }
        for field in PLUGIN_FIELDS {
            for path in texts(&value[field]) {
                // As kustomize does: what can be read as objects is no path.
                let written_here = manifest::parse(&file, path.as_bytes()).objects;
                if !written_here.is_empty() {
                    self.plugins(&folder.path, &file, &written_here)?;
                    continue;
                }
                self.refuse_remote_base(&file, field, path)?;
                match self.find(&folder.path, path)? {
                    Some(base) if base.is_folder => {
                        queue.push_back(Base { folder: base, plugins_of: Some(folder.path.clone()) });
                    }
                    Some(entry) => {
                        self.plugins(&folder.path, &entry.path, &read_objects(self.files, &entry)?)?;
                        self.inputs.files.push(entry);
                    }
                    None => {}
                }
            }
        }
        for field in FILE_FIELDS {
            for path in texts(&value[field]) {
                self.file(&folder.path, &file, field, path)?;
                if field == "patchesStrategicMerge" {
                    self.add_patch(&folder.path, path)?;
                }
            }
        }
        for field in PATH_FIELDS {
            for path in entries(&value[field]).filter_map(|entry| entry["path"].as_str()) {
                self.file(&folder.path, &file, field, path)?;
                if field == "patches" {
                    self.add_patch(&folder.path, path)?;
                }
            }
        }
        if let Some(path) = value["openapi"]["path"].as_str() {
            self.file(&folder.path, &file, "openapi", path)?;
        }
        for (field, kind) in GENERATOR_FIELDS {
            for entry in entries(&value[field]) {
                self.generator(&folder.path, &file, field, kind, entry)?;
            }
        }
        self.charts(&folder.path, &file, kustomization_charts::of_kustomization(&value))?;
        self.inputs.prefixes.extend(value["namePrefix"].as_str().map(str::to_owned));
        self.inputs.suffixes.extend(value["nameSuffix"].as_str().map(str::to_owned));
        Ok(())
    }

    fn add_patch(&mut self, folder: &str, path: &str) -> Result<(), RenderError> {
        if let Some(entry) = self.find(folder, path)?.filter(|entry| !entry.is_folder) {
            self.inputs.patches.push(entry);
        }
        Ok(())
    }

    fn generator(
        &mut self,
        folder: &str,
        file: &str,
        field: &str,
        kind: &'static str,
        generator: &Value,
    ) -> Result<(), RenderError> {
        let lists = ["envs", "files"].iter().flat_map(|list| texts(&generator[*list]));
        for path in lists.chain(generator["env"].as_str()) {
            // `files` may be `key=path`.
            self.file(folder, file, field, path.split_once('=').map_or(path, |(_, path)| path))?;
        }
        let name = generator["name"].as_str().unwrap_or_default().to_owned();
        self.inputs.generated.push(Generated { kind, name, kustomization: file.into() });
        Ok(())
    }

    fn find(&self, folder: &str, path: &str) -> Result<Option<FileEntry>, RenderError> {
        if is_inline(path) || is_remote(path) { Ok(None) } else { self.files.find_from(folder, path) }
    }

    /// Takes what objects name that configure generators and transformers of the kustomization in `root`.
    fn plugins(&mut self, root: &str, file: &str, objects: &[manifest::Object]) -> Result<(), RenderError> {
        for manifest::Object { value, .. } in objects {
            for field in PLUGIN_FILE_FIELDS {
                for path in texts(&value[field]).chain(value[field].as_str()) {
                    // `files` may be `key=path`.
                    self.refuse_url(file, field, path)?;
                    self.file(root, file, field, path.split_once('=').map_or(path, |(_, path)| path))?;
                }
            }
            for path in entries(&value["replacements"]).filter_map(|entry| entry["path"].as_str()) {
                self.file(root, file, "replacements", path)?;
            }
        }
        self.charts(root, file, kustomization_charts::of_generators(objects))
    }

    /// Takes charts that a file names for the kustomization in `root`.
    fn charts(&mut self, root: &str, file: &str, charts: Vec<WrittenChart>) -> Result<(), RenderError> {
        for chart in charts {
            if !self.options.kustomize.enable_helm {
                return Err(RenderError::HelmNotEnabled { file: file.to_owned(), field: chart.field });
            }
            for path in &chart.values_files {
                self.file(root, file, chart.field, path)?;
            }
            self.inputs.charts.push(NamedChart { root: root.to_owned(), file: file.into(), chart });
        }
        Ok(())
    }

    /// Takes a file that a field names. By default it is in the kustomization's own folder, or kustomize refuses it.
    fn file(&mut self, folder: &str, file: &str, field: &str, path: &str) -> Result<(), RenderError> {
        self.refuse_url(file, field, path)?;
        if self.options.kustomize.load_restrictor == LoadRestrictor::RootOnly || is_inline(path) {
            return Ok(());
        }
        refuse_absolute(file, field, path)?;
        if let Some(entry) = self.find(folder, path)?.filter(|entry| !entry.is_folder) {
            self.inputs.files.push(entry);
        }
        Ok(())
    }

    /// Refuses what kustomize would fetch a repository or a file for.
    fn refuse_remote_base(&self, file: &str, field: &str, path: &str) -> Result<(), RenderError> {
        let is_written_inline = field != "resources" && is_inline(path);
        if !is_written_inline && self.options.kustomize.load_restrictor == LoadRestrictor::None {
            refuse_absolute(file, field, path)?;
        }
        if self.options.allow_remote || is_written_inline || !is_remote(path) {
            return Ok(());
        }
        Err(remote_reference(file, field, path))
    }

    /// Refuses what kustomize would fetch a file for.
    fn refuse_url(&self, file: &str, field: &str, path: &str) -> Result<(), RenderError> {
        let is_url = has_scheme(path.trim_start()) && !is_inline(path);
        if self.options.allow_remote || !is_url { Ok(()) } else { Err(remote_reference(file, field, path)) }
    }
}

/// Refuses a path of this machine.
pub(super) fn refuse_absolute(file: &str, field: &str, path: &str) -> Result<(), RenderError> {
    if path.trim_start().starts_with('/') {
        return Err(RenderError::OutsideRepository { file: format!("{path}, which {field} of {file} names") });
    }
    Ok(())
}

/// Whether an entry is YAML itself and not a path: generators and patches may be.
fn is_inline(path: &str) -> bool {
    path.contains('\n')
}

fn remote_reference(file: &str, field: &str, path: &str) -> RenderError {
    // A URL can contain a password, and its query a token.
    let visible = match path.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            let user_end = host.rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[user_end..])
        }
        None => path.to_owned(),
    };
    let reference = visible.split('?').next().unwrap_or_default().to_owned();
    RenderError::RemoteReference { file: file.to_owned(), field: field.to_owned(), reference }
}

/// Whether kustomize could take a path for a repository or a URL. It tries that
/// before it reads a folder of that name.
fn is_remote(path: &str) -> bool {
    let lower = path.trim().to_ascii_lowercase();
    let before_slash = lower.split('/').next().unwrap_or_default();
    has_scheme(&lower)
        || ["git::", "gh:", "github.com/", "github.com:", "git@"].iter().any(|start| lower.starts_with(start))
        || ["?ref=", "?version=", "&ref=", ".git/", "_git/"].iter().any(|part| format!("{lower}/").contains(part))
        // `//` between the repository and a folder in it, or `user@host:` as with scp.
        || (lower.contains("//") && before_slash.contains('.') && !before_slash.starts_with('.'))
        || (before_slash.contains('@') && before_slash.contains(':'))
}

fn has_scheme(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c))
    })
}

pub(super) fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn texts(list: &Value) -> impl Iterator<Item = &str> {
    entries(list).filter_map(Value::as_str)
}

/// The objects of a file; whatever else it holds is ignored.
pub(super) fn read_objects(files: &CommitFiles<'_>, entry: &FileEntry) -> Result<Vec<manifest::Object>, RenderError> {
    let content = files.read(&entry.path, entry.id)?;
    Ok(manifest::parse(&entry.path, &content).objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_path_that_kustomize_would_fetch_is_remote() {
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
    fn an_error_shows_no_password_or_token() {
        let error = remote_reference("k", "resources", "https://user:secret@example.org/a?token=b").to_string();
        assert!(error.contains("names https://example.org/a,") && !error.contains("secret"), "{error}");
    }
}
