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
