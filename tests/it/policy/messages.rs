//! The texts that people read: denials in the terminal, warnings, and annotations in the audit log.

use crate::harness::evaluator::{COMMIT, Evaluated, Evaluator};
use crate::harness::reviews::{Review, recorded_action, review_of, review_of_yaml, set_at};
use crate::harness::snapshots::source_contents;
use driftwall_core::desired::Source;
use driftwall_core::policy::{Mode, Outcome};
use serde_json::{Value, json};

/// A terminal obeys none of these, and shows all of them.
fn is_harmless(text: &str) -> bool {
    let hides =
        |c: char| matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.chars().any(|c| (c.is_control() && c != '\n') || hides(c))
}

fn denial(review: &Review) -> String {
    let answered = Evaluator::new("", &[]).evaluate(review);
    assert_eq!(answered.outcome, Outcome::Deny, "{answered:?}");
    assert!(answered.warnings().is_empty(), "kubectl would print warnings beside the denial");
    answered.message().to_owned()
}

fn warned(evaluator: Evaluator, review: &Review) -> Evaluated {
    let mut evaluator = evaluator;
    evaluator.policy.mode = Mode::Warn;
    let answered = evaluator.evaluate(review);
    assert_eq!(answered.outcome, Outcome::Warn, "{answered:?}");
    assert!(answered.response.get("status").is_none());
    let warnings = answered.warnings();
    assert!(!warnings.is_empty());
    for line in &warnings {
        assert!(line.chars().count() < 120 && is_harmless(line) && !line.contains('\n'), "{line:?}");
    }
    assert!(warnings.iter().map(|line| line.len()).sum::<usize>() < 4096);
    answered
}

/// A ConfigMap in Git, and a person's write that changes some of its keys.
fn config_map(data: &[(String, String)], change: impl Fn(&str, &str) -> Option<Value>) -> (Evaluator, Review) {
    let data: serde_json::Map<_, _> = data.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let metadata = json!({"name": "many", "namespace": "prod"});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
    let text = serde_json::to_string_pretty(&map).unwrap();
    let review = review_of_yaml("configmaps", &text).with_object(|new| {
        for (key, value) in &data {
            if let Some(other) = change(key, value.as_str().unwrap()) {
                new["data"][key] = other;
            }
        }
    });
    (Evaluator::new(&text, &[]), review)
}

#[test]
fn the_denial_on_the_readme_reads_word_for_word() {
    let expected = "deployment.apps \"python-app-prod\" is declared in Git, and this write would drift from it:\n  \
                    spec.replicas: 7, Git says 3   apps/prod/app.yaml:18\n\
                    Change it in Git: https://example.org/acme/gitops (main @ 5c56d97). This object was not changed.";
    let answered = Evaluator::new("", &[]).evaluate(&recorded_action("patch-replicas-7"));
    assert_eq!(answered.message(), expected);
    let status = &answered.response["status"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
    assert_eq!(
        status["details"],
        json!({
            "name": "python-app-prod", "group": "apps", "kind": "Deployment",
            "causes": [{
                "reason": "Drift", "field": "spec.replicas", "message": "7, Git says 3 (apps/prod/app.yaml:18)",
            }],
        })
    );
    assert_eq!(
        answered.response["auditAnnotations"],
        json!({"verdict": "drift", "actor": "person", "fields": "spec.replicas", "commit": COMMIT})
    );
}

#[test]
fn what_a_chart_declares_is_told_with_its_name_and_version() {
    let source = Source {
        name: "web".into(),
        repo: "https://charts.example.org/stable".into(),
        revision: "^1".into(),
        commit: "1.2.3@sha256:abc".into(),
        chart: Some("web".into()),
        ..Source::default()
    };
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: prod}\ndata:\n  a: \"1\"\n";
    let evaluator = || {
        let contents = source_contents(source.clone(), None, [("templates/map.yaml", map)]);
        Evaluator::with_sources(vec![contents], &[])
    };
    let changed = review_of_yaml("configmaps", map).with_object(|new| new["data"]["a"] = json!("2"));
    let denied = evaluator().evaluate(&changed);
    let expected = "configmap \"web\" is declared by chart web 1.2.3, and this write would drift from it:\n  \
                    data[\"a\"]: \"2\", the chart says \"1\"   templates/map.yaml:5\n\
                    Change it in the chart or its values: chart web 1.2.3 of https://charts.example.org/stable. This \
                    object was not changed.";
    assert_eq!(denied.message(), expected);
    let deleted = evaluator().evaluate(&review_of_yaml("configmaps", map).into_delete());
    assert!(!deleted.message().contains("Git"), "{}", deleted.message());
    let mut stale = evaluator();
    stale.context.is_stale = true;
    for warning in warned(evaluator(), &changed).warnings().iter().chain(&warned(stale, &changed).warnings()) {
        assert!(!warning.contains("Git"), "{warning}");
    }
}

#[test]
fn every_field_shows_the_sent_value_gits_value_and_the_line() {
    let deleted_many = review_of("deployments", "python-app-prod").into_delete().with_request(|request| {
        request.as_object_mut().unwrap().remove("name");
    });
    let details = Evaluator::new("", &[]).evaluate(&deleted_many).response["status"]["details"].clone();
    assert_eq!(details, json!({"name": "python-app-prod", "group": "apps", "kind": "Deployment"}));
    for (review, lines) in [
        (
            recorded_action("set-image"),
            vec![
                "  spec.template.spec.containers[name=\"web\"].image: \
                 \"python-app:2.0.0\", Git says \"python-app:1.0.0\"   apps/prod/app.yaml:29",
            ],
        ),
        (
            recorded_action("set-env-new"),
            vec![
                "  spec.template.spec.containers[name=\"web\"].env[name=\"DEBUG\"]: \
                 {\"name\":\"DEBUG\",\"value\":\"1\"}, Git has none   apps/prod/app.yaml:32",
            ],
        ),
        (
            recorded_action("annotate-remove"),
            vec![r#"  metadata.annotations["owner"]: removed, Git says "platform"   apps/prod/app.yaml:16"#],
        ),
        (
            recorded_action("scale-widget"),
            vec![
                r#"widget.example.com "gizmo" is declared in Git, and this write would drift from it:"#,
                "  spec.size: 4, Git says 2   apps/prod/widget.yaml:7",
            ],
        ),
        (
            recorded_action("scale-5"),
            vec![r#"deployment.apps "python-app-prod" is declared in Git, and this write would drift from it:"#],
        ),
        (
            recorded_action("role-escalate"),
            vec![r#"  rules: [0].verbs ["get","list","delete"], Git says ["get","list"]   apps/prod/app.yaml:176"#],
        ),
        (recorded_action("ingress-host"), vec![r#"  spec.rules: [0].host "evil.com", Git says "example.com""#]),
        (
            recorded_action("delete-service"),
            vec![
                "service \"python-app-prod\" is declared in Git, and this write would delete it.   \
                 apps/prod/app.yaml:43",
                "Remove it in Git: https://example.org/acme/gitops (main @ 5c56d97). Nothing was deleted.",
            ],
        ),
        (
            deleted_many,
            vec![
                "deployment.apps \"python-app-prod\" is declared in Git, and this write would delete it.   \
                 apps/prod/app.yaml:8",
            ],
        ),
        (
            recorded_action("delete-namespace"),
            vec![
                r#"namespace "prod" holds 13 objects that Git declares, and this write would delete them too."#,
                "Remove them in Git first: https://example.org/acme/gitops (main @ 5c56d97). Nothing was deleted.",
            ],
        ),
        (recorded_action("create-unlike-git"), vec!["would create it differently:", "Nothing was created."]),
        (
            recorded_action("image-pod"),
            vec![
                "belongs to deployment.apps \"python-app-prod\", which is declared in Git, \
                 and this write would drift from it:",
                r#"  spec.containers[name="web"].image: "python-app:hacked"   apps/prod/app.yaml:8"#,
            ],
        ),
        (
            recorded_action("autoscale-declared"),
            vec![
                r#"is not declared in Git, and would control deployment.apps "python-app-prod", which is:"#,
                "  spec.scaleTargetRef: {\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\
                 \"name\":\"python-app-prod\"}   apps/prod/app.yaml:8",
                "Declare it in Git: https://example.org/acme/gitops (main @ 5c56d97). Nothing was created.",
            ],
        ),
    ] {
        let message = denial(&review);
        for line in lines {
            assert!(message.contains(line), "{line}\nis not in\n{message}");
        }
    }
}

#[test]
fn a_long_value_is_shown_by_its_first_line_that_differs() {
    let file = (1..=200).map(|number| format!("key-{number} = value")).collect::<Vec<_>>().join("\n");
    let (evaluator, review) = config_map(&[("app.ini".into(), file)], |_, file| {
        Some(file.replace("key-121 = value", "key-121 = other").replace("key-190", "key-x").into())
    });
    let message = evaluator.evaluate(&review).message().to_owned();
    assert!(
        message.contains(
            "  data[\"app.ini\"]: line 121 \"key-121 = other\", Git says line 121 \"key-121 = value\"   more.yaml:"
        ),
        "{message}"
    );
    assert!(message.lines().all(|line| line.chars().count() < 200), "{message}");
}

#[test]
fn a_denial_names_ten_fields_and_its_causes_name_all() {
    let data: Vec<_> = (10..24).map(|number| (format!("key-{number}"), "a".to_owned())).collect();
    let (evaluator, review) = config_map(&data, |_, _| Some("b".into()));
    let answered = evaluator.evaluate(&review);
    let lines: Vec<_> = answered.message().lines().collect();
    assert_eq!(lines.len(), 1 + 10 + 1 + 1, "{lines:?}");
    assert_eq!(lines[11], "  … and 4 more");
    let causes = answered.response["status"]["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 14);
    assert_eq!(causes[13]["field"], "data[\"key-23\"]");
    let warnings = warned(evaluator, &review);
    let warnings = warnings.warnings();
    assert_eq!(warnings.len(), 11);
    assert_eq!(warnings[10], "driftwall: … and 4 more fields");
}

#[test]
fn a_secrets_values_are_never_shown() {
    let applied = "kubectl.kubernetes.io/last-applied-configuration";
    let secrets = ["s3cr3t", "czNjcjN0", "other", "b3RoZXI=", "hunter2", "aHVudGVyMg=="];
    let evaluator = || Evaluator::new("", &[]);
    let sends = |value: Value| {
        review_of("secrets", "app-secret").with_object(|new| {
            new["data"] = value;
            new["metadata"]["annotations"][applied] = "{\"stringData\":{\"token\":\"hunter2\"}}".into();
        })
    };
    for review in [
        recorded_action("secret-change"),
        sends(json!({"token": "aHVudGVyMg=="})),
        sends(json!({"token": "czNjcjN0", "more": "aHVudGVyMg=="})),
        sends(json!({"token": ["hunter2"]})),
        sends(json!({"token": {"aHVudGVyMg==": "hunter2"}})),
        sends(json!("hunter2")),
        sends(Value::Null),
        review_of("secrets", "app-secret").into_delete(),
        review_of("secrets", "app-secret")
            .into_create()
            .with_object(|new| new["data"] = json!({"token": "aHVudGVyMg=="})),
    ] {
        let hard = evaluator().evaluate(&review);
        assert_eq!(hard.outcome, Outcome::Deny);
        let soft = warned(evaluator(), &review);
        for shown in [hard.response.to_string(), soft.response.to_string()] {
            assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }
    // Nor where the review itself is out of shape.
    for object in
        [json!("hunter2"), json!({"metadata": {"deletionTimestamp": {"hunter2": 1}}}), json!({"metadata": ["hunter2"]})]
    {
        for name in ["app-secret", ""] {
            let broken = review_of("secrets", "app-secret")
                .by("alice")
                .with_object(|new| *new = object.clone())
                .with_old_object(|old| *old = object.clone());
            let broken = broken.with_request(|request| request["name"] = name.into());
            let shown = Evaluator::new("", &[]).evaluate(&broken);
            assert!(!shown.response.to_string().contains("hunter2") && !shown.reason.contains("hunter2"), "{shown:?}");
        }
    }
}

#[test]
fn names_with_control_characters_are_escaped() {
    let names = ["🙂", "\u{1b}[31m", "\n", "\u{9b}2J", "\u{202e}", "é", "\"", "\\", "a\u{301}", "\u{0}", "key"];
    let data: Vec<_> = (0..500)
        .map(|number| {
            (
                format!("{number}{}", names[number % names.len()].repeat(60)),
                names[(number + 3) % names.len()].repeat(90),
            )
        })
        .collect();
    let (evaluator, review) = config_map(&data, |_, value| Some(format!("{value}x").into()));
    let answered = evaluator.evaluate(&review);
    assert!(is_harmless(answered.message()) && answered.message().lines().count() == 13, "{}", answered.message());
    let causes = answered.response["status"]["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 500);
    assert!(
        causes
            .iter()
            .all(|cause| is_harmless(cause["field"].as_str().unwrap())
                && is_harmless(cause["message"].as_str().unwrap()))
    );
    let notes = &answered.response["auditAnnotations"]["fields"].as_str().unwrap();
    assert!(is_harmless(notes) && notes.len() < 1100 && notes.ends_with(", …"), "{notes}");
    let soft = warned(evaluator, &review);
    let last = (*soft.warnings().last().unwrap()).to_owned();
    assert!(last.starts_with("driftwall: … and 49"), "{last}");

    let role = review_of_yaml(
        "roles",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader, namespace: prod}}",
    )
    .with_request(|request| request["name"] = "a\u{9b}31m\u{202e}\n".into())
    .by("alice")
    .into_create();
    let mut strict = Evaluator::new("", &[]);
    strict.policy.unmanaged = vec![driftwall_core::policy::NamespaceRule::new(&[], Outcome::Deny).unwrap()];
    let message = strict.evaluate(&role).message().to_owned();
    assert!(is_harmless(&message) && message.lines().count() == 2, "{message:?}");
}

#[test]
fn a_long_warning_is_cut_in_its_middle() {
    let line = |review: &Review| warned(Evaluator::new("", &[]), review).warnings()[0].to_owned();
    assert_eq!(
        line(&recorded_action("patch-replicas-7")),
        "driftwall: deployment.apps \"python-app-prod\": spec.replicas: 7, Git says 3   apps/prod/app.yaml:18"
    );
    assert_eq!(
        line(&recorded_action("set-env-declared")),
        "driftwall: deployment.apps \"python-app-prod\": …ainers[name=\"web\"].env[name=\"LOG_LEVEL\"].value: \
         \"debug\", Git says \"info\""
    );
    let long = review_of("deployments", "python-app-prod")
        .with_object(|new| set_at(new, "/spec/template/spec/containers/0/image", "x".repeat(300).into()));
    let line = line(&long);
    assert!(line.contains("].image: \"xxx") && line.ends_with(", Git says \"python-app:1.0.0\""), "{line}");
}

#[test]
fn a_message_about_an_object_without_a_name_has_no_empty_name() {
    let mut strict = Evaluator::new("", &[]);
    strict.policy.unmanaged = vec![driftwall_core::policy::NamespaceRule::new(&[], Outcome::Deny).unwrap()];
    let pod = recorded_action("run-pod").with_request(|request| request["name"] = "".into()).with_object(|new| {
        new["metadata"].as_object_mut().unwrap().remove("name");
        new["metadata"]["generateName"] = "debug-".into();
    });
    let answered = strict.evaluate(&pod);
    assert_eq!(
        answered.message(),
        "pod is not declared in Git, and this namespace accepts only objects that are.\nDeclare it in Git. Nothing \
         was created."
    );
    assert_eq!(answered.response["auditAnnotations"], json!({"verdict": "unmanaged", "actor": "person"}));
}

#[test]
fn most_writes_add_no_audit_annotations() {
    let notes = |review: &Review| Evaluator::new("", &["argocd"]).evaluate(review).response["auditAnnotations"].clone();
    assert_eq!(notes(&recorded_action("argocd-sync")), Value::Null);
    assert_eq!(notes(&recorded_action("create-unmanaged-deployment")), Value::Null);
    assert_eq!(
        notes(&recorded_action("rollout-restart")),
        json!({"verdict": "runtime", "actor": "person", "commit": COMMIT})
    );
}
