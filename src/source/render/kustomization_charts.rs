//! The Helm charts that kustomizations name. kustomize looks for each in a folder of the
//! repository before it has Helm pull it, and Helm reaches no network here: what is not
//! committed is fetched by driftwall and put there.

use std::sync::Arc;

use serde_json::Value;

use super::error::RenderError;
use super::fetched_chart::WantedChart;
use super::kustomization::{entries, refuse_absolute, texts};
use super::selection::Selection;
use super::tree::{CommitFiles, join};
use crate::source::charts::{ChartRepository, Dependency, DependencyOrigin, is_chart_name};
use driftwall_core::manifest;

/// A chart, and who names it.
#[derive(Debug)]
pub(super) struct NamedChart {
    /// The folder of the kustomization that it is for.
    pub(super) root: String,
    /// The file that names it.
    pub(super) file: Arc<str>,
    pub(super) chart: WrittenChart,
}

/// A chart as it is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WrittenChart {
    /// The field that it is written in.
    pub(super) field: &'static str,
    name: String,
    version: String,
    repository: String,
    /// Whether prereleases count where no version is given.
    takes_prereleases: bool,
    /// The folder of the charts, relative to the kustomization.
    home: String,
    /// Files of values, relative to the kustomization.
    pub(super) values_files: Vec<String>,
}

const CHARTS: &str = "helmCharts";
/// What `helmCharts` was called before kustomize 4.1, with other names for its fields.
const OLD_CHARTS: &str = "helmChartInflationGenerator";
const GENERATOR: &str = "HelmChartInflationGenerator";
/// Where charts are, unless `helmGlobals.chartHome` names another folder.
const DEFAULT_HOME: &str = "charts";

/// The charts in a kustomization's file.
pub(super) fn of_kustomization(kustomization: &Value) -> Vec<WrittenChart> {
    let old: Vec<_> = entries(&kustomization[OLD_CHARTS]).collect();
    // Of the old fields the last one counts, and only without the new one (`FixKustomizationPostUnmarshalling`).
    let old_home = old.iter().rev().map(|chart| text(&chart["chartHome"])).find(|home| !home.is_empty());
    let home = match &kustomization["helmGlobals"] {
        Value::Null => old_home.unwrap_or_default(),
        globals => text(&globals["chartHome"]),
    };
    let mut charts: Vec<_> =
        entries(&kustomization[CHARTS]).map(|chart| WrittenChart::read(CHARTS, chart, &home)).collect();
    for chart in old {
        charts.push(WrittenChart {
            field: OLD_CHARTS,
            name: text(&chart["chartName"]),
            version: text(&chart["chartVersion"]),
            repository: text(&chart["chartRepoUrl"]),
            takes_prereleases: false,
            home: home.clone(),
            values_files: chart["values"].as_str().map(str::to_owned).into_iter().collect(),
        });
    }
    charts
}

/// The charts of generators that are written as objects.
pub(super) fn of_generators(objects: &[manifest::Object]) -> Vec<WrittenChart> {
    let generators = objects.iter().filter(|object| object.kind == GENERATOR);
    generators.map(|object| WrittenChart::read(GENERATOR, &object.value, &text(&object.value["chartHome"]))).collect()
}

impl WrittenChart {
    fn read(field: &'static str, chart: &Value, home: &str) -> Self {
        let values_files = chart["valuesFile"].as_str().into_iter().chain(texts(&chart["additionalValuesFiles"]));
        Self {
            field,
            name: text(&chart["name"]),
            version: text(&chart["version"]),
            repository: text(&chart["repo"]),
            takes_prereleases: chart["devel"].as_bool() == Some(true),
            home: home.to_owned(),
            values_files: values_files.map(str::to_owned).collect(),
        }
    }

    /// The folder in which kustomize looks for it (`absChartHome` of its generator).
    fn folder(&self) -> String {
        let Self { name, version, repository, home, .. } = self;
        let home = if home.is_empty() { DEFAULT_HOME } else { home };
        if version.is_empty() || repository.is_empty() {
            return join(home, name);
        }
        join(&join(home, &format!("{name}-{version}")), name)
    }
}

/// Which of these charts must be fetched. Those that are committed are added to what is written.
pub(super) fn wanted(
    files: &CommitFiles<'_>,
    charts: &[NamedChart],
    selection: &mut Selection,
) -> Result<Vec<WantedChart>, RenderError> {
    let mut wanted: Vec<WantedChart> = Vec::new();
    for NamedChart { root, file, chart } in charts {
        let WrittenChart { field, name, repository, home, .. } = chart;
        refuse_absolute(file, "chartHome", home)?;
        let invalid = |reason: String| RenderError::InvalidKustomization { file: file.to_string(), reason };
        if !is_chart_name(name) {
            return Err(invalid(format!("{field} has {name:?}, which is no name of a chart")));
        }
        let path = chart.folder();
        if let Some(entry) = files.find_from(root, &path)?.filter(|entry| entry.is_folder) {
            selection.add(files, &entry)?;
            continue;
        }
        let Some(folder) = real_path(root, &path) else {
            return Err(RenderError::OutsideRepository { file: format!("{home}, the chartHome in {file}") });
        };
        if repository.is_empty() {
            let wanted_by = file.to_string();
            return Err(RenderError::FileNotFound {
                file: format!("{folder}, the folder of the chart {name}"),
                wanted_by,
            });
        }
        if wanted.iter().any(|other| other.folder.as_ref() == Some(&folder)) {
            // As for kustomize, which finds what it pulled for the first one.
            continue;
        }
        let dependency = chart.dependency().map_err(|reason| invalid(format!("the chart {name} {reason}")))?;
        wanted.push(WantedChart { dependency, folder: Some(folder) });
    }
    Ok(wanted)
}

impl WrittenChart {
    /// What is to be fetched for it.
    fn dependency(&self) -> Result<Dependency, String> {
        let Self { name, version, repository, takes_prereleases, .. } = self;
        let version = match version.as_str() {
            // What `helm pull --devel` means.
            "" if *takes_prereleases => ">0.0.0-0",
            version => version,
        };
        let range = version.parse().map_err(|error| format!("has no version to look for: {error}"))?;
        let repository = ChartRepository::parse(repository).map_err(|reason| {
            let shown = crate::source::remote::redacted(repository);
            format!("is from {}, which cannot be fetched: {reason}", driftwall_core::text::truncate(&shown, 200))
        })?;
        Ok(Dependency { name: name.clone(), range, from: DependencyOrigin::Repository(repository) })
    }
}

/// A path in a folder of the repository, without `.` and `..`; `None` where it leads out of the repository.
fn real_path(folder: &str, path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn text(value: &Value) -> String {
    match value {
        // A version such as `1.2` is a number without quotes; kustomize refuses it, and says so.
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(kustomization: &str) -> Vec<String> {
        let value: Value = serde_saphyr::from_str(kustomization).unwrap();
        of_kustomization(&value).iter().map(WrittenChart::folder).collect()
    }

    #[test]
    fn a_chart_is_looked_for_where_kustomize_looks() {
        for (written, expected) in [
            ("helmCharts: [{name: web}]", "charts/web"),
            ("helmCharts: [{name: web, version: 1.0.0}]", "charts/web"),
            ("helmCharts: [{name: web, repo: 'https://h/c'}]", "charts/web"),
            ("helmCharts: [{name: web, repo: 'https://h/c', version: 1.0.0}]", "charts/web-1.0.0/web"),
            ("helmGlobals: {chartHome: ../all}\nhelmCharts: [{name: web}]", "../all/web"),
            ("helmChartInflationGenerator: [{chartName: web, chartHome: all}]", "all/web"),
            (
                "helmChartInflationGenerator: [{chartName: web, chartRepoUrl: 'https://h/c', chartVersion: 1.0.0}]",
                "charts/web-1.0.0/web",
            ),
            ("helmGlobals: {}\nhelmChartInflationGenerator: [{chartName: web, chartHome: all}]", "charts/web"),
        ] {
            assert_eq!(folders(written), [expected], "{written}");
        }
    }

    #[test]
    fn a_path_may_not_lead_out_of_the_repository() {
        for (folder, path, expected) in
            [("a/b", "../c/./d", Some("a/c/d")), ("", "charts/web", Some("charts/web")), ("a", "../../c", None)]
        {
            assert_eq!(real_path(folder, path).as_deref(), expected, "{folder} {path}");
        }
    }
}
