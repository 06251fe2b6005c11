//! From which files of the repository a rendered object comes. Where that is not
//! certain, it is the file of the kustomization or chart.

use std::sync::Arc;

use super::error::RenderError;
use super::kustomization::{KustomizationInputs, read_objects};
use super::tree::{CommitFiles, FileEntry};
use driftwall_core::manifest::{Object, RenderInput, trace_to_inputs};

/// The objects in the files of a kustomization, to find rendered objects in.
pub(super) struct ProvenanceIndex<'i> {
    inputs: &'i KustomizationInputs,
    resources: Vec<(Arc<str>, Object)>,
    patches: Vec<(Arc<str>, Object)>,
    /// Where what nothing else is known of comes from.
    fallback: Arc<str>,
}

impl<'i> ProvenanceIndex<'i> {
    /// Reads the files that kustomizations name. What cannot be read there is
    /// left to kustomize to report.
    pub(super) fn read(files: &CommitFiles<'_>, inputs: &'i KustomizationInputs) -> Result<Self, RenderError> {
        Ok(Self {
            inputs,
            resources: read_all(files, &inputs.resources)?,
            patches: read_all(files, &inputs.patches)?,
            fallback: fallback(inputs),
        })
    }

    /// Gives a rendered object the positions at which its fields are written.
    pub(super) fn trace(&self, rendered: Object) -> (Arc<str>, Object) {
        let could_be = |(_, object): &&(Arc<str>, Object)| self.is_from(&rendered, object);
        let mut origins = Vec::new();
        if let Some((file, object)) = self.resource_of(&rendered) {
            origins.push(RenderInput { file, object });
            let patches = self.patches.iter().filter(could_be);
            origins.extend(patches.map(|(file, object)| RenderInput { file, object }));
        }
        let fallback = self.generator_of(&rendered).unwrap_or(&self.fallback).clone();
        trace_to_inputs(rendered, &origins, &fallback)
    }

    /// The one resource that an object is rendered from; `None` where there is
    /// none, or where several could be it.
    fn resource_of(&self, rendered: &Object) -> Option<&(Arc<str>, Object)> {
        let candidates: Vec<_> = self.resources.iter().filter(|(_, object)| self.is_from(rendered, object)).collect();
        if let [only] = candidates.as_slice() {
            return Some(only);
        }
        let mut same_namespace = candidates.into_iter().filter(|(_, object)| object.namespace == rendered.namespace);
        match (same_namespace.next(), same_namespace.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    fn is_from(&self, rendered: &Object, object: &Object) -> bool {
        rendered.kind == object.kind
            && group(rendered) == group(object)
            && self.is_name_from(&rendered.name, &object.name)
    }

    /// Whether the prefixes and suffixes of these kustomizations make `rendered` out of `name`.
    fn is_name_from(&self, rendered: &str, name: &str) -> bool {
        let KustomizationInputs { prefixes, suffixes, .. } = self.inputs;
        rendered.match_indices(name).any(|(at, _)| {
            let (before, after) = (&rendered[..at], &rendered[at + name.len()..]);
            is_concatenation(before, prefixes) && is_concatenation(after, suffixes)
        })
    }

    /// The kustomization whose generator made a ConfigMap or Secret, if only one can be it.
    fn generator_of(&self, rendered: &Object) -> Option<&Arc<str>> {
        let mut candidates = self.inputs.generated.iter().filter(|generated| {
            generated.kind == rendered.kind
                && !generated.name.is_empty()
                && rendered.name.contains(generated.name.as_str())
        });
        match (candidates.next(), candidates.next()) {
            (Some(only), None) => Some(&only.kustomization),
            _ => None,
        }
    }
}

/// The file of which objects most likely are that no other file has: those of charts, where one file names
/// them, else of the kustomization itself.
fn fallback(inputs: &KustomizationInputs) -> Arc<str> {
    match inputs.charts.as_slice() {
        [first, others @ ..] if others.iter().all(|other| other.file == first.file) => first.file.clone(),
        _ => inputs.root_file.as_str().into(),
    }
}

fn read_all(files: &CommitFiles<'_>, entries: &[FileEntry]) -> Result<Vec<(Arc<str>, Object)>, RenderError> {
    let mut all = Vec::new();
    for entry in entries {
        let file: Arc<str> = entry.path.as_str().into();
        all.extend(read_objects(files, entry)?.into_iter().map(|object| (file.clone(), object)));
    }
    Ok(all)
}

/// The API group; empty for the core group.
fn group(object: &Object) -> &str {
    object.api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether a text consists of some of `parts`, one after another, each used once.
fn is_concatenation(text: &str, parts: &[String]) -> bool {
    // A name has few parts; an input that would need more steps counts as no match.
    let mut steps = 1_000;
    consume(text, &mut parts.iter().map(String::as_str).collect(), &mut steps)
}

fn consume(text: &str, parts: &mut Vec<&str>, steps: &mut usize) -> bool {
    if text.is_empty() {
        return true;
    }
    for index in 0..parts.len() {
        *steps = steps.saturating_sub(1);
        if let Some(rest) = text.strip_prefix(parts[index]).filter(|rest| rest.len() < text.len() && *steps > 0) {
            let part = parts.swap_remove(index);
            if consume(rest, parts, steps) {
                return true;
            }
            parts.push(part);
            let last = parts.len() - 1;
            parts.swap(index, last);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_use_each_prefix_or_suffix_once() {
        let parts: Vec<String> = ["-a", "-b", "-b", ""].map(str::to_owned).into();
        for (text, expected) in
            [("", true), ("-a", true), ("-b-a-b", true), ("-a-a", false), ("-c", false), ("-b-b-b", false)]
        {
            assert_eq!(is_concatenation(text, &parts), expected, "{text}");
        }
        let ones = vec!["a".to_owned(); 2_000];
        assert!(!is_concatenation(&("a".repeat(200) + "b"), &ones));
    }
}
