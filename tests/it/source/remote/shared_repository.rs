//! Sources of one repository share a mirror and a poll.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftwall::source::{RemoteRepository, SnapshotStore, SourcePoller, SourceSpec};

use crate::harness::waiting::eventually;
use crate::source::remote::git_http_server::Behavior;
use crate::source::remote::repository::TestRepository;
use crate::source::remote::transports::{ONE_FETCH, RemoteSetup, remote_url};

fn manifest(mode: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  MODE: {mode}\n")
}

/// A source that declares in a namespace of its own name.
fn source(remote: &RemoteSetup, name: &str, revision: &str, path: &str) -> SourceSpec {
    let repository = RemoteRepository::new(remote_url(&remote.url()), remote.credentials(), remote.data.path());
    SourceSpec {
        revision: revision.into(),
        path: path.into(),
        namespace: Some(name.into()),
        ..SourceSpec::local(name, "").mirrored(repository)
    }
}

/// What the snapshot says of a source's one object.
fn mode(store: &SnapshotStore, source: &str) -> String {
    let key = driftwall_core::desired::ObjectKey { group: "", kind: "ConfigMap", namespace: source, name: "app" };
    let snapshot = store.snapshot();
    snapshot.get(key).unwrap().0.object()["data"]["MODE"].as_str().unwrap().to_owned()
}

fn commits(store: &SnapshotStore) -> Vec<String> {
    store.statuses().into_iter().map(|status| status.commit.unwrap_or_else(|| panic!("{:?}", status.error))).collect()
}

#[test]
fn a_round_asks_the_server_once_whatever_its_sources_follow() {
    let repository = TestRepository::empty();
    let main = repository.push("main", &manifest("main"));
    let old = repository.push("other", &manifest("old"));
    let other = repository.push("other", &manifest("other"));
    repository.annotated_tag("v1", old);
    let remote = RemoteSetup::web(repository);
    let revisions = ["main", "refs/heads/main", "other", "v1", &other.to_string()];
    let paths = ["", "apps", "apps/app.yaml"];
    let mut sources = Vec::new();
    for (number, revision) in revisions.iter().cycle().take(20).enumerate() {
        sources.push(source(&remote, &format!("s{number}"), revision, paths[number % paths.len()]));
    }
    let expected = [main, main, other, old, other].map(|commit| commit.to_string());
    let expected: Vec<_> = expected.iter().cycle().take(20).cloned().collect();

    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &sources);
    poller.sync_all();
    assert_eq!(commits(&store), expected);
    assert_eq!((remote.server().looks(), remote.server().fetches()), (1, ONE_FETCH));
    poller.sync_all();
    assert_eq!((remote.server().looks(), remote.server().fetches()), (2, ONE_FETCH), "nothing is new");

    let pushed = remote.repository.push("main", &manifest("pushed"));
    remote.repository.push("other", &manifest("newer"));
    poller.sync_all();
    assert_eq!((remote.server().looks(), remote.server().fetches()), (3, 2 * ONE_FETCH));
    assert_eq!(commits(&store)[..2], [pushed.to_string(), pushed.to_string()]);
    let modes: Vec<_> = (0..5).map(|number| mode(&store, &format!("s{number}"))).collect();
    assert_eq!(modes, ["pushed", "pushed", "newer", "old", "other"]);

    let files = std::fs::read_dir(remote.data.path()).unwrap().map(|entry| entry.unwrap().path());
    let mirrors = files.filter(|file| file.extension().is_some_and(|ending| ending == "git")).count();
    assert_eq!((mirrors, poller.mirrors().len()), (1, 1));
}

#[test]
fn a_revision_that_is_gone_harms_no_other_source() {
    let (repository, _) = TestRepository::new();
    repository.push("main", &manifest("one"));
    repository.push("other", &manifest("other"));
    let remote = RemoteSetup::web(repository);
    let sources = [source(&remote, "a", "main", ""), source(&remote, "b", "other", "")];
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &sources);
    poller.sync_all();
    remote.repository.delete("refs/heads/other");
    remote.repository.push("main", &manifest("two"));
    poller.sync_all();
    let errors: Vec<_> = store.statuses().into_iter().map(|status| status.error).collect();
    assert!(errors[0].is_none() && errors[1].as_ref().unwrap().contains("`other`"), "{errors:?}");
    assert_eq!((mode(&store, "a"), mode(&store, "b")), ("two".to_owned(), "other".to_owned()));

    // A restart knows both, although the server has one of them no more.
    drop(poller);
    let store = Arc::new(SnapshotStore::default());
    SourcePoller::new(&store, &sources).sync_all();
    assert_eq!((mode(&store, "a"), mode(&store, "b")), ("two".to_owned(), "other".to_owned()));
}

#[test]
fn different_credentials_share_nothing() {
    let (repository, _) = TestRepository::new();
    repository.push("main", &manifest("one"));
    let remote = RemoteSetup::web(repository);
    let url = remote_url(&remote.url().replace("https://", "https://me:secret@"));
    let with_login =
        RemoteRepository { number: 1, ..RemoteRepository::new(url, remote.credentials(), remote.data.path()) };
    let other = source(&remote, "b", "main", "").mirrored(with_login);
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &[source(&remote, "a", "main", ""), other]);
    poller.sync_all();
    assert_eq!((mode(&store, "a"), mode(&store, "b")), ("one".to_owned(), "one".to_owned()));
    assert_eq!((remote.server().looks(), poller.mirrors().len()), (2, 2));
}

/// The server has a runtime of its own, which must not end on another one.
fn on_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

const LONG: Duration = Duration::from_mins(1);

#[test]
fn all_that_wait_share_one_look_and_see_what_was_pushed_before() {
    let (repository, _) = TestRepository::new();
    repository.push("main", &manifest("first"));
    let remote = RemoteSetup::web(repository);
    on_runtime(async {
        let names: Vec<_> = (0..10).map(|number| format!("s{number}")).collect();
        let sources: Vec<_> = names.iter().map(|name| source(&remote, name, "main", "")).collect();
        let store = Arc::new(SnapshotStore::default());
        let poller = Arc::new(SourcePoller::new(&store, &sources));
        poller.start(Duration::from_hours(1));
        poller.refresh(None, Instant::now(), LONG).await;
        for round in 0..3 {
            let before = remote.server().looks();
            let content = round.to_string();
            remote.repository.push("main", &manifest(&format!("\"{content}\"")));
            let arrived = Instant::now();
            let waits = names.iter().cycle().take(50).cloned().map(|name| {
                let poller = Arc::clone(&poller);
                tokio::spawn(async move { poller.refresh(Some(&name), arrived, LONG).await })
            });
            for wait in waits.collect::<Vec<_>>() {
                wait.await.unwrap();
            }
            assert!(names.iter().all(|name| mode(&store, name) == content), "{round}");
            assert_eq!(remote.server().looks(), before + 1);
        }
    });
}

#[test]
fn a_server_that_hangs_holds_nobody_longer_than_they_wait() {
    let (repository, _) = TestRepository::new();
    repository.push("main", &manifest("first"));
    let remote = RemoteSetup::web(repository);
    on_runtime(async {
        let store = Arc::new(SnapshotStore::default());
        let poller = SourcePoller::new(&store, &[source(&remote, "a", "main", "")]);
        poller.start(Duration::from_hours(1));
        poller.refresh(None, Instant::now(), LONG).await;
        *remote.server().state.behavior.lock().unwrap() = Behavior::Stall;
        remote.repository.push_noise("main", 1 << 20);
        for _ in 0..3 {
            poller.refresh(Some("a"), Instant::now(), Duration::from_millis(100)).await;
            assert_eq!(mode(&store, "a"), "first");
            // The fetch would have ended with an error.
            assert_eq!(store.statuses()[0].error, None, "nobody waits for its end");
        }
        drop(poller);
    });
}

#[test]
fn sources_join_and_leave_a_repository_that_is_polled() {
    let (repository, _) = TestRepository::new();
    repository.push("main", &manifest("main"));
    repository.push("other", &manifest("other"));
    let remote = RemoteSetup::web(repository);
    on_runtime(async {
        let (a, b, c) =
            (source(&remote, "a", "main", ""), source(&remote, "b", "main", "apps"), source(&remote, "c", "other", ""));
        let store = Arc::new(SnapshotStore::default());
        let poller = SourcePoller::new(&store, std::slice::from_ref(&a));
        poller.start(Duration::from_hours(1));
        poller.refresh(None, Instant::now(), LONG).await;
        let looks = remote.server().looks();

        // Of a revision that is known, nothing has to be asked.
        poller.set_sources(&[a.clone(), b.clone()]);
        eventually("it is read", async || store.statuses()[1].commit.is_some()).await;
        assert_eq!((mode(&store, "b"), remote.server().looks()), ("main".to_owned(), looks));

        // Of another one, the server is asked at once, not at the next poll.
        poller.set_sources(&[b.clone(), c.clone()]);
        eventually("it is read", async || store.statuses()[1].commit.is_some()).await;
        assert_eq!((mode(&store, "c"), remote.server().looks()), ("other".to_owned(), looks + 1));
        assert_eq!(store.statuses().len(), 2);

        poller.set_sources(&[]);
        assert!(store.statuses().is_empty() && poller.mirrors().is_empty());
    });
}
