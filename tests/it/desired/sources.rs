//! Several sources in one snapshot: who declares what.

use std::sync::Arc;
use std::time::Duration;

use driftwall_core::desired::{
    Affected, Contest, NamespaceScope, ObjectKey, Snapshot, SnapshotSource, Source, SourceContents, SyncTime,
    Uncertainty,
};
use driftwall_core::manifest;

use crate::harness::snapshots::source_contents;

/// A source that has read these texts, each from a file of its own.
fn contents(name: &str, priority: i32, texts: &[&str]) -> Arc<SourceContents> {
    let paths: Vec<_> = (0..texts.len()).map(|index| format!("{name}/{index}.yaml")).collect();
    let source = Source { name: name.into(), priority, ..Source::default() };
    source_contents(source, Some("prod"), paths.iter().map(String::as_str).zip(texts.iter().copied()))
}

const APP: ObjectKey<'_> = ObjectKey { group: "", kind: "ConfigMap", namespace: "prod", name: "app" };
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n";
const CLUSTER_ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n";

fn map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: {value}}}\n")
}

fn value(snapshot: &Snapshot) -> (String, String) {
    let (declared, source) = snapshot.get(APP).unwrap();
    (source.name.clone(), declared.object()["data"]["a"].as_str().unwrap().to_owned())
}

fn count_in_prod(snapshot: &Snapshot) -> Option<usize> {
    snapshot.count_in_namespace("prod", |_, _| true).map(|(count, _)| count)
}

/// Why what is declared of the ConfigMap `app` is not certain.
fn uncertainty(snapshot: &Snapshot) -> Option<Uncertainty> {
    let (declared, source) = snapshot.get(APP).unwrap();
    snapshot.uncertainty(source, declared)
}

#[test]
fn an_object_declared_twice_differently_is_contested_and_nothing_else() {
    let (one, two, other) = (map("app", "one"), map("app", "two"), map("other", "x"));
    for sources in [
        vec![contents("a", 0, &[&one, &two, &other])],
        vec![contents("a", 0, &[&one, &other]), contents("b", 0, &[&two])],
        vec![contents("b", 7, &[&two]), contents("a", 7, &[&one, &other])],
    ] {
        let snapshot = Snapshot::new(sources);
        let Some(Uncertainty::Contested(contest)) = uncertainty(&snapshot) else { panic!("taken") };
        let Contest { object, first, second, .. } = &contest;
        assert_eq!(object, "ConfigMap prod/app");
        assert!(first.contains(".yaml:1 of source a") && second.contains(".yaml:1 of source"), "{first}, {second}");
        assert_eq!(value(&snapshot).1, "one", "the order of arrival does not matter");
        assert_eq!(snapshot.contests(), [&contest]);
        let (declared, source) = snapshot.get(ObjectKey { name: "other", ..APP }).unwrap();
        assert_eq!(snapshot.uncertainty(source, declared), None);
    }
}

#[test]
fn an_object_declared_twice_alike_is_one_declaration() {
    let spelled_otherwise = "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: app\ndata: {a: \"one\"}\n";
    let (one, two) = (map("app", "one"), spelled_otherwise.to_owned());
    for sources in [
        vec![contents("a", 0, &[&one, &two])],
        vec![contents("a", 0, &[&one]), contents("b", 0, &[&two])],
        vec![contents("a", 3, &[&one]), contents("b", 0, &[&map("app", "two")])],
    ] {
        let snapshot = Snapshot::new(sources);
        assert_eq!((uncertainty(&snapshot), snapshot.contests().len()), (None, 0));
        assert_eq!(count_in_prod(&snapshot), Some(1));
    }
}

fn source_of(contents: Arc<SourceContents>) -> SnapshotSource {
    let name = contents.source.name.clone();
    SnapshotSource { name, contents: Some(contents), ..SnapshotSource::default() }
}

#[test]
fn what_is_not_certain_is_so_for_one_source_and_its_namespaces_only() {
    let read = || source_of(contents("a", 0, &[&map("app", "one")]));
    let scope = |globs: &[&str]| NamespaceScope::new(globs.iter().map(ToString::to_string).collect()).unwrap();
    let unread = |globs: &[&str]| SnapshotSource { name: "b".into(), scope: scope(globs), ..SnapshotSource::default() };
    let broken = |affected| SnapshotSource { affected: Some(affected), ..read() };
    let file = |name: &str| Affected::Files(vec![Arc::from(name)]);
    let newer = || Some(Uncertainty::NewerCommitUnreadable("a".into()));
    let unread_b = || Some(Uncertainty::SourceUnread("b".into()));
    let changed = || Some(Uncertainty::SettingsChanged("a".into()));
    let loading = || Some(Uncertainty::NewerCommitLoading("a".into()));
    // The sources; what of the declared object; what of others in its namespace.
    let cases = [
        ("all read", vec![read()], None, None),
        ("another is unread", vec![read(), unread(&[])], None, unread_b()),
        ("another is unread, elsewhere", vec![read(), unread(&["staging-*"])], None, None),
        ("another is unread, here", vec![read(), unread(&["pro*"])], None, unread_b()),
        ("a commit breaks its file", vec![broken(file("a/0.yaml"))], newer(), newer()),
        ("a commit breaks another file", vec![broken(file("a/7.yaml"))], None, newer()),
        ("a commit breaks nobody knows what", vec![broken(Affected::All)], newer(), newer()),
        ("other settings", vec![SnapshotSource { is_outdated: true, ..read() }], changed(), changed()),
        ("being read", vec![SnapshotSource { is_loading: true, ..read() }], loading(), loading()),
    ];
    for (what, sources, declared, undeclared) in cases {
        let snapshot = Snapshot::assemble(sources, None);
        assert_eq!(uncertainty(&snapshot), declared, "{what}");
        assert_eq!(snapshot.uncertainty_of_undeclared("prod"), undeclared, "{what}");
    }
}

#[test]
fn a_declaration_outside_of_a_sources_namespaces_does_not_count() {
    let held = |globs: &[&str]| SnapshotSource {
        scope: NamespaceScope::new(globs.iter().map(ToString::to_string).collect()).unwrap(),
        ..source_of(contents("tenant", 0, &[&map("app", "two"), NAMESPACE, CLUSTER_ROLE]))
    };
    let platform = || source_of(contents("platform", 0, &[&map("app", "one")]));
    let snapshot = Snapshot::assemble(vec![held(&["staging-*"]), platform()], None);
    assert_eq!((uncertainty(&snapshot), value(&snapshot).1), (None, "one".to_owned()));
    assert_eq!(snapshot.count_out_of_scope("tenant"), 3);
    let snapshot = Snapshot::assemble(vec![held(&["prod"])], None);
    assert_eq!((value(&snapshot).1, snapshot.count_out_of_scope("tenant")), ("two".to_owned(), 1), "the ClusterRole");
}

#[test]
fn ages_are_those_of_the_sources_that_are_asked_about() {
    let at = |name: &str, last_synced, globs: &[&str]| SnapshotSource {
        name: name.into(),
        scope: NamespaceScope::new(globs.iter().map(ToString::to_string).collect()).unwrap(),
        last_synced,
        ..SnapshotSource::default()
    };
    let seconds = Duration::from_secs;
    let sources = vec![
        at("young", Some(SyncTime::AfterStart(seconds(90))), &["prod"]),
        at("old", Some(SyncTime::BeforeStart(seconds(5))), &["prod", "staging"]),
        at("unknown", None, &["test"]),
    ];
    let snapshot = Snapshot::assemble(sources, None);
    for (source, namespace, expected) in [
        (Some("young"), "", Some(10)),
        (Some("old"), "", Some(105)),
        (Some("unknown"), "", None),
        (None, "prod", Some(105)),
        (None, "staging", Some(105)),
        (None, "test", None),
    ] {
        let age = snapshot.age(source, namespace, seconds(100));
        assert_eq!(age, expected.map(seconds), "{source:?} {namespace}");
    }
}

#[test]
fn a_sync_without_new_contents_shares_the_index() {
    let (a, b) = (contents("a", 0, &[&map("app", "one")]), contents("b", 0, &[&map("b", "one")]));
    let sources = |a: &Arc<SourceContents>| vec![source_of(a.clone()), source_of(b.clone())];
    let first = Snapshot::assemble(sources(&a), None);
    assert!(Snapshot::assemble(sources(&a), Some(&first)).shares_contents_with(&first));
    let next = contents("a", 0, &[&map("app", "two")]);
    assert!(!Snapshot::assemble(sources(&next), Some(&first)).shares_contents_with(&first));
    assert!(!Snapshot::assemble(vec![source_of(a)], Some(&first)).shares_contents_with(&first));
}

#[test]
fn the_source_of_the_higher_priority_counts() {
    let (one, two) = (map("app", "one"), map("app", "two"));
    for (a, b, expected) in [(0, 1, "b"), (1, 0, "a"), (-1, 0, "b")] {
        let snapshot = Snapshot::new(vec![contents("a", a, &[&one]), contents("b", b, &[&two])]);
        let (source, value) = value(&snapshot);
        assert_eq!(source, expected);
        assert_eq!(value, if expected == "a" { "one" } else { "two" });
        assert_eq!(count_in_prod(&snapshot), Some(1), "it is one object");
    }
}

#[test]
fn a_kind_that_git_does_not_define_may_have_one_name_in_two_namespaces() {
    let thing =
        |namespace| format!("apiVersion: example.org/v1\nkind: Thing\nmetadata: {{name: a, namespace: {namespace}}}\n");
    let snapshot = Snapshot::new(vec![contents("a", 0, &[&thing("east"), &thing("west")])]);
    for (namespace, is_known) in [("east", true), ("west", true), ("north", false), ("", true)] {
        let key = ObjectKey { group: "example.org", kind: "Thing", namespace, name: "a" };
        assert_eq!(snapshot.get(key).is_some(), is_known, "{namespace}");
    }
}

#[test]
fn a_kind_that_git_does_not_define_may_be_in_the_namespace_of_its_source() {
    let thing = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: db}\n";
    let snapshot = Snapshot::new(vec![contents("a", 0, &[thing])]);
    let key = |namespace| ObjectKey { group: "example.org", kind: "Thing", namespace, name: "db" };
    assert!(snapshot.get(key("prod")).is_some() && snapshot.get(key("")).is_some());
    assert!(snapshot.get_scoped(key("")).is_none(), "an owner is not taken for one without a namespace");
    assert_eq!(count_in_prod(&snapshot), Some(1), "unless somebody knows better, it is there");
    assert!(snapshot.count_in_namespace("prod", |_, _| false).is_none());
    assert!(snapshot.namespaces().is_empty());
}

#[test]
fn what_has_a_made_up_name_is_no_object_of_git() {
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: migrate-\n  annotations: {argocd.argoproj.io/hook: PreSync}\n";
    let reading = manifest::parse("hook.yaml", hook.as_bytes());
    assert_eq!((reading.objects.len(), reading.errors.len(), reading.skipped), (0, 0, 1));
}
