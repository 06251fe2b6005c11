use super::*;
use crate::desired::Source;

const START: Duration = Duration::ZERO;

fn contents(commit: &str) -> Arc<SourceContents> {
    Arc::new(SourceContents::new(Source { commit: commit.to_owned(), ..Source::default() }, Vec::new()))
}

fn loaded(commit: &str) -> SourceEvent {
    SourceEvent::Loaded(contents(commit))
}

fn restored(commit: &str, age: Option<u64>) -> SourceEvent {
    SourceEvent::Restored { contents: contents(commit), age: age.map(Duration::from_secs) }
}

fn unreadable(commit: &str) -> SourceEvent {
    let commit = commit.to_owned();
    SourceEvent::Unreadable(UnreadableCommit {
        error: format!("{commit} is broken"),
        commit,
        affects: Affected::All,
        is_transient: false,
        failed: FailingSide::Source,
    })
}

fn timed_out(commit: &str) -> SourceEvent {
    let commit = commit.to_owned();
    SourceEvent::Unreadable(UnreadableCommit {
        error: "timed out".into(),
        commit,
        affects: Affected::All,
        is_transient: true,
        failed: FailingSide::Source,
    })
}

fn unreachable() -> SourceEvent {
    SourceEvent::Unreachable { error: "no route".into(), failed: FailingSide::Source }
}

fn charts_away() -> SourceEvent {
    SourceEvent::ChartsAway("charts away".into())
}

fn full_disk() -> SourceEvent {
    SourceEvent::Unreachable { error: "disk full".into(), failed: FailingSide::Replica }
}

fn no_room_to_render(commit: &str) -> SourceEvent {
    SourceEvent::Unreadable(UnreadableCommit {
        commit: commit.to_owned(),
        error: "no room".into(),
        affects: Affected::All,
        is_transient: true,
        failed: FailingSide::Replica,
    })
}

/// What a state says, for a table.
#[derive(Debug, PartialEq)]
struct Said {
    commit: Option<&'static str>,
    age: Option<u64>,
    error: Option<&'static str>,
    settled: bool,
    retry: bool,
    outdated: bool,
}

/// Events happen a second apart, the first at second 1; the state is read one second after the last.
#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn a_state_follows_from_what_happened() {
    let said = Said { commit: Some("a"), age: Some(1), error: None, settled: true, retry: false, outdated: false };
    let access = || SourceEvent::Reconfigured(Reconfiguration::Access);
    let other = || SourceEvent::Reconfigured(Reconfiguration::Contents);
    let cases: Vec<(&str, Vec<SourceEvent>, Said)> = vec![
        ("nothing yet", vec![], Said { commit: None, age: None, settled: false, ..said }),
        ("read", vec![loaded("a")], Said { ..said }),
        ("nothing new", vec![loaded("a"), SourceEvent::Unchanged, SourceEvent::Unchanged], Said { ..said }),
        (
            "a first try that fails settles the source, and its age is unknown",
            vec![unreachable()],
            Said { commit: None, age: None, error: Some("no route"), ..said },
        ),
        (
            "a disk of this replica that is full at the first try settles nothing",
            vec![full_disk(), full_disk()],
            Said { commit: None, age: None, error: Some("disk full"), settled: false, ..said },
        ),
        (
            "…nor does a commit that it has no room to render",
            vec![no_room_to_render("b"), SourceEvent::Unchanged],
            Said { commit: None, error: Some("no room"), settled: false, retry: true, ..said },
        ),
        ("…until there is room", vec![full_disk(), no_room_to_render("a"), loaded("a")], Said { ..said }),
        (
            "…or the source itself fails",
            vec![full_disk(), unreachable()],
            Said { commit: None, age: None, error: Some("no route"), ..said },
        ),
        (
            "what the mirror holds settles it, disk full or not",
            vec![restored("a", Some(100)), full_disk()],
            Said { age: Some(103), error: Some("disk full"), ..said },
        ),
        (
            "a repository that is away keeps the contents, which get older",
            vec![loaded("a"), unreachable(), unreachable()],
            Said { age: Some(3), error: Some("no route"), ..said },
        ),
        ("it comes back", vec![loaded("a"), unreachable(), SourceEvent::Unchanged], Said { ..said }),
        (
            "a broken commit keeps the last good one",
            vec![loaded("a"), unreadable("b")],
            Said { error: Some("b is broken"), ..said },
        ),
        (
            "it stays broken while it is the newest",
            vec![loaded("a"), unreadable("b"), SourceEvent::Unchanged],
            Said { error: Some("b is broken"), ..said },
        ),
        (
            "it is still broken when the repository is away",
            vec![loaded("a"), unreadable("b"), unreachable()],
            Said { age: Some(2), error: Some("b is broken"), ..said },
        ),
        ("the next commit heals it", vec![unreadable("b"), loaded("a")], Said { ..said }),
        (
            "a broken first commit settles the source",
            vec![unreadable("b")],
            Said { commit: None, error: Some("b is broken"), ..said },
        ),
        (
            "a failure of the moment is tried again",
            vec![loaded("a"), timed_out("b")],
            Said { error: Some("timed out"), retry: true, ..said },
        ),
        (
            "charts whose repository is away are told, and asked for again",
            vec![loaded("a"), charts_away()],
            Said { age: Some(2), error: Some("charts away"), retry: true, ..said },
        ),
        (
            "…while nothing else is new",
            vec![loaded("a"), charts_away(), SourceEvent::Unchanged],
            Said { error: Some("charts away"), retry: true, ..said },
        ),
        ("…until they are there", vec![loaded("a"), charts_away(), loaded("a")], Said { ..said }),
        (
            "…and a broken commit comes first",
            vec![loaded("a"), charts_away(), unreadable("b")],
            Said { error: Some("b is broken"), ..said },
        ),
        (
            "…also of a mirror",
            vec![restored("a", Some(100)), charts_away()],
            Said { age: Some(103), error: Some("charts away"), retry: true, ..said },
        ),
        (
            "a mirror that tells its age has that age and what has passed since",
            vec![restored("a", Some(100))],
            Said { age: Some(102), ..said },
        ),
        ("a mirror that tells no age has none", vec![restored("a", None)], Said { age: None, ..said }),
        (
            "a mirror gets no younger by a failed look",
            vec![restored("a", Some(100)), unreachable()],
            Said { age: Some(103), error: Some("no route"), ..said },
        ),
        ("a look makes it young", vec![restored("a", Some(100)), SourceEvent::Unchanged], Said { ..said }),
        (
            "other credentials leave the contents and their age",
            vec![loaded("a"), unreachable(), access()],
            Said { age: Some(3), ..said },
        ),
        (
            "another path makes the contents those of other settings",
            vec![loaded("a"), other()],
            Said { age: Some(2), outdated: true, ..said },
        ),
        (
            "…also while the repository is away",
            vec![loaded("a"), other(), unreachable()],
            Said { age: Some(3), error: Some("no route"), outdated: true, ..said },
        ),
        ("…until they are read anew", vec![loaded("b"), other(), loaded("a")], Said { ..said }),
        (
            "another path forgets what was broken under the old one",
            vec![unreadable("b"), other()],
            Said { commit: None, age: Some(2), ..said },
        ),
    ];
    for (what, events, expected) in cases {
        let now = Duration::from_secs(events.len() as u64 + 1);
        let mut state = SourceState::default();
        for (event, second) in events.into_iter().zip(1..) {
            state = state.after(event, START + Duration::from_secs(second));
        }
        let commit = state.contents.as_ref().map(|contents| contents.source.commit.clone());
        let found = (
            commit.as_deref(),
            state.age(now).map(|age| age.as_secs()),
            state.error(),
            state.is_settled(),
            state.is_to_retry(),
            state.is_outdated,
        );
        let Said { commit, age, error, settled, retry, outdated } = expected;
        assert_eq!(found, (commit, age, error, settled, retry, outdated), "{what}");
    }
}

#[test]
fn a_source_never_makes_a_ready_replica_unready() {
    let [new, failed, read] = [
        SourceState::default(),
        SourceState::default().after(unreachable(), START),
        SourceState::default().after(loaded("a"), START),
    ];
    let second = Duration::from_secs(1);
    assert!(is_ready(false, [], second));
    assert!(is_ready(false, [&failed, &read], second));
    assert!(!is_ready(false, [&failed, &read, &new], second));
    assert!(is_ready(true, [&new], second));
    assert!(is_ready(false, [&new], LONGEST_UNREADY));
}

#[test]
fn a_renamed_source_keeps_its_contents_and_their_age() {
    let state = SourceState::default().after(loaded("a"), START).renamed("other");
    let contents = state.contents.as_ref().unwrap();
    assert_eq!((&*contents.source.name, state.commit()), ("other", Some("a")));
    assert_eq!(state.age(Duration::from_secs(7)), Some(Duration::from_secs(7)));
}
