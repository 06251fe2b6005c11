//! What is said of a configuration that can be used, and may have another effect than it seems to.

use super::{ConfigError, Problem, SOURCES, parse};

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

#[test]
fn values_that_match_nothing_or_do_something_else_are_noted() {
    let gitops = "class: gitops, users: [a]";
    let of_kubernetes = "system:serviceaccount:kube-system:deployment-controller";
    for (text, key, words) in [
        ("modes: [{labels: {\"a b\": x}, mode: warn}]", "modes[0].labels.a b", "key of a label"),
        ("modes: [{labels: {tier: \"x y\"}, mode: warn}]", "modes[0].labels.tier", "value of a label"),
        ("modes: [{applications: [Shop], mode: warn}]", "modes[0].applications[0]", "payments or argocd/payments"),
        ("modes: [{kinds: [deployment], mode: warn}]", "modes[0].kinds[0]", "write Deployment"),
        ("modes: [{kinds: [Deployment.apps/v1], mode: warn}]", "modes[0].kinds[0]", ""),
        ("actors: [{class: workload, users: [\" ci\"]}]", "actors[0].users[0]", "nobody"),
        ("actors: [{class: workload, users: [\"system:serviceaccounts:ci\"]}]", "actors[0].users[0]", "in `groups`"),
        ("actors: [{class: gitops, groups: [\"system:serviceaccount:ci:x\"]}]", "actors[0].groups[0]", "in `users`"),
        (
            &format!("actors: [{{class: workload, users: [\"{of_kubernetes}\"]}}]"),
            "actors[0].users[0]",
            "part of Kubernetes",
        ),
        ("actors: [{class: controller, users: [a]}]", "actors[0].fields", "judged as a workload"),
        ("actors: [{class: workload, users: [a], fields: [{paths: []}]}]", "actors[0].fields[0].paths", "no field"),
        (&format!("actors: [{{{gitops}, deletes: [{{kind: Job}}]}}]"), "actors[0].deletes", "may delete any"),
        (
            "actors: [{class: workload, users: [a], deletes: [{group: batch/v1, kind: Job}]}]",
            "actors[0].deletes[0].group",
            "write batch",
        ),
        (
            "actors: [{class: workload, users: [a], fields: [{kind: Node, paths: [metadata.labels.a.b/c]}]}]",
            "actors[0].fields[0].paths[0]",
            "metadata.labels[\"a.b/c\"]",
        ),
        ("ignore: [{kind: Pod, paths: [metadata.uid]}]", "ignore[0].paths[0]", "never compared"),
        ("ignore: [{group: core, kind: Pod, paths: [spec.a]}]", "ignore[0].group", "has no name"),
        ("ignore: [{kind: Pod, name: \"\", paths: [spec.a]}]", "ignore[0].name", "name of an object"),
        ("protectedKeys: [\"a b\"]", "protectedKeys[0]", "label or annotation"),
        ("protectedKeys: [\"driftwall.io/*\"]", "protectedKeys[0]", "by default"),
        ("protectedKeys: {replace: true}", "protectedKeys.replace", "names none"),
        ("presets: [vpa, vpa]", "presets[1]", "twice"),
        ("registration: {selfHeal: true}", "registration.selfHeal", "without manage"),
        ("maxStaleness: 0s", "maxStaleness", "nothing is ever denied"),
        ("maxStaleness: 10s", "maxStaleness", "shorter than git.poll"),
        ("git: {refreshTimeout: 0s}", "git.refreshTimeout", "waits for no sync"),
        ("git: {refreshTimeout: 4500ms}", "git.refreshTimeout", "too late"),
        (
            "actors: [{class: gitops, users: [ci/deployer]}]",
            "actors[0].users[0]",
            "system:serviceaccount:ci:deployer; is",
        ),
        ("discover: {flux: {}}\ncluster: off", "discover.flux", "with cluster: off"),
        ("registration: {manage: true}\ncluster: off", "registration.manage", "with cluster: off"),
    ] {
        let config = parse(format!("{SOURCES}{text}\n"));
        let notes = match config {
            Ok(config) => config.notes,
            // What cannot be at all is a problem, at the same key.
            Err(ConfigError::Invalid { problems, .. }) => problems,
            Err(error) => panic!("{error}"),
        };
        let is_it = |note: &&Problem| note.line == 2 && note.key == key && note.message.contains(words);
        assert!(notes.iter().any(|note| is_it(&note)), "{text}: {notes:?}");
    }
    for (text, key) in [
        ("{name: a, repo: /r, namespace: prod, namespaces: [test]}", "sources[0].namespace"),
        ("{name: a, repo: /r, include: [./a/*.yaml]}", "sources[0].include[0]"),
        ("{name: a, repo: /r, exclude: [\"\"]}", "sources[0].exclude[0]"),
        ("{name: a, repo: /r, render: plain, helm: {releaseName: x}}", "sources[0].helm"),
    ] {
        assert_eq!(noted(&format!("sources: [{text}]\n")), [(1, key.to_owned())], "{text}");
    }
}
