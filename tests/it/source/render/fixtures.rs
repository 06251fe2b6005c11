//! Repositories to render, and the programs to render them with.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use driftwall::source::render::{Programs, RenderError, RenderOptions, Rendered, render};
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use serde_json::Value;

use crate::common::git::commit_all;
use crate::common::programs;

/// A repository with one commit.
pub(crate) struct Repo {
    _folder: tempfile::TempDir,
    pub(crate) git: git2::Repository,
}

impl Repo {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = Self { git: git2::Repository::init(folder.path()).unwrap(), _folder: folder };
        repo.write(files);
        repo
    }

    /// With all that is in a folder.
    pub(crate) fn of(content: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        crate::common::git::commit_folder(folder.path(), content);
        Self { git: git2::Repository::open(folder.path()).unwrap(), _folder: folder }
    }

    pub(crate) fn root(&self) -> &Path {
        self.git.workdir().unwrap()
    }

    pub(crate) fn write(&self, files: &[(&str, &str)]) {
        for (path, content) in files {
            let path = self.root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        commit_all(&self.git);
    }

    pub(crate) fn link(&self, target: &str, link: &str) {
        std::os::unix::fs::symlink(target, self.root().join(link)).unwrap();
        commit_all(&self.git);
    }

    pub(crate) fn tree(&self) -> git2::Oid {
        self.git.head().unwrap().peel_to_tree().unwrap().id()
    }

    pub(crate) fn render(&self, path: &str, options: &RenderOptions) -> Result<Rendered, RenderError> {
        let rendered = render(&self.git, self.tree(), path, options, &AtomicBool::new(false));
        rendered.map(|rendered| rendered.expect("it is not plain"))
    }

    pub(crate) fn refusal(&self, path: &str, options: &RenderOptions) -> String {
        self.render(path, options).expect_err("it must not be rendered").to_string()
    }
}

/// Options with the real programs; none where they are not installed, and the caller leaves its test out.
pub(crate) fn real_programs() -> Option<RenderOptions> {
    let (kubectl, helm) = (programs::find("kubectl")?, programs::find("helm")?);
    let programs = Programs { kubectl: Some(kubectl), helm: Some(helm), ..confined_programs() };
    Some(RenderOptions { programs, ..RenderOptions::default() })
}

/// No program yet, but what confines programs: driftwall, which these tests are not.
pub(crate) fn confined_programs() -> Programs {
    Programs { launcher: Some(env!("CARGO_BIN_EXE_driftwall").into()), ..Programs::default() }
}

/// A repository of one kustomization, and options whose kustomize is a script.
pub(crate) fn with_script(script: &str) -> (Repo, RenderOptions, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kustomize");
    let version = "#!/bin/sh\nPATH=/usr/bin:/bin\nif [ \"$1\" = version ]; then echo v0; exit; fi\n";
    // Written by another process: a thread that forks meanwhile would hold it open, and it could not be run.
    let mut writer = Command::new("sh");
    writer.args(["-c", "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(&program);
    assert!(writer.arg(format!("{version}{script}")).status().unwrap().success());
    let programs = Programs { kustomize: Some(program), ..confined_programs() };
    let repo = Repo::new(&[("apps/kustomization.yaml", "resources: [a.yaml]\n"), ("apps/a.yaml", CONFIG_MAP)]);
    (repo, RenderOptions { programs, ..RenderOptions::default() }, folder)
}

pub(crate) const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  one: \"1\"\n";

/// All objects, each with its file.
pub(crate) fn objects(rendered: &Rendered) -> Vec<(&Arc<str>, &driftwall_core::manifest::Object)> {
    rendered.files.iter().flat_map(|(file, objects)| objects.iter().map(move |object| (file, object))).collect()
}

/// What a snapshot of the rendered objects alone says.
pub(crate) fn snapshot(rendered: Rendered) -> Snapshot {
    let source = Source { name: "test".into(), ..Source::default() };
    let file = |(file, objects)| Arc::new(FileContents::new(&file, Some("prod"), objects).unwrap());
    let contents = SourceContents::new(source, rendered.files.into_iter().map(file).collect());
    Snapshot::new(vec![Arc::new(contents)])
}

/// Objects that kubectl reads out of a text, without a cluster.
pub(crate) fn read_by_kubectl(options: &RenderOptions, text: &[u8]) -> Vec<Value> {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(text).unwrap();
    let run = Command::new(options.programs.kubectl.as_ref().unwrap())
        .args(["annotate", "--local", "--dry-run=client", "-o", "json", "driftwall.example/read-", "-f"])
        .arg(file.path())
        .env_clear()
        .env("HOME", file.path().parent().unwrap())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let values = serde_json::Deserializer::from_slice(&run.stdout).into_iter::<Value>();
    let mut values: Vec<_> = values.map(Result::unwrap).collect();
    for metadata in values.iter_mut().filter_map(|value| value["metadata"].as_object_mut()) {
        // Which taking an annotation away leaves behind.
        metadata.retain(|name, value| name != "annotations" || *value != serde_json::json!({}));
    }
    values
}
