//! Symbolic links among plain manifests.

use std::sync::Arc;

use driftwall::source::{FileFilter, LoadedCommit, SourceError, SourceSpec, load, local_commit};

use super::render::fixtures::Repo;

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn source(repo: &Repo, path: &str) -> SourceSpec {
    SourceSpec { path: path.to_owned(), ..SourceSpec::local("prod", repo.root()) }
}

fn read(source: &SourceSpec, previous: Option<&LoadedCommit>) -> Result<LoadedCommit, SourceError> {
    load(source, &local_commit(source).unwrap(), previous, &Arc::default())
}

/// The files that declare something, in the order of their names.
fn files(loaded: &LoadedCommit) -> Vec<String> {
    let mut files: Vec<_> = loaded.contents.paths().map(|path| path.to_string()).collect();
    files.sort();
    files
}

/// What is skipped, as `REASON PLACE`.
fn skipped(loaded: &LoadedCommit) -> Vec<String> {
    let by_reason = loaded.contents.skipped.iter();
    by_reason
        .flat_map(|(reason, places)| places.names().into_iter().map(move |name| format!("{} {name}", reason.as_str())))
        .collect()
}

#[test]
fn links_within_the_repository_are_followed_and_files_read_once() {
    let repo = Repo::new(&[
        ("base/web.yaml", &config_map("web")),
        ("base/more/db.yaml", &config_map("db")),
        ("base/note.txt", "x"),
        ("apps/prod/own.yaml", &config_map("own")),
        ("apps/prod/v2/app.yaml", &config_map("app")),
    ]);
    for (target, link) in [
        // To a file, through another link, and to the same file again.
        ("../../base/web.yaml", "apps/prod/web.yaml"),
        ("web.yaml", "apps/prod/chain.yaml"),
        // To a folder outside of the path, twice, and to one inside.
        ("../../base/more", "apps/prod/more"),
        ("../../base/./more/", "apps/prod/again"),
        ("v2", "apps/prod/current"),
        // A link without the ending of a manifest is none.
        ("../../base/web.yaml", "apps/prod/web"),
        ("../../base/note.txt", "apps/prod/note.txt"),
        // The path itself, through a link.
        ("apps/prod", "prod"),
    ] {
        repo.link(target, link);
    }
    for path in ["apps/prod", "prod"] {
        let loaded = read(&source(&repo, path), None).unwrap();
        let expected = ["apps/prod/own.yaml", "apps/prod/v2/app.yaml", "base/more/db.yaml", "base/web.yaml"];
        assert_eq!((files(&loaded), loaded.contents.len()), (expected.map(str::to_owned).to_vec(), 4), "{path}");
        assert!(skipped(&loaded).is_empty(), "{path}: {:?}", skipped(&loaded));
    }
    // The globs are for the name in the source, not for what it leads to.
    let files_by = |include: &[&str], exclude: &[&str]| {
        let globs = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let filter = FileFilter::new(globs(include), globs(exclude)).unwrap();
        files(&read(&SourceSpec { files: filter, ..source(&repo, "apps/prod") }, None).unwrap())
    };
    assert_eq!(files_by(&["web.yaml", "current/**"], &[]), ["apps/prod/v2/app.yaml", "base/web.yaml"]);
    assert_eq!(files_by(&["own.yaml", "web.yaml"], &["web.yaml"]), ["apps/prod/own.yaml"]);
}

#[test]
fn links_that_lead_nowhere_are_told() {
    let repo = Repo::new(&[("apps/prod/own.yaml", &config_map("own")), ("apps/x/y.yaml", &config_map("other"))]);
    for (target, link) in [
        ("/etc/passwd", "apps/prod/absolute.yaml"),
        ("../../../up.yaml", "apps/prod/climbs.yaml"),
        ("../../..", "apps/prod/out"),
        ("gone.yaml", "apps/prod/dangling.yaml"),
        ("ring-b.yaml", "apps/prod/ring-a.yaml"),
        ("ring-a.yaml", "apps/prod/ring-b.yaml"),
        (".", "apps/prod/self"),
        ("../..", "apps/prod/root"),
        ("../prod", "apps/x/back"),
        ("../x", "apps/prod/x"),
        // Nobody would look for a manifest there.
        ("/etc/passwd", "apps/prod/README.md"),
    ] {
        repo.link(target, link);
    }
    let loaded = read(&source(&repo, "apps/prod"), None).unwrap();
    assert_eq!(files(&loaded), ["apps/prod/own.yaml", "apps/x/y.yaml"]);
    let expected = [
        "link_dangling apps/prod/dangling.yaml",
        "link_loop apps/prod/ring-a.yaml",
        "link_loop apps/prod/ring-b.yaml",
        "link_loop apps/prod/root",
        "link_loop apps/prod/self",
        "link_loop apps/x/back",
        "link_outside apps/prod/absolute.yaml",
        "link_outside apps/prod/climbs.yaml",
        "link_outside apps/prod/out",
    ];
    assert_eq!(skipped(&loaded), expected);
}

#[test]
fn a_change_behind_a_link_is_read_although_the_folder_is_the_same() {
    let repo = Repo::new(&[
        ("base/web.yaml", &config_map("web")),
        ("base/folder/a.yaml", &config_map("a")),
        ("apps/deep/own.yaml", &config_map("own")),
    ]);
    repo.link("../../base/web.yaml", "apps/deep/web.yaml");
    repo.link("../../base/folder", "apps/deep/folder");
    let source = source(&repo, "apps");
    let first = read(&source, None).unwrap();
    assert_eq!(first.contents.len(), 3);
    let two = config_map("web") + "---\n" + &config_map("web-2");
    repo.write(&[("base/web.yaml", &two), ("base/folder/b.yaml", &config_map("b"))]);
    let second = read(&source, Some(&first)).unwrap();
    assert_eq!(second.contents.len(), 5);
    // An unreadable commit names what the link led to before and leads to now.
    std::fs::remove_file(repo.root().join("apps/deep/web.yaml")).unwrap();
    repo.write(&[("base/other.yaml", "a: b: c\n")]);
    repo.link("../../base/other.yaml", "apps/deep/web.yaml");
    let Err(SourceError::InvalidFiles { changed, .. }) = read(&source, Some(&second)) else { panic!("it is broken") };
    let mut changed: Vec<_> = changed.iter().map(ToString::to_string).collect();
    changed.sort();
    assert_eq!(changed, ["base/other.yaml", "base/web.yaml"]);
}

#[test]
fn a_maze_of_links_ends() {
    // Each folder links to all others: followed without bounds, the ways would have no end.
    let repo = Repo::new(&[("apps/own.yaml", &config_map("own"))]);
    for folder in 0..12 {
        let path = repo.root().join(format!("maze/{folder}"));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a.yaml"), config_map(&format!("m{folder}"))).unwrap();
        for other in (0..12).filter(|other| *other != folder) {
            std::os::unix::fs::symlink(format!("../{other}"), path.join(format!("to-{other}"))).unwrap();
        }
    }
    repo.link("../maze/0", "apps/maze");
    assert_eq!(read(&source(&repo, "apps"), None).unwrap().contents.len(), 13);
}
