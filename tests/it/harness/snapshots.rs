//! Declared state made from YAML texts.

use std::sync::Arc;

use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::manifest::{self, Object};

/// The objects of a YAML text, all of which must be valid.
pub(crate) fn objects(file: &str, yaml: &str) -> Vec<Object> {
    let reading = manifest::parse(file, yaml.as_bytes());
    assert!(reading.errors.is_empty(), "{:?}\n{yaml}", reading.errors);
    reading.objects
}

/// A source that has read these files, as path and YAML; objects without a namespace get this one.
pub(crate) fn source_contents<'a>(
    source: Source,
    namespace: Option<&str>,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Arc<SourceContents> {
    let file = |(path, yaml): (&str, &str)| {
        Arc::new(FileContents::new(&Arc::from(path), namespace, objects(path, yaml)).unwrap())
    };
    Arc::new(SourceContents::new(source, files.into_iter().map(file).collect()))
}

/// A snapshot of one source with one file that has these objects.
pub(crate) fn snapshot_of(namespace: Option<&str>, objects: Vec<Object>) -> Snapshot {
    let file = FileContents::new(&Arc::from("app.yaml"), namespace, objects).unwrap();
    Snapshot::new(vec![Arc::new(SourceContents::new(Source::default(), vec![Arc::new(file)]))])
}

/// A snapshot of one source with one file.
pub(crate) fn snapshot(namespace: Option<&str>, yaml: &str) -> Snapshot {
    Snapshot::new(vec![source_contents(Source::default(), namespace, [("app.yaml", yaml)])])
}
