//! What a revision may be, and how it moves.

use driftwall::source::FetchError;

use crate::source::remote::repository::{Origin, text};
use crate::source::remote::transports::{Place, Server, everywhere, sync};

#[test]
fn a_branch_is_followed() {
    everywhere(|place, first| {
        let mirror = place.mirror("main");
        assert_eq!(mirror.mirrored_commit(), None);
        assert_eq!(sync(&mirror).unwrap(), first, "{}", place.url());
        assert_eq!(text(mirror.folder(), first), "replicas: 1");
        assert_eq!(sync(&mirror).unwrap(), first);
        if let Server::Web(web, _) = &place.server {
            assert_eq!(web.fetches(), 1, "nothing has moved, so nothing is fetched");
        }

        let second = place.origin.push("main", "replicas: 2");
        assert_eq!(sync(&mirror).unwrap(), second);
        assert_eq!(text(mirror.folder(), second), "replicas: 2");
        assert_eq!(mirror.mirrored_commit(), Some(second));

        let forced = place.origin.force_push("main", "replicas: 3");
        assert_eq!(sync(&mirror).unwrap(), forced);
        assert_eq!(text(mirror.folder(), forced), "replicas: 3");
        // Back to a commit that the mirror has had.
        place.origin.git().reference("refs/heads/main", first, true, "").unwrap();
        assert_eq!(sync(&mirror).unwrap(), first);
        assert_eq!(mirror.mirrored_commit(), Some(first));
    });
}

#[test]
fn a_deleted_branch_is_told_and_the_mirror_keeps_its_last_commit() {
    everywhere(|place, first| {
        let commit = place.origin.push("team/x", "replicas: 2");
        let mirror = place.mirror("team/x");
        assert_eq!(sync(&mirror).unwrap(), commit);
        place.origin.delete("refs/heads/team/x");
        let error = sync(&mirror).unwrap_err();
        assert!(matches!(error, FetchError::Revision { .. }) && error.to_string().contains("`team/x`"), "{error}");
        assert_eq!(mirror.mirrored_commit(), Some(commit));
        assert_eq!(text(mirror.folder(), commit), "replicas: 2");
        // A branch of the folder's name, where references are files, and back.
        place.origin.git().reference("refs/heads/team", first, true, "").unwrap();
        assert!(sync(&mirror).is_err());
        place.origin.delete("refs/heads/team");
        let again = place.origin.push("team/x", "replicas: 4");
        assert_eq!(sync(&mirror).unwrap(), again);
    });
}

#[test]
fn tags_lead_to_their_commits_and_may_move() {
    everywhere(|place, first| {
        let second = place.origin.push("main", "replicas: 2");
        place.origin.tag("light", first);
        let object = place.origin.annotated_tag("v1", first);
        let (light, annotated) = (place.mirror("light"), place.mirror("v1"));
        assert_eq!(sync(&light).unwrap(), first);
        assert_eq!(sync(&annotated).unwrap(), first);
        assert_eq!(sync(&place.mirror("refs/tags/v1")).unwrap(), first);
        assert_eq!(sync(&place.mirror(&object.to_string())).unwrap(), first, "the tag's own id");
        place.origin.tag("light", second);
        place.origin.annotated_tag("v1", second);
        assert_eq!(sync(&light).unwrap(), second);
        assert_eq!(sync(&annotated).unwrap(), second);
        place.origin.delete("refs/tags/v1");
        assert!(matches!(sync(&annotated), Err(FetchError::Revision { .. })));
        assert_eq!(text(annotated.folder(), second), "replicas: 2");
    });
}

#[test]
fn a_tag_does_not_take_a_branch_s_place() {
    let (origin, first) = Origin::new();
    origin.tag("main", first);
    let second = origin.push("main", "replicas: 2");
    let place = Place::web(origin);
    assert_eq!(sync(&place.mirror("main")).unwrap(), second);
    assert_eq!(sync(&place.mirror("refs/tags/main")).unwrap(), first);
}

#[test]
fn commits_are_found_at_the_tip_and_behind_it() {
    everywhere(|place, first| {
        let second = place.origin.push("main", "replicas: 2");
        let third = place.origin.push("other", "replicas: 3");
        for commit in [third, second, first] {
            assert_eq!(sync(&place.mirror(&commit.to_string())).unwrap(), commit, "{}", place.url());
        }
        let mirror = place.mirror(&"9".repeat(40));
        let error = sync(&mirror).unwrap_err();
        assert!(matches!(error, FetchError::Revision { .. }) && error.to_string().contains("9999"), "{error}");
        let blob = place.origin.git().blob(b"no commit").unwrap();
        place.origin.git().reference("refs/heads/blob", blob, true, "").ok();
        place.origin.tag("blob", blob);
        let error = sync(&place.mirror("refs/tags/blob")).unwrap_err();
        assert!(error.to_string().contains("no commit"), "{error}");
    });
}

#[test]
fn a_commit_that_only_its_id_names_is_fetched_where_the_server_allows_it() {
    let (origin, _) = Origin::new();
    let lost = origin.push("main", "replicas: 2");
    origin.force_push("main", "replicas: 3");
    let place = Place::web(origin);
    assert!(matches!(sync(&place.mirror(&lost.to_string())), Err(FetchError::Revision { .. })));
    place.origin.git().config().unwrap().set_bool("uploadpack.allowAnySHA1InWant", true).unwrap();
    assert_eq!(sync(&place.mirror(&lost.to_string())).unwrap(), lost);
    // A commit never changes: once it is here, the server is not asked.
    let asked = place.server().state.asked.lock().unwrap().len();
    assert_eq!(sync(&place.mirror(&lost.to_string())).unwrap(), lost);
    assert_eq!(place.server().state.asked.lock().unwrap().len(), asked);
}

#[test]
fn the_default_branch_is_the_server_s() {
    everywhere(|place, first| {
        let other = place.origin.push("other", "replicas: 2");
        let mirror = place.mirror("HEAD");
        assert_eq!(sync(&mirror).unwrap(), first);
        place.origin.git().set_head("refs/heads/other").unwrap();
        assert_eq!(sync(&mirror).unwrap(), other);
        assert_eq!(sync(&place.mirror("refs/heads/main")).unwrap(), first);
        assert_eq!(sync(&place.mirror("heads/main")).unwrap(), first);
        for revision in ["nothing", "refs/heads/nothing", &first.to_string()[..8]] {
            let error = sync(&place.mirror(revision)).unwrap_err();
            assert!(error.to_string().contains(revision), "{error}");
        }
        assert_eq!(mirror.mirrored_commit(), None, "a source has one mirror, which follows one revision");
    });
}

#[test]
fn an_empty_repository_is_told() {
    for place in [Place::folder(Origin::empty()), Place::web(Origin::empty())] {
        let mirror = place.mirror("HEAD");
        let error = sync(&mirror).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
        assert!(!mirror.folder().exists(), "a mirror appears when it is complete");
        let first = place.origin.push("main", "replicas: 1");
        assert_eq!(sync(&mirror).unwrap(), first);
    }
}
