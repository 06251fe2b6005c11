//! Rendering a kustomization with `kustomize build` or `kubectl kustomize`,
//! which are the same program inside.

use std::sync::atomic::AtomicBool;

use super::error::RenderError;
use super::kustomization::Sources;
use super::provenance::Originals;
use super::{Plan, Rendered};

pub(super) fn render(plan: &Plan<'_, '_>, sources: &Sources, cancel: &AtomicBool) -> Result<Rendered, RenderError> {
    let checkout = plan.selection.write(&plan.files)?;
    let build = if plan.program.name == "kubectl" { "kustomize" } else { "build" };
    // Files of a kustomization stay in its folder: what it reads is what was written here.
    let arguments = [build, "--load-restrictor=LoadRestrictionsRootOnly", "."].map(str::to_owned);
    let text = plan.run(&checkout, &arguments, cancel)?;
    let originals = Originals::read(&plan.files, sources)?;
    let objects = plan.read(&text)?.into_iter().map(|object| originals.trace(object)).collect();
    Ok(plan.rendered(text, objects))
}
