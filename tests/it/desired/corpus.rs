//! A real application's manifests, read whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use driftwall::source::{SourceSpec, load, local_commit};
use driftwall_core::desired::Snapshot;

fn source(folder: &Path, path: &str) -> SourceSpec {
    SourceSpec { path: path.into(), namespace: Some("shop".into()), ..SourceSpec::local("shop", folder) }
}

#[test]
fn every_object_of_a_release_is_found() {
    let corpus = Path::new("tests/data/corpus/online-boutique");
    let folder = tempfile::tempdir().unwrap();
    crate::common::git::commit_folder(folder.path(), corpus);
    let source = source(folder.path(), "release");
    let contents = load(&source, &local_commit(&source).unwrap(), None, &Arc::default()).unwrap().contents;

    // Counted another way: every document of these files says its kind on a line of its own.
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for file in std::fs::read_dir(corpus.join("release")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for kind in text.lines().filter_map(|line| line.strip_prefix("kind: ")) {
            *written.entry(kind.trim().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(contents.len(), written.values().sum::<usize>());
    let snapshot = Snapshot::new(vec![contents]);
    for (kind, count) in written {
        let groups = ["", "apps", "networking.istio.io", "gateway.networking.k8s.io"];
        let found: usize =
            groups.iter().filter_map(|group| snapshot.count_of_kind(group, &kind)).map(|(count, _)| count).sum();
        assert_eq!(found, count, "{kind}");
    }
}
