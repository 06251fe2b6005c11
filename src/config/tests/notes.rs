//! What is said of a configuration that can be used, and may have another effect than it seems to.

use super::{SOURCES, parse};

/// The lines and keys of what is noted.
fn noted(text: &str) -> Vec<(u32, String)> {
    let config = parse(text).unwrap();
    config.notes.iter().map(|note| (note.line, note.key.clone())).collect()
}

#[test]
fn notes_have_the_line_and_the_key_of_what_they_are_about() {
    let late = "modes:\n  - {mode: warn}\n  - namespaces: [prod]\n    mode: audit\n";
    assert_eq!(noted(&format!("{SOURCES}{late}")), [(4, "modes[1]".to_owned())]);
    let strict = "unmanaged:\n  - answer: deny\n  - {namespaces: [a], answer: warn}\n";
    assert_eq!(noted(&format!("{SOURCES}{strict}")), [(4, "unmanaged[1]".to_owned())]);
    assert_eq!(noted(SOURCES), []);
}

#[test]
fn a_softer_mode_of_a_source_that_a_rule_overrides_is_noted() {
    let soft = "sources:\n  - name: shop\n    repo: /r\n    mode: audit\n";
    let overridden = [(4, "sources[0].mode".to_owned())];
    for (modes, expected) in [
        ("modes: [{namespaces: [prod], mode: warn}]\n", &overridden[..]),
        ("modes: [{labels: {tier: critical}, mode: enforce}]\n", &overridden),
        ("modes: [{namespaces: [prod], mode: audit}]\n", &[]),
        ("modes: [{applications: [shop], mode: audit}, {namespaces: [prod], mode: warn}]\n", &[]),
        ("", &[]),
    ] {
        assert_eq!(noted(&format!("{soft}{modes}")), expected, "{modes}");
    }
    let scoped = format!("{soft}    namespaces: [test]\nmodes: [{{namespaces: [prod], mode: enforce}}]\n");
    assert_eq!(noted(&scoped), [], "the source declares nothing there");
}

#[test]
fn rules_that_do_nothing_or_too_much_are_noted() {
    let account = "system:serviceaccount:ci:deployer";
    let in_group =
        format!("{{class: gitops, groups: ['system:serviceaccounts:ci']}}, {{class: workload, users: ['{account}']}}");
    for (text, expected) in [
        ("modes: [{mode: warn, actors: [gitops, control plane]}]", vec!["modes[0].actors"]),
        ("modes: [{mode: warn, actors: [gitops, person]}]", vec![]),
        ("unmanaged: [{answer: deny, actors: [gitops]}]", vec!["unmanaged[0].actors"]),
        ("modes: [{mode: warn, namespaces: [kube-system]}]", vec!["modes[0].namespaces"]),
        ("modes: [{mode: warn, namespaces: [kube-system, prod]}]", vec![]),
        ("extras: [{answer: warn, namespaces: [kube-system]}]", vec!["extras[0].namespaces"]),
        ("actors: [{class: gitops, users: ['*']}]", vec!["actors[0].users[0]"]),
        ("actors: [{class: workload, users: [a, 's*']}]", vec!["actors[0].users[1]"]),
        ("actors: [{class: workload, users: ['system:serviceaccount:*']}]", vec!["actors[0].users[0]"]),
        ("actors: [{class: workload, users: ['system:serviceaccount:ci:*']}]", vec![]),
        ("actors: [{class: workload, users: ['system:serviceaccount:ci']}]", vec!["actors[0].users[0]"]),
        ("actors: [{class: workload, groups: ['system:authenticated']}]", vec!["actors[0].groups[0]"]),
        ("actors: [{class: workload, groups: ['system:serviceaccounts']}]", vec!["actors[0].groups[0]"]),
        ("actors: [{class: workload, groups: ['system:serviceaccounts:ci']}]", vec![]),
        ("actors: [{class: gitops, users: [a], fields: [{paths: [spec]}]}]", vec!["actors[0].fields"]),
        ("actors: [{class: gitops, users: ['ci-*']}, {class: workload, users: [ci-1]}]", vec!["actors[1]"]),
        ("actors: [{class: gitops, users: [ci-1]}, {class: workload, users: ['ci-*']}]", vec![]),
        ("actors: [{class: gitops, users: [a]}, {class: workload, users: [a], groups: [b]}]", vec![]),
        (&format!("actors: [{in_group}]"), vec!["actors[1]"]),
        ("ignore: [{}]", vec!["ignore[0]"]),
        ("ignore: [{namespace: test-*}]", vec![]),
        ("ignore: [{kind: Deployment, paths: [spec]}, {kind: Deployment, paths: [spec.replicas]}]", vec!["ignore[1]"]),
        ("ignore: [{kind: Deployment, paths: [spec.replicas]}, {kind: Deployment, paths: [spec]}]", vec![]),
        ("ignore: [{kind: Deployment}, {kind: Deployment, name: web, paths: [spec]}]", vec!["ignore[1]"]),
    ] {
        let keys: Vec<_> = noted(&format!("{SOURCES}{text}\n")).into_iter().map(|(_, key)| key).collect();
        assert_eq!(keys, expected, "{text}");
    }
    assert_eq!(noted("sources: []\n"), [(1, "sources".to_owned())]);
}

#[test]
fn a_rule_without_effect_names_the_one_above_it_with_its_line() {
    let text = "modes:\n  - {mode: warn}\n  - namespaces: [prod]\n    mode: audit\nactors:\n  - {class: workload, users: [a]}\n  \
                - {class: person, users: [a]}\n";
    let config = parse(format!("{SOURCES}{text}")).unwrap();
    let ends: Vec<_> =
        config.notes.iter().filter_map(|note| note.message.rsplit_once(" (")).map(|(_, end)| end).collect();
    assert_eq!(ends, ["actors[0] on line 7)", "modes[0] on line 3)"]);
}
