//! A chart as a tree of Git, so that it is rendered and traced like a folder of a
//! repository: the ids of its files tell what a new version changes.

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository};
use tempfile::TempDir;

use super::archive::{ChartFile, for_each_file};
use super::error::ChartError;
use super::store::{ChartStore, ResolvedChart};

/// A temporary repository with the files of a chart; removed on drop.
pub struct ChartTree {
    /// The repository.
    pub git: Repository,
    /// The tree of the files.
    pub tree: Oid,
    _folder: TempDir,
}

/// Unpacks a chart that is kept.
///
/// # Errors
///
/// It is not there any more, or cannot be read.
pub fn unpack(store: &ChartStore, name: &str, resolved: &ResolvedChart) -> Result<ChartTree, ChartError> {
    let archive = store.open(&resolved.digest)?;
    let invalid = |reason: String| ChartError::InvalidArchive { chart: format!("{name} {}", resolved.version), reason };
    let failed = |reason| ChartError::Store { action: "unpack a chart in", file: std::env::temp_dir(), reason };
    let folder = tempfile::Builder::new().prefix("driftwall-chart-").tempdir().map_err(failed)?;
    let git = Repository::init_bare(folder.path()).map_err(|error| failed(std::io::Error::other(error)))?;
    let mut update = TreeUpdateBuilder::new();
    for_each_file(archive, |ChartFile { path, content }| {
        let blob = git.blob(&content).map_err(|error| error.message().to_owned())?;
        update.upsert(path, blob, FileMode::Blob);
        Ok::<(), String>(())
    })
    .map_err(invalid)?;
    let empty = git.treebuilder(None).and_then(|builder| git.find_tree(builder.write()?));
    let tree = empty.and_then(|empty| update.create_updated(&git, &empty));
    let tree = tree.map_err(|error| invalid(error.message().to_owned()))?;
    Ok(ChartTree { git, tree, _folder: folder })
}
