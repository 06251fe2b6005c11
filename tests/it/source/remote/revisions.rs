//! What a revision can be, and how it moves.

use driftwall::source::FetchError;

use crate::source::remote::repository::{TestRepository, file_content};
use crate::source::remote::transports::{ONE_FETCH, RemoteSetup, Transport, sync, with_each_transport};

#[test]
fn a_branch_is_followed() {
    with_each_transport(|remote, first| {
        let mirror = remote.mirror("main");
        assert_eq!(mirror.mirrored_commit(), None);
        assert_eq!(sync(&mirror).unwrap(), first, "{}", remote.url());
        assert_eq!(file_content(mirror.folder(), first), "replicas: 1");
        assert_eq!(sync(&mirror).unwrap(), first);
        if let Transport::Web(web, _) = &remote.server {
            assert_eq!(web.fetches(), ONE_FETCH, "nothing has moved, so nothing is fetched");
        }

        let second = remote.repository.push("main", "replicas: 2");
        assert_eq!(sync(&mirror).unwrap(), second);
        assert_eq!(file_content(mirror.folder(), second), "replicas: 2");
        assert_eq!(mirror.mirrored_commit(), Some(second));

        let forced = remote.repository.force_push("main", "replicas: 3");
        assert_eq!(sync(&mirror).unwrap(), forced);
        assert_eq!(file_content(mirror.folder(), forced), "replicas: 3");
        // Back to a commit that the mirror has had.
        remote.repository.git().reference("refs/heads/main", first, true, "").unwrap();
        assert_eq!(sync(&mirror).unwrap(), first);
        assert_eq!(mirror.mirrored_commit(), Some(first));
    });
}

#[test]
fn a_deleted_branch_is_an_error_and_the_mirror_keeps_its_last_commit() {
    with_each_transport(|remote, first| {
        let commit = remote.repository.push("team/x", "replicas: 2");
        let mirror = remote.mirror("team/x");
        assert_eq!(sync(&mirror).unwrap(), commit);
        remote.repository.delete("refs/heads/team/x");
        let error = sync(&mirror).unwrap_err();
        assert!(matches!(error, FetchError::Revision { .. }) && error.to_string().contains("`team/x`"), "{error}");
        assert_eq!(mirror.mirrored_commit(), Some(commit));
        assert_eq!(file_content(mirror.folder(), commit), "replicas: 2");
        // A branch of the folder's name, where references are files, and back.
        remote.repository.git().reference("refs/heads/team", first, true, "").unwrap();
        assert!(sync(&mirror).is_err());
        remote.repository.delete("refs/heads/team");
        let again = remote.repository.push("team/x", "replicas: 4");
        assert_eq!(sync(&mirror).unwrap(), again);
    });
}

#[test]
fn tags_resolve_to_their_commits_and_may_move() {
    with_each_transport(|remote, first| {
        let second = remote.repository.push("main", "replicas: 2");
        remote.repository.tag("light", first);
        let object = remote.repository.annotated_tag("v1", first);
        let (light, annotated) = (remote.mirror("light"), remote.mirror("v1"));
        assert_eq!(sync(&light).unwrap(), first);
        assert_eq!(sync(&annotated).unwrap(), first);
        assert_eq!(sync(&remote.mirror("refs/tags/v1")).unwrap(), first);
        assert_eq!(sync(&remote.mirror(&object.to_string())).unwrap(), first, "the tag's own id");
        remote.repository.tag("light", second);
        remote.repository.annotated_tag("v1", second);
        assert_eq!(sync(&light).unwrap(), second);
        assert_eq!(sync(&annotated).unwrap(), second);
        remote.repository.delete("refs/tags/v1");
        assert!(matches!(sync(&annotated), Err(FetchError::Revision { .. })));
        assert_eq!(file_content(annotated.folder(), second), "replicas: 2");
    });
}

#[test]
fn a_branch_takes_precedence_over_a_tag_of_its_name() {
    let (repository, first) = TestRepository::new();
    repository.tag("main", first);
    let second = repository.push("main", "replicas: 2");
    let remote = RemoteSetup::web(repository);
    assert_eq!(sync(&remote.mirror("main")).unwrap(), second);
    assert_eq!(sync(&remote.mirror("refs/tags/main")).unwrap(), first);
}

#[test]
fn commits_are_found_at_the_head_of_a_branch_and_behind_it() {
    with_each_transport(|remote, first| {
        let second = remote.repository.push("main", "replicas: 2");
        let third = remote.repository.push("other", "replicas: 3");
        for commit in [third, second, first] {
            assert_eq!(sync(&remote.mirror(&commit.to_string())).unwrap(), commit, "{}", remote.url());
        }
        let mirror = remote.mirror(&"9".repeat(40));
        let error = sync(&mirror).unwrap_err();
        assert!(matches!(error, FetchError::Revision { .. }) && error.to_string().contains("9999"), "{error}");
        let blob = remote.repository.git().blob(b"no commit").unwrap();
        remote.repository.git().reference("refs/heads/blob", blob, true, "").ok();
        remote.repository.tag("blob", blob);
        let error = sync(&remote.mirror("refs/tags/blob")).unwrap_err();
        assert!(error.to_string().contains("no commit"), "{error}");
    });
}

#[test]
fn an_unreferenced_commit_is_fetched_where_the_server_allows_it() {
    let (repository, _) = TestRepository::new();
    let lost = repository.push("main", "replicas: 2");
    repository.force_push("main", "replicas: 3");
    let remote = RemoteSetup::web(repository);
    assert!(matches!(sync(&remote.mirror(&lost.to_string())), Err(FetchError::Revision { .. })));
    remote.repository.git().config().unwrap().set_bool("uploadpack.allowAnySHA1InWant", true).unwrap();
    assert_eq!(sync(&remote.mirror(&lost.to_string())).unwrap(), lost);
    // A commit never changes: once it is here, the server is not asked.
    let asked = remote.server().state.requests.lock().unwrap().len();
    assert_eq!(sync(&remote.mirror(&lost.to_string())).unwrap(), lost);
    assert_eq!(remote.server().state.requests.lock().unwrap().len(), asked);
}

#[test]
fn head_is_the_servers_default_branch() {
    with_each_transport(|remote, first| {
        let other = remote.repository.push("other", "replicas: 2");
        let mirror = remote.mirror("HEAD");
        assert_eq!(sync(&mirror).unwrap(), first);
        remote.repository.git().set_head("refs/heads/other").unwrap();
        assert_eq!(sync(&mirror).unwrap(), other);
        assert_eq!(sync(&remote.mirror("refs/heads/main")).unwrap(), first);
        assert_eq!(sync(&remote.mirror("heads/main")).unwrap(), first);
        for revision in ["nothing", "refs/heads/nothing", &first.to_string()[..8]] {
            let error = sync(&remote.mirror(revision)).unwrap_err();
            assert!(error.to_string().contains(revision), "{error}");
        }
        assert_eq!(mirror.mirrored_commit(), Some(other), "one mirror has all revisions");
    });
}

#[test]
fn an_empty_repository_is_an_error() {
    let remote = RemoteSetup::web(TestRepository::empty());
    let mirror = remote.mirror("HEAD");
    let error = sync(&mirror).unwrap_err();
    assert!(error.to_string().contains("empty"), "{error}");
    assert!(!mirror.folder().exists(), "a mirror appears when it is complete");
    let first = remote.repository.push("main", "replicas: 1");
    assert_eq!(sync(&mirror).unwrap(), first);
}
