//! A source as it is configured: where its repository is, and what of it is read.

use std::path::PathBuf;
use std::sync::Arc;

use super::charts::{ChartAccess, ChartRequest, ChartStore};
use super::file_filter::FileFilter;
use super::remote::{Credentials, FetchLimits, Mirror, RemoteUrl};
use super::render::{RenderMode, RenderOptions};
use driftwall_core::desired::{self, DesiredError, FileContents, NamespaceScope, hide_variables};
use driftwall_core::manifest;

/// A source, ready to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// The source's name.
    pub name: String,
    /// The repository's folder, bare or not; the mirror, for one on a server.
    pub folder: PathBuf,
    /// Where it is mirrored from; `None` for a repository on this machine.
    pub remote: Option<RemoteRepository>,
    /// The repository as messages name it, without credentials.
    pub display_url: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The folder or file inside it; empty for all.
    pub path: String,
    /// The namespace of manifests that name none.
    pub namespace: Option<String>,
    /// Where two sources declare the same object, the one of the higher priority counts.
    pub priority: i32,
    /// The namespaces in which it may declare objects.
    pub scope: NamespaceScope,
    /// Which files are read, by their names relative to `path`.
    pub files: FileFilter,
    /// What the path holds, and how it is rendered.
    pub render: RenderOptions,
    /// Whether Flux substitutes the variables in what it says.
    pub substitute: bool,
    /// The chart in a chart repository or registry that it is instead of a Git repository.
    pub chart: Option<ChartSource>,
    /// How charts are had that a chart in it depends on; `None` where none are to be fetched.
    pub chart_access: Option<ChartAccess>,
}

/// A chart in a chart repository or registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartSource {
    /// The chart.
    pub request: ChartRequest,
    /// Where charts are kept.
    pub store: ChartStore,
}

/// A repository on a server.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteRepository {
    /// Where it is.
    pub url: RemoteUrl,
    /// What the server asks for.
    pub credentials: Credentials,
    /// The folder of all mirrors.
    pub data_dir: PathBuf,
    /// The most bytes that the mirror may take on the disk.
    pub max_bytes: u64,
    /// Tells repositories of the same address apart that are read with different
    /// credentials: 0 for the first, 1 for the next.
    pub number: usize,
}

impl SourceSpec {
    /// A repository on this machine, read whole, without a filter.
    pub fn local(name: &str, folder: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            folder: folder.into(),
            remote: None,
            display_url: name.to_owned(),
            revision: "HEAD".into(),
            path: String::new(),
            namespace: None,
            priority: 0,
            scope: NamespaceScope::default(),
            files: FileFilter::default(),
            render: RenderOptions::default(),
            substitute: false,
            chart: None,
            chart_access: None,
        }
    }

    /// What a file of the source declares with these objects.
    pub(super) fn file_contents(
        &self,
        file: &Arc<str>,
        mut objects: Vec<manifest::Object>,
    ) -> Result<FileContents, DesiredError> {
        if self.substitute {
            for object in &mut objects {
                hide_variables(&mut object.value);
            }
        }
        FileContents::new(file, self.namespace.as_deref(), objects)
    }

    /// Whether both read the same files of the same repository in the same way, by
    /// whatever name and with whatever credentials.
    pub(super) fn reads_the_same(&self, other: &Self) -> bool {
        let Self {
            name: _,
            folder: _,
            remote: _,
            scope: _,
            display_url,
            revision,
            path,
            namespace,
            priority,
            files,
            render,
            substitute,
            chart: _,
            chart_access: _,
        } = self;
        let chart = |source: &Self| {
            let request = &source.chart.as_ref()?.request;
            Some((request.repository.clone(), request.name.clone(), request.range.clone()))
        };
        let url = |source: &Self| source.remote.as_ref().map(|remote| remote.url.clone());
        // A mirror is the repository's, wherever it is; a folder on this machine is the repository itself.
        let local = |source: &Self| if source.remote.is_none() { Some(source.folder.clone()) } else { None };
        (url(self), local(self)) == (url(other), local(other))
            && (display_url, revision, path) == (&other.display_url, &other.revision, &other.path)
            && (namespace, priority) == (&other.namespace, &other.priority)
            && (files, render, substitute) == (&other.files, &other.render, &other.substitute)
            && chart(self) == chart(other)
    }

    /// What its repository is asked for: a revision; of a chart, its name and versions.
    pub(super) fn wanted(&self) -> String {
        match &self.chart {
            Some(ChartSource { request, .. }) => request.to_string(),
            None => self.revision.clone(),
        }
    }

    /// The same, mirrored from a server.
    #[must_use]
    pub fn mirrored(self, remote: RemoteRepository) -> Self {
        let folder = remote.mirror().folder().to_owned();
        Self { folder, display_url: remote.url.to_string(), remote: Some(remote), ..self }
    }

    /// The same as a chart in a chart repository or registry.
    #[must_use]
    pub fn of_chart(self, chart: ChartSource) -> Self {
        let ChartRequest { repository, range, .. } = &chart.request;
        let (display_url, revision) = (repository.to_string(), range.to_string());
        let render = RenderOptions { mode: RenderMode::Helm, ..self.render };
        Self { display_url, revision, render, chart: Some(chart), ..self }
    }

    /// The source at a commit, as messages name it.
    pub(super) fn at_commit(&self, commit: &str) -> desired::Source {
        desired::Source {
            name: self.name.clone(),
            repo: self.display_url.clone(),
            revision: self.revision.clone(),
            commit: commit.to_owned(),
            chart: self.chart.as_ref().map(|chart| chart.request.name.clone()),
            priority: self.priority,
            applied_by: None,
        }
    }
}

impl RemoteRepository {
    /// A repository on a server, with the limits that hold where nobody sets others.
    pub fn new(url: RemoteUrl, credentials: Credentials, data_dir: impl Into<PathBuf>) -> Self {
        Self { url, credentials, data_dir: data_dir.into(), max_bytes: FetchLimits::default().bytes, number: 0 }
    }

    /// Its mirror, which all its sources share.
    pub(super) fn mirror(&self) -> Mirror {
        let Self { url, credentials, data_dir, max_bytes, number } = self;
        let limits = FetchLimits { bytes: *max_bytes, ..FetchLimits::default() };
        Mirror::new(data_dir, url.clone(), credentials.clone(), *number).with_limits(limits)
    }
}
