//! Repositories that mean harm: bounded, named, survived.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use driftwall::source::{FileFilter, LoadedCommit, SourceError, SourceSpec, load, local_commit};
use git2::{ObjectType, Oid, Signature};

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n";
const FILE: &str = "100644";
const LINK: &str = "120000";

/// A tree as Git stores it: libgit2's own builder would refuse most of these.
fn tree(git: &git2::Repository, entries: &[(&str, &[u8], Oid)]) -> Oid {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend([mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat());
    }
    git.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap()
}

/// Reads a repository whose only commit has this tree.
fn read_tree(folder: &Path, root: Oid) -> Result<LoadedCommit, SourceError> {
    let git = git2::Repository::open(folder).unwrap();
    let author = Signature::now("mallory", "mallory@example.org").unwrap();
    let commit = format!(
        "\
tree {root}
author {author} <mallory@example.org> 0 +0000
committer {author} <mallory@example.org> 0 +0000

Harm
",
        author = author.name().unwrap()
    );
    let id = git.odb().unwrap().write(ObjectType::Commit, commit.as_bytes()).unwrap();
    git.reference("refs/heads/main", id, true, "").unwrap();
    let source = SourceSpec { revision: "main".into(), ..SourceSpec::local("prod", folder) };
    load(&source, &local_commit(&source).unwrap(), None, &Arc::default())
}

fn repository() -> (tempfile::TempDir, git2::Repository, Oid) {
    let folder = tempfile::tempdir().unwrap();
    let git = git2::Repository::init_bare(folder.path()).unwrap();
    let good = git.blob(GOOD.as_bytes()).unwrap();
    (folder, git, good)
}

#[test]
fn links_and_names_that_lead_out_of_the_repository_are_not_followed() {
    let (folder, git, good) = repository();
    let outside = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    outside.as_file().write_all(GOOD.replace("good", "outside").as_bytes()).unwrap();
    let link = git.blob(outside.path().to_str().unwrap().as_bytes()).unwrap();
    let climbs = git.blob(GOOD.replace("good", "climbs").as_bytes()).unwrap();
    let root = tree(&git, &[(FILE, b"good.yaml", good), (LINK, b"link.yaml", link), (FILE, b"../climbs.yaml", climbs)]);
    // A name is never taken for a path: the file is read for what is in the repository, or not at all.
    match read_tree(folder.path(), root) {
        Ok(loaded) => assert!(loaded.contents.len() <= 2, "the link is not followed"),
        Err(error) => assert!(error.to_string().contains("tree"), "{error}"),
    }
    let without = tree(&git, &[(FILE, b"good.yaml", good), (LINK, b"link.yaml", link)]);
    assert_eq!(read_tree(folder.path(), without).unwrap().contents.len(), 1);
}

#[test]
fn file_names_that_are_not_utf_8_are_skipped() {
    let (folder, git, good) = repository();
    let root = tree(&git, &[(FILE, b"good.yaml", good), (FILE, b"\xff\xfe.yaml", good)]);
    assert_eq!(read_tree(folder.path(), root).unwrap().contents.len(), 1);
}

#[test]
fn a_yaml_bomb_is_named_and_fails_only_its_commit() {
    let (folder, git, good) = repository();
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [alias.as_str(); 9].join(", ")).unwrap();
    }
    let bomb = git.blob(bomb.as_bytes()).unwrap();
    let root = tree(&git, &[(FILE, b"bomb.yaml", bomb), (FILE, b"good.yaml", good)]);
    let error = read_tree(folder.path(), root).unwrap_err().to_string();
    assert!(error.contains("bomb.yaml") && error.contains("alias"), "{error}");
}

#[test]
fn a_file_of_a_gigabyte_is_not_decompressed() {
    let (folder, git, good) = repository();
    let odb = git.odb().unwrap();
    let mut writer = odb.writer(1 << 30, ObjectType::Blob).unwrap();
    let chunk = vec![b' '; 1 << 20];
    for _ in 0..1 << 10 {
        writer.write_all(&chunk).unwrap();
    }
    let huge = writer.finalize().unwrap();
    let root = tree(&git, &[(FILE, b"good.yaml", good), (FILE, b"huge.yaml", huge)]);
    let error = read_tree(folder.path(), root).unwrap_err().to_string();
    assert!(error.contains("huge.yaml") && error.contains("1073741824 bytes"), "{error}");
}

#[test]
fn a_hundred_thousand_files_in_one_folder_are_read() {
    let (folder, git, good) = repository();
    let nothing = git.blob(b"replicas: 3\n").unwrap();
    let names: Vec<_> = (0..100_000).map(|number| format!("values-{number:06}.yaml")).collect();
    let mut entries = vec![(FILE, b"good.yaml".as_slice(), good)];
    entries.extend(names.iter().map(|name| (FILE, name.as_bytes(), nothing)));
    let root = tree(&git, &entries);
    assert_eq!(read_tree(folder.path(), root).unwrap().contents.len(), 1);
}

#[test]
fn too_deeply_nested_folders_are_an_error() {
    let (folder, git, good) = repository();
    let mut inside = tree(&git, &[(FILE, b"good.yaml", good)]);
    for _ in 0..500 {
        inside = tree(&git, &[("40000", b"a", inside)]);
    }
    let error = read_tree(folder.path(), inside).unwrap_err().to_string();
    assert!(error.contains("folders inside each other"), "{error}");
}

/// A folder that holds ten folders, each of which holds the same ten, nine times over.
fn ten_billion_folders(git: &git2::Repository, innermost: Oid) -> Oid {
    let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
    let mut inner = innermost;
    for _ in 0..10 {
        let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), inner)).collect();
        inner = tree(git, &entries);
    }
    inner
}

#[test]
fn ten_billion_folders_without_manifests_cost_what_their_trees_cost() {
    let (folder, git, good) = repository();
    let readme = git.blob(b"x\n").unwrap();
    let bomb = ten_billion_folders(&git, tree(&git, &[(FILE, b"readme.txt", readme)]));
    let root = tree(&git, &[(FILE, b"good.yaml", good), ("40000", b"other", bomb)]);
    assert_eq!(read_tree(folder.path(), root).unwrap().contents.len(), 1);
}

#[test]
fn ten_billion_manifests_are_an_error() {
    let (folder, git, good) = repository();
    let bomb = ten_billion_folders(&git, tree(&git, &[(FILE, b"good.yaml", good)]));
    let root = tree(&git, &[("40000", b"other", bomb)]);
    let error = read_tree(folder.path(), root).unwrap_err();
    assert!(matches!(error, SourceError::RepeatedFiles { .. }), "{error}");
}

#[test]
fn files_that_a_source_leaves_out_are_bounded_too() {
    let (folder, git, good) = repository();
    let names: Vec<String> = (0..1000).map(|number| format!("{number}.yaml")).collect();
    let files: Vec<_> = names.iter().map(|name| (FILE, name.as_bytes(), good)).collect();
    let bomb = ten_billion_folders(&git, tree(&git, &files));
    let root = tree(&git, &[("40000", b"other", bomb)]);
    read_tree(folder.path(), root).unwrap_err();
    let excluding = SourceSpec {
        revision: "main".into(),
        files: FileFilter::new(Vec::new(), vec!["other/**".into()]).unwrap(),
        ..SourceSpec::local("prod", folder.path())
    };
    let error = load(&excluding, &local_commit(&excluding).unwrap(), None, &Arc::default()).unwrap_err();
    assert!(matches!(error, SourceError::TooManyFiles { .. }), "{error}");
}
