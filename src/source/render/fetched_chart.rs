//! Charts that are wanted, and, once fetched, unpacked beside what is rendered.

use super::checkout::FileSink;
use super::error::RenderError;
use super::tree::join;
use crate::source::charts::{ChartError, ChartFile, ChartStore, Dependency, for_each_file};

/// A chart that must be fetched before something can be rendered.
#[derive(Clone, Debug)]
pub(in crate::source) struct WantedChart {
    /// Which, and where it is.
    pub(in crate::source) dependency: Dependency,
    /// The folder into which it must be unpacked; `None` for one of those in a chart's `charts/`.
    pub(super) folder: Option<String>,
}

impl WantedChart {
    /// A dependency of a chart.
    pub(super) fn of_chart(dependency: Dependency) -> Self {
        Self { dependency, folder: None }
    }
}

/// A chart that was fetched.
#[derive(Clone, Debug)]
pub(in crate::source) struct FetchedChart {
    /// The SHA-256 of the archive in hexadecimal.
    pub(in crate::source) digest: String,
    /// Where it is kept.
    pub(in crate::source) store: ChartStore,
}

impl FetchedChart {
    /// Calls `visit` for each of its files.
    pub(super) fn for_each_file(
        &self,
        mut visit: impl FnMut(ChartFile) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        let archive = self.store.open(&self.digest)?;
        for_each_file(archive, |file| visit(file).map_err(VisitError::Visit)).map_err(|error| match error {
            VisitError::Visit(error) => error,
            VisitError::Archive(reason) => {
                let chart = format!("with the digest {}", self.digest);
                ChartError::InvalidArchive { chart, reason }.into()
            }
        })
    }

    /// Unpacks it into a folder.
    pub(super) fn copy_to(&self, folder: &str, sink: &mut impl FileSink) -> Result<(), RenderError> {
        self.for_each_file(|ChartFile { path, content }| {
            let path = join(folder, &path);
            sink.file(&path, &content).map_err(|reason| RenderError::Io { action: format!("write {path}"), reason })
        })
    }
}

enum VisitError {
    Archive(String),
    Visit(RenderError),
}

impl From<String> for VisitError {
    fn from(reason: String) -> Self {
        Self::Archive(reason)
    }
}
