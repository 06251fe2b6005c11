//! Kustomizations: the location of their fields, and what they may not refer to.

use driftwall::source::render::{Programs, RenderOptions, plan};
use driftwall_core::desired::ObjectKey;

use crate::source::render::fixtures::{
    CONFIG_MAP, Repo, confined_programs, objects, real_programs, snapshot, with_script,
};

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
";

fn overlay() -> Repo {
    Repo::new(&[
        ("base/kustomization.yaml", "resources: [web.yaml]\nconfigMapGenerator:\n- name: files\n  literals: [a=b]\n"),
        ("base/web.yaml", DEPLOYMENT),
        (
            "prod/kustomization.yml",
            "\
resources: [../base]
namePrefix: prod-
namespace: prod
patches:
- path: replicas.yaml
images:
- {name: registry.example/web, newTag: \"2\"}
",
        ),
        ("prod/replicas.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 5\n"),
    ])
}

#[test]
fn the_location_of_a_field_is_where_it_is_written() {
    let Some(options) = real_programs() else { return };
    let rendered = overlay().render("prod", &options).unwrap();
    assert_eq!(rendered.by.file, "prod/kustomization.yml");
    assert_eq!(rendered.by.program.version, "v1.37.1 (kustomize v5.8.1)");
    let files: Vec<_> = objects(&rendered).iter().map(|(file, object)| format!("{} {file}", object.kind)).collect();
    assert_eq!(files, ["ConfigMap base/kustomization.yaml", "Deployment base/web.yaml"]);

    let snapshot = snapshot(rendered);
    let key = ObjectKey { group: "apps", kind: "Deployment", namespace: "prod", name: "prod-web" };
    let (declared, _) = snapshot.get(key).unwrap();
    for (path, place) in [
        (&["spec", "replicas"] as &[_], "prod/replicas.yaml:6"),
        (&["spec", "template"], "base/web.yaml:9"),
        (&["metadata", "name"], "prod/kustomization.yml:1"),
        (&["spec", "selector", "matchLabels", "app"], "base/web.yaml:8"),
        (&["spec", "paused"], "base/web.yaml:5"),
    ] {
        assert_eq!(declared.locations(&[&driftwall_core::diff::Path::of(path)])[0].to_string(), place, "{path:?}");
    }
}

#[test]
fn an_ambiguous_origin_is_not_guessed() {
    let Some(options) = real_programs() else { return };
    let second = CONFIG_MAP.replace("name: a", "name: a-x");
    let repo = Repo::new(&[
        ("kustomization.yaml", "resources: [a.yaml, b.yaml]\nnameSuffix: -x\n"),
        ("a.yaml", CONFIG_MAP),
        ("b.yaml", &second),
    ]);
    let rendered = repo.render("", &options).unwrap();
    let files: Vec<_> = objects(&rendered).iter().map(|(file, object)| format!("{} {file}", object.name)).collect();
    assert_eq!(files, ["a-x kustomization.yaml", "a-x-x b.yaml"]);
}

#[test]
fn remote_references_are_refused_by_name() {
    let (_, options, _folder) = with_script("exit 1\n");
    for (field, reference, shown) in [
        ("resources", "https://user:word@example.org/a.yaml?token=t", "https://example.org/a.yaml"),
        ("resources", "github.com/example/base?ref=v1", "github.com/example/base"),
        ("bases", "git@example.org:team/base", "git@example.org:team/base"),
        ("components", "ssh://git@example.org/team/base", "ssh://example.org/team/base"),
        ("crds", "http://example.org/crd.json", "http://example.org/crd.json"),
        ("transformers", "https://example.org/t", "https://example.org/t"),
    ] {
        let base = format!("{field}:\n- {reference}\n");
        let repo = Repo::new(&[("prod/kustomization.yaml", "resources: [../base]\n"), ("base/Kustomization", &base)]);
        let refusal = repo.refusal("prod", &options);
        let words = format!(
            "failed to render base/Kustomization: {field} names {shown}, \
             which is not in this repository; copy it in, or set allowRemote"
        );
        assert_eq!(refusal, words);
    }
    for (content, field) in [
        ("openapi: {path: 'https://example.org/s.json'}", "openapi"),
        ("patches: [{path: 'https://example.org/p.yaml'}]", "patches"),
        ("replacements: [{path: 'https://example.org/p.yaml'}]", "replacements"),
        ("configMapGenerator: [{name: a, files: ['a=https://example.org/f']}]", "configMapGenerator"),
        ("secretGenerator: [{name: a, envs: ['https://example.org/f']}]", "secretGenerator"),
    ] {
        let repo = Repo::new(&[("kustomization.yaml", content)]);
        assert!(repo.refusal("", &options).contains(&format!("{field} names https://")), "{content}");
    }
}

#[test]
fn kustomize_cannot_reach_the_network() {
    let Some(options) = real_programs() else { return };
    // What a patch makes of a generator is not looked through, so only the environment stops it.
    let generator = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: a}\nfiles: [a=f]\n";
    let patch = "patches:\n- target: {kind: ConfigMapGenerator}\n  patch: |\n    - {op: replace, path: /files/0, value: \"a=http://192.0.2.1/f\"}\n";
    let repo = Repo::new(&[
        ("kustomization.yaml", "generators: [g]\n"),
        ("g/kustomization.yaml", &format!("resources: [g.yaml]\n{patch}")),
        ("g/g.yaml", generator),
    ]);
    let refusal = repo.refusal("", &options);
    assert!(refusal.contains("proxyconnect"), "{refusal}");
}

#[test]
fn urls_of_generators_and_transformers_are_refused() {
    let Some(options) = real_programs() else { return };
    let plugin = |kind: &str, rest: &str| format!("apiVersion: builtin\nkind: {kind}\nmetadata: {{name: a}}\n{rest}\n");
    let url = "https://example.org/f";
    for (field, name, plugin) in [
        ("generators", "files", plugin("ConfigMapGenerator", &format!("files: ['a={url}']"))),
        ("generators", "files", plugin("SecretGenerator", &format!("files: ['{url}?a=b']"))),
        ("generators", "envs", plugin("SecretGenerator", &format!("envs: ['{url}']"))),
        ("generators", "env", plugin("ConfigMapGenerator", &format!("env: '{url}'"))),
        ("generators", "valuesFile", plugin("HelmChartInflationGenerator", &format!("valuesFile: '{url}'"))),
        ("transformers", "path", plugin("PatchTransformer", &format!("path: '{url}'"))),
        ("transformers", "path", plugin("PatchJson6902Transformer", &format!("path: '{url}'"))),
        ("transformers", "paths", plugin("PatchStrategicMergeTransformer", &format!("paths: ['{url}']"))),
        (
            "transformers",
            "replacements",
            plugin("ReplacementTransformer", &format!("replacements: [{{path: '{url}'}}]")),
        ),
        ("validators", "path", plugin("PatchTransformer", &format!("path: '{url}'"))),
    ] {
        let words = format!("{name} names https://example.org/f");
        let of_file = |file: &str| format!("{file}: {words}");
        let indented = plugin.replace('\n', "\n    ");
        let in_json = serde_json::to_string(&serde_saphyr::from_str::<serde_json::Value>(&plugin).unwrap()).unwrap();
        let second = format!("{}---\n{plugin}", plugin.replace(url, "f"));
        let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", plugin.trim_end().replace('\n', "\n  "));
        for (way, repo, file) in [
            (
                "a file",
                Repo::new(&[("kustomization.yaml", &format!("{field}: [p.yaml]\n")), ("p.yaml", &plugin)]),
                "p.yaml",
            ),
            (
                "another document",
                Repo::new(&[("kustomization.yaml", &format!("{field}: [p.yaml]\n")), ("p.yaml", &second)]),
                "p.yaml",
            ),
            (
                "a list",
                Repo::new(&[("kustomization.yaml", &format!("{field}: [p.yaml]\n")), ("p.yaml", &list)]),
                "p.yaml",
            ),
            (
                "a folder",
                Repo::new(&[
                    ("kustomization.yaml", &format!("{field}: [p]\n")),
                    ("p/kustomization.yaml", "resources: [q]\n"),
                    ("p/q/kustomization.yaml", "resources: [p.yaml]\n"),
                    ("p/q/p.yaml", &plugin),
                ]),
                "p/q/p.yaml",
            ),
            (
                "in place",
                Repo::new(&[("kustomization.yaml", &format!("{field}:\n- |\n    {indented}\n"))]),
                "kustomization.yaml",
            ),
            (
                "in place, as JSON",
                Repo::new(&[("kustomization.yaml", &format!("{field}: ['{in_json}']\n"))]),
                "kustomization.yaml",
            ),
        ] {
            let refusal = repo.refusal("", &options);
            assert!(refusal.contains(&of_file(file)), "{way}: {refusal}: {plugin}");
        }
    }
    // A URL that is only text is none that anybody would fetch.
    let text = "annotations: {a: 'https://example.org/f'}\nfieldSpecs: [{path: metadata/annotations, create: true}]";
    let transformer = plugin("AnnotationsTransformer", text);
    let in_json = serde_json::to_string(&serde_saphyr::from_str::<serde_json::Value>(&transformer).unwrap()).unwrap();
    let generator = plugin("ConfigMapGenerator", "literals: ['a=https://example.org/f']");
    let repo = Repo::new(&[
        ("kustomization.yaml", &format!("resources: [a.yaml]\ngenerators: [g.yaml]\ntransformers: ['{in_json}']\n")),
        ("a.yaml", CONFIG_MAP),
        ("g.yaml", &generator.replace("{name: a}", "{name: generated}")),
    ]);
    let rendered = repo.render("", &options).unwrap();
    assert!(
        objects(&rendered)
            .iter()
            .all(|(_, object)| object.value["metadata"]["annotations"]["a"] == "https://example.org/f")
    );
    assert_eq!(objects(&rendered).len(), 2);
}

#[test]
fn a_broken_kustomization_is_named() {
    let Some(options) = real_programs() else { return };
    let repo = Repo::new(&[("apps/kustomization.yaml", "resources: [gone.yaml]\n")]);
    let refusal = repo.refusal("apps", &options);
    let start = "failed to render apps/kustomization.yaml with kubectl v1.37.1 (kustomize v5.8.1): ";
    assert!(refusal.starts_with(start) && refusal.contains("gone.yaml") && !refusal.contains("/tmp"), "{refusal}");
    let repo = Repo::new(&[("kustomization.yaml", "resources: [a.yaml\n")]);
    assert!(repo.refusal("", &options).starts_with("failed to read kustomization.yaml: "));
    let repo = Repo::new(&[("kustomization.yaml", "resources: [../../../../../../etc]\n")]);
    let refusal = repo.refusal("", &options);
    assert_eq!(refusal, "failed to use ../../../../../../etc: it leads out of the repository");
}

#[test]
fn the_cache_key_changes_only_with_what_is_rendered() {
    let (_, options, _folder) = with_script("exit 1\n");
    let repo = overlay();
    let key = |options: &RenderOptions| plan(&repo.git, repo.tree(), "prod", options).unwrap().unwrap().key();
    let before = key(&options);
    repo.write(&[("elsewhere/a.yaml", CONFIG_MAP)]);
    assert_eq!(key(&options), before);
    repo.write(&[("base/web.yaml", &DEPLOYMENT.replace("replicas: 1", "replicas: 2"))]);
    let after = key(&options);
    assert_ne!(after, before);
    assert_ne!(key(&RenderOptions { allow_remote: true, ..options.clone() }), after);
}

#[test]
fn a_missing_kustomize_is_named_with_its_key() {
    let programs = Programs { kustomize: Some("/nowhere/kustomize".into()), ..confined_programs() };
    let refusal = overlay().refusal("prod", &RenderOptions { programs, ..RenderOptions::default() });
    assert!(refusal.starts_with("failed to use /nowhere/kustomize, which programs.kustomize names: "), "{refusal}");
}
