//! Rendering a Helm chart with `helm template`, twice, to see what it makes anew
//! every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkout::Checkout;
use super::error::RenderError;
use super::nondeterminism::{Settled, settle};
use super::tree::{Found, join};
use super::{Plan, Rendered};
use driftwall_core::manifest::{Object, RenderInput, at_file_start, trace_to_inputs};

/// How a chart is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelmOptions {
    /// The release's name; where it is empty, the name of the chart's folder.
    pub release_name: String,
    /// The release's namespace; where it is empty, `default`.
    pub namespace: String,
    /// Files of values, relative to the path, or to the repository's root with a `/` in front.
    pub values_files: Vec<String>,
    /// Values as YAML, over those of the files.
    pub values: Option<String>,
    /// The version of Kubernetes that the chart is told.
    pub kube_version: Option<String>,
    /// API versions that the chart is told beside the built-in ones.
    pub api_versions: Vec<String>,
}

/// The file that makes a folder a chart.
pub(super) const CHART: &str = "Chart.yaml";
/// Templates that ask for the time see another second in the second rendering.
const SECOND: Duration = Duration::from_millis(1_050);

pub(super) fn render(plan: &Plan<'_, '_>, values: &[Found], cancel: &AtomicBool) -> Result<Rendered, RenderError> {
    let checkout = plan.selection.write(&plan.files)?;
    let arguments = arguments(plan, values, &checkout)?;
    let text = plan.run(&checkout, &arguments, cancel)?;
    if asks_for_time(plan)? {
        pause(cancel);
    }
    let again = plan.run(&checkout, &arguments, cancel)?;

    let comments = Comments::read(&text);
    let first = plan.read(&text)?;
    let first = first.into_iter().map(|object| (comments.template(&object).map(str::to_owned), object)).collect();
    let Settled { objects, opaque, warnings } = settle(first, plan.read(&again)?);
    let objects = objects.into_iter().map(|(template, object)| placed(plan, template.as_deref(), object));
    let objects = objects.collect::<Result<_, _>>()?;
    Ok(Rendered { opaque, warnings, ..plan.rendered(text, objects) })
}

fn arguments(plan: &Plan<'_, '_>, values: &[Found], checkout: &Checkout) -> Result<Vec<String>, RenderError> {
    let helm = &plan.options.helm;
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let folder = plan.folder.path.rsplit('/').next().unwrap_or_default();
    let release = or(&or(&helm.release_name, folder), "release");
    let mut arguments: Vec<_> = ["template", "--include-crds", "--skip-tests", "--no-hooks"].map(str::to_owned).into();
    arguments.push(format!("--namespace={}", or(&helm.namespace, "default")));
    arguments.extend(helm.kube_version.iter().map(|version| format!("--kube-version={version}")));
    arguments.extend(helm.api_versions.iter().map(|version| format!("--api-versions={version}")));
    // Helm reads lists of files here, in CSV.
    let file = |path: std::path::PathBuf| format!("--values=\"{}\"", path.display().to_string().replace('"', "\"\""));
    arguments.extend(values.iter().map(|found| file(checkout.root.join(&found.path))));
    if let Some(inline) = &helm.values {
        let to = checkout.home.join("helm.values");
        std::fs::write(&to, inline)
            .map_err(|reason| RenderError::Folder { action: "write the values".into(), reason })?;
        arguments.push(file(to));
    }
    arguments.extend(["--".to_owned(), release, ".".to_owned()]);
    Ok(arguments)
}

/// The files of values that are configured.
pub(super) fn values(
    files: &super::tree::Files<'_>,
    folder: &str,
    options: &HelmOptions,
) -> Result<Vec<Found>, RenderError> {
    let find = |name: &String| {
        let found = match name.strip_prefix('/') {
            Some(path) => files.find(path)?,
            None => files.find_from(folder, name)?,
        };
        let missing = || RenderError::Missing { file: join(folder, name), wanted_by: "helm.valuesFiles".into() };
        found.filter(|found| !found.is_folder).ok_or_else(missing)
    };
    options.values_files.iter().map(find).collect()
}

/// What Helm says of a chart whose dependencies are not there.
pub(super) fn missing_dependencies(words: &str) -> Option<String> {
    let missing = words.split_once("missing in charts/ directory:")?.1;
    Some(missing.lines().next()?.trim().to_owned())
}

/// Whether a template mentions the time, or cannot be looked into.
fn asks_for_time(plan: &Plan<'_, '_>) -> Result<bool, RenderError> {
    for path in plan.selection.paths() {
        // A dependency in an archive.
        if path.contains("charts/") && path.rsplit('.').next() == Some("tgz") {
            return Ok(true);
        }
        let Some(id) = plan.selection.id(path).filter(|_| path.contains("templates/")) else { continue };
        let content = plan.files.read(path, id)?;
        if content.split(|byte| !byte.is_ascii_alphanumeric()).any(|word| word == b"now") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn pause(cancel: &AtomicBool) {
    let until = Instant::now() + SECOND;
    while Instant::now() < until && !cancel.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The comments by which Helm says where a document comes from.
struct Comments<'t>(Vec<(u32, &'t str)>);

impl<'t> Comments<'t> {
    fn read(text: &'t [u8]) -> Self {
        let lines = std::str::from_utf8(text).unwrap_or_default().lines();
        let mut found = Vec::new();
        let mut before = "---";
        for (line, number) in lines.zip(1..) {
            // Only behind a separator: a text in a manifest can have such a line too.
            if let Some(template) = line.strip_prefix("# Source: ").filter(|_| before == "---") {
                found.push((number, template.trim()));
            }
            before = line;
        }
        Self(found)
    }

    fn template(&self, object: &Object) -> Option<&'t str> {
        let start = object.positions.find(&object.value, &[])?.line;
        let behind = self.0.partition_point(|(line, _)| *line < start);
        self.0.get(behind.checked_sub(1)?).map(|(_, template)| *template)
    }
}

/// Gives an object the template that it came from, or the chart.
fn placed(plan: &Plan<'_, '_>, template: Option<&str>, object: Object) -> Result<(Arc<str>, Object), RenderError> {
    // The first part is the chart's name, not its folder's.
    let inside = template.and_then(|template| template.split_once('/')).map(|(_, inside)| inside);
    let found = inside.map(|inside| plan.files.find_from(&plan.folder.path, inside)).transpose()?.flatten();
    let Some(found) = found.filter(|found| !found.is_folder) else {
        // Of a dependency in an archive.
        return Ok((plan.file.as_str().into(), at_file_start(object)));
    };
    let file: Arc<str> = found.path.as_str().into();
    // Definitions are no templates: they stand in the file as they come out.
    if inside.is_some_and(|inside| inside.split('/').any(|part| part == "crds")) {
        let content = plan.files.read(&found.path, found.id)?;
        let definitions = driftwall_core::manifest::parse(&found.path, &content).objects;
        if let Some(definition) =
            definitions.iter().find(|there| there.name == object.name && there.kind == object.kind)
        {
            return Ok(trace_to_inputs(object, &[RenderInput { file: &file, object: definition }], &file));
        }
    }
    Ok((file, at_file_start(object)))
}
