//! From which files of the repository a rendered object came. Where that is not
//! sure, the kustomization or the chart stands for them.

use std::sync::Arc;

use super::error::RenderError;
use super::kustomization::{Sources, objects};
use super::tree::{Files, Found};
use driftwall_core::manifest::{Object, RenderInput, trace_to_inputs};

/// Objects as files of kustomizations have them.
pub(super) struct Originals<'s> {
    sources: &'s Sources,
    resources: Vec<(Arc<str>, Object)>,
    patches: Vec<(Arc<str>, Object)>,
    top: Arc<str>,
}

impl<'s> Originals<'s> {
    /// Reads the files that kustomizations name. What cannot be read there is
    /// for kustomize to complain about.
    pub(super) fn read(files: &Files<'_>, sources: &'s Sources) -> Result<Self, RenderError> {
        let all = |list: &[Found]| -> Result<Vec<(Arc<str>, Object)>, RenderError> {
            let mut all = Vec::new();
            for found in list {
                let file: Arc<str> = found.path.as_str().into();
                all.extend(objects(files, found)?.into_iter().map(|object| (file.clone(), object)));
            }
            Ok(all)
        };
        let (resources, patches) = (all(&sources.resources)?, all(&sources.patches)?);
        Ok(Self { sources, resources, patches, top: sources.top.as_str().into() })
    }

    /// Gives a rendered object the places where its fields are written.
    pub(super) fn trace(&self, rendered: Object) -> (Arc<str>, Object) {
        let alike = |(_, object): &&(Arc<str>, Object)| self.is_from(&rendered, object);
        let resources: Vec<_> = self.resources.iter().filter(alike).collect();
        let same_namespace = resources.iter().copied().filter(|(_, object)| object.namespace == rendered.namespace);
        let one = match (resources.as_slice(), same_namespace.collect::<Vec<_>>().as_slice()) {
            ([one], _) | (_, [one]) => Some(*one),
            // None, or several, of which nobody can tell which it was.
            _ => None,
        };
        let mut origins = Vec::new();
        if let Some((file, object)) = one {
            origins.push(RenderInput { file, object });
            origins.extend(self.patches.iter().filter(alike).map(|(file, object)| RenderInput { file, object }));
        }
        let otherwise = self.generator(&rendered).unwrap_or(&self.top).clone();
        trace_to_inputs(rendered, &origins, &otherwise)
    }

    fn is_from(&self, rendered: &Object, object: &Object) -> bool {
        let group =
            |object: &Object| object.api_version.split_once('/').map_or(String::new(), |(group, _)| group.into());
        rendered.kind == object.kind
            && group(rendered) == group(object)
            && self.is_name_from(&rendered.name, &object.name)
    }

    /// Whether prefixes and suffixes of these kustomizations make one name of the other.
    fn is_name_from(&self, rendered: &str, name: &str) -> bool {
        let Sources { prefixes, suffixes, .. } = self.sources;
        rendered
            .match_indices(name)
            .any(|(at, _)| is_made_of(&rendered[..at], prefixes) && is_made_of(&rendered[at + name.len()..], suffixes))
    }

    /// The kustomization whose generator made a ConfigMap or Secret.
    fn generator(&self, rendered: &Object) -> Option<&Arc<str>> {
        let made = self.sources.generated.iter();
        let mut made = made.filter(|(kind, name, _)| {
            *kind == rendered.kind && !name.is_empty() && rendered.name.contains(name.as_str())
        });
        let (first, second) = (made.next()?, made.next());
        second.is_none().then_some(&first.2)
    }
}

/// Whether a text is some of `parts`, one after another, each once.
fn is_made_of(text: &str, parts: &[String]) -> bool {
    // A name has few of them; whoever wants to make this slow is told no.
    let mut steps = 1_000;
    takes_apart(text, &mut parts.iter().map(String::as_str).collect(), &mut steps)
}

fn takes_apart(text: &str, parts: &mut Vec<&str>, steps: &mut usize) -> bool {
    if text.is_empty() {
        return true;
    }
    for index in 0..parts.len() {
        *steps = steps.saturating_sub(1);
        if let Some(rest) = text.strip_prefix(parts[index]).filter(|rest| rest.len() < text.len() && *steps > 0) {
            let part = parts.swap_remove(index);
            if takes_apart(rest, parts, steps) {
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
    fn a_name_is_made_of_parts_that_are_used_once() {
        let parts: Vec<String> = ["-a", "-b", "-b", ""].map(str::to_owned).into();
        for (text, expected) in
            [("", true), ("-a", true), ("-b-a-b", true), ("-a-a", false), ("-c", false), ("-b-b-b", false)]
        {
            assert_eq!(is_made_of(text, &parts), expected, "{text}");
        }
        let ones = vec!["a".to_owned(); 2_000];
        assert!(!is_made_of(&("a".repeat(200) + "b"), &ones));
    }
}
