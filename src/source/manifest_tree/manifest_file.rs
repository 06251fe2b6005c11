//! Which files can hold manifests, and which of their objects are to be applied.

use serde_json::Value;

/// The ends of the names of files that can hold manifests.
const EXTENSIONS: [&str; 3] = [".json", ".yaml", ".yml"];
/// The end of the names of files that Argo CD renders in a folder of plain manifests.
const JSONNET: &str = ".jsonnet";

/// Whether a file can hold manifests.
pub(super) fn has_manifest_extension(file: &str) -> bool {
    EXTENSIONS.iter().any(|extension| file.ends_with(extension))
}

/// Whether people may take a file for one that is read: by an ending in capitals,
/// which no tool reads either, or because Argo CD renders it.
pub(super) fn is_almost_manifest(file: &str) -> bool {
    let lower = file.to_ascii_lowercase();
    has_manifest_extension(&lower) || lower.ends_with(JSONNET)
}

/// Whether Argo CD is told not to read the file, which need not be YAML then
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/directory/#skipping-file-rendering>).
pub(super) fn is_marked(contents: &[u8]) -> bool {
    // Few bytes are a plus, and every file is searched.
    contents.split(|byte| *byte == b'+').skip(1).any(|rest| rest.starts_with(b"argocd:skip-file-rendering"))
}

/// Whether an object is for tools alone. Flux's kustomizations leave it out
/// (<https://github.com/kubernetes-sigs/kustomize/blob/master/cmd/config/docs/api-conventions/config-io.md>).
pub(super) fn is_local_config(object: &Value) -> bool {
    let value = object.pointer("/metadata/annotations/config.kubernetes.io~1local-config");
    value.is_some_and(|value| value.as_str() != Some("false"))
}
