//! The dependencies of a chart in a commit: which are there, which are in another
//! folder of the commit, and which must be fetched before it is rendered.

use std::collections::BTreeSet;

use super::error::RenderError;
use super::helm::CHART_FILE;
use super::selection::Selection;
use super::tree::{CommitFiles, FileEntry, join};
use crate::source::charts::{
    ChartError, Dependency, DependencyFiles, DependencyOrigin, archived_file, chart_name, missing_dependencies,
};

/// The folder of a chart's dependencies.
const FOLDER: &str = "charts";
/// The files that name dependencies, each with its lock; the second is of Helm 2.
const FILES: [(&str, &str); 2] = [(CHART_FILE, "Chart.lock"), ("requirements.yaml", "requirements.lock")];

/// The dependencies of a chart that are not in its folder `charts/`.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    /// Those that must be fetched.
    pub(super) to_fetch: Vec<Dependency>,
    /// Those in other folders of the commit: their names and folders.
    pub(super) folders: Vec<(String, String)>,
}

/// Collects the dependencies of a chart. Those in other folders of the commit are
/// added to what is written.
pub(super) fn collect(
    files: &CommitFiles<'_>,
    folder: &FileEntry,
    selection: &mut Selection,
) -> Result<Dependencies, RenderError> {
    let mut collected = Dependencies::default();
    for (file, lock) in FILES {
        let (Some(wanted), lock_content) = (read(files, &folder.path, file)?, read(files, &folder.path, lock)?) else {
            continue;
        };
        let written = DependencyFiles { wanted: &wanted, lock: lock_content.as_deref() };
        let (file, lock) = (join(&folder.path, file), join(&folder.path, lock));
        // Most charts have no dependencies: then nothing else is read.
        if !written.has_any(&file)? {
            continue;
        }
        let present = present_charts(files, &folder.path)?;
        for dependency in missing_dependencies(written, &present, &file, &lock)? {
            match &dependency.from {
                DependencyOrigin::Repository(_) => collected.to_fetch.push(dependency),
                DependencyOrigin::Folder(path) => {
                    let real = add_folder(files, folder, &dependency, path, &file, selection)?;
                    collected.folders.push((dependency.name, real));
                }
            }
        }
    }
    Ok(collected)
}

/// Where a dependency is put, so that it replaces nothing.
pub(super) fn place(selection: &Selection, chart_folder: &str, name: &str) -> String {
    let mut place = join(&join(chart_folder, FOLDER), name);
    while selection.has_below(&place) {
        place.push('_');
    }
    place
}

/// The names of the charts in the folder `charts/`, unpacked or in archives.
fn present_charts(files: &CommitFiles<'_>, chart_folder: &str) -> Result<BTreeSet<String>, RenderError> {
    let mut names = BTreeSet::new();
    let Some(folder) = files.find_from(chart_folder, FOLDER)?.filter(|entry| entry.is_folder) else {
        return Ok(names);
    };
    for entry in &files.folder(&folder.path, folder.id)? {
        // What is no UTF-8 is reported when it is written.
        let Ok(name) = entry.name() else { continue };
        let chart_file = match files.find_from(&folder.path, name)? {
            Some(chart) if chart.is_folder => read(files, &chart.path, CHART_FILE)?,
            // As Helm: an archive is what ends so, in small letters.
            Some(archive) if name.rsplit('.').next() == Some("tgz") => {
                let content = files.read(&archive.path, archive.id)?;
                archived_file(content.as_slice(), CHART_FILE).unwrap_or_default()
            }
            _ => None,
        };
        names.extend(chart_file.map(|content| chart_name(&content)));
    }
    Ok(names)
}

/// Adds a folder of the commit; its path.
fn add_folder(
    files: &CommitFiles<'_>,
    chart: &FileEntry,
    dependency: &Dependency,
    path: &str,
    wanted_by: &str,
    selection: &mut Selection,
) -> Result<String, RenderError> {
    let Some(entry) = files.find_from(&chart.path, path)?.filter(|entry| entry.is_folder) else {
        let file = format!("{}, the folder of the chart {}", join(&chart.path, path), dependency.name);
        return Err(RenderError::FileNotFound { file, wanted_by: wanted_by.to_owned() });
    };
    let Some(content) = read(files, &entry.path, CHART_FILE)? else {
        let file = join(&entry.path, CHART_FILE);
        return Err(RenderError::FileNotFound { file, wanted_by: wanted_by.to_owned() });
    };
    let name = chart_name(&content);
    if name != dependency.name {
        let reason = format!("the dependency {} is in {path}, and the chart there is {name}", dependency.name);
        return Err(ChartError::InvalidDependency { file: wanted_by.to_owned(), reason }.into());
    }
    let place = place(selection, &chart.path, &dependency.name);
    selection.add_folder_at(files, &entry, &place)?;
    Ok(entry.path)
}

fn read(files: &CommitFiles<'_>, folder: &str, name: &str) -> Result<Option<Vec<u8>>, RenderError> {
    match files.find_from(folder, name)? {
        Some(entry) if !entry.is_folder => files.read(&entry.path, entry.id).map(Some),
        _ => Ok(None),
    }
}
