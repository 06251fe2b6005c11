//! A source on a server, followed: what the snapshot says, whatever the server does.

use std::sync::Arc;

use driftwall::source::{Address, Remote, SnapshotStore, SourcePoller, SourceSpec, SourceState};
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
    let remote = Remote { url, credentials: place.credentials(), data: place.data.path().to_owned() };
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

fn begin(place: &Place) -> (Arc<SnapshotStore>, SourcePoller) {
    let store = Arc::new(SnapshotStore::default());
    let follower = SourcePoller::new(&store, &[source(place)]);
    follower.look();
    (store, follower)
}

fn state(store: &SnapshotStore) -> SourceState {
    store.states().remove(0)
}

#[test]
fn the_snapshot_follows_the_server() {
    everywhere(|place, _| {
        place.origin.push("main", &manifest("one"));
        let (store, follower) = begin(&place);
        assert_eq!(mode(&store).as_deref(), Some("one"), "{:?}", state(&store));
        let second = place.origin.push("main", &manifest("two"));
        follower.look();
        assert_eq!(mode(&store).as_deref(), Some("two"));
        assert_eq!(state(&store).commit, Some(second.to_string()));
        let third = place.origin.force_push("main", &manifest("three"));
        follower.look();
        assert_eq!((mode(&store).as_deref(), state(&store).commit), (Some("three"), Some(third.to_string())));
    });
}

#[test]
fn a_server_that_is_away_takes_nothing_away() {
    let (origin, _) = Origin::new();
    let mut place = Place::web(origin);
    place.origin.push("main", &manifest("one"));
    let (store, follower) = begin(&place);
    let seen = state(&store).seen;

    place.stop();
    follower.look();
    assert_eq!(mode(&store).as_deref(), Some("one"));
    assert_eq!(state(&store).seen, seen, "a look that failed is none");
    assert!(state(&store).error.is_some());

    // A restart meanwhile works from the mirror.
    drop(follower);
    let (store, follower) = begin(&place);
    assert_eq!(mode(&store).as_deref(), Some("one"), "{:?}", state(&store));
    assert!(state(&store).error.unwrap().contains("127.0.0.1"), "the server is named");

    place.resume();
    place.origin.push("main", &manifest("two"));
    follower.look();
    assert_eq!((mode(&store).as_deref(), state(&store).error), (Some("two"), None));
}

#[test]
fn without_a_mirror_there_is_nothing_to_go_on_from() {
    let (origin, _) = Origin::new();
    let mut place = Place::web(origin);
    place.stop();
    let (store, _follower) = begin(&place);
    assert_eq!((mode(&store), state(&store).commit), (None, None));
    assert!(state(&store).error.is_some());
}
