//! Any tree as a commit: what is read of it is in the repository, and bounded.

use std::sync::Arc;

use driftwall::source::{SourceSpec, load};
use driftwall_core::manifest;
use git2::{ObjectType, Oid, Repository};
use proptest::prelude::*;

use super::mutated;

/// An entry of a tree, with what it leads to.
#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Folder(Vec<(Vec<u8>, Node)>),
    Link(Vec<u8>),
    /// An entry of this mode whose object is another's, or none.
    Odd(&'static str),
}

/// The name that only a file outside of the repository has.
const OUTSIDE: &str = "outside-of-the-repository";

/// No kustomization and no chart: other programs render these.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let names =
        ["a.yaml", "b.yml", "c.json", "d", "e", "A.YAML", "..", ".", ".git", "a/b.yaml", "", "x.yaml\u{0}", "ü.yaml"];
    prop_oneof![
        8 => prop::sample::select(names.map(|name| name.as_bytes().to_vec()).to_vec()),
        1 => prop::collection::vec(any::<u8>().prop_filter("it ends the name", |byte| *byte != 0), 1..12),
    ]
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let seeds = [
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\ndata: {a: b}\n---\nkind: X\n",
        "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"s\"}}]}",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n",
    ];
    mutated(
        seeds.map(|text| text.as_bytes().to_vec()).to_vec(),
        &["---\n", "kind: ", "  ", "&a ", "*a", "<<: *a", "\t", "{", "- "],
    )
}

fn node(outside: String) -> impl Strategy<Value = Node> {
    let targets = [
        format!("{outside}/secret.yaml"),
        outside,
        "../../../etc/passwd".into(),
        "..".into(),
        ".".into(),
        "a.yaml".into(),
        "d".into(),
        "d/../e/../d".into(),
        "/".into(),
        String::new(),
        "a/".repeat(3000),
        "é\0".into(),
    ];
    let leaf = prop_oneof![
        3 => content().prop_map(Node::File),
        2 => prop::sample::select(targets.to_vec()).prop_map(|target| Node::Link(target.into_bytes())),
        1 => prop::sample::select(vec!["160000", "40000", "100644", "120000", "777", "0", "x"]).prop_map(Node::Odd),
    ];
    leaf.prop_recursive(5, 40, 6, |inside| prop::collection::vec((name(), inside), 0..6).prop_map(Node::Folder))
}

fn write(git: &Repository, node: &Node) -> (String, Oid) {
    let odb = git.odb().unwrap();
    match node {
        Node::File(content) => ("100644".into(), odb.write(ObjectType::Blob, content).unwrap()),
        Node::Link(target) => ("120000".into(), odb.write(ObjectType::Blob, target).unwrap()),
        Node::Folder(entries) => {
            let mut bytes = Vec::new();
            for (name, child) in entries {
                let (mode, id) = write(git, child);
                bytes.extend([mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat());
            }
            ("40000".into(), odb.write(ObjectType::Tree, &bytes).unwrap())
        }
        Node::Odd("100644") => ("100644".into(), Oid::from_bytes(&[7; 20]).unwrap()),
        Node::Odd(mode) => ((*mode).into(), odb.write(ObjectType::Blob, b"x").unwrap()),
    }
}

#[test]
fn what_is_read_of_a_commit_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let secret = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {OUTSIDE}}}\n");
    std::fs::write(outside.path().join("secret.yaml"), secret).unwrap();
    let git = Repository::init_bare(folder.path()).unwrap();
    let path = prop::sample::select(vec!["", "d", "a.yaml", "../..", "d/../..", "./d/", "/"]);
    let root = prop::collection::vec((name(), node(outside.path().to_str().unwrap().to_owned())), 0..6);
    proptest!(|(entries in root, path in path)| {
        let (_, tree) = write(&git, &Node::Folder(entries));
        let text = format!("tree {tree}\nauthor a <a@example.org> 0 +0000\ncommitter a <a@example.org> 0 +0000\n\nx\n");
        let commit = git.odb().unwrap().write(ObjectType::Commit, text.as_bytes()).unwrap();
        let source = SourceSpec { path: path.into(), ..SourceSpec::local("prod", folder.path()) };
        let cancel = Arc::default();
        match load(&source, &commit.to_string(), None, &cancel) {
            Ok(loaded) => {
                prop_assert!(loaded.contents.len() < 1000);
                for file in loaded.contents.paths() {
                    prop_assert!(!file.starts_with('/') && !file.contains(OUTSIDE), "{file}");
                }
                let shown = format!("{:?}", loaded.contents);
                prop_assert!(!shown.contains(OUTSIDE), "a link leads out: {shown}");
                // The same commit, beside what was read of it before.
                let again = load(&source, &commit.to_string(), Some(&loaded), &cancel).unwrap();
                prop_assert_eq!(again.contents.len(), loaded.contents.len());
            }
            Err(error) => {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains(OUTSIDE) && !shown.contains("root:x:"), "a link leads out: {shown}");
            }
        }
    });
    // The generated names would be read if they were in the repository.
    assert_eq!(manifest::parse("a.yaml", b"apiVersion: v1\nkind: X\nmetadata: {name: a}\n").objects.len(), 1);
}
