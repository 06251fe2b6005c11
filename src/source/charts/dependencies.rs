//! What a chart depends on, by its `Chart.yaml` and `Chart.lock`: which charts,
//! from where, and in which version.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::error::ChartError;
use super::repository::ChartRepository;
use super::version::{VersionRange, parse_version};
use crate::source::yaml_error::yaml_error;

/// A chart that another one depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Which versions will do; one alone where there is a lock.
    pub range: VersionRange,
    /// Where it is.
    pub from: DependencyOrigin,
}

/// Where a dependency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DependencyOrigin {
    /// In a folder of the same repository, relative to the chart's.
    Folder(String),
    /// In a chart repository or registry.
    Repository(ChartRepository),
}

/// The files of a chart that say what it depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct DependencyFiles<'a> {
    /// `Chart.yaml`, or `requirements.yaml` of a chart of the old format.
    pub wanted: &'a [u8],
    /// `Chart.lock` or `requirements.lock`.
    pub lock: Option<&'a [u8]>,
}

#[derive(Default, Deserialize)]
struct Written {
    #[serde(default)]
    dependencies: Option<Vec<WrittenDependency>>,
}

#[derive(Deserialize)]
struct WrittenDependency {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    repository: Option<String>,
}

/// What is read of the `Chart.yaml` of a dependency.
#[derive(Deserialize)]
struct ChartMetadata {
    #[serde(default)]
    name: String,
}

/// The most dependencies of one chart.
const MAX_DEPENDENCIES: usize = 200;

/// The dependencies that are not `present` in the folder `charts/`. `file` names
/// the `Chart.yaml`, and `lock_file` its lock, in errors.
///
/// # Errors
///
/// Says which dependency cannot be used, and what would be right.
pub fn missing_dependencies(
    files: DependencyFiles<'_>,
    present: &BTreeSet<String>,
    file: &str,
    lock_file: &str,
) -> Result<Vec<Dependency>, ChartError> {
    let wanted = read(files.wanted, file)?;
    let lock = files.lock.map(|lock| read(lock, lock_file)).transpose()?;
    let mut missing: Vec<Dependency> = Vec::new();
    for dependency in wanted.dependencies.iter().flatten() {
        let origin = dependency.repository.as_deref().unwrap_or_default().trim();
        // Without a repository it must be in `charts/`: Helm reports it where it is not.
        if present.contains(&dependency.name) || origin.is_empty() {
            continue;
        }
        let found = dependency.resolve(lock.as_ref(), file, lock_file)?;
        if !missing.contains(&found) {
            missing.push(found);
        }
        if missing.len() > MAX_DEPENDENCIES {
            return Err(invalid(file, format!("it has more than {MAX_DEPENDENCIES} dependencies")));
        }
    }
    Ok(missing)
}

/// The name of a chart, by its `Chart.yaml`; empty where it cannot be read.
pub fn chart_name(chart_file: &[u8]) -> String {
    let text = std::str::from_utf8(chart_file).unwrap_or_default();
    serde_saphyr::from_str(text).map_or_else(|_| String::new(), |metadata: ChartMetadata| metadata.name)
}

fn read(bytes: &[u8], file: &str) -> Result<Written, ChartError> {
    let text = std::str::from_utf8(bytes).map_err(|_| invalid(file, "it is not UTF-8".to_owned()))?;
    if text.trim().is_empty() {
        return Ok(Written::default());
    }
    serde_saphyr::from_str(text).map_err(|error| invalid(file, yaml_error(&error)))
}

impl DependencyFiles<'_> {
    /// Whether there is a dependency at all. `file` names the first file in errors.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn has_any(self, file: &str) -> Result<bool, ChartError> {
        Ok(read(self.wanted, file)?.dependencies.is_some_and(|dependencies| !dependencies.is_empty()))
    }
}

impl WrittenDependency {
    fn resolve(&self, lock: Option<&Written>, file: &str, lock_file: &str) -> Result<Dependency, ChartError> {
        let Self { name, version, repository } = self;
        if !is_chart_name(name) {
            return Err(invalid(file, format!("the dependency {name:?} has a name that no chart may have")));
        }
        let version = version.as_deref().unwrap_or_default();
        let wrong = |reason: String| invalid(file, format!("the dependency {name} {reason}"));
        let range = version.parse::<VersionRange>();
        let range = range.map_err(|error| wrong(format!("has no version to look for: {error}")))?;
        let origin = repository.as_deref().unwrap_or_default().trim();
        let from = origin_of(origin).map_err(wrong)?;
        let range = match (lock, &from) {
            // A folder has one version.
            (_, DependencyOrigin::Folder(_)) | (None, _) => range,
            (Some(lock), DependencyOrigin::Repository(_)) => {
                let locked = lock.dependencies.iter().flatten().find_map(|locked| self.locked_version(locked, &range));
                let locked = locked.and_then(|version| version.parse().ok());
                locked.ok_or_else(|| {
                    let reason = format!(
                        "it has no {name} {range} from {}, and {file} does; run `helm dependency update` and commit both",
                        shown(origin)
                    );
                    invalid(lock_file, reason)
                })?
            }
        };
        Ok(Dependency { name: name.clone(), range, from })
    }

    /// The version that an entry of a lock gives for this dependency.
    fn locked_version<'l>(&self, locked: &'l Self, range: &VersionRange) -> Option<&'l str> {
        let same = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().trim_end_matches('/').to_owned();
        let version = locked.version.as_deref()?;
        let fits = parse_version(version).is_some_and(|parsed| range.matches(&parsed)) || range.to_string() == version;
        let is_it = self.name == locked.name && same(&self.repository) == same(&locked.repository) && fits;
        is_it.then_some(version)
    }
}

fn origin_of(text: &str) -> Result<DependencyOrigin, String> {
    if let Some(folder) = text.strip_prefix("file://") {
        if folder.starts_with('/') {
            return Err(
                "is in a folder of one machine; write a path relative to the chart, such as file://../common".into()
            );
        }
        return Ok(DependencyOrigin::Folder(folder.to_owned()));
    }
    if text.starts_with('@') || text.starts_with("alias:") {
        return Err(format!(
            "is from {}, a name that only the Helm of one machine knows; write the repository's URL",
            driftwall_core::text::truncate(text, 100)
        ));
    }
    match ChartRepository::parse(text) {
        Ok(repository) => Ok(DependencyOrigin::Repository(repository)),
        Err(reason) => Err(format!("is from {}, which cannot be fetched: {reason}", shown(text))),
    }
}

/// Whether a name can be that of a chart, and of its folder.
pub fn is_chart_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 250 && !name.starts_with('.') && name.chars().all(is_allowed)
}

/// A repository as it was written, without what may be a secret in it.
fn shown(text: &str) -> String {
    driftwall_core::text::truncate(&crate::source::remote::redacted(text), 200)
}

fn invalid(file: &str, reason: String) -> ChartError {
    ChartError::InvalidDependency { file: file.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(wanted: &str, lock: Option<&str>, present: &[&str]) -> Result<Vec<String>, String> {
        let files = DependencyFiles { wanted: wanted.as_bytes(), lock: lock.map(str::as_bytes) };
        let present = present.iter().map(|&name| name.to_owned()).collect();
        let found = missing_dependencies(files, &present, "web/Chart.yaml", "web/Chart.lock");
        let found = found.map_err(|error| error.to_string())?;
        let shown = found.iter().map(|Dependency { name, range, from }| match from {
            DependencyOrigin::Folder(folder) => format!("{name} {range} in {folder}"),
            DependencyOrigin::Repository(repository) => format!("{name} {range} of {repository}"),
        });
        Ok(shown.collect())
    }

    const CHART: &str = "apiVersion: v2
name: web
version: 1.0.0
dependencies:
- {name: redis, version: ^17, repository: https://charts.example/stable/}
- {name: redis, version: ^17, repository: https://charts.example/stable/, alias: cache}
- {name: common, version: 2.x.x, repository: oci://registry.example/charts, condition: common.enabled}
- {name: base, version: \">=1\", repository: \"file://../base\"}
- {name: inside, version: 1.0.0}
- {name: there, version: 1.0.0, repository: https://charts.example/stable}
";

    #[test]
    fn what_is_not_in_the_folder_charts_is_missing() {
        let expected = [
            "redis ^17 of https://charts.example/stable",
            "common 2.x.x of oci://registry.example/charts",
            "base >=1 in ../base",
        ];
        assert_eq!(missing(CHART, None, &["there"]).unwrap(), expected);
        let all = ["there", "redis", "common", "base"];
        assert_eq!(missing(CHART, None, &all).unwrap(), [""; 0]);
        for none in ["", "name: web\n", "name: web\ndependencies:\n"] {
            assert_eq!(missing(none, None, &[]).unwrap(), [""; 0], "{none}");
        }
    }

    #[test]
    fn a_lock_decides_the_versions() {
        let lock = "dependencies:
- {name: redis, repository: https://charts.example/stable, version: 17.3.1}
- {name: common, repository: oci://registry.example/charts, version: 2.4.0}
digest: sha256:abc
";
        let expected = [
            "redis 17.3.1 of https://charts.example/stable",
            "common 2.4.0 of oci://registry.example/charts",
            "base >=1 in ../base",
        ];
        assert_eq!(missing(CHART, Some(lock), &["there"]).unwrap(), expected);
        // What the lock says must still be what the chart wants.
        for (from, to) in [("17.3.1", "18.0.0"), ("name: redis", "name: mysql"), ("charts.example", "other.example")] {
            let error = missing(CHART, Some(&lock.replace(from, to)), &["there"]).unwrap_err();
            assert!(error.contains("web/Chart.lock") && error.contains("helm dependency update"), "{to}: {error}");
        }
    }

    #[test]
    fn an_error_names_the_file_and_what_would_be_right() {
        for (repository, words) in [
            ("\"@stable\"", "write the repository's URL"),
            ("alias:stable", "write the repository's URL"),
            ("s3://bucket/charts", "cannot be fetched"),
            ("file:///srv/charts", "relative to the chart"),
            ("ftp://u:s3cret@host/charts", "write https://"),
        ] {
            let chart = format!("dependencies: [{{name: redis, version: 1.x, repository: {repository}}}]");
            let error = missing(&chart, None, &[]).unwrap_err();
            assert!(error.contains("web/Chart.yaml") && error.contains("redis") && error.contains(words), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        for (chart, words) in [
            ("dependencies: [{name: ../x, version: 1.x, repository: https://h/c}]", "no chart may have"),
            ("dependencies: [{name: a, version: newest, repository: https://h/c}]", "no version"),
            ("dependencies: 3", "web/Chart.yaml"),
        ] {
            let error = missing(chart, None, &[]).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
