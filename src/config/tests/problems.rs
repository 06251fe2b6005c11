//! Files that cannot be used: the line, the key and the words of each.

use super::{SOURCES, assert_plain, parse, problems};
use crate::config::Config;

/// What is wrong with `text`, which follows the sources on line 1: at `line` and `key`, with these `words`.
struct Broken {
    text: &'static str,
    line: u32,
    key: &'static str,
    words: &'static str,
}

const fn broken(text: &'static str, line: u32, key: &'static str, words: &'static str) -> Broken {
    Broken { text, line, key, words }
}

const CLASSES: &str = "write one of gitops, control plane, autoscaler, controller, workload, person";
const NO_ADDRESS: &str = "is no address; write an IP address and a port, such as 0.0.0.0:8443";
const NO_DURATION: &str = "is no duration; write one such as 30s, 5m or 1h";
const QUOTES: &str = "a quotation mark is not closed; write it at the end of the text, too";
const STRUCTURE: &str = "the indentation does not fit the lines before, or a `:` is missing";

const KEYS: &[Broken] = &[
    broken("mod: audit", 2, "mod", "there is no such key; did you mean `mode`?"),
    broken("longestlook: 5s", 2, "longestlook", "there is no such key; the keys here are actors, admin, "),
    broken("git: {pull: 3s}", 2, "git.pull", "there is no such key; did you mean `poll`?"),
    broken("git:\n  longest_look: 3s", 3, "git.longest_look", "did you mean `longestLook`?"),
    broken("unmanaged: [{answer: deny, namespace: [a]}]", 2, "unmanaged[0].namespace", "did you mean `namespaces`?"),
    broken("tls: {cert: a}", 2, "tls.cert", "there is no such key; the keys here are caValidity, "),
    broken("mode: audit\nmode: warn", 3, "mode", "this key is written twice, first on line 2; remove one of the two"),
    broken("git:\n  poll: 1s\n  poll: 2s", 4, "git.poll", "this key is written twice, first on line 3"),
    broken("sources: []", 2, "sources", "this key is written twice, first on line 1"),
    broken("? [a]\n: b", 2, "", "a key must be text"),
    broken("actors: [{users: [a]}]", 2, "actors[0].class", "this key is missing; add it, such as `class: gitops`"),
    broken("modes: [{mode: warn, labels: {a: b, a: c}}]", 2, "modes[0].labels.a", "this key is written twice"),
    broken("modes:\n  - namespaces: [a]", 3, "modes[0].mode", "this key is missing; add it, such as `mode: audit`"),
];

const TYPES: &[Broken] = &[
    broken("modes: [{mode: warn, labels: [a]}]", 2, "modes[0].labels", "this is a list; write a mapping"),
    broken("modes: [{mode: warn, labels: {a: [b]}}]", 2, "modes[0].labels.a", "this is a list; write text"),
    broken("modes: [{mode: warn, applications: a}]", 2, "modes[0].applications", "this is text; write a list"),
    broken("mode: block", 2, "mode", "`block` cannot be used here; write one of enforce, warn, audit"),
    broken("mode: Enforce", 2, "mode", "did you mean `enforce`? Write one of enforce, warn, audit"),
    broken("mode:", 2, "mode", "nothing is written here; write one of enforce, warn, audit"),
    broken("mode: [audit]", 2, "mode", "this is a list; write one of enforce, warn, audit"),
    broken("listen: [a]", 2, "listen", "this is a list; write text, such as 0.0.0.0:8443"),
    broken("drain:", 2, "drain", "nothing is written here; write text, such as 10s"),
    broken("events: maybe", 2, "events", "`maybe` cannot be used here; write true or false"),
    broken("git: 30s", 2, "git", "this is text; write a mapping; its keys are dataDir, maxMirrorSize, poll, "),
    broken("git:", 2, "git", "nothing is written here; write a mapping; its keys are "),
    broken("presets: argocd", 2, "presets", "this is text; write a list, such as [argocd, cert-manager]"),
    broken("presets: [argo]", 2, "presets[0]", "`argo` cannot be used here; write one of argo-rollouts, argocd, "),
    broken("presets:\n  - argocd\n  - fluxx", 4, "presets[1]", "did you mean `flux`?"),
    broken("actors:\n  - users: [a]\n    class: boss", 4, "actors[0].class", CLASSES),
    broken("modes: [{mode: audit, actors: [people]}]", 2, "modes[0].actors[0]", CLASSES),
    broken(
        "unmanaged: perhaps",
        2,
        "unmanaged",
        "`perhaps` cannot be used here; write one of allow, warn, deny, or a list",
    ),
    broken("extras: [deny]", 2, "extras[0]", "this is text; write a mapping; its keys are answer and namespaces"),
    broken("onError: warn", 2, "onError", "`warn` cannot be used here; write allow or deny"),
    broken("registration: {port: 0}", 2, "registration.port", "write a whole number from 1 to 65535, such as 443"),
    broken(
        "registration: {timeoutSeconds: 300}",
        2,
        "registration.timeoutSeconds",
        "`300` cannot be used here; write a whole number from 1 to 30, such as 5",
    ),
    broken("registration: {name: ''}", 2, "registration.name", "this is empty; write text, such as driftwall"),
    broken("registration: {failurePolicy: fail}", 2, "registration.failurePolicy", "did you mean `Fail`?"),
    broken("registration: {leaveOut: all}", 2, "registration.leaveOut", "this is text; write a list"),
];

const VALUES: &[Broken] = &[
    broken("render: {memory: 384MB}", 2, "render.memory", "is no number of bytes; write one such as 384Mi or 1Gi"),
    broken("render: {memory: 64Mi}", 2, "render.memory", "kubectl and helm need more to start; write 128Mi or more"),
    broken(
        "render: {renderer: {address: https://r, caFile: a, certFile: b, keyFile: c}}",
        2,
        "render.renderer.address",
        "`https://r` is no name and port; write driftwall-renderer.driftwall.svc:8444",
    ),
    broken("render: {timeout: 0s}", 2, "render.timeout", "it is zero; write a duration such as 1m"),
    broken("render: {parallel: 0}", 2, "render.parallel", "0"),
    broken("listen: everywhere", 2, "listen", NO_ADDRESS),
    broken("admin: 8080", 2, "admin", NO_ADDRESS),
    broken("git:\n  poll: 5 minuten", 3, "git.poll", NO_DURATION),
    broken(
        "git: {maxMirrorSize: 4GB}",
        2,
        "git.maxMirrorSize",
        "`4GB` is no number of bytes; write one such as 384Mi or 1Gi",
    ),
    broken("git: {maxMirrorSize: 0}", 2, "git.maxMirrorSize", "it is zero; write a number of bytes such as 4Gi"),
    broken("git: {poll: 0s}", 2, "git.poll", "it is zero; write a duration such as 30s"),
    broken("git:\n  freshness: soon", 3, "git.freshness", NO_DURATION),
    broken("maxStaleness: -5m", 2, "maxStaleness", NO_DURATION),
    broken("drain: 10", 2, "drain", NO_DURATION),
    broken("breakGlass: {longest: 0s}", 2, "breakGlass.longest", "it is zero; write a duration such as 4h"),
    broken("tls: {}", 2, "tls.certFile", "it is missing; give certFile and keyFile, or selfManaged: true"),
    broken("tls: {certFile: a}", 2, "tls.keyFile", "it is missing; give the key of certFile"),
    broken("tls: {selfManaged: true, keyFile: a}", 2, "tls.selfManaged", "remove certFile and keyFile, or this"),
    broken(
        "tls:\n  selfManaged: true\n  certificateLife: 1s",
        4,
        "tls.certificateLife",
        "it is too short; write 10s or more, such as 2160h",
    ),
    broken(
        "tls:\n  selfManaged: true\n  caValidity: 1h",
        4,
        "tls.caValidity",
        "it is shorter than certificateValidity; write as much, or more",
    ),
    broken(
        "tls: {certFile: a, keyFile: b, renderer: c}",
        2,
        "tls.renderer",
        "only with selfManaged: true; remove this",
    ),
    broken("tls: {selfManaged: true, renderer: 'c:8444'}", 2, "tls.renderer", "`c:8444` is no DNS name; write "),
    broken("registration: {url: 'http://a'}", 2, "registration.url", "by https:// only; write one such as https://"),
    broken("registration: {url: 'https://me@a'}", 2, "registration.url", "no URL with a user in it; write one such as"),
    broken("registration: {name: Drift wall}", 2, "registration.name", "`Drift wall` is no name for an object of a"),
    broken("registration: {service: drift.wall}", 2, "registration.service", "is no name of a Service; write one of"),
    broken(
        "registration: {excludeNamespaces: ['kube-*']}",
        2,
        "registration.excludeNamespaces",
        "`kube-*` is no name of a namespace, and no pattern can be one",
    ),
    broken("modes: [{mode: warn, namespaces: [a, Prod]}]", 2, "modes[0].namespaces[1]", "`Prod` matches no namespace"),
    broken(
        "ignore: [{namespace: team_a}]",
        2,
        "ignore[0].namespace",
        "matches no namespace; write one of small letters",
    ),
    broken("extras: [{answer: warn, namespaces: [prod/web]}]", 2, "extras[0].namespaces[0]", "matches no namespace"),
    broken("actors:\n  - class: gitops", 3, "actors[0]", "it names nobody; give users or groups"),
    broken("actors: [{class: person, users: [a, 'b[']}]", 2, "actors[0].users[1]", "its `[` is not closed"),
    broken(
        "actors: [{class: controller, users: [a], fields: [{paths: [a, 'spec[']}]}]",
        2,
        "actors[0].fields[0].paths[1]",
        "; write a path such as spec.replicas",
    ),
    broken("modes:\n  - labels: {a: '{b'}\n    mode: warn", 3, "modes[0].labels.a", "`{b` is no pattern"),
    broken("ignore:\n  - kind: '{a'", 3, "ignore[0].kind", "`{a` is no pattern: its `{` is not closed"),
    broken("ignore:\n  - paths:\n      - spec\n      - spec..x", 5, "ignore[0].paths[1]", "a name is missing; write"),
    broken("modes: [{mode: warn, kinds: [apps/v1/Deployment]}]", 2, "modes[0].kinds[0]", "matches no kind; write one"),
    broken(
        "ignore: [{kind: Deployment.apps, paths: [spec]}]",
        2,
        "ignore[0].kind",
        "write one such as Deployment, without",
    ),
    broken(
        "actors: [{class: controller, users: [a], fields: [{kind: 'Custom Resource', paths: [spec]}]}]",
        2,
        "actors[0].fields[0].kind",
        "`Custom Resource` matches no kind",
    ),
    broken("modes: [{mode: warn, namespaces: ['a}']}]", 2, "modes[0].namespaces[0]", "its `}` has no `{` before it"),
    broken("unmanaged: [{answer: deny, namespaces: ['{a,{b}']}]", 2, "unmanaged[0].namespaces[0]", "not closed"),
    broken("repositories: [{url: '@stable'}]", 2, "repositories[0].url", "write https://host/path or oci://host/path"),
    broken(
        "repositories: [{url: https://h, auth: {usernameFile: u}}]",
        2,
        "repositories[0].auth",
        "needs passwordFile",
    ),
    broken("admin: 0.0.0.0:8443", 2, "admin", "the same as listen; write another port"),
    broken("drain: 9999999h", 2, "drain", "is too long; write"),
    broken("programs: {helm: ''}", 2, "programs.helm", "this is empty; write text, such as /usr/bin/helm"),
    broken("discover: {argocd: {namespace: A b}}", 2, "discover.argocd.namespace", "no name of a namespace"),
    broken(
        "protectedKeys: ['a[z-a]']",
        2,
        "protectedKeys[0]",
        "its range z-a runs backwards; write one such as prod-*",
    ),
];

const SYNTAX: &[Broken] = &[
    broken("mode: \"audit", 2, "mode", QUOTES),
    broken("mode: 'audit", 2, "mode", QUOTES),
    broken("presets: [argocd\nevents: true", 3, "presets[0]", "a `[` or `{` and its `]` or `}` do not match"),
    broken("presets: [argocd}", 2, "presets[0]", "a `[` or `{` and its `]` or `}` do not match"),
    broken("  mode: audit", 2, "", STRUCTURE),
    broken("mode audit", 2, "", STRUCTURE),
    broken("mode: audit: warn", 2, "", STRUCTURE),
    broken("git:\n\tpoll: 3s", 3, "git", "a tab is written where spaces must be; indent with spaces"),
    broken("listen: @here", 2, "listen", "no text can begin with `@`; put it in quotes"),
    broken("listen: \"\\q\"", 2, "listen", "begins no escape of YAML; write `\\\\`, or single quotes"),
    broken("listen: *here", 2, "listen", "an alias (`*name`) has no anchor (`&name`) above it"),
    broken("git: &git\n  poll: *git", 3, "git.poll", "an alias repeats the value that it is in"),
    broken("git: {<<: 5}", 2, "git", "`<<` takes a mapping, an alias of one, or a list of these"),
    broken("listen: !!binary aGk=", 2, "listen", "`!!binary` is not read here; write the text itself"),
    broken("listen: a\0b", 2, "listen", "a control character is written here; remove it"),
    broken("---\nmode: audit", 2, "", "a second document begins here; write one, without `---` in it"),
    broken("...\nmode: audit", 3, "", "a second document begins here"),
];

#[test]
fn each_problem_names_line_key_and_fix() {
    for Broken { text, line, key, words } in [KEYS, TYPES, VALUES, SYNTAX].into_iter().flatten() {
        let found = problems(format!("{SOURCES}{text}\n"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!((found[0].line, &*found[0].key), (*line, *key), "{text}: {found:?}");
        assert!(found[0].message.contains(words), "{text}: {found:?}");
        assert_plain(&found[0].message);
    }
}

/// What is wrong with a source on lines 2 to 4.
const OF_SOURCES: &[Broken] = &[
    broken("name: a", 2, "sources[0].repo", "add it, such as `repo: https://example.org/acme/gitops.git`"),
    broken("name: ''\n    repo: /r", 2, "sources[0].name", "this is empty; write text, such as prod"),
    broken("name: a\n    repo: ftp://h/r", 3, "sources[0].repo", "`ftp://h/r`: write a path, file:///path, "),
    broken("name: a\n    repo: https://h", 3, "sources[0].repo", "it names no repository after the host"),
    broken("name: a\n    repo: /r\n    path: ../x", 4, "sources[0].path", "leads out of the repository; write"),
    broken("name: a\n    repo: /r\n    namespace: Prod", 4, "sources[0].namespace", "`Prod` is no name of a namespace"),
    broken("name: a\n    repo: /r\n    namespaces: [a.b]", 4, "sources[0].namespaces[0]", "matches no namespace"),
    broken("name: a\n    repo: /r\n    auth: {tokenFile: t}", 4, "sources[0].auth", "this one is on this machine"),
    broken("name: a\n    repo: /r\n    auth: s3cret", 4, "sources[0].auth", "this is text; write a mapping; its keys"),
    broken("name: a\n    repo: h:r", 2, "sources[0].auth", "an ssh address needs sshKeyFile"),
    broken("name: a\n    repo: /r\n    include: ['**/[x']", 4, "sources[0].include[0]", "its `[` is not closed"),
    broken("name: a\n    repo: /r\n    exclude: [x]\n    render: helm", 4, "sources[0].exclude", "remove them"),
    broken("name: a\n    repo: /r\n    priority: 1.5", 4, "sources[0].priority", "write a whole number, such as 0"),
    broken("name: a\n    repo: /r\n  - name: a\n    repo: /q", 4, "sources[1].name", "another source is called `a`"),
    broken("name: [a]\n    repo: /r", 2, "sources[0].name", "this is a list; write text, such as prod"),
    broken("name: a\n    repo: /r\n    version: 1.x", 4, "sources[0].version", "name it in chart, or write revision"),
    broken(
        "name: a\n    repo: /r\n    render: plain\n    buildOptions: {enableHelm: true}",
        5,
        "sources[0].buildOptions",
        "are for kustomizations",
    ),
    broken(
        "name: a\n    repo: oci://h/c\n    buildOptions: {enableHelm: true}",
        4,
        "sources[0].buildOptions",
        "are for kustomizations",
    ),
    broken(
        "name: a\n    repo: /r\n    buildOptions: --enable-helm",
        4,
        "sources[0].buildOptions",
        "its keys are enableHelm and loadRestrictor",
    ),
    broken(
        "name: a\n    repo: /r\n    buildOptions: {loadRestrictor: None}",
        4,
        "sources[0].buildOptions.loadRestrictor",
        "LoadRestrictionsNone",
    ),
    broken(
        "name: a\n    repo: /r\n    helm: {kubeVersion: abc}",
        4,
        "sources[0].helm.kubeVersion",
        "no version; write",
    ),
    broken(
        "name: a\n    repo: /r\n    helm: {releaseName: A B}",
        4,
        "sources[0].helm.releaseName",
        "no name of a release",
    ),
    broken("name: a\n    repo: /r\n    helm: {values: '['}", 4, "sources[0].helm.values", "no mapping in YAML; write"),
    broken(
        "name: a\n    repo: /r\n    revision: ''",
        4,
        "sources[0].revision",
        "this is empty; write text, such as main",
    ),
    broken("name: a\n    repo: oci://h", 2, "sources[0].chart", "it is missing; name a chart of the registry"),
    broken("name: a\n    chart: c\n    repo: git@h:r", 4, "sources[0].repo", "write https://host/path or oci://"),
    broken("name: a\n    chart: ../c\n    repo: https://h", 3, "sources[0].chart", "write one of letters, digits"),
    broken("name: a\n    repo: oci://h/c\n    version: new", 4, "sources[0].version", "write one such as 1.2.3, ^1.2"),
    broken("name: a\n    repo: oci://h/c\n    path: x", 4, "sources[0].path", "this source is a chart; remove it"),
    broken("name: a\n    repo: oci://h/c\n    revision: v1", 4, "sources[0].revision", "write version"),
    broken("name: a\n    repo: oci://h/c\n    render: plain", 4, "sources[0].render", "rendered by Helm"),
    broken("name: a\n    repo: oci://h/c\n    auth: {sshKeyFile: k}", 4, "sources[0].auth", "are for ssh addresses"),
];

#[test]
fn each_problem_of_a_source_names_line_key_and_fix() {
    for Broken { text, line, key, words } in OF_SOURCES {
        let found = problems(format!("sources:\n  - {text}\n"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!((found[0].line, &*found[0].key), (*line, *key), "{text}: {found:?}");
        assert!(found[0].message.contains(words), "{text}: {found:?}");
        assert_plain(&found[0].message);
    }
    let many: Vec<_> = (0..137).map(|index| format!("  - name: s{index}\n    repo: /r\n")).collect();
    let found = problems(format!("sources:\n{many}  - name: last\n    repo: ftp://h/r\n", many = many.concat()));
    assert_eq!((found[0].line, &*found[0].key), (277, "sources[137].repo"), "{found:?}");
}

#[test]
fn an_unusable_file_gives_one_problem() {
    let list = "[".repeat(150) + &"]".repeat(150);
    let utf16: Vec<u8> = "mode: audit".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = [SOURCES.as_bytes(), b"mode: \xe9\n"].concat();
    let large = "#".repeat(17 << 20);
    for (text, line, words) in [
        (&b""[..], 1, "the file is empty; write `sources`, at least"),
        (b"# nothing\n", 1, "the file is empty"),
        (b"---\n", 1, "the file is empty"),
        (b"null\n", 1, "the file is empty"),
        (b"- a\n", 1, "this is a list; write a mapping; its keys are actors, admin, "),
        (b"text\n", 1, "this is text; write a mapping; its keys are actors, admin, "),
        (b"mode: audit\n", 1, "this key is missing; add it"),
        (list.as_bytes(), 1, "the nesting is too deep; at most 100 levels are read"),
        (&utf16, 1, "the file is UTF-16; save it as UTF-8"),
        (&latin, 2, "the file is not UTF-8; save it in that encoding"),
        (large.as_bytes(), 1, "the file is larger than 16 MiB"),
    ] {
        let found = problems(text);
        assert_eq!((found.len(), found[0].line), (1, line), "{found:?}");
        assert!(found[0].message.starts_with(words), "{found:?}");
        assert_plain(&found[0].message);
    }
}

#[test]
fn all_problems_are_reported_at_once_in_line_order() {
    let text = "listen: here\ngit: {poll: often}\nactors:\n  - {class: gitops}\n  - {class: person, users: ['[']}\n";
    let keys: Vec<_> = problems(format!("{text}{SOURCES}")).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["listen", "git.poll", "actors[0]", "actors[1].users[0]"]);
    let text = "mode: off\nlisten: [a]\nsources: [{name: a}, {repo: /r}]\n";
    let keys: Vec<_> = problems(text).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["mode", "listen", "sources[0].repo", "sources[1].name"]);

    let error = parse(text).unwrap_err();
    let words = "failed to use the configuration: /etc/driftwall.yaml:1: mode: `off` cannot be used here; write \
                 one of enforce, warn, audit (and 3 more: see `driftwall config check /etc/driftwall.yaml`)";
    assert_eq!(error.to_string(), words);
    let lines = error.lines();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1], "/etc/driftwall.yaml:2: listen: this is a list; write text, such as 0.0.0.0:8443");
}

#[test]
fn an_unreadable_file_is_reported_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("driftwall.yaml");
    let error = Config::read(&missing).unwrap_err();
    let words = "No such file or directory (os error 2)";
    assert_eq!(error.to_string(), format!("failed to read the configuration {}: {words}", missing.display()));
    assert_eq!(error.lines(), [format!("{}: failed to read it: {words}", missing.display())]);
}

/// Typos anywhere in a whole configuration: reported in our words, and never as a fault of driftwall's own.
#[test]
fn a_typo_never_shows_a_library_error() {
    let page = include_str!("../../../docs/configuration.md");
    let text = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    parse(text).unwrap();
    let mut refused = 0;
    for (at, _) in text.char_indices().filter(|(at, _)| at % 17 == 0) {
        for typo in ["[", "}", "\"", ":", "\t", " ", "*", "x", "\n", "- ", ""] {
            let rest = if typo.is_empty() { text[at..].chars().as_str().get(1..).unwrap_or("") } else { &text[at..] };
            if !text.is_char_boundary(text.len() - rest.len()) {
                continue;
            }
            let found = problems(format!("{}{typo}{rest}", &text[..at]));
            refused += usize::from(!found.is_empty());
            for problem in found {
                assert_plain(&problem.message);
            }
        }
    }
    assert!(refused > 200, "{refused}");
}
