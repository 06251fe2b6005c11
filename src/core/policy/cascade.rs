//! Deletions that take declared objects along: of a Namespace, or of a
//! CustomResourceDefinition.

use serde_json::Value;

use super::evaluation::Evaluation;
use crate::desired::Source;

/// Whether other objects go with objects of this kind.
pub(super) fn holds_objects(evaluation: &Evaluation<'_, '_>) -> bool {
    evaluation.is_kind("", "Namespace") || evaluation.is_kind("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// How many declared objects go with a deleted one, and a source that declares
/// some: those in a Namespace, or those of the kind that a
/// CustomResourceDefinition defines. `None` where there are none.
pub(super) fn declared_objects_in<'a>(evaluation: &Evaluation<'_, 'a>, old: &Value) -> Option<(usize, &'a Source)> {
    let snapshot = evaluation.context.snapshot;
    if evaluation.is_kind("", "Namespace") {
        return snapshot.count_in_namespace(&evaluation.name);
    }
    if evaluation.is_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let spec = &old["spec"];
        return snapshot.count_of_kind(spec["group"].as_str()?, spec["names"]["kind"].as_str()?);
    }
    None
}
