//! Renders a Helm chart with `helm template`, twice, to find out what it
//! generates anew every time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::capabilities::{self, Capabilities};
use super::error::RenderError;
use super::job::{Job, Runs, Tool, path_from, path_to_input};
use super::nondeterminism::StableObjects;
use super::programs::Program;
use super::tree::{CommitFiles, FileEntry, join};
use super::{RenderPlan, Rendered};
use crate::source::charts::ChartFile;
use crate::source::reading_place::ReadingPlace;
use driftwall_core::manifest::{Object, RenderInput, at_file_start, trace_to_inputs};
use driftwall_core::skipped::{SkipReason, SkippedContent};

/// How a chart is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelmOptions {
    /// The release's name; where it is empty, the name of the chart's folder.
    pub release_name: String,
    /// The release's namespace; where it is empty, `default`.
    pub namespace: String,
    /// Files of values, relative to the path, or to the repository's root with a `/` in front.
    pub values_files: Vec<String>,
    /// Values as YAML, which override those of the files.
    pub values: Option<String>,
    /// The Kubernetes version of `.Capabilities` (`--kube-version`); where there is none, the cluster's.
    pub kube_version: Option<String>,
    /// API versions of `.Capabilities`, beside the built-in ones and the cluster's (`--api-versions`).
    pub api_versions: Vec<String>,
    /// What the cluster serves, where there is one.
    pub cluster: Capabilities,
}

/// The file that makes a folder a chart.
pub(super) const CHART_FILE: &str = "Chart.yaml";
/// The file of the values that the configuration has.
const INLINE_VALUES: &str = "helm.values";

/// What `helm` is to do.
pub(super) fn job(folder: &str, values_files: &[FileEntry], options: &HelmOptions, program: &Program) -> Job {
    let name = folder.rsplit('/').next().unwrap_or_default();
    let release = first_non_empty([&options.release_name, name, "release"]);
    let namespace = first_non_empty([&options.namespace, "default", ""]);
    let mut arguments: Vec<_> = ["template", "--include-crds", "--skip-tests", "--no-hooks"].map(str::to_owned).into();
    if can_skip_schemas(&program.version) {
        // A schema can name others at any address, and Helm fetches them.
        arguments.push("--skip-schema-validation".to_owned());
    }
    arguments.push(format!("--namespace={namespace}"));
    arguments.extend(capability_arguments(options, "--kube-version", "--api-versions"));
    arguments.extend(values_files.iter().map(|entry| values_argument(&path_from(folder, &entry.path))));
    let mut inputs = BTreeMap::new();
    if let Some(inline) = &options.values {
        inputs.insert(INLINE_VALUES.to_owned(), inline.clone());
        arguments.push(values_argument(&path_to_input(folder, INLINE_VALUES)));
    }
    arguments.extend(["--".to_owned(), release.to_owned(), ".".to_owned()]);
    Job { tool: Tool::Helm, folder: folder.to_owned(), arguments, inputs, runs: Runs::Twice, helm: false }
}

/// What the cluster serves, as arguments with these flags.
pub(super) fn capability_arguments(options: &HelmOptions, version: &str, apis: &str) -> Vec<String> {
    let served = options.cluster.served();
    let (served_version, served_apis) = match served.as_deref() {
        Some(served) => (Some(&served.version), served.api_versions.as_slice()),
        None => (None, [].as_slice()),
    };
    let kube_version = options.kube_version.as_ref().or(served_version);
    let mut arguments: Vec<_> = kube_version.map(|value| format!("{version}={value}")).into_iter().collect();
    arguments.extend(options.api_versions.iter().chain(served_apis).map(|value| format!("{apis}={value}")));
    arguments
}

/// Renders a chart; what differs between both renderings is not known from Git.
pub(super) fn render(plan: &RenderPlan<'_, '_>, source: &str, cancel: &AtomicBool) -> Result<Rendered, RenderError> {
    let mut job = plan.job.clone();
    if uses_time(plan)? {
        job.runs = Runs::TwiceApart;
    }
    let output = plan.output(&job, source, cancel)?;
    let place = ReadingPlace::wait_for(output.first.len());
    let comments = SourceComments::read(&output.first);
    let mut objects = Vec::new();
    for object in plan.parse(&output.first)? {
        objects.push((comments.template_of(&object).map(str::to_owned), object));
    }
    let StableObjects { objects, opaque, warnings } = plan.stable_objects(objects, &output)?;
    let mut with_files = Vec::new();
    for (template, object) in objects {
        with_files.push(with_file(plan, template.as_deref(), object)?);
    }
    Ok(Rendered { opaque, warnings, ..plan.rendered(&output, with_files, place) })
}

/// Whether `helm template` has the flag that leaves out schemas: since Helm 3.16.
/// An older one fetches nothing either: it has no network.
pub(super) fn can_skip_schemas(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(['.', '+', '-']).map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= (3, 16),
        _ => true,
    }
}

fn first_non_empty(texts: [&str; 3]) -> &str {
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// Helm parses this flag as a list of files in CSV.
fn values_argument(file: &str) -> String {
    format!("--values=\"{}\"", file.replace('"', "\"\""))
}

/// The files of values that are configured.
pub(super) fn values_files(
    files: &CommitFiles<'_>,
    folder: &str,
    options: &HelmOptions,
) -> Result<Vec<FileEntry>, RenderError> {
    let mut found = Vec::new();
    for name in &options.values_files {
        let entry = match name.strip_prefix('/') {
            Some(path) => files.find(path)?,
            None => files.find_from(folder, name)?,
        };
        match entry {
            Some(entry) if !entry.is_folder => found.push(entry),
            _ => {
                let (file, wanted_by) = (join(folder, name), "helm.valuesFiles".into());
                return Err(RenderError::FileNotFound { file, wanted_by });
            }
        }
    }
    Ok(found)
}

/// Adds the API versions that the chart's templates ask for and that nobody told
/// driftwall of. Where the cluster did, it is the cluster that lacks them.
pub(super) fn add_unknown_api_versions(
    plan: &RenderPlan<'_, '_>,
    skipped: &mut SkippedContent,
) -> Result<(), RenderError> {
    let helm = &plan.options.helm;
    if helm.cluster.served().is_some() {
        return Ok(());
    }
    for (path, id) in plan.selection.files() {
        if !path.contains("templates/") {
            continue;
        }
        let content = plan.files.read(path, id)?;
        for (line, version) in capabilities::asked_for(&String::from_utf8_lossy(&content)) {
            if !helm.api_versions.iter().any(|known| known == version) {
                skipped.add(SkipReason::ApiVersionUnknown, path, Some(line));
            }
        }
    }
    Ok(())
}

/// The dependencies that a chart lacks, from Helm's error.
pub(super) fn missing_dependencies(stderr: &str) -> Option<String> {
    let (_, missing) = stderr.split_once("missing in charts/ directory:")?;
    Some(missing.lines().next()?.trim().to_owned())
}

/// Whether a template may use the time.
pub(super) fn uses_time(plan: &RenderPlan<'_, '_>) -> Result<bool, RenderError> {
    for (path, id) in plan.selection.files() {
        // A dependency in an archive, which is not searched.
        if path.contains("charts/") && path.rsplit('.').next() == Some("tgz") {
            return Ok(true);
        }
        if !path.contains("templates/") {
            continue;
        }
        let content = plan.files.read(path, id)?;
        if names_the_time(&content) {
            return Ok(true);
        }
    }
    let mut has_time = false;
    for chart in plan.selection.charts() {
        chart.for_each_file(|ChartFile { path, content }| {
            let is_archive = path.rsplit('.').next() == Some("tgz");
            has_time |= is_archive || path.contains("templates/") && names_the_time(&content);
            Ok(())
        })?;
    }
    Ok(has_time)
}

fn names_the_time(template: &[u8]) -> bool {
    template.split(|byte| !byte.is_ascii_alphanumeric()).any(|word| word == b"now")
}

/// The comments with which Helm says which template each document comes from,
/// by their lines in the output.
struct SourceComments<'t>(Vec<(u32, &'t str)>);

impl<'t> SourceComments<'t> {
    fn read(output: &'t [u8]) -> Self {
        let lines = std::str::from_utf8(output).unwrap_or_default().lines();
        let mut comments = Vec::new();
        let mut line_before = "---";
        for (line, number) in lines.zip(1..) {
            // Only right after a separator: text in a manifest can have such a line too.
            if line_before == "---"
                && let Some(template) = line.strip_prefix("# Source: ")
            {
                comments.push((number, template.trim()));
            }
            line_before = line;
        }
        Self(comments)
    }

    /// The template of the last comment before an object.
    fn template_of(&self, object: &Object) -> Option<&'t str> {
        let start = object.positions.find(&object.value, &[])?.line;
        let before = self.0.partition_point(|(line, _)| *line < start);
        self.0.get(before.checked_sub(1)?).map(|(_, template)| *template)
    }
}

/// Gives an object the file of its template, or that of the chart where its template is not in the repository.
fn with_file(
    plan: &RenderPlan<'_, '_>,
    template: Option<&str>,
    object: Object,
) -> Result<(Arc<str>, Object), RenderError> {
    let chart_file = || plan.file.as_str().into();
    // The first part is the chart's name, which its folder need not have.
    let Some((_, path)) = template.and_then(|template| template.split_once('/')) else {
        return Ok((chart_file(), at_file_start(object)));
    };
    let entry = match plan.files.find_from(&plan.folder.path, path)? {
        Some(entry) if !entry.is_folder => entry,
        // A template of a dependency that is not in this folder.
        _ => match dependency_template(plan, path)? {
            Some(entry) => entry,
            None => return Ok((chart_file(), at_file_start(object))),
        },
    };
    let file: Arc<str> = entry.path.as_str().into();
    // The files in crds/ are not templates: they are rendered as they are.
    if path.split('/').any(|part| part == "crds") {
        let content = plan.files.read(&entry.path, entry.id)?;
        let definitions = driftwall_core::manifest::parse(&entry.path, &content).objects;
        let same = definitions.iter().find(|other| other.name == object.name && other.kind == object.kind);
        if let Some(definition) = same {
            return Ok(trace_to_inputs(object, &[RenderInput { file: &file, object: definition }], &file));
        }
    }
    Ok((file, at_file_start(object)))
}

/// The template of a dependency in another folder of the commit, by its path in the rendered chart.
fn dependency_template(plan: &RenderPlan<'_, '_>, path: &str) -> Result<Option<FileEntry>, RenderError> {
    let Some((name, template)) = path.strip_prefix("charts/").and_then(|path| path.split_once('/')) else {
        return Ok(None);
    };
    match plan.dependencies.folders.iter().find(|(own, _)| own == name) {
        Some((_, folder)) => Ok(plan.files.find_from(folder, template)?.filter(|entry| !entry.is_folder)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_left_out_by_every_helm_that_can() {
        for (version, expected) in [
            ("v4.3.1+gabcdef0", true),
            ("v3.16.0+g1", true),
            ("v3.15.4", false),
            ("v3.9.0", false),
            ("v10.0.0-rc.1", true),
            ("main", true),
        ] {
            assert_eq!(can_skip_schemas(version), expected, "{version}");
        }
    }
}
