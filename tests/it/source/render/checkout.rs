//! What is written to the disk for a rendering, and what never is.

use driftwall::source::render::RenderOptions;

use crate::source::render::fixtures::{CONFIG_MAP, Repo, objects, real_programs, with_script};

/// Complains of all that was written.
const LIST: &str = "cd ../..; find . | sort | while read -r f; do echo \"- $f\"; done >&2; exit 1\n";

#[test]
fn only_what_a_render_needs_is_written() {
    let (_, options, _folder) = with_script(LIST);
    // Which starts programs.
    let options = RenderOptions { allow_remote: true, ..options };
    let repo = Repo::new(&[
        ("a/b/kustomization.yaml", "resources: [../base]\n"),
        ("a/base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("a/base/a.yaml", CONFIG_MAP),
        ("a/other/a.yaml", CONFIG_MAP),
        ("z.yaml", CONFIG_MAP),
    ]);
    let refusal = repo.refusal("a/b", &options);
    let written: Vec<_> = refusal.lines().filter_map(|line| line.split_once("- ")).map(|(_, file)| file).collect();
    let expected =
        [".", "./a", "./a/b", "./a/b/kustomization.yaml", "./a/base", "./a/base/a.yaml", "./a/base/kustomization.yaml"];
    assert_eq!(written, expected, "{refusal}");
}

#[test]
fn links_inside_the_repository_are_followed() {
    let Some(options) = real_programs() else { return };
    let repo = Repo::new(&[("real/kustomization.yaml", "resources: [a.yaml]\n"), ("real/a.yaml", CONFIG_MAP)]);
    repo.link("real", "linked");
    repo.write(&[("top/kustomization.yaml", "resources: [../linked]\n")]);
    let rendered = repo.render("top", &options).unwrap();
    assert_eq!(&**objects(&rendered)[0].0, "real/a.yaml");
    assert_eq!(objects(&repo.render("linked", &options).unwrap()).len(), 1);
}

#[test]
fn a_link_that_leads_out_is_refused_by_name() {
    let (repo, options, _folder) = with_script("exit 1\n");
    let (out, around) =
        ("it leads out of the repository", "it leads through more than 40 symbolic links, or around in a circle");
    for (target, link, reason) in [
        ("/etc/passwd", "apps/absolute", out),
        ("../../passwd", "apps/relative", out),
        ("../apps/ring", "apps/ring", around),
    ] {
        repo.link(target, link);
        assert_eq!(repo.refusal("apps", &options), format!("failed to use {link}: {reason}"));
        std::fs::remove_file(repo.root().join(link)).unwrap();
    }
}

/// A tree that no ordinary Git would make.
fn hostile_tree(repo: &Repo, name: &[u8]) -> git2::Oid {
    let blob = repo.git.blob(b"x").unwrap();
    let kustomization = repo.git.blob(b"resources: []\n").unwrap();
    let mut tree = Vec::new();
    for (name, id) in [(name, blob), (b"kustomization.yaml", kustomization)] {
        tree.extend_from_slice(b"100644 ");
        tree.extend_from_slice(name);
        tree.push(0);
        tree.extend_from_slice(id.as_bytes());
    }
    repo.git.odb().unwrap().write(git2::ObjectType::Tree, &tree).unwrap()
}

#[test]
fn names_that_are_not_safe_on_a_disk_are_refused() {
    let (repo, options, _folder) = with_script("exit 1\n");
    for name in [b"..".as_slice(), b".git", b".GIT", b"a/b", b"\xff\xfe"] {
        let tree = hostile_tree(&repo, name);
        let cancel = std::sync::atomic::AtomicBool::new(false);
        let error = driftwall::source::render::render(&repo.git, tree, "", &options, &cancel).unwrap_err().to_string();
        assert!(error.starts_with("failed to write") && error.contains("not safe on a disk"), "{name:?}: {error}");
    }
}
