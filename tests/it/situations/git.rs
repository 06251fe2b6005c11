//! What Git declares in a row: its manifests, or a repository that is read as driftwall reads one.

use std::sync::Arc;

use driftwall::source::render::{HelmOptions, RenderOptions};
use driftwall::source::{SourceSpec, load, local_commit};
use driftwall_core::desired::{FileContents, Source, SourceContents, hide_variables};

use super::review::NAMESPACE;
use super::row::{Page, Row};
use crate::harness::snapshots::objects;
use crate::source::render::fixtures::{Repo, real_programs};

/// `None` where the program is missing that renders the row's repository.
pub(super) fn contents(page: &Page, row: &Row) -> Option<Arc<SourceContents>> {
    if row.files.is_empty() { Some(manifests(page, row)) } else { repository(row) }
}

fn manifests(page: &Page, row: &Row) -> Arc<SourceContents> {
    let file = |(name, yaml): (&str, &str)| {
        let mut manifests = objects(name, yaml);
        if row.substitute {
            for manifest in &mut manifests {
                hide_variables(&mut manifest.value);
            }
        }
        Arc::new(FileContents::new(&Arc::from(name), Some(NAMESPACE), manifests).unwrap())
    };
    let source = Source { name: "prod".into(), ..Source::default() };
    let files = [("page.yaml", page.git.as_str()), ("row.yaml", row.git.as_str())];
    Arc::new(SourceContents::new(source, files.map(file).into()))
}

fn repository(row: &Row) -> Option<Arc<SourceContents>> {
    let is_rendered = row.files.keys().any(|path| path.ends_with("Chart.yaml"));
    let options = if is_rendered { real_programs()? } else { RenderOptions::default() };
    let files: Vec<_> = row.files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let repo = Repo::new(&files);
    for (link, target) in &row.links {
        repo.link(target, link);
    }
    let helm = HelmOptions {
        release_name: "prod".into(),
        namespace: NAMESPACE.into(),
        api_versions: row.api_versions.clone(),
        ..HelmOptions::default()
    };
    let source = SourceSpec {
        path: row.path.clone(),
        namespace: Some(NAMESPACE.into()),
        render: RenderOptions { helm, ..options },
        ..SourceSpec::local("prod", repo.root())
    };
    let loaded = load(&source, &local_commit(&source).unwrap(), None, &Arc::default());
    Some(loaded.unwrap_or_else(|error| panic!("{}: {error}", row.write)).contents)
}
