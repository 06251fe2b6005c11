//! A chart in a repository or registry as a source.

use std::sync::Arc;

use driftwall::source::render::{HelmOptions, Programs, RenderOptions};
use driftwall::source::{ChartSource, SnapshotStore, SourcePoller, SourceSpec, latest_commit, load};

use super::dependencies::{value, value_in};
use super::fixtures::{Client, Helm};
use super::registry::{Access, Registry};
use super::web_server::WebServer;
use crate::common::programs;
use crate::source::render::fixtures::confined_programs;

fn source(client: &Client, repository: &str, range: &str, values: &str) -> SourceSpec {
    let programs = Programs { helm: programs::find("helm"), ..confined_programs() };
    let helm = HelmOptions {
        release_name: "shop".into(),
        namespace: "prod".into(),
        values: Some(values.to_owned()),
        ..HelmOptions::default()
    };
    let spec = SourceSpec {
        render: RenderOptions { helm, programs, ..RenderOptions::default() },
        namespace: Some("prod".into()),
        ..SourceSpec::local("shop", "")
    };
    spec.of_chart(ChartSource { request: client.request(repository, "web", range), store: client.store() })
}

#[test]
fn a_chart_of_a_repository_is_a_source_with_a_version_for_a_commit() {
    let Some(helm) = Helm::new() else { return };
    let (client, root) = (Client::new(), tempfile::tempdir().unwrap());
    helm.package("web", "1.2.0", root.path());
    helm.index(root.path());
    let server = WebServer::tls(root.path(), &client.pair);
    let source = source(&client, &server.url("/"), "^1", "size: 7");
    let commit = latest_commit(&source, &Arc::default()).unwrap();
    let loaded = load(&source, &commit, None, &Arc::default()).unwrap();
    let (size, file) = value(&loaded, "web", "size").unwrap();
    assert_eq!((size.as_str(), file.as_str()), ("7", "templates/map.yaml"));
    let at = &loaded.contents.source;
    assert_eq!((at.repo.as_str(), at.revision.as_str()), (server.url("").as_str(), "^1"));
    assert_eq!((at.chart.as_deref(), at.short_commit()), (Some("web"), "1.2.0"));
    assert!(at.commit.starts_with("1.2.0@sha256:"), "{}", at.commit);
}

#[test]
fn the_snapshot_follows_the_repository_and_survives_its_absence_and_a_restart() {
    let Some(helm) = Helm::new() else { return };
    let (client, root) = (Client::new(), tempfile::tempdir().unwrap());
    helm.package("web", "1.2.0", root.path());
    helm.index(root.path());
    let server = WebServer::tls(root.path(), &client.pair);
    let spec = source(&client, &server.url(""), "1.x", "size: 1");
    let version = |store: &SnapshotStore| value_in(&store.snapshot(), "web", "version").expect("it is declared").0;
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, std::slice::from_ref(&spec));
    poller.sync_all();
    assert_eq!((version(&store), store.statuses()[0].error.clone()), ("1.2.0".to_owned(), None));
    helm.package("web", "1.3.0", root.path());
    helm.index(root.path());
    poller.sync_all();
    assert_eq!(version(&store), "1.3.0");
    assert!(store.statuses()[0].commit.as_deref().unwrap().starts_with("1.3.0@sha256:"));

    server.stop();
    poller.sync_all();
    let status = &store.statuses()[0];
    assert_eq!(version(&store), "1.3.0");
    assert!(status.error.as_deref().is_some_and(|error| error.contains("web 1.x")), "{status:?}");

    // After a restart, with the repository away.
    let store = Arc::new(SnapshotStore::default());
    SourcePoller::new(&store, std::slice::from_ref(&spec)).sync_all();
    assert_eq!(version(&store), "1.3.0");
    assert!(store.statuses()[0].age.is_some(), "its age is known");
}

#[test]
fn charts_and_versions_of_one_repository_share_one_download_of_its_index() {
    let Some(helm) = Helm::new() else { return };
    let (client, root) = (Client::new(), tempfile::tempdir().unwrap());
    for (name, version) in [("web", "1.2.0"), ("web", "1.3.0"), ("db", "2.0.0"), ("gone", "1.0.0")] {
        helm.package(name, version, root.path());
    }
    helm.index(root.path());
    std::fs::remove_file(root.path().join("gone-1.0.0.tgz")).unwrap();
    let server = WebServer::tls(root.path(), &client.pair);
    *server.state.has_etags.lock().unwrap() = true;
    let mut sources = Vec::new();
    for (name, chart, range) in [
        ("one", "web", "1.x"),
        ("two", "web", "~1.2"),
        ("three", "db", "*"),
        ("same", "web", "1.x"),
        ("exact", "web", "1.2.0"),
        ("gone", "gone", "*"),
        ("none", "web", "^9"),
    ] {
        let like = source(&client, "https://charts.invalid", "*", "");
        let request = client.request(&server.url("/"), chart, range);
        let chart = ChartSource { request, store: client.store() };
        sources.push(SourceSpec { name: name.into(), ..like }.of_chart(chart));
    }
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &sources);
    let looks = |number: usize| {
        poller.sync_all();
        let seen = server.seen("/index.yaml");
        assert_eq!(seen.len(), number, "one request a round: {seen:?}");
        seen[number - 1].status
    };
    let versions = || {
        let version = |commit: Option<String>| commit.map(|commit| commit.split('@').next().unwrap().to_owned());
        let statuses = store.statuses().into_iter();
        statuses.map(|status| version(status.commit).unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(looks(1), 200);
    assert_eq!(versions(), ["1.3.0", "1.2.0", "2.0.0", "1.3.0", "1.2.0", "", ""]);
    for (status, words) in store.statuses()[5..].iter().zip(["gone *", "web ^9"]) {
        assert!(status.error.as_deref().is_some_and(|error| error.contains(words)), "{status:?}");
    }
    for archive in ["web-1.3.0.tgz", "web-1.2.0.tgz", "db-2.0.0.tgz"] {
        assert_eq!(server.seen(archive).len(), 1, "{archive}");
    }
    helm.package("web", "1.4.0", root.path());
    helm.package("gone", "1.0.0", root.path());
    helm.index(root.path());
    assert_eq!(looks(2), 200);
    assert_eq!(versions(), ["1.4.0", "1.2.0", "2.0.0", "1.4.0", "1.2.0", "1.0.0", ""]);
    // One that nobody has is looked for in the whole index; without it, nothing new is nothing to send.
    poller.set_sources(&sources[..6]);
    assert_eq!(looks(3), 304);
    assert_eq!(versions(), ["1.4.0", "1.2.0", "2.0.0", "1.4.0", "1.2.0", "1.0.0"]);
}

#[test]
fn ranges_of_one_chart_in_a_registry_share_its_list_of_tags() {
    let Some(helm) = Helm::new() else { return };
    let (client, root) = (Client::new(), tempfile::tempdir().unwrap());
    let folder = root.path().join("v2/charts/web");
    for name in ["tags", "manifests", "blobs"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    for version in ["1.2.0", "1.3.0"] {
        let archive = std::fs::read(helm.package("web", version, client.folder.path())).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &archive);
        let digest = digest.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        std::fs::write(folder.join(format!("blobs/sha256:{digest}")), archive).unwrap();
        let layer = format!(
            r#"{{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": "sha256:{digest}"}}"#
        );
        std::fs::write(folder.join("manifests").join(version), format!(r#"{{"layers": [{layer}]}}"#)).unwrap();
    }
    std::fs::write(folder.join("tags/list"), r#"{"tags": ["1.2.0", "1.3.0"]}"#).unwrap();
    let server = WebServer::tls(root.path(), &client.pair);
    let url = format!("oci://127.0.0.1:{}/charts", server.port);
    let sources: Vec<_> = [("one", "1.x"), ("two", "~1.2"), ("exact", "1.3.0")]
        .map(|(name, range)| SourceSpec { name: name.into(), ..source(&client, &url, range, "") })
        .into();
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &sources);
    for round in 1..3 {
        poller.sync_all();
        assert_eq!(server.seen("/tags/list").len(), round);
    }
    let commits: Vec<_> = store.statuses().into_iter().map(|status| status.commit.unwrap()).collect();
    for (commit, version) in commits.iter().zip(["1.3.0@", "1.2.0@", "1.3.0@"]) {
        assert!(commit.starts_with(version), "{commit}");
    }
}

#[test]
fn a_chart_of_a_registry_is_a_source() {
    let Some(helm) = Helm::new() else { return };
    let client = Client::new();
    let Some(registry) = Registry::start(&client, Access::Anybody) else { return };
    registry.push(&client, &helm, "web", "1.2.0", Access::Anybody);
    registry.push(&client, &helm, "web", "1.4.0", Access::Anybody);
    let source = source(&client, &registry.url("/charts"), "~1.2", "size: 5");
    let commit = latest_commit(&source, &Arc::default()).unwrap();
    let loaded = load(&source, &commit, None, &Arc::default()).unwrap();
    assert_eq!(value(&loaded, "web", "version").unwrap().0, "1.2.0");
    assert_eq!(value(&loaded, "web", "size").unwrap().0, "5");
}
