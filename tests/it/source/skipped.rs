//! What a source does not read is told, by reason and file.

use std::path::Path;
use std::sync::Arc;

use driftwall::source::render::{RenderMode, RenderOptions, ServedApis};
use driftwall::source::{FileFilter, LoadedCommit, SourceSpec, load, local_commit};
use git2::{ObjectType, Oid, Signature};

use super::render::fixtures::{Repo, real_programs};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
const KUSTOMIZATION: &str =
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\nnamePrefix: x-\n";
const LFS_POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

fn read(source: &SourceSpec) -> LoadedCommit {
    load(source, &local_commit(source).unwrap(), None, &Arc::default()).unwrap()
}

/// What is skipped, as `REASON PLACE`.
fn skipped(loaded: &LoadedCommit) -> Vec<String> {
    let mut skipped = Vec::new();
    for (reason, places) in loaded.contents.skipped.iter() {
        skipped.extend(places.names().iter().map(|name| format!("{} {name}", reason.as_str())));
    }
    skipped
}

/// A name, files, how they are read, how many objects there are, and what is skipped.
type Case<'a> = (&'a str, Vec<(&'a str, String)>, RenderOptions, usize, Vec<&'a str>);

#[test]
fn what_plain_manifests_leave_out_is_told() {
    let configured = |mode| RenderOptions { mode, ..RenderOptions::default() };
    let auto = || configured(RenderMode::Auto);
    let plain = || configured(RenderMode::Plain);
    let named = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n");
    let cases: Vec<Case<'_>> = vec![
        ("nothing to tell", vec![("a.yaml", CONFIG_MAP.into()), ("README.md", "x".into())], auto(), 1, vec![]),
        (
            "no kind",
            vec![
                ("a.yaml", format!("{CONFIG_MAP}---\nreplicas: 3\n---\n# only a comment\n---\nkind: Half\n")),
                ("b.json", "[{\"apiVersion\": \"v1\"}]".into()),
                ("empty.yaml", "{}\n---\nnull\n".into()),
                ("kind.yaml", "apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\n".into()),
            ],
            auto(),
            1,
            vec!["no_kind a.yaml:5", "no_kind a.yaml:9", "no_kind b.json:1"],
        ),
        (
            "generated names, but not of hooks",
            vec![
                ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n".into()),
                (
                    "hook.yaml",
                    "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-, annotations: {argocd.argoproj.io/hook: Sync}}\n"
                        .into(),
                ),
                ("b.yaml", CONFIG_MAP.into()),
            ],
            auto(),
            1,
            vec!["generated_name a.yaml:1"],
        ),
        (
            "placeholders in what identifies an object",
            vec![
                ("a.yaml", named("${APP}-web")),
                ("b.yaml", named("\"<path:secret/app#name>\"")),
                ("c.yaml", named("\"{{ .Values.name }}\"")),
                ("d.yaml", named("web\n  namespace: ${TENANT}")),
                ("e.yaml", named("web\ndata: {a: \"${VALUE}\"}")),
            ],
            auto(),
            1,
            vec![
                "placeholder_in_name a.yaml:1",
                "placeholder_in_name b.yaml:1",
                "placeholder_in_name c.yaml:1",
                "placeholder_in_name d.yaml:1",
            ],
        ),
        (
            "Git LFS",
            vec![("a.yaml", LFS_POINTER.into()), ("b.yaml", CONFIG_MAP.into()), ("c.png", LFS_POINTER.into())],
            auto(),
            1,
            vec!["lfs_pointer a.yaml"],
        ),
        (
            "what the tools skip",
            vec![
                ("a.yaml", CONFIG_MAP.into()),
                ("marked.yaml", "# +argocd:skip-file-rendering\n{{- range .Values.pools }}\nkind: X\n{{- end }}\n".into()),
                ("local.yaml", format!("{}  annotations: {{config.kubernetes.io/local-config: \"true\"}}\n", named("local"))),
                (".sourceignore", "/docs/\n*.tpl.yaml\n".into()),
                ("docs/x.yaml", "{{ no yaml".into()),
                ("deep/a.tpl.yaml", "{{ no yaml".into()),
                ("deep/docs/b.yaml", named("b")),
                ("deep/.sourceignore", "/docs/c.yaml\n".into()),
                ("deep/docs/c.yaml", named("c")),
                (".github/workflows/ci.yaml", "on: ${{ x".into()),
            ],
            auto(),
            2,
            vec![
                "file_marked marked.yaml",
                "local_config local.yaml:1",
                "source_ignored docs",
                "source_ignored deep/a.tpl.yaml",
                "source_ignored deep/docs/c.yaml",
            ],
        ),
        (
            "rules that are not read",
            vec![
                ("a.yaml", CONFIG_MAP.into()),
                (".sourceignore", "/a.yaml\n".repeat(9000)),
                ("b.yaml", format!("{}  annotations: {{a: +argocd, b: argocd:skip-file-rendering}}\n", named("b"))),
            ],
            auto(),
            2,
            vec!["rules_too_long .sourceignore"],
        ),
        (
            "endings",
            vec![
                ("a.YAML", CONFIG_MAP.into()),
                ("b.jsonnet", "{}".into()),
                ("c.libsonnet", "{}".into()),
                ("d.yml", CONFIG_MAP.into()),
            ],
            auto(),
            1,
            vec!["file_extension a.YAML", "file_extension b.jsonnet"],
        ),
        (
            "kustomizations and charts below the path",
            vec![
                ("a.yaml", CONFIG_MAP.into()),
                ("k/a.yaml", named("from-kustomization")),
                ("k/kustomization.yaml", KUSTOMIZATION.into()),
                ("deep/k/Kustomization", KUSTOMIZATION.into()),
                ("deep/k/below/a.yaml", named("below")),
                ("chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n".into()),
                ("chart/templates/a.yaml", "{{- if .Values.a }}\nkind: {{ .Values.kind }}\n{{- end }}\n".into()),
            ],
            auto(),
            1,
            vec!["chart chart/Chart.yaml", "kustomization deep/k/Kustomization", "kustomization k/kustomization.yaml"],
        ),
        (
            "the same as plain manifests",
            vec![("a.yaml", CONFIG_MAP.into()), ("k/b.yaml", named("b")), ("k/kustomization.yml", KUSTOMIZATION.into())],
            plain(),
            2,
            vec!["kustomization_ignored k/kustomization.yml"],
        ),
        ("nothing", vec![("README.md", "x".into())], auto(), 0, vec!["nothing_declared ."]),
    ];
    for (name, files, render, objects, expected) in cases {
        let files: Vec<_> = files.iter().map(|(path, content)| (*path, content.as_str())).collect();
        let repo = Repo::new(&files);
        let loaded = read(&SourceSpec { render, ..SourceSpec::local("prod", repo.root()) });
        assert_eq!(loaded.contents.len(), objects, "{name}");
        assert_eq!(skipped(&loaded), expected, "{name}");
    }
}

#[test]
fn rules_that_change_count_in_folders_that_do_not() {
    let commit = |folder: &Path, files: &[(&str, &str)]| {
        let git = git2::Repository::open(folder).unwrap();
        let mut index = git2::Index::new().unwrap();
        git.set_index(&mut index).unwrap();
        for (path, content) in files {
            let id = git.blob(content.as_bytes()).unwrap();
            let entry = git2::IndexEntry {
                ctime: git2::IndexTime::new(0, 0),
                mtime: git2::IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode: 0o100_644,
                uid: 0,
                gid: 0,
                file_size: 0,
                id,
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            };
            index.add(&entry).unwrap();
        }
        let tree = git.find_tree(index.write_tree_to(&git).unwrap()).unwrap();
        let author = Signature::now("a", "a@example.org").unwrap();
        let parent = git.head().ok().and_then(|head| head.peel_to_commit().ok());
        git.commit(Some("HEAD"), &author, &author, "x", &tree, &parent.iter().collect::<Vec<_>>()).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    git2::Repository::init_bare(folder.path()).unwrap();
    let manifest = ("apps/shop/a.yaml", CONFIG_MAP);
    for path in ["", "apps", "apps/shop"] {
        let source = SourceSpec { path: path.into(), ..SourceSpec::local("prod", folder.path()) };
        let mut previous = None;
        for (rules, objects) in [("", 1), ("*.yaml\n", 0), ("!*.yaml\n", 1), ("/apps/shop/a.yaml\n", 0), ("", 1)] {
            commit(folder.path(), &[manifest, (".sourceignore", rules)]);
            let loaded = load(&source, &local_commit(&source).unwrap(), previous.as_ref(), &Arc::default()).unwrap();
            assert_eq!(loaded.contents.len(), objects, "`{path}` under `{rules}`");
            previous = Some(loaded);
        }
    }
}

/// A tree with entries that a working folder cannot have.
fn commit_tree(folder: &Path, entries: &[(&str, &[u8], Oid)]) {
    let git = git2::Repository::open(folder).unwrap();
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend([mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat());
    }
    let tree = git.find_tree(git.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap()).unwrap();
    let author = Signature::now("a", "a@example.org").unwrap();
    git.commit(Some("refs/heads/main"), &author, &author, "x", &tree, &[]).unwrap();
}

#[test]
fn submodules_and_names_that_are_not_utf_8_are_told_unless_excluded() {
    let folder = tempfile::tempdir().unwrap();
    let git = git2::Repository::init_bare(folder.path()).unwrap();
    let file = git.blob(CONFIG_MAP.as_bytes()).unwrap();
    let below = {
        let mut tree = git.treebuilder(None).unwrap();
        tree.insert("a.yaml", file, 0o100_644).unwrap();
        tree.write().unwrap()
    };
    let elsewhere = Oid::from_str(&"1".repeat(40)).unwrap();
    commit_tree(
        folder.path(),
        &[
            ("100644", b"a.yaml", file),
            ("160000", b"vendor", elsewhere),
            ("100644", b"\xff.txt", file),
            ("100644", b"\xff.yaml", file),
            ("40000", b"\xff\xff", below),
        ],
    );
    let source = SourceSpec { revision: "main".into(), ..SourceSpec::local("prod", folder.path()) };
    let loaded = read(&source);
    assert_eq!(loaded.contents.len(), 1);
    let not_utf8 = char::REPLACEMENT_CHARACTER;
    let expected = [
        format!("name_not_utf8 {not_utf8}.yaml"),
        format!("name_not_utf8 {not_utf8}{not_utf8}"),
        "submodule vendor".into(),
    ];
    assert_eq!(skipped(&loaded), expected);
    for exclude in ["vendor", "vendor/**", "vendor/*"] {
        let files = FileFilter::new(Vec::new(), vec![exclude.into()]).unwrap();
        let loaded = read(&SourceSpec { files, ..source.clone() });
        assert!(!skipped(&loaded).iter().any(|place| place.starts_with("submodule")), "{exclude}");
    }
}

#[test]
fn every_form_of_a_path_is_the_same_path() {
    let repo =
        Repo::new(&[("apps/prod/a.yaml", CONFIG_MAP), ("b.yaml", &CONFIG_MAP.replace("{name: a}", "{name: b}"))]);
    for (path, objects) in [
        ("apps/prod", 1),
        ("apps/prod/", 1),
        ("./apps/prod", 1),
        ("/apps/prod", 1),
        ("apps//prod/.", 1),
        ("./apps/./prod//", 1),
        ("apps/prod/a.yaml", 1),
        ("./apps/prod/a.yaml", 1),
        ("", 2),
        (".", 2),
        ("./", 2),
        ("/", 2),
    ] {
        let files = FileFilter::new(vec!["**/*.yaml".into()], vec!["other/**".into()]).unwrap();
        let by_path = SourceSpec { path: path.into(), ..SourceSpec::local("prod", repo.root()) };
        assert_eq!(read(&by_path).contents.len(), objects, "{path}");
        if !path.contains("a.yaml") {
            assert_eq!(read(&SourceSpec { files, ..by_path }).contents.len(), objects, "{path} with globs");
        }
    }
}

#[test]
fn what_a_rendering_leaves_out_is_told() {
    let Some(options) = real_programs() else { return };
    let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.name | quote }}\n---\n{{ if .Values.no }}x{{ end }}\n";
    let repo = Repo::new(&[
        ("Chart.yaml", chart),
        ("values.yaml", "name: ${APP}\n"),
        ("templates/a.yaml", template),
        ("templates/b.yaml", CONFIG_MAP),
        ("files/large.bin", LFS_POINTER),
    ]);
    let source = SourceSpec { render: options, ..SourceSpec::local("prod", repo.root()) };
    let loaded = read(&source);
    assert_eq!(loaded.contents.len(), 1);
    assert_eq!(skipped(&loaded), ["lfs_pointer files/large.bin", "placeholder_in_name templates/a.yaml:1"]);

    let repo = Repo::new(&[("kustomization.yaml", "resources: [a.yaml]\n"), ("a.yaml", CONFIG_MAP)]);
    repo.link("nowhere", "dangling");
    let loaded = read(&SourceSpec { folder: repo.root().into(), ..source });
    assert_eq!(skipped(&loaded), ["link_dangling dangling"]);
}

#[test]
fn globs_that_match_nothing_are_told() {
    let repo = Repo::new(&[
        ("apps/a.yaml", CONFIG_MAP),
        ("apps/b/c.yaml", &CONFIG_MAP.replace("{name: a}", "{name: c}")),
        ("apps/b/note.txt", "x"),
    ]);
    for (include, exclude, expected) in [
        (vec!["a.yaml", "b/**"], vec![], vec![]),
        (vec!["a.yaml", "prod/**"], vec![], vec!["include_unmatched prod/**"]),
        // What is matched by nothing but excluded files, or by files that hold no manifests.
        (vec!["a.yaml", "b/*"], vec!["b/c.yaml"], vec!["include_unmatched b/*"]),
        (vec!["*.txt"], vec![], vec!["include_unmatched *.txt", "nothing_declared apps"]),
        (vec![], vec!["gone/**"], vec![]),
    ] {
        let globs = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let files = FileFilter::new(globs(&include), globs(&exclude)).unwrap();
        let source = SourceSpec { files, path: "apps".into(), ..SourceSpec::local("prod", repo.root()) };
        let first = read(&source);
        assert_eq!(skipped(&first), expected, "{include:?}");
        // The same after a commit that shares all files.
        repo.write(&[("other.txt", &format!("{include:?}"))]);
        let commit = local_commit(&source).unwrap();
        let second = load(&source, &commit, Some(&first), &Arc::default()).unwrap();
        assert_eq!(skipped(&second), expected, "{include:?} again");
    }
}

#[test]
fn what_a_chart_asks_for_in_vain_is_told_and_a_cluster_answers_it() {
    let Some(options) = real_programs() else { return };
    let template = "apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {version: {{ .Capabilities.KubeVersion.Version | quote }}}
{{- if .Capabilities.APIVersions.Has \"monitoring.coreos.com/v1/ServiceMonitor\" }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
{{- end }}
";
    let repo =
        Repo::new(&[("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"), ("templates/web.yaml", template)]);
    let source = SourceSpec { render: options, ..SourceSpec::local("prod", repo.root()) };
    let without = read(&source);
    assert_eq!(without.contents.len(), 1);
    assert_eq!(skipped(&without), ["api_version_unknown templates/web.yaml:5"]);

    let mut configured = source.clone();
    configured.render.helm.api_versions = vec!["monitoring.coreos.com/v1/ServiceMonitor".into()];
    let configured = read(&configured);
    assert_eq!((configured.contents.len(), skipped(&configured)), (2, vec![]));

    let served = |api_versions: &[&str]| ServedApis {
        version: "v1.33.4-gke.1234000".into(),
        api_versions: api_versions.iter().map(|&version| version.to_owned()).collect(),
    };
    source.render.helm.cluster.set(served(&[
        "v1",
        "monitoring.coreos.com/v1",
        "monitoring.coreos.com/v1/ServiceMonitor",
    ]));
    let in_cluster = read(&source);
    assert_eq!((in_cluster.contents.len(), skipped(&in_cluster)), (2, vec![]));
    // The cluster lacks it: then Git's tools render nothing either.
    source.render.helm.cluster.set(served(&["v1"]));
    let lacking = read(&source);
    assert_eq!((lacking.contents.len(), skipped(&lacking)), (1, vec![]));
}

#[test]
fn every_reason_is_documented() {
    let page = std::fs::read_to_string("docs/sources.md").unwrap();
    for reason in driftwall_core::skipped::SkipReason::ALL {
        assert!(page.contains(&format!("| `{}` |", reason.as_str())), "{}", reason.as_str());
    }
}
