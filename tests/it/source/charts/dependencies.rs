//! Charts in Git whose dependencies are not committed.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftwall::source::charts::{ChartAccess, ChartRepository, RepositoryCredentials};
use driftwall::source::render::{HelmOptions, Programs, RenderOptions};
use driftwall::source::{
    Credentials, LoadedCommit, SnapshotStore, SourceError, SourcePoller, SourceSpec, load, local_commit,
};
use driftwall_core::desired::{ObjectKey, Snapshot};

use super::fixtures::{Client, Helm, write_chart};
use super::web_server::WebServer;
use crate::common::git::commit_all;
use crate::common::programs;
use crate::source::render::fixtures::confined_programs;

/// A chart in Git, and where its dependencies are.
struct Setup {
    client: Client,
    git: git2::Repository,
    server: WebServer,
    root: tempfile::TempDir,
    _folder: tempfile::TempDir,
}

impl Setup {
    /// With `redis` 17.0.0 and 17.1.0 in a chart repository.
    fn new(helm: &Helm) -> Self {
        let (client, root, folder) = (Client::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for version in ["17.0.0", "17.1.0"] {
            helm.package("redis", version, root.path());
        }
        helm.index(root.path());
        let server = WebServer::tls(root.path(), &client.pair);
        let git = git2::Repository::init(folder.path()).unwrap();
        write_chart(&folder.path().join("apps/web"), "web", "1.0.0");
        Self { client, git, server, root, _folder: folder }
    }

    fn write(&self, path: &str, content: &str) {
        let file = self.git.workdir().unwrap().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    fn depends_on(&self, dependencies: &str) {
        let chart = format!("apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n{dependencies}");
        self.write("apps/web/Chart.yaml", &chart);
    }

    fn source(&self) -> SourceSpec {
        let programs = Programs { helm: programs::find("helm"), ..confined_programs() };
        let helm = HelmOptions { namespace: "prod".into(), ..HelmOptions::default() };
        let prefix = ChartRepository::parse(&self.server.url("")).unwrap();
        let credentials = vec![RepositoryCredentials { prefix, credentials: self.client.login("bot", "s3cret") }];
        SourceSpec {
            path: "apps/web".into(),
            namespace: Some("prod".into()),
            render: RenderOptions { helm, programs, ..RenderOptions::default() },
            chart_access: Some(ChartAccess { store: self.client.store(), credentials }),
            ..SourceSpec::local("prod", self.git.workdir().unwrap())
        }
    }

    fn load(&self) -> Result<LoadedCommit, SourceError> {
        commit_all(&self.git);
        let source = self.source();
        load(&source, &local_commit(&source).unwrap(), None, &Arc::default())
    }

    /// The value of a field of a ConfigMap, and the file that it is from.
    fn value(&self, name: &str, key: &str) -> Option<(String, String)> {
        value(&self.load().unwrap(), name, key)
    }

    fn error(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

pub(crate) fn value(loaded: &LoadedCommit, name: &str, key: &str) -> Option<(String, String)> {
    value_in(&Snapshot::new(vec![loaded.contents.clone()]), name, key)
}

pub(crate) fn value_in(snapshot: &Snapshot, name: &str, key: &str) -> Option<(String, String)> {
    let (declared, _) = snapshot.get(ObjectKey { group: "", kind: "ConfigMap", namespace: "prod", name })?;
    let file = declared.locations(&[&driftwall_core::diff::Path::of(&["data", key])])[0].file.to_string();
    let object = declared.object();
    Some((object["data"][key].as_str()?.to_owned(), file))
}

#[test]
fn a_dependency_is_fetched_in_the_locked_version_and_rendered() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    *setup.server.state.login.lock().unwrap() = Some("bot:s3cret".to_owned());
    let url = setup.server.url("/");
    setup.depends_on(&format!("- {{name: redis, version: 17.x.x, repository: \"{url}\"}}\n"));
    let (version, file) = setup.value("redis", "version").unwrap();
    assert_eq!((version.as_str(), file.as_str()), ("17.1.0", "apps/web/Chart.yaml"));
    let lock = |version: &str| format!("dependencies: [{{name: redis, version: {version}, repository: \"{url}\"}}]\n");
    setup.write("apps/web/Chart.lock", &lock("17.0.0"));
    assert_eq!(setup.value("redis", "version").unwrap().0, "17.0.0");
    setup.write("apps/web/Chart.lock", &lock("16.0.0"));
    let error = setup.error();
    assert!(error.contains("apps/web/Chart.lock") && error.contains("helm dependency update"), "{error}");
}

#[test]
fn a_dependency_is_known_while_its_repository_is_away() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    setup.depends_on(&format!("- {{name: redis, version: ^17, repository: \"{}\"}}\n", setup.server.url("")));
    assert_eq!(setup.value("redis", "version").unwrap().0, "17.1.0");
    // The server serves nothing but errors.
    *setup.server.state.handler.lock().unwrap() = Some(Arc::new(|_: &_| Some((503, Vec::new()))));
    setup.write("apps/web/values.yaml", "size: 2\n");
    assert_eq!(setup.value("redis", "version").unwrap().0, "17.1.0");
    assert_eq!(setup.value("web", "size").unwrap().0, "2");
    setup.depends_on(&format!("- {{name: redis, version: ^16, repository: \"{}\"}}\n", setup.server.url("")));
    let error = setup.error();
    assert!(error.contains("redis ^16") && error.contains(&setup.server.url("")) && error.contains("503"), "{error}");
}

#[test]
fn an_absent_repository_of_dependencies_is_told_until_it_is_back() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    setup.depends_on(&format!("- {{name: redis, version: ^17, repository: \"{}\"}}\n", setup.server.url("")));
    commit_all(&setup.git);
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &[setup.source()]);
    let error = || {
        poller.sync_all();
        store.statuses()[0].error.clone()
    };
    let version = || value_in(&store.snapshot(), "redis", "version").expect("it is declared").0;
    assert_eq!((error(), version().as_str()), (None, "17.1.0"));

    *setup.server.state.handler.lock().unwrap() = Some(Arc::new(|_: &_| Some((503, Vec::new()))));
    helm.package("redis", "17.2.0", setup.root.path());
    helm.index(setup.root.path());
    setup.write("apps/web/values.yaml", "size: 2\n");
    let told = |error: Option<String>| {
        error.is_some_and(|error| {
            error.contains("redis ^17") && error.contains("503") && error.contains("17.1.0, which")
        })
    };
    commit_all(&setup.git);
    assert!(told(error()));
    assert!(told(error()), "it stays told while nothing is new");
    assert_eq!(value_in(&store.snapshot(), "web", "size").unwrap().0, "2");
    assert_eq!(version(), "17.1.0");

    *setup.server.state.handler.lock().unwrap() = None;
    let begun = Instant::now();
    while error().is_some() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not heal");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(version(), "17.2.0");
}

#[test]
fn what_is_committed_is_used_and_nothing_is_fetched_for_it() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    setup.depends_on(&format!("- {{name: redis, version: ^17, repository: \"{}\"}}\n", setup.server.url("")));
    let charts = setup.git.workdir().unwrap().join("apps/web/charts");
    fs::create_dir_all(&charts).unwrap();
    fs::copy(setup.root.path().join("redis-17.0.0.tgz"), charts.join("any-name.tgz")).unwrap();
    assert_eq!(setup.value("redis", "version").unwrap().0, "17.0.0");
    fs::remove_file(charts.join("any-name.tgz")).unwrap();
    write_chart(&charts.join("another-name"), "redis", "17.0.5");
    assert_eq!(setup.value("redis", "version").unwrap().0, "17.0.5");
    assert!(setup.server.seen("").is_empty());
}

#[test]
fn aliases_and_two_versions_of_one_chart_are_rendered() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    let url = setup.server.url("");
    setup.depends_on(&format!(
        "- {{name: redis, version: 17.0.0, repository: \"{url}\", alias: old}}\n\
         - {{name: redis, version: 17.1.0, repository: \"{url}\", alias: new}}\n"
    ));
    setup.write("apps/web/values.yaml", "size: 1\nold: {size: 3}\nnew: {size: 4}\n");
    for (name, version, size) in [("old", "17.0.0", "3"), ("new", "17.1.0", "4")] {
        assert_eq!(setup.value(name, "version").unwrap().0, version, "{name}");
        assert_eq!(setup.value(name, "size").unwrap().0, size, "{name}");
    }
}

#[test]
fn a_dependency_in_a_folder_of_the_repository_is_rendered_with_its_file() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    setup.depends_on("- {name: common, version: 1.x, repository: \"file://../../libs/shared\"}\n");
    let error = setup.error();
    assert!(error.contains("libs/shared") && error.contains("apps/web/Chart.yaml"), "{error}");
    write_chart(&setup.git.workdir().unwrap().join("libs/shared"), "common", "1.4.0");
    let (version, file) = setup.value("common", "version").unwrap();
    assert_eq!((version.as_str(), file.as_str()), ("1.4.0", "libs/shared/templates/map.yaml"));
    // A change there is a change of this source.
    setup.write("libs/shared/values.yaml", "size: 9\n");
    assert_eq!(setup.value("common", "size").unwrap().0, "9");
    for (path, words) in
        [("file://../../../outside", "out of the repository"), ("file:///etc", "relative to the chart")]
    {
        setup.depends_on(&format!("- {{name: common, version: 1.x, repository: \"{path}\"}}\n"));
        let error = setup.error();
        assert!(error.contains(words), "{path}: {error}");
    }
}

#[test]
fn nothing_is_fetched_over_http_that_is_not_configured() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    let plain = WebServer::plain(setup.root.path());
    setup.depends_on(&format!("- {{name: redis, version: ^17, repository: \"{}\"}}\n", plain.url("")));
    let error = setup.error();
    assert!(error.contains("not https") && error.contains("repositories") && plain.seen("").is_empty(), "{error}");
    let mut source = setup.source();
    let prefix = ChartRepository::parse(&plain.url("")).unwrap();
    let allowed = RepositoryCredentials { prefix, credentials: Credentials::default() };
    source.chart_access.as_mut().unwrap().credentials.push(allowed);
    let loaded = load(&source, &local_commit(&source).unwrap(), None, &Arc::default()).unwrap();
    assert_eq!(value(&loaded, "redis", "version").unwrap().0, "17.1.0");
}

#[test]
fn an_alias_of_a_repository_and_a_plugin_are_told() {
    let Some(helm) = Helm::new() else { return };
    let setup = Setup::new(&helm);
    for (repository, words) in [("@stable", "write the repository's URL"), ("s3://bucket", "cannot be fetched")] {
        setup.depends_on(&format!("- {{name: redis, version: ^17, repository: \"{repository}\"}}\n"));
        let error = setup.error();
        assert!(error.contains(words) && error.contains("redis") && error.contains("apps/web/Chart.yaml"), "{error}");
    }
}
