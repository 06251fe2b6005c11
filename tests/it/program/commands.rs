//! The other commands, and their errors.

use base64::Engine as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

fn driftwall(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_driftwall")).args(arguments).env_remove("NO_COLOR").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn certs_creates_a_pair_and_overwrites_nothing_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made");
    let out = out.to_str().unwrap();
    let make = |more: &[&str]| {
        driftwall(&[&["certs", "--out", out, "--dns", "driftwall.driftwall.svc", "127.0.0.1"], more].concat())
    };
    assert!(make(&[]).status.success());
    let key = format!("{out}/tls.key");
    let first = std::fs::read_to_string(&key).unwrap();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let again = make(&[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("ca.crt: it exists already"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read_to_string(&key).unwrap(), first);
    assert!(make(&["--force"]).status.success());
    assert_ne!(std::fs::read_to_string(&key).unwrap(), first);
}

#[test]
fn the_demo_shows_every_mode() {
    let run = driftwall(&["demo"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let story = text(&run.stdout);
    assert!(!story.contains('\u{1b}'), "no colours where there is no terminal");
    let mut rest = story.as_str();
    for line in [
        "mode: enforce",
        r#"$ kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#,
        "Error from server (Forbidden): admission webhook \"writes.driftwall.io\" denied the request: \
         deployment.apps \"python-app-prod\" is declared in Git, and this write would drift from it:",
        "  spec.replicas: 7, Git says 3   apps/prod/app.yaml:18",
        "Change it in Git: ",
        "$ kubectl scale deployment python-app-prod -n prod --replicas=5",
        "  spec.replicas: 5, Git says 3   apps/prod/app.yaml:18",
        "$ kubectl delete pod",
        "allowed",
        "# the ReplicaSet creates a new pod\nallowed",
        "# the HorizontalPodAutoscaler scales `web` from 2 to 4\nallowed",
        "# Argo CD syncs `python-app-prod`\nallowed",
        "mode: warn",
        "Warning: driftwall: deployment.apps \"python-app-prod\": spec.replicas: 7, Git says 3",
        "mode: audit",
        "writes.driftwall.io/verdict=drift",
        "Run seven replicas",
        "writes.driftwall.io/verdict=conforms",
        r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"} 2"#,
    ] {
        let at = rest.find(line).unwrap_or_else(|| panic!("`{line}` is missing in:\n{rest}"));
        rest = &rest[at + line.len()..];
        if line.starts_with("driftwall_") {
            break;
        }
    }
}

#[test]
fn webhook_prints_a_webhook_configuration_for_the_declared_kinds() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::git::commit_folder(&folder.path().join("repo"), std::path::Path::new("tests/data/reviews/git"));
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let config = file(
        "driftwall.yaml",
        &format!("{}\nunmanaged: [{{namespaces: [pro*], answer: deny}}]\n", crate::program::serve_process::PROD_SOURCE),
    );
    let pem = driftwall::certs::generate(&["wall".to_owned()], 1).unwrap().ca;
    let ca = file("ca.crt", &pem);
    let webhook = |more: &[&str]| driftwall(&[&["webhook", "--config", &config, "--ca", &ca], more].concat());
    let printed = webhook(&["--service", "wall/it"]);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let value: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let [writes, strict] = [0, 1].map(|at| &value["webhooks"][at]);
    assert_eq!(writes["clientConfig"]["service"]["namespace"], "wall");
    assert_eq!(writes["clientConfig"]["caBundle"], base64::prelude::BASE64_STANDARD.encode(&pem));
    assert_eq!(writes["namespaceSelector"]["matchExpressions"][0]["values"][0], "wall");
    // No definition in Git says what the plural of a Widget is, and nobody can be asked here.
    let custom = writes["rules"].as_array().unwrap().iter().find(|rule| rule["apiGroups"][0] == "example.com");
    assert_eq!(custom.unwrap()["resources"][0], "*", "{writes:#}");
    assert!(writes["rules"].to_string().contains(r#""*/scale""#), "{writes:#}");
    let places = &strict["namespaceSelector"]["matchExpressions"];
    assert_eq!((&places[0]["operator"], places.as_array().unwrap().len()), (&"NotIn".into(), 1), "a glob may be any");
    assert!(writes["matchConditions"].is_array());
    let older = webhook(&["--no-conditions", "--name", "other"]);
    let value: serde_json::Value = serde_json::from_slice(&older.stdout).unwrap();
    assert!(value["webhooks"][0]["matchConditions"].is_null());
    assert_eq!(value["metadata"]["name"], "other");
    let both = webhook(&["--service", "wall/it", "--url", "https://wall.example"]);
    assert_eq!(both.status.code(), Some(2));
    for (flags, words) in [
        (&["--service", "it"][..], "write namespace/name"),
        (&["--service", "wall/It"], "--service: `It` is no name of a Service"),
        (&["--service", "Wall/it"], "--service: `Wall` is no name of a namespace"),
        (&["--name", "a b"], "--name: `a b` is no name for an object"),
        (&["--url", "http://wall"], "--url: the API server calls webhooks by https:// only"),
    ] {
        let wrong = webhook(flags);
        assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(2), 0), "{flags:?}");
        assert!(text(&wrong.stderr).contains(words), "{}", text(&wrong.stderr));
    }
    std::fs::write(&ca, "PEM").unwrap();
    let broken = webhook(&[]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(text(&broken.stderr).contains("ca.crt: it holds no certificate"), "{}", text(&broken.stderr));
}

#[test]
fn a_configuration_error_names_the_file_the_key_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let config = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        at(name)
    };
    let source = |more: &str| format!("sources: [{{name: a, repo: nowhere{more}}}]\n");
    let reviews = config("reviews", "{\"kind\":1}\n");
    let cases = [
        (config("a", "mode: loud\nsources: []\n"), vec!["a", "loud", "audit"]),
        (config("b", &format!("{}listen: here\n", source(""))), vec!["listen", "`here`", "0.0.0.0:8443"]),
        (config("c", &format!("{}maxStaleness: soon\n", source(""))), vec!["maxStaleness", "`soon`", "30s"]),
        (config("d", &format!("{}presets: [argo]\n", source(""))), vec!["presets", "`argo`", "argocd"]),
        (config("e", &format!("{}ignore: [{{paths: [\"spec[\"]}}]\n", source(""))), vec!["ignore[0]", "`spec[`"]),
        (
            config("f", &format!("{}actors: [{{class: bot, users: [a]}}]\n", source(""))),
            vec!["actors[0]", "`bot`", "workload"],
        ),
        (config("g", &format!("{}actors: [{{class: person}}]\n", source(""))), vec!["actors[0]", "users or groups"]),
        (config("h", "sources: [{name: a, repo: b}, {name: a, repo: c}]\n"), vec!["sources[1].name", "`a`"]),
        (config("i", &source(", path: ../b")), vec!["sources[0]", "../b"]),
        (config("j", &format!("{}unmanaged: perhaps\n", source(""))), vec!["unmanaged", "allow, warn, deny"]),
        (config("k", &source("")), vec!["source a", "nowhere"]),
        (at("none"), vec!["none", "there is no such file"]),
    ];
    for (file, expected) in cases {
        let run = driftwall(&["check", "--config", &file, &reviews]);
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        for word in expected {
            assert!(said.contains(word), "`{word}` is missing in: {said}");
        }
    }
}

#[test]
fn serving_needs_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("driftwall.yaml");
    for (tls, expected) in [
        ("", "tls"),
        ("tls: {certFile: none.crt, keyFile: none.key}\n", "none.crt"),
        ("tls: {certFile: a}\n", "tls.keyFile"),
        ("tls: {selfManaged: true}\n", "tls.selfManaged"),
    ] {
        std::fs::write(&file, format!("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n{tls}sources: []\n")).unwrap();
        let run = driftwall(&["serve", "--config", file.to_str().unwrap()]);
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_missing_renderer_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("driftwall.yaml");
    for (render, key) in [("helm", "programs.helm"), ("kustomize", "programs.kustomize")] {
        let program = format!("programs: {{{render}: none/{render}}}\n");
        let source = format!("sources: [{{name: shop, repo: repo, render: {render}}}]\n");
        std::fs::write(&file, format!("{program}{source}")).unwrap();
        let run = driftwall(&["serve", "--config", file.to_str().unwrap()]);
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains("shop") && said.contains(key) && said.contains("none/"), "{said}");
    }
}

#[test]
fn a_user_name_with_a_line_break_adds_no_line_to_the_output() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::git::commit_folder(&folder.path().join("repo"), std::path::Path::new("tests/data/reviews/git"));
    let config = folder.path().join("driftwall.yaml");
    std::fs::write(&config, "sources: [{name: prod, repo: repo, path: apps/prod}]\n").unwrap();
    let mut review = crate::harness::reviews::recorded_review("patch-replicas-7", "alice");
    review["request"]["userInfo"]["username"] = "alice\nallow  exempt".into();
    let file = folder.path().join("review.json");
    std::fs::write(&file, review.to_string()).unwrap();
    let run = driftwall(&["check", "--config", config.to_str().unwrap(), file.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(text(&run.stdout).lines().count(), 1, "{}", text(&run.stdout));
}

/// A configuration of the recorded repository, and files beside it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        crate::common::git::commit_folder(&folder.path().join("repo"), std::path::Path::new("tests/data/reviews/git"));
        std::fs::write(folder.path().join("driftwall.yaml"), config).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.path().join(name), text).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn check_says_what_it_cannot_judge_with_file_and_line() {
    let folder = Folder::new(crate::program::serve_process::PROD_SOURCE);
    let config = folder.path("driftwall.yaml");
    let review = crate::harness::reviews::recorded_review("patch-replicas-7", "alice").to_string();
    for (content, status, on_stdout, on_stderr) in [
        ("", 2, "", "nothing was judged"),
        ("[]\n", 2, "", "there is no AdmissionReview in"),
        (&*format!("{review}\n\n{{\"kind\":"), 2, "deny ", "reviews:3: the JSON that begins here does not end"),
        (&*format!("{review}\nkind: Pod"), 2, "deny ", "reviews:2: there is no JSON at column 1"),
        ("\n{\"kind\":\"Pod\"}", 2, "reviews:2: failed to read an AdmissionReview: it is not an AdmissionReview", ""),
        ("\n{\"kind\":1}", 2, "reviews:2: failed to read an AdmissionReview: a part of it is not as in", ""),
        (&review, 1, "deny ", ""),
    ] {
        let reviews = folder.file("reviews", content);
        let run = driftwall(&["check", "--config", &config, &reviews]);
        let (out, err) = (text(&run.stdout), text(&run.stderr));
        assert_eq!(run.status.code(), Some(status), "{content}: {out}{err}");
        assert!(out.contains(on_stdout) && err.contains(on_stderr), "{content}: {out}{err}");
        assert!(!err.contains("EOF") && !out.contains("expected"), "{out}{err}");
    }
}

#[test]
fn a_full_disk_is_an_error_of_every_command_that_prints() {
    let folder = Folder::new(crate::program::serve_process::PROD_SOURCE);
    let config = folder.path("driftwall.yaml");
    let review = crate::harness::reviews::recorded_review("delete-pod", "alice").to_string();
    let reviews = folder.file("reviews", &review);
    let ca = folder.file("ca.crt", &driftwall::certs::generate(&["wall".to_owned()], 1).unwrap().ca);
    let out = folder.path("made");
    for arguments in [
        &["check", "--config", &config, &reviews][..],
        &["check", "-o", "json", "--config", &config, &reviews],
        &["certs", "--out", &out, "--dns", "wall"],
        &["webhook", "--config", &config, "--ca", &ca],
        &["config", "check", &config],
        &["config", "schema"],
        &["config", "tables"],
        &["demo"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftwall"));
        let run = command.args(arguments).stdout(full.try_clone().unwrap()).output().unwrap();
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("failed to write the output: no space is left there"), "{arguments:?}: {said}");
        // Where nobody can be told, the status says it.
        let _ = std::fs::remove_dir_all(&out);
        let untold = Command::new(env!("CARGO_BIN_EXE_driftwall"))
            .args(arguments)
            .stdout(full.try_clone().unwrap())
            .stderr(full)
            .status()
            .unwrap();
        assert_eq!(untold.code(), Some(2), "{arguments:?}");
        let _ = std::fs::remove_dir_all(&out);
    }
}

#[test]
fn a_rule_without_effect_is_told_with_file_and_line_by_every_command_that_reads_rules() {
    let late = "modes:\n  - {mode: warn}\n  - {namespaces: [prod], mode: audit}\n";
    let folder = Folder::new(&format!("{late}{}", crate::program::serve_process::PROD_SOURCE));
    let config = folder.path("driftwall.yaml");
    let review = crate::harness::reviews::recorded_review("delete-pod", "alice").to_string();
    let reviews = folder.file("reviews", &review);
    for arguments in [&["check", "--config", &config, &reviews][..], &["config", "check", &config]] {
        let run = driftwall(arguments);
        let words = format!("{config}:3: modes[1]: it has no effect: a rule above it");
        assert!(text(&run.stderr).contains(&words), "{arguments:?}: {}", text(&run.stderr));
        assert!(text(&run.stderr).contains("(modes[0] on line 2)"), "{}", text(&run.stderr));
        assert!(run.status.success());
    }
}

#[test]
fn break_glass_looks_at_its_arguments_before_any_cluster_and_names_what_fails() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftwall"));
        let run = command.arg("break-glass").args(arguments).env("KUBECONFIG", &kubeconfig).output().unwrap();
        assert_eq!(run.status.code(), Some(2));
        text(&run.stderr)
    };
    // No kubeconfig is there at all.
    for (arguments, words) in [
        (&["deployment/web", "--reason", " "][..], "--reason: it is missing: say why"),
        (&["deployment/[web", "--reason", "fire"], "KIND/NAME: `[web` is not a valid pattern"),
        (&["deployment/web", "--reason", "fire", "--user", ""], "--user: it names nobody"),
        (&["deployment/web", "--reason", "fire", "--for", "200000000h"], "--for: it is too long"),
        (&["deployment/web", "--reason", "fire", "-n", "Prod"], "--namespace: `Prod` is no name of a namespace"),
        (&["deployment/web", "--reason", "fire"], "failed to use the kubeconfig"),
    ] {
        let said = run(arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    // A port on which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n\
         clusters: [{{name: a, cluster: {{server: '{server}'}}}}]\nusers: [{{name: a, user: {{}}}}]\n"
    );
    std::fs::write(&kubeconfig, text).unwrap();
    for more in [&[][..], &["--user", "alice"]] {
        let said = run(&[&["deployment/web", "--reason", "fire"], more].concat());
        assert!(said.contains(&format!("failed to reach the API server {server}")), "{said}");
        assert!(said.contains("connection refused"), "the cause is named: {said}");
    }
}

#[test]
fn a_level_that_there_is_not_is_told_instead_of_silencing_the_log() {
    let folder = Folder::new("sources: []\n");
    let config = folder.path("driftwall.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftwall"));
    let run = command.args(["serve", "--config", &config]).env("DRIFTWALL_LOG", "warning").output().unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("DRIFTWALL_LOG: `warning` is no level; write one of error, warn,"));
}

#[test]
fn the_first_line_says_what_is_started() {
    let folder = Folder::new(&format!("mode: audit\n{}", crate::program::serve_process::PROD_SOURCE));
    // Without a certificate it ends at once.
    let run = driftwall(&["serve", "--config", &folder.path("driftwall.yaml")]);
    let said = text(&run.stderr);
    let line: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(line["message"], "Starting", "{said}");
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&line["mode"], &line["sources"], &line["presets"]),
        (&"audit".into(), &1.into(), &"argocd, flux".into())
    );
}

#[test]
fn check_judges_an_audit_log_as_far_as_it_holds_what_was_there_before() {
    let folder = Folder::new(crate::program::serve_process::PROD_SOURCE);
    let review = crate::harness::reviews::recorded_review("patch-replicas-7", "alice");
    let request = &review["request"];
    let event = |verb: &str, id: &str, object: &serde_json::Value| {
        serde_json::json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": id, "stage": "ResponseComplete", "verb": verb,
            "requestURI": "/apis/apps/v1/namespaces/prod/deployments/python-app-prod", "user": request["userInfo"],
            "objectRef": {"resource": "deployments", "namespace": request["namespace"], "name": request["name"],
                "apiGroup": "apps", "apiVersion": "v1"},
            "responseStatus": {"code": 200}, "responseObject": object,
        })
    };
    let (old, new) = (&request["oldObject"], &request["object"]);
    let lines = [event("patch", "first", old), event("patch", "second", new), event("delete", "third", &"".into())];
    let log = folder.file("audit.log", &lines.map(|line| format!("{line}\n")).concat());
    let run = driftwall(&["check", "-o", "json", "--config", &folder.path("driftwall.yaml"), &log]);
    assert_eq!(run.status.code(), Some(2), "the first event cannot be judged: {}", text(&run.stderr));
    let lines: Vec<serde_json::Value> =
        text(&run.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> =
        lines.iter().map(|line| (line["uid"].as_str().unwrap(), line["verdict"].as_str().unwrap())).collect();
    assert_eq!(seen, [("first", "error"), ("second", "drift"), ("third", "drift")]);
    assert!(lines[0]["message"].as_str().unwrap().contains("audit.log:1: not judgeable: no earlier event"));
    assert_eq!(lines[1]["fields"], serde_json::json!(["spec.replicas"]));
}
