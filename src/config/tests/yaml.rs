//! YAML's own ways of writing a configuration.

use driftwall_core::policy::Mode;

use super::{SOURCES, parse};

#[test]
fn anchors_aliases_and_merge_keys_are_resolved() {
    let text = "sources:\n  - &base {name: a, repo: /r, revision: main, namespace: one}\n  \
                - {<<: *base, name: b}\n  - name: c\n    <<: [{namespace: two}, *base]\n\
                actors: [{class: gitops, users: &users [x]}, {class: workload, users: *users}]\n";
    let config = parse(text).unwrap();
    let sources: Vec<_> =
        config.sources.iter().map(|source| (&*source.name, &*source.revision, source.namespace.as_deref())).collect();
    assert_eq!(sources, [("a", "main", Some("one")), ("b", "main", Some("one")), ("c", "main", Some("two"))]);
}

#[test]
fn a_scalar_is_read_as_the_type_of_its_key() {
    let text = "cluster: off\nevents: no\nlisten: '0.0.0.0:1'\nregistration: {port: 0x1BB, timeoutSeconds: '7', \
                name: 5, url: ~}\nsources: [{name: yes, repo: /r, revision: 1.10, priority: -1_000, mode: null}]\n";
    let config = parse(text).unwrap();
    assert_eq!((config.registration.port, config.registration.timeout_seconds), (443, 7));
    assert_eq!((&*config.registration.name, config.events), ("5", false));
    let source = &config.sources[0];
    assert_eq!((&*source.name, &*source.revision, source.priority), ("yes", "1.10", -1000));
    assert_eq!(config.policy.mode, Mode::Enforce);
}

#[test]
fn json_and_a_byte_order_mark_are_read_too() {
    let text = r#"{"sources": [{"name": "a", "repo": "/r"}], "mode": "audit", "events": false}"#;
    assert_eq!(parse(text).unwrap().policy.mode, Mode::Audit);
    assert_eq!(parse(format!("\u{feff}%YAML 1.2\n---\n{SOURCES}...\n")).unwrap().sources.len(), 1);
}

#[test]
fn alias_expansion_is_limited() {
    let names = ["a"; 1000].join(", ");
    let rules = ["{mode: audit, namespaces: *names}"; 1000].join(", ");
    let text = format!("{SOURCES}protectedKeys: &names [{names}]\nmodes: [{rules}]\n");
    let problems = super::problems(text);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.starts_with("there are more than 250,000 values"), "{problems:?}");

    let chain: Vec<_> = (1..300).map(|index| format!("x{index}: &a{index} [*a{}]\n", index - 1)).collect();
    let problems = super::problems(format!("{SOURCES}x0: &a0 [1]\n{}", chain.concat()));
    assert!(problems[0].message.starts_with("the nesting is too deep"), "{problems:?}");
}
