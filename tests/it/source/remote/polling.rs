//! A source on a server is polled: what the snapshot says, whatever the server does.

use std::sync::Arc;

use driftwall::source::{Address, RemoteRepository, SnapshotStore, SourcePoller, SourceSpec, SourceStatus};
use driftwall_core::desired::ObjectKey;
use git2::Oid;

use crate::source::remote::repository::TestRepository;
use crate::source::remote::transports::{RemoteSetup, with_each_transport};

fn manifest(mode: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  MODE: {mode}\n")
}

fn source(remote: &RemoteSetup) -> SourceSpec {
    let Ok(Address::Remote(url)) = Address::parse(&remote.url(), std::path::Path::new("/")) else {
        return SourceSpec { namespace: Some("prod".into()), ..SourceSpec::local("prod", remote.repository.path()) };
    };
    let remote = RemoteRepository::new(url, remote.credentials(), remote.data.path());
    SourceSpec { revision: "main".into(), namespace: Some("prod".into()), ..SourceSpec::local("prod", "") }
        .mirrored(remote)
}

/// What the snapshot says of the one object's mode.
fn mode(store: &SnapshotStore) -> Option<String> {
    let key = ObjectKey { group: "", kind: "ConfigMap", namespace: "prod", name: "app" };
    let snapshot = store.snapshot();
    let (declared, _) = snapshot.get(key)?;
    declared.object()["data"]["MODE"].as_str().map(str::to_owned)
}

fn start(remote: &RemoteSetup) -> (Arc<SnapshotStore>, SourcePoller) {
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &[source(remote)]);
    poller.sync_all();
    (store, poller)
}

fn status(store: &SnapshotStore) -> SourceStatus {
    store.statuses().remove(0)
}

/// Runs a test on a repository on this machine, and on each kind of server.
fn with_each_place(test: impl Fn(RemoteSetup, Oid)) {
    let (repository, first) = TestRepository::new();
    test(RemoteSetup::folder(repository), first);
    with_each_transport(test);
}

#[test]
fn the_snapshot_has_what_was_pushed_or_force_pushed_last() {
    with_each_place(|remote, _| {
        remote.repository.push("main", &manifest("one"));
        let (store, poller) = start(&remote);
        assert_eq!(mode(&store).as_deref(), Some("one"), "{:?}", status(&store));
        let second = remote.repository.push("main", &manifest("two"));
        poller.sync_all();
        assert_eq!(mode(&store).as_deref(), Some("two"));
        assert_eq!(status(&store).commit, Some(second.to_string()));
        let third = remote.repository.force_push("main", &manifest("three"));
        poller.sync_all();
        assert_eq!((mode(&store).as_deref(), status(&store).commit), (Some("three"), Some(third.to_string())));
    });
}

#[test]
fn the_snapshot_is_kept_while_the_server_is_unreachable() {
    let (repository, _) = TestRepository::new();
    let mut remote = RemoteSetup::web(repository);
    remote.repository.push("main", &manifest("one"));
    let (store, poller) = start(&remote);
    let age = status(&store).age;

    remote.stop();
    poller.sync_all();
    assert_eq!(mode(&store).as_deref(), Some("one"));
    assert!(status(&store).age > age, "a poll that failed is no sync");
    assert!(status(&store).error.is_some());

    // A restart meanwhile continues from the mirror.
    drop(poller);
    let (store, poller) = start(&remote);
    assert_eq!(mode(&store).as_deref(), Some("one"), "{:?}", status(&store));
    assert!(status(&store).error.unwrap().contains("127.0.0.1"), "the server is named");

    remote.resume();
    remote.repository.push("main", &manifest("two"));
    poller.sync_all();
    assert_eq!((mode(&store).as_deref(), status(&store).error), (Some("two"), None));
}

#[test]
fn without_a_mirror_an_unreachable_server_leaves_no_snapshot() {
    let (repository, _) = TestRepository::new();
    let mut remote = RemoteSetup::web(repository);
    remote.stop();
    let (store, _poller) = start(&remote);
    assert_eq!((mode(&store), status(&store).commit), (None, None));
    assert!(status(&store).error.is_some());
}

#[test]
fn a_restart_begins_with_the_last_good_commit_where_the_newest_is_broken() {
    with_each_place(|remote, _| {
        remote.repository.push("main", &manifest("one"));
        let (store, poller) = start(&remote);
        let good = status(&store).commit;
        remote.repository.push("main", "kind: ConfigMap\n  broken: [\n");
        poller.sync_all();
        assert_eq!(status(&store).commit, good);
        drop(poller);

        let (store, poller) = start(&remote);
        if source(&remote).remote.is_some() {
            assert_eq!((mode(&store).as_deref(), status(&store).commit), (Some("one"), good));
        }
        assert!(status(&store).error.is_some(), "the broken commit is told");
        assert!(store.is_ready(), "a broken commit takes no replica out of service");

        remote.repository.push("main", &manifest("three"));
        poller.sync_all();
        assert_eq!((mode(&store).as_deref(), status(&store).error), (Some("three"), None));
    });
}
