//! Servers that go away, come back, break off, or do not answer.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use driftwall::source::{Credentials, FetchError, FetchLimits};

use crate::source::remote::git_http_server::Behavior;
use crate::source::remote::repository::{TestRepository, file_content};
use crate::source::remote::sshd::keygen;
use crate::source::remote::transports::{LIMITS, RemoteSetup, mirror, objects, sync, with_each_transport};

/// More than any of the limits here, on the slowest machine.
const HANG: Duration = Duration::from_secs(30);

#[test]
fn a_server_that_comes_back_is_fetched_from_again() {
    with_each_transport(|mut remote, first| {
        let mirror = remote.mirror("main");
        assert_eq!(sync(&mirror).unwrap(), first);
        remote.stop();
        let error = sync(&mirror).unwrap_err();
        assert!(matches!(error, FetchError::Connect { .. }) && error.to_string().contains("refused"), "{error}");
        // Another process begins from what is there.
        let again = remote.mirror("main");
        assert_eq!(again.mirrored_commit(), Some(first));
        assert_eq!(file_content(again.folder(), first), "replicas: 1");
        let second = remote.repository.push("main", "replicas: 2");
        remote.resume();
        assert_eq!(sync(&again).unwrap(), second);
        assert_eq!(sync(&mirror).unwrap(), second);
    });
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    let data = tempfile::tempdir().unwrap();
    let mirror = mirror(data.path(), "https://nothing.invalid/gitops", "main", Credentials::default());
    let error = mirror.sync(&Arc::default()).unwrap_err().to_string();
    assert!(error.starts_with("failed to resolve the host nothing.invalid: "), "{error}");
}

/// A server that accepts connections, reads, and says nothing.
fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || drop(stream.unwrap().read_to_end(&mut Vec::new())));
        }
    });
    port
}

/// Each way to reach a silent server, with credentials that are well-formed.
fn silent_places(folder: &std::path::Path) -> Vec<(String, Credentials)> {
    let port = silent();
    let key = folder.join("key");
    let mut places = vec![
        (format!("https://127.0.0.1:{port}/gitops"), Credentials::default()),
        (format!("http://127.0.0.1:{port}/gitops"), Credentials::default()),
    ];
    if std::path::Path::new("/usr/bin/ssh-keygen").exists() {
        keygen(&["-t", "ed25519", "-N", "", "-f"], &key);
        let credentials = Credentials { ssh_key: Some(key), ..Credentials::default() };
        places.push((format!("ssh://git@127.0.0.1:{port}/gitops"), credentials));
    }
    places
}

#[test]
fn a_server_that_does_not_answer_times_out() {
    let data = tempfile::tempdir().unwrap();
    let second = Duration::from_secs(1);
    for (url, credentials) in silent_places(data.path()) {
        for limits in [FetchLimits { connect: second, idle: second, ..LIMITS }, FetchLimits { total: second, ..LIMITS }]
        {
            let begun = Instant::now();
            let mirror = mirror(data.path(), &url, "main", credentials.clone()).with_limits(limits);
            let error = sync(&mirror).unwrap_err();
            assert!(matches!(error, FetchError::TimedOut { seconds: 1, .. }), "{url}: {error}");
            assert!(begun.elapsed() < HANG, "{url}");
        }
    }
}

#[test]
fn a_fetch_can_be_cancelled() {
    let data = tempfile::tempdir().unwrap();
    let long = FetchLimits { connect: HANG * 10, idle: HANG * 10, total: HANG * 10, ..LIMITS };
    for (url, credentials) in silent_places(data.path()) {
        let begun = Instant::now();
        let cancel = Arc::new(AtomicBool::new(false));
        let later = cancel.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            later.store(true, Ordering::Relaxed);
        });
        let mirror = mirror(data.path(), &url, "main", credentials).with_limits(long);
        assert!(matches!(mirror.sync(&cancel), Err(FetchError::Cancelled)), "{url}");
        assert!(begun.elapsed() < HANG, "{url}");
        thread.join().unwrap();
    }
}

#[test]
fn an_interrupted_fetch_leaves_the_mirror_as_it_was() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let answer = |behavior| *remote.server().state.behavior.lock().unwrap() = behavior;
    let mirror = remote.mirror("main");
    let hasty = remote.mirror("main").with_limits(FetchLimits { idle: Duration::from_secs(2), ..LIMITS });

    answer(Behavior::Cut);
    assert!(sync(&mirror).is_err());
    assert!(!mirror.folder().exists(), "no mirror is better than half a one");
    answer(Behavior::Good);
    assert_eq!(sync(&mirror).unwrap(), first);

    let before = objects(&mirror);
    let second = remote.repository.push_noise("main", 1 << 20);
    for behavior in [Behavior::Cut, Behavior::Stall] {
        answer(behavior);
        let error = sync(&hasty).unwrap_err();
        assert!(matches!(error, FetchError::Connect { .. } | FetchError::TimedOut { .. }), "{error}");
        assert_eq!(mirror.mirrored_commit(), Some(first));
        assert_eq!(file_content(mirror.folder(), first), "replicas: 1");
        assert_eq!(objects(&mirror), before);
    }
    answer(Behavior::Good);
    assert_eq!(sync(&mirror).unwrap(), second);
    assert_eq!(file_content(mirror.folder(), second).len(), 1 << 20);
    assert_eq!(std::fs::read_dir(remote.data.path()).unwrap().count(), 2, "the mirror and its lock, and no leftovers");
}
