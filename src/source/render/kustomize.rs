//! Renders a kustomization with `kustomize build` or `kubectl kustomize`, which
//! are the same program inside.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::error::RenderError;
use super::job::{Job, Runs, Tool};
use super::kustomization::KustomizationInputs;
use super::programs::Program;
use super::provenance::ProvenanceIndex;
use super::{RenderPlan, Rendered};
use crate::source::reading_place::ReadingPlace;

/// What `kustomize` or `kubectl` is to do.
pub(super) fn job(folder: &str, program: &Program) -> Job {
    let build = if program.name == "kubectl" { "kustomize" } else { "build" };
    // A kustomization's files must be in its own folder: so it reads only what was written here.
    let arguments = [build, "--load-restrictor=LoadRestrictionsRootOnly", "."].map(str::to_owned).into();
    Job { tool: Tool::Kustomize, folder: folder.to_owned(), arguments, inputs: BTreeMap::new(), runs: Runs::Once }
}

pub(super) fn render(
    plan: &RenderPlan<'_, '_>,
    inputs: &KustomizationInputs,
    source: &str,
    cancel: &AtomicBool,
) -> Result<Rendered, RenderError> {
    let output = plan.output(&plan.job, source, cancel)?;
    let place = ReadingPlace::wait_for(output.first.len());
    let provenance = ProvenanceIndex::read(&plan.files, inputs)?;
    let objects = plan.parse(&output.first)?.into_iter().map(|object| provenance.trace(object)).collect();
    Ok(plan.rendered(&output, objects, place))
}
