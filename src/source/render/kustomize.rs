//! Renders a kustomization with `kustomize build` or `kubectl kustomize`, which
//! are the same program inside.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::error::RenderError;
use super::helm::{self, HelmOptions};
use super::job::{Job, Runs, Tool};
use super::kustomization::KustomizationInputs;
use super::nondeterminism::StableObjects;
use super::programs::Program;
use super::provenance::ProvenanceIndex;
use super::{RenderPlan, Rendered};
use crate::source::reading_place::ReadingPlace;

/// How a kustomization is built: `kustomize.buildOptions` of Argo CD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KustomizeOptions {
    /// Whether it may name Helm charts (`--enable-helm`).
    pub enable_helm: bool,
    /// Which files it may read (`--load-restrictor`).
    pub load_restrictor: LoadRestrictor,
}

/// Which files a kustomization may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadRestrictor {
    /// Those in its own folder.
    #[default]
    RootOnly,
    /// Those in the repository.
    None,
}

/// What `kustomize` or `kubectl` is to do.
pub(super) fn job(folder: &str, program: &Program, options: KustomizeOptions, capabilities: &HelmOptions) -> Job {
    let KustomizeOptions { enable_helm, load_restrictor } = options;
    let build = if program.name == "kubectl" { "kustomize" } else { "build" };
    let load_restrictor = match load_restrictor {
        LoadRestrictor::RootOnly => "--load-restrictor=LoadRestrictionsRootOnly",
        // What it names outside of the repository is refused before, and no other file is there.
        LoadRestrictor::None => "--load-restrictor=LoadRestrictionsNone",
    };
    let mut arguments: Vec<_> = [build, load_restrictor].map(str::to_owned).into();
    if enable_helm {
        arguments.push("--enable-helm".to_owned());
        if takes_capabilities(&program.version) {
            arguments.extend(helm::capability_arguments(capabilities, "--helm-kube-version", "--helm-api-versions"));
        }
    }
    arguments.push(".".to_owned());
    let runs = if enable_helm { Runs::Twice } else { Runs::Once };
    let (folder, inputs) = (folder.to_owned(), BTreeMap::new());
    Job { tool: Tool::Kustomize, folder, arguments, inputs, runs, helm: enable_helm }
}

/// Whether a kustomize has flags for what the cluster serves: since 5.3, from which on Argo CD gives them too
/// (`parseKustomizeBuildOptions` in its `util/kustomize`).
fn takes_capabilities(version: &str) -> bool {
    // `v1.37.1 (kustomize v5.8.1)` of kubectl, `v5.8.1`, `{Version:kustomize/v4.5.7 …}`.
    let version = version.split_once("kustomize").map_or(version, |(_, own)| own);
    let mut numbers = version.trim_start_matches(['/', ' ', 'v']).split(['.', ' ', ')']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 3),
        _ => false,
    }
}

pub(super) fn render(
    plan: &RenderPlan<'_, '_>,
    inputs: &KustomizationInputs,
    source: &str,
    cancel: &AtomicBool,
) -> Result<Rendered, RenderError> {
    let mut job = plan.job.clone();
    if job.runs == Runs::Twice && helm::uses_time(plan)? {
        job.runs = Runs::TwiceApart;
    }
    let output = plan.output(&job, source, cancel)?;
    let place = ReadingPlace::wait_for(output.first.len());
    let objects = plan.parse(&output.first)?.into_iter().map(|object| ((), object)).collect();
    let StableObjects { objects, opaque, warnings } = plan.stable_objects(objects, &output)?;
    let provenance = ProvenanceIndex::read(&plan.files, inputs)?;
    let objects = objects.into_iter().map(|((), object)| provenance.trace(object)).collect();
    Ok(Rendered { opaque, warnings, ..plan.rendered(&output, objects, place) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kustomize_takes_capabilities_since_5_3() {
        for (version, expected) in [
            ("v1.37.1 (kustomize v5.8.1)", true),
            ("v1.28.0 (kustomize v5.0.4-0.20230601165947-6ce0bf390ce3)", false),
            ("v5.3.0", true),
            ("v5.10.0", true),
            ("{Version:kustomize/v4.5.7 GitCommit:56d82a8}", false),
            ("v0", false),
            ("main", false),
        ] {
            assert_eq!(takes_capabilities(version), expected, "{version}");
        }
    }
}
