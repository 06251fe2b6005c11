//! A source on a server is polled: what the snapshot says, whatever the server does.

use std::sync::Arc;

use driftwall::source::{Address, RemoteRepository, SnapshotStore, SourcePoller, SourceSpec, SourceStatus};
use driftwall_core::desired::ObjectKey;

use crate::source::remote::repository::Origin;
use crate::source::remote::transports::{Place, everywhere};

fn manifest(mode: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  MODE: {mode}\n")
}

fn source(place: &Place) -> SourceSpec {
    let Ok(Address::Remote(url)) = Address::parse(&place.url(), std::path::Path::new("/")) else {
        return SourceSpec { namespace: Some("prod".into()), ..SourceSpec::local("prod", place.origin.path()) };
    };
    let remote = RemoteRepository { url, credentials: place.credentials(), data_dir: place.data.path().to_owned() };
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

fn start(place: &Place) -> (Arc<SnapshotStore>, SourcePoller) {
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &[source(place)]);
    poller.sync_all();
    (store, poller)
}

fn status(store: &SnapshotStore) -> SourceStatus {
    store.statuses().remove(0)
}

#[test]
fn the_snapshot_has_what_was_pushed_or_force_pushed_last() {
    everywhere(|place, _| {
        place.origin.push("main", &manifest("one"));
        let (store, poller) = start(&place);
        assert_eq!(mode(&store).as_deref(), Some("one"), "{:?}", status(&store));
        let second = place.origin.push("main", &manifest("two"));
        poller.sync_all();
        assert_eq!(mode(&store).as_deref(), Some("two"));
        assert_eq!(status(&store).commit, Some(second.to_string()));
        let third = place.origin.force_push("main", &manifest("three"));
        poller.sync_all();
        assert_eq!((mode(&store).as_deref(), status(&store).commit), (Some("three"), Some(third.to_string())));
    });
}

#[test]
fn an_unreachable_server_takes_nothing_out_of_the_snapshot() {
    let (origin, _) = Origin::new();
    let mut place = Place::web(origin);
    place.origin.push("main", &manifest("one"));
    let (store, poller) = start(&place);
    let last_synced = status(&store).last_synced;

    place.stop();
    poller.sync_all();
    assert_eq!(mode(&store).as_deref(), Some("one"));
    assert_eq!(status(&store).last_synced, last_synced, "a poll that failed is no sync");
    assert!(status(&store).error.is_some());

    // A restart meanwhile continues from the mirror.
    drop(poller);
    let (store, poller) = start(&place);
    assert_eq!(mode(&store).as_deref(), Some("one"), "{:?}", status(&store));
    assert!(status(&store).error.unwrap().contains("127.0.0.1"), "the server is named");

    place.resume();
    place.origin.push("main", &manifest("two"));
    poller.sync_all();
    assert_eq!((mode(&store).as_deref(), status(&store).error), (Some("two"), None));
}

#[test]
fn without_a_mirror_an_unreachable_server_leaves_no_snapshot() {
    let (origin, _) = Origin::new();
    let mut place = Place::web(origin);
    place.stop();
    let (store, _poller) = start(&place);
    assert_eq!((mode(&store), status(&store).commit), (None, None));
    assert!(status(&store).error.is_some());
}
