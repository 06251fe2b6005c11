//! Renders a kustomization with `kustomize build` or `kubectl kustomize`, which
//! are the same program inside.

use std::sync::atomic::AtomicBool;

use super::error::RenderError;
use super::kustomization::KustomizationInputs;
use super::provenance::ProvenanceIndex;
use super::{RenderPlan, Rendered};

pub(super) fn render(
    plan: &RenderPlan<'_, '_>,
    inputs: &KustomizationInputs,
    cancel: &AtomicBool,
) -> Result<Rendered, RenderError> {
    let checkout = plan.selection.write(&plan.files)?;
    let build = if plan.program.name == "kubectl" { "kustomize" } else { "build" };
    // A kustomization's files must be in its own folder: so it reads only what was written here.
    let arguments = [build, "--load-restrictor=LoadRestrictionsRootOnly", "."].map(str::to_owned);
    let output = plan.run(&checkout, &arguments, cancel)?;
    let provenance = ProvenanceIndex::read(&plan.files, inputs)?;
    let objects = plan.parse(&output)?.into_iter().map(|object| provenance.trace(object)).collect();
    Ok(plan.rendered(output, objects))
}
