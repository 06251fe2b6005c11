//! What is not certain of Git is warned about at most, with the reason, and only
//! where it is not certain.

use std::sync::Arc;
use std::time::Duration;

use driftwall_core::desired::{Affected, NamespaceScope, Snapshot, SnapshotSource, SourceContents, SyncTime};
use driftwall_core::policy::{NamespaceRule, Outcome};

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, recorded_action};

/// What a person's drift, and a new object in a strict namespace, are answered.
struct Case {
    name: &'static str,
    sources: Vec<SnapshotSource>,
    drift: Outcome,
    create: Outcome,
    /// A part of the warning of what is not denied.
    reason: &'static str,
}

fn named(name: &str) -> SnapshotSource {
    SnapshotSource { name: name.into(), last_synced: Some(SyncTime::AfterStart(Duration::ZERO)), ..Default::default() }
}

fn in_namespaces(source: SnapshotSource, globs: &[&str]) -> SnapshotSource {
    let scope = NamespaceScope::new(globs.iter().map(ToString::to_string).collect()).unwrap();
    SnapshotSource { scope, ..source }
}

/// The recorded source, which declares what the person's write drifts from.
fn recorded() -> (SnapshotSource, Arc<str>) {
    let evaluator = Evaluator::new("", &[]);
    let contents: &SourceContents =
        evaluator.snapshot.sources().find(|contents| contents.source.name == "prod").unwrap();
    let file = contents.paths().find(|path| path.ends_with("app.yaml")).unwrap();
    let contents = Arc::new(contents.at_commit(contents.source.clone()));
    (SnapshotSource { contents: Some(contents), ..named("prod") }, file)
}

#[test]
fn what_is_not_certain_is_warned_about_and_everything_else_enforced() {
    let (prod, file) = recorded();
    let affected = |affected| SnapshotSource { affected: Some(affected), ..prod.clone() };
    let other_file = Affected::Files(vec![Arc::from("apps/prod/other.yaml")]);
    let case = |name, sources, drift, create, reason| Case { name, sources, drift, create, reason };
    let cases = [
        case("all is read", vec![prod.clone()], Outcome::Deny, Outcome::Deny, ""),
        case(
            "another source is unread: it may declare the new object",
            vec![prod.clone(), named("b")],
            Outcome::Deny,
            Outcome::Warn,
            "source b, which may declare this, was not read yet",
        ),
        case(
            "another source is unread, and may declare in other namespaces only",
            vec![prod.clone(), in_namespaces(named("b"), &["team-b"])],
            Outcome::Deny,
            Outcome::Deny,
            "",
        ),
        case(
            "the newest commit breaks the file",
            vec![affected(Affected::Files(vec![file]))],
            Outcome::Warn,
            Outcome::Warn,
            "the newest commit of source prod could not be read",
        ),
        case(
            "the newest commit breaks another file",
            vec![affected(other_file)],
            Outcome::Deny,
            Outcome::Warn,
            "the newest commit of source prod could not be read",
        ),
        case(
            "the newest commit cannot be rendered",
            vec![affected(Affected::All)],
            Outcome::Warn,
            Outcome::Warn,
            "the newest commit of source prod could not be read",
        ),
        case(
            "the settings have changed",
            vec![SnapshotSource { is_outdated: true, ..prod.clone() }],
            Outcome::Warn,
            Outcome::Warn,
            "source prod has new settings and was not read since",
        ),
        case(
            "a newer commit is being read",
            vec![SnapshotSource { is_loading: true, ..prod.clone() }],
            Outcome::Warn,
            Outcome::Warn,
            "a newer commit of source prod is still being read",
        ),
    ];
    for Case { name, sources, drift, create, reason } in cases {
        let mut evaluator = Evaluator::new("", &[]);
        evaluator.snapshot = Snapshot::assemble(sources, None);
        evaluator.policy.unmanaged = vec![NamespaceRule::new(&["prod".to_owned()], Outcome::Deny).unwrap()];
        let answers: [(Review, Outcome); 2] =
            [(recorded_action("patch-replicas-7"), drift), (recorded_action("create-unmanaged-deployment"), create)];
        for (review, expected) in answers {
            let got = evaluator.evaluate(&review);
            assert_eq!(got.outcome, expected, "{name}");
            let warnings = got.response["warnings"].to_string();
            assert!(expected == Outcome::Deny || warnings.contains(reason), "{name}: {warnings}");
        }
    }
}

#[test]
fn a_stale_source_denies_nothing_in_a_strict_namespace_either() {
    let mut evaluator = Evaluator::new("", &[]);
    evaluator.policy.unmanaged = vec![NamespaceRule::new(&["prod".to_owned()], Outcome::Deny).unwrap()];
    evaluator.context.is_stale = true;
    for action in ["patch-replicas-7", "create-unmanaged-deployment"] {
        assert_eq!(evaluator.evaluate(&recorded_action(action)).outcome, Outcome::Warn, "{action}");
    }
}
