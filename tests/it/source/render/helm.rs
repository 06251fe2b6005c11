//! Helm charts, rendered with the real program.

use std::process::Command;

use driftwall::cluster::OfflineLookup;
use driftwall::source::render::{HelmOptions, Programs, RenderOptions, SourceType, detect};
use driftwall_core::actor::ActorRules;
use driftwall_core::admission;
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{ObjectKey, Snapshot};
use driftwall_core::diff::OPAQUE;
use driftwall_core::policy::{EvaluationContext, Policy, Verdict, evaluate};
use serde_json::{Value, json};

use crate::source::render::fixtures::{Repo, confined_programs, objects, real_programs, snapshot};

/// What `helm create` makes, in `charts/web`.
fn created(options: &RenderOptions) -> Repo {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(options.programs.helm.as_ref().unwrap())
        .args(["create", "web"])
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let repo = Repo::of(folder.path());
    repo.write(&[("values/prod.yaml", "replicaCount: 4\nimage: {tag: \"1.2\"}\n")]);
    repo
}

fn with(options: &RenderOptions, helm: HelmOptions) -> RenderOptions {
    RenderOptions { helm, ..options.clone() }
}

#[test]
fn a_chart_is_rendered_with_its_values() {
    let Some(options) = real_programs() else { return };
    let repo = created(&options);
    assert_eq!(detect(&repo.git, repo.tree(), "web").unwrap(), SourceType::Helm);
    let rendered = repo.render("web", &options).unwrap();
    assert_eq!(rendered.by.file, "web/Chart.yaml");
    assert!(rendered.by.program.version.starts_with("v4.3.1"), "{}", rendered.by.program);
    assert!(rendered.opaque.is_empty() && rendered.warnings.is_empty(), "{:?}", rendered.opaque);
    eprintln!("rendering a chart twice took {} ms", rendered.duration.as_millis());
    let found: Vec<_> = objects(&rendered).iter().map(|(file, object)| format!("{} {file}", object.kind)).collect();
    // Its test pod is no desired state.
    let expected = [
        "ServiceAccount web/templates/serviceaccount.yaml",
        "Service web/templates/service.yaml",
        "Deployment web/templates/deployment.yaml",
    ];
    assert_eq!(found, expected);

    let helm = HelmOptions {
        release_name: "shop".into(),
        namespace: "prod".into(),
        values_files: vec!["../values/prod.yaml".into()],
        values: Some("replicaCount: 6\n".into()),
        ..HelmOptions::default()
    };
    let rendered = repo.render("web", &with(&options, helm)).unwrap();
    let deployment = objects(&rendered).last().unwrap().1.clone();
    assert_eq!(deployment.name, "shop-web");
    assert_eq!(deployment.value["spec"]["replicas"], 6);
    assert_eq!(deployment.value["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:1.2");

    let gone = HelmOptions { values_files: vec!["gone.yaml".into()], ..HelmOptions::default() };
    let refusal = repo.refusal("web", &with(&options, gone));
    assert_eq!(refusal, "failed to find web/gone.yaml in the commit, which helm.valuesFiles needs");
}

/// A chart with values that every rendering makes anew.
fn random() -> Repo {
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: hook\n  annotations: {helm.sh/hook: pre-install}\n";
    Repo::new(&[
        ("c/Chart.yaml", "apiVersion: v2\nname: random\nversion: 1.0.0\n"),
        (
            "c/templates/secret.yaml",
            "\
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
data:
  user: {{ \"me\" | b64enc }}
  password: {{ randAlphaNum 20 | b64enc }}
",
        ),
        (
            "c/templates/config.yaml",
            "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  annotations:
    made: {{ now | date \"2006-01-02 15:04:05\" | quote }}
data:
  color: green
  ns: {{ .Release.Namespace }}
  k8s: {{ .Capabilities.KubeVersion.Version }}
  seed: {{ randAlphaNum 8 }}
",
        ),
        (
            "c/templates/job.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: seed-{{ randAlphaNum 5 | lower }}\n",
        ),
        ("c/templates/hook.yaml", hook),
        (
            "c/crds/teams.yaml",
            "\
# Teams
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: teams.example.org
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Team, plural: teams}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
",
        ),
    ])
}

#[test]
fn a_value_that_differs_in_each_rendering_is_opaque() {
    let Some(options) = real_programs() else { return };
    let helm = HelmOptions {
        release_name: "shop".into(),
        namespace: "prod".into(),
        kube_version: Some("1.33.0".into()),
        ..HelmOptions::default()
    };
    let rendered = random().render("c", &with(&options, helm)).unwrap();
    let mut opaque = rendered.opaque.clone();
    opaque.sort();
    let expected = [
        "v1 ConfigMap settings: data.seed",
        "v1 ConfigMap settings: metadata.annotations.made",
        "v1 Secret shop: data.password",
    ];
    assert_eq!(opaque, expected);
    assert_eq!(rendered.warnings.len(), 1, "{:?}", rendered.warnings);
    assert!(rendered.warnings[0].starts_with("batch/v1 Job seed-"));
    let found: Vec<_> = objects(&rendered).iter().map(|(file, object)| format!("{} {file}", object.kind)).collect();
    let expected = [
        "CustomResourceDefinition c/crds/teams.yaml",
        "Secret c/templates/secret.yaml",
        "ConfigMap c/templates/config.yaml",
    ];
    assert_eq!(found, expected);
    let settings = objects(&rendered)[2].1.value.clone();
    assert_eq!(settings["data"], json!({"color": "green", "ns": "prod", "k8s": "v1.33.0", "seed": OPAQUE}));

    let snapshot = snapshot(rendered);
    let (definition, _) = snapshot
        .get(ObjectKey {
            group: "apiextensions.k8s.io",
            kind: "CustomResourceDefinition",
            namespace: "",
            name: "teams.example.org",
        })
        .unwrap();
    assert_eq!(
        definition.locations(&[&driftwall_core::diff::Path::of(&["spec", "group"])])[0].to_string(),
        "c/crds/teams.yaml:7"
    );

    let secret = |password: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop", "namespace": "prod"},
            "data": {"user": "bWU=", "password": password}, "type": "Opaque"})
    };
    let config = |seed: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "prod"},
            "data": {"color": "green", "ns": "prod", "k8s": "v1.33.0", "seed": seed}})
    };
    for (resource, before, after) in
        [("secrets", secret("b2xk"), secret("bmV3")), ("configmaps", config("old0old0"), config("new0new0"))]
    {
        let (verdict, message) = evaluated(&snapshot, resource, &before, &after, "jane");
        assert_eq!(verdict, Verdict::Drift, "{message}");
        for value in ["b2xk", "bmV3", "old0old0", "new0new0", OPAQUE, "opaque"] {
            assert!(!message.contains(value), "{message}");
        }
        let operator = "system:serviceaccount:ops:operator";
        assert_eq!(evaluated(&snapshot, resource, &before, &after, operator).0, Verdict::Conforms);
    }
    let (verdict, message) = evaluated(
        &snapshot,
        "configmaps",
        &config("a"),
        &{
            let mut red = config("a");
            red["data"]["color"] = "red".into();
            red
        },
        "jane",
    );
    assert_eq!(verdict, Verdict::Drift);
    assert!(message.contains("data[\"color\"]: \"red\", Git says \"green\"   c/templates/config.yaml:1"), "{message}");
}

/// The verdict on an update, and the words of its denial.
fn evaluated(snapshot: &Snapshot, resource: &str, old: &Value, new: &Value, user: &str) -> (Verdict, String) {
    let groups = match user.split(':').nth(2) {
        Some(namespace) => vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        None => vec!["developers".to_owned()],
    };
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "UPDATE", "namespace": "prod", "name": new["metadata"]["name"],
        "kind": {"group": "", "version": "v1", "kind": new["kind"]},
        "resource": {"group": "", "version": "v1", "resource": resource},
        "userInfo": {"username": user, "groups": groups}, "object": new, "oldObject": old, "dryRun": false,
    }});
    let review = serde_json::to_vec(&review).unwrap();
    let write = admission::decode(&review).unwrap();
    let (policy, cluster) = (Policy::default(), OfflineLookup::default());
    let context = EvaluationContext {
        snapshot,
        actors: &ActorRules::new(Vec::new(), &[]).unwrap(),
        policy: &policy,
        cluster: &cluster,
    };
    let assessment = evaluate(&write, context);
    let decision = decide(&write, &assessment, &policy, DecisionContext::default());
    (assessment.verdict, decision.answer.denial.map(|denial| denial.message).unwrap_or_default())
}

#[test]
fn a_broken_chart_is_named_with_the_template_line() {
    let Some(options) = real_programs() else { return };
    let chart = ("apps/c/Chart.yaml", "apiVersion: v2\nname: broken\nversion: 1.0.0\n");
    let repo = Repo::new(&[
        chart,
        ("apps/c/templates/a.yaml", "apiVersion: v1\nkind: {{ required \"a kind\" .Values.kind }}\n"),
    ]);
    let refusal = repo.refusal("apps/c", &options);
    assert!(refusal.starts_with("failed to render apps/c/Chart.yaml with helm v4.3.1"), "{refusal}");
    assert!(refusal.contains("broken/templates/a.yaml:2:"), "{refusal}");
    let repo = Repo::new(&[chart, ("apps/c/templates/a.yaml", "a: {{ .Values.\n")]);
    assert!(repo.refusal("apps/c", &options).contains("broken/templates/a.yaml:1"));
}

#[test]
fn dependencies_must_be_in_git() {
    let Some(options) = real_programs() else { return };
    let chart = "\
apiVersion: v2
name: top
version: 1.0.0
dependencies:
- {name: sub, version: 1.0.0, repository: https://charts.example.org}
";
    let repo = Repo::new(&[("c/Chart.yaml", chart), ("c/templates/a.yaml", "")]);
    let refusal = repo.refusal("c", &options);
    assert_eq!(
        refusal,
        "failed to render c/Chart.yaml: sub missing in its folder charts/; run `helm dependency build` there and \
         commit charts/"
    );
    repo.write(&[
        ("c/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n"),
        ("c/charts/sub/templates/a.yaml", crate::source::render::fixtures::CONFIG_MAP),
    ]);
    let rendered = repo.render("c", &options).unwrap();
    assert_eq!(&**objects(&rendered)[0].0, "c/charts/sub/templates/a.yaml");
}

#[test]
fn a_missing_helm_is_named_with_its_key() {
    let programs = Programs { helm: Some("/nowhere/helm".into()), ..confined_programs() };
    let refusal = random().refusal("c", &RenderOptions { programs, ..RenderOptions::default() });
    assert!(refusal.starts_with("failed to use /nowhere/helm, which programs.helm names: "), "{refusal}");
}
