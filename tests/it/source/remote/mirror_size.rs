//! What a mirror keeps on the disk.

use std::sync::Arc;

use driftwall::source::{FetchError, FetchLimits, Mirror};
use git2::Oid;

use crate::source::remote::repository::{TestRepository, file_content};
use crate::source::remote::transports::{LIMITS, RemoteSetup, RevisionMirror, objects, sync, with_each_transport};

fn packs(mirror: &RevisionMirror) -> usize {
    objects(mirror).iter().filter(|file| file.extension().is_some_and(|ending| ending == "pack")).count()
}

fn has(mirror: &Mirror, commit: Oid) -> bool {
    git2::Repository::open_bare(mirror.folder()).unwrap().find_commit(commit).is_ok()
}

#[test]
fn the_history_is_not_fetched() {
    with_each_transport(|remote, first| {
        for number in 0..20 {
            remote.repository.push("main", &format!("replicas: {number}"));
        }
        let newest = remote.repository.push("main", "replicas: 99");
        let mirror = remote.mirror("main");
        assert_eq!(sync(&mirror).unwrap(), newest);
        assert!(!has(&mirror.mirror, first), "{}", remote.url());
        assert_eq!(file_content(mirror.folder(), newest), "replicas: 99");
        // Nor are the commits between two that were fetched.
        let between = remote.repository.push("main", "replicas: 100");
        let newest = remote.repository.push("main", "replicas: 101");
        assert_eq!(sync(&mirror).unwrap(), newest);
        assert!(!has(&mirror.mirror, between));
        // A commit that is older than what is there, which the server does not send by its id.
        let old = remote.mirror(&first.to_string());
        assert_eq!(sync(&old).unwrap(), first);
        assert_eq!(file_content(old.folder(), first), "replicas: 1");
        assert!(!has(&mirror.mirror, between), "what it took to find it is removed");
        assert_eq!(sync(&mirror).unwrap(), newest);
    });
}

#[test]
fn packs_are_joined_and_what_nobody_needs_goes() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let mirror = remote.mirror("main");
    assert_eq!(sync(&mirror).unwrap(), first);
    let good = remote.repository.push_noise("main", 100 << 10);
    assert_eq!(sync(&mirror).unwrap(), good);
    mirror.mirror.record_good_commit("prod", "main", good);
    let mut newest = good;
    while !mirror.mirror.is_untidy() {
        newest = remote.repository.push("main", &format!("replicas: {}", packs(&mirror)));
        assert_eq!(sync(&mirror).unwrap(), newest);
    }
    let before = mirror.mirror.bytes();
    let followed = [("prod".to_owned(), "main".to_owned())];
    mirror.mirror.tidy(&followed, &Arc::default()).unwrap();
    assert_eq!(packs(&mirror), 1);
    assert!(mirror.mirror.bytes() < before && !has(&mirror.mirror, first) && !mirror.mirror.is_untidy());
    // Both are there with all their files, for this process and the next.
    assert_eq!(file_content(mirror.folder(), good).len(), 100 << 10);
    for mirror in [mirror, remote.mirror("main")] {
        assert_eq!(sync(&mirror).unwrap(), newest);
        assert_eq!(mirror.mirror.good_commit("prod", "main"), Some(good));
        newest = remote.repository.push("main", &format!("again: {}", packs(&mirror)));
        assert_eq!(sync(&mirror).unwrap(), newest);
    }
    let fetches = remote.server().fetches();
    let mirror = remote.mirror("main");
    assert_eq!(sync(&mirror).unwrap(), newest);
    assert_eq!(remote.server().fetches(), fetches, "it was not cloned again");
}

#[test]
fn a_mirror_takes_no_more_than_its_limit() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let mirror = remote.mirror("main").with_limits(FetchLimits { bytes: 2 << 20, ..LIMITS });
    assert_eq!(sync(&mirror).unwrap(), first);
    let mut newest = first;
    let mut is_full = false;
    // Each is small enough, all are not, and nothing of them is of use any more.
    for number in 0..20 {
        newest = remote.repository.push_noise("main", (200 << 10) + number);
        match sync(&mirror) {
            Ok(commit) => assert_eq!(commit, newest),
            Err(error) => {
                assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
                assert!(error.to_string().contains("git.maxMirrorSize"), "{error}");
                is_full = true;
                break;
            }
        }
        assert!(mirror.mirror.bytes() <= 2 << 20);
    }
    assert!(is_full && mirror.mirror.is_untidy());
    mirror.mirror.tidy(&[("prod".to_owned(), "main".to_owned())], &Arc::default()).unwrap();
    assert_eq!(sync(&mirror).unwrap(), newest);
}
