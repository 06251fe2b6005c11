//! Each case is what comes, a word each, and what is told and noted of it, a word each:
//!
//! | word | comes | is told or noted |
//! | --- | --- | --- |
//! | `[` `]` | a list begins, ends | |
//! | `=a` | `a` is in the list | |
//! | `+a` `-a` | `a` was changed, deleted | `a` is there, is gone |
//! | a number | a failure by its status code | |
//! | `quiet` | nothing | |
//! | `ok` `bad` `none` | | it is in step, has failed, the server does not have the kind |
//! | `v1` `v0` and so on | | a new stream, in that version |
//! | `pause` | | a pause before it |

use kube::core::Status;
use kube::runtime::watcher;

use super::super::kinds::{APPLICATIONS, FLUX};
use super::*;

fn object(name: &str) -> WatchedObject {
    serde_json::from_value(json!({"metadata": {"name": name, "resourceVersion": "1"}})).unwrap()
}

fn outcome(progress: &mut WatchProgress, word: &str) -> Outcome {
    if let Ok(code) = word.parse() {
        return progress.failure(Failure::of(&watcher::Error::WatchError(failure(code))));
    }
    let (kind, name) = word.split_at(1);
    match kind {
        "[" => progress.event(Event::Init),
        "]" => progress.event(Event::InitDone),
        "=" => progress.event(Event::InitApply(object(name))),
        "+" => progress.event(Event::Apply(object(name))),
        "-" => progress.event(Event::Delete(object(name))),
        _ => progress.silence(),
    }
}

fn failure(code: u16) -> Box<Status> {
    Box::new(Status { code, ..Status::failure("no", "No") })
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// What is told and noted of all that comes.
fn told(kind: WatchedKind, words: &str) -> String {
    let mut progress = WatchProgress::new(kind);
    let mut told = Vec::new();
    for word in words.split_whitespace() {
        let Outcome { event, standing, next } = outcome(&mut progress, word);
        told.extend(match event {
            Some(WatchEvent::Present(_, object)) => Some(format!("+{}", name_of(&object))),
            Some(WatchEvent::Gone(_, object)) => Some(format!("-{}", name_of(&object))),
            Some(WatchEvent::StandingChanged) | None => None,
        });
        told.extend(standing.map(|standing| match standing {
            Standing::InStep => "ok".to_owned(),
            Standing::Failed { is_not_there, .. } => if is_not_there { "none" } else { "bad" }.to_owned(),
        }));
        while let Some(WatchEvent::Gone(_, object)) = progress.pop_gone() {
            told.push(format!("-{}", name_of(&object)));
        }
        if let Next::Restart(wait) = next {
            told.extend((!wait.is_zero()).then(|| "pause".to_owned()));
            told.push(progress.version().to_owned());
            progress.begin();
        }
    }
    told.join(" ")
}

#[test]
fn what_comes_is_told() {
    let argocd = |words| told(APPLICATIONS, words);
    for (words, expected) in [
        // A list, then changes.
        ("[ =a =b ] +c -a", "+a +b ok +c -a"),
        // A list without objects.
        ("[ ]", "ok"),
        // Of a list that is read again, what it lacks is gone, and only once it was read to its end.
        ("[ =a =b ] [ =b", "+a +b ok +b"),
        ("[ =a =b ] [ =b ]", "+a +b ok +b ok -a"),
        ("[ =a =b ] [ =b 500 [ =b ]", "+a +b ok +b bad +b ok -a"),
        // What was deleted while it was watched is not told again.
        ("[ =a ] -a [ ]", "+a ok -a ok"),
        // What was seen last is too old: the list is read again, and nothing was lost.
        ("[ =a =b ] 410 [ =a =c ]", "+a +b ok pause v1alpha1 +a +c ok -b"),
        // A failure ends with the next change, or with no other failure for a while.
        ("[ =a ] 500 +a", "+a ok bad +a ok"),
        ("[ =a ] 500 quiet", "+a ok bad ok"),
        ("[ =a ] 500 500 quiet", "+a ok bad bad ok"),
        ("[ =a ] 401 403 -a", "+a ok bad bad -a ok"),
        // A list that does not go on is begun anew.
        ("[ =a quiet [ =a ]", "+a bad v1alpha1 +a ok"),
        ("403 [ =a ]", "bad +a ok"),
        // The kind is taken away: its objects are gone when it is still unknown later.
        ("[ =a ] 404", "+a ok none pause v1alpha1"),
        ("[ =a ] 404 404", "+a ok none pause v1alpha1 none -a pause v1alpha1"),
        ("[ =a ] 404 [ =a ] 404", "+a ok none pause v1alpha1 +a ok none pause v1alpha1"),
        ("404 404 [ =a ]", "none pause v1alpha1 none pause v1alpha1 +a ok"),
    ] {
        assert_eq!(argocd(words), expected, "{words}");
    }
}

#[test]
fn older_versions_are_tried_in_turn() {
    let [_, helm_releases, ..] = FLUX;
    assert_eq!(told(helm_releases, "404 [ =a ]"), "bad v2beta2 +a ok");
    assert_eq!(told(helm_releases, "404 404 404 404"), "bad v2beta2 bad v2beta1 none pause v2 bad v2beta2");
    // An upgrade of Flux: the old version is not served any more, the new one has the same objects.
    assert_eq!(told(helm_releases, "404 [ =a ] 404 404 [ =a ]"), "bad v2beta2 +a ok bad v2beta1 none pause v2 +a ok");
}

#[test]
fn a_list_is_waited_for_and_a_quiet_watch_is_not() {
    let mut progress = WatchProgress::new(APPLICATIONS);
    let mut patience = |word| {
        outcome(&mut progress, word);
        progress.patience()
    };
    let found = ["[", "=a", "]", "+a", "500", "+a", "["].map(&mut patience);
    let forever = Duration::MAX;
    let list = LONGEST_SILENCE;
    assert_eq!(found, [list, list, forever, forever, QUIET_AFTER_FAILURE, forever, list]);
}

#[test]
fn failures_are_told_apart() {
    use kube::Error::Api;
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    for (error, expected) in [
        (InitialListFailed(Api(failure(404))), Failure::UnknownKind),
        (WatchStartFailed(Api(failure(410))), Failure::Outdated),
        (WatchFailed(Api(failure(403))), Failure::Forbidden),
        (WatchError(failure(401)), Failure::Unauthorized),
        (WatchError(failure(429)), Failure::NoAnswer),
        // What cannot be read, such as a list that is none.
        (InitialListFailed(kube::Error::SerdeError(serde_json::from_str::<u8>("{").unwrap_err())), Failure::NoAnswer),
        (NoResourceVersion, Failure::NoAnswer),
    ] {
        assert_eq!(Failure::of(&error), expected, "{error:?}");
    }
}
