//! What is known of an object beside its content: its labels in Git, and the applications that it
//! belongs to. Rules of `modes` may name them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::assessment::Assessment;
use crate::admission::Write;
use crate::desired::{Declared, ObjectKey, Source};

/// By what a tool knows the objects of an application: the label or annotation with its name, and the one
/// with its namespace, where there is one.
struct ApplicationMark {
    name: &'static str,
    namespace: Option<&'static str>,
}

const fn mark(name: &'static str) -> ApplicationMark {
    ApplicationMark { name, namespace: None }
}

const fn mark_in(name: &'static str, namespace: &'static str) -> ApplicationMark {
    ApplicationMark { name, namespace: Some(namespace) }
}

/// Argo CD's annotation, `APPLICATION:GROUP/KIND:NAMESPACE/NAME`; of an Application in another namespace than
/// Argo CD's own, `NAMESPACE_APPLICATION:…` (argo-cd, `util/argo/resource_tracking.go`).
const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";

/// <https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>,
/// <https://fluxcd.io/flux/components/kustomize/kustomizations/#garbage-collection>,
/// <https://helm.sh/docs/chart_best_practices/labels/>
const APPLICATION_MARKS: [ApplicationMark; 5] = [
    mark("argocd.argoproj.io/instance"),
    mark("app.kubernetes.io/instance"),
    mark_in("kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"),
    mark_in("helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"),
    mark_in("meta.helm.sh/release-name", "meta.helm.sh/release-namespace"),
];

/// What is known of an object beside its content.
#[derive(Debug, Default)]
pub struct ObjectMarks {
    /// The labels in Git, or those that a tool applied.
    pub labels: BTreeMap<String, String>,
    /// The names of its applications, each also as `NAMESPACE/NAME` where the namespace is known: the source
    /// that declares it, and what marks in Git say.
    pub applications: Vec<String>,
    /// The same by marks that the stored object merely carries. They may have been put there by
    /// anybody, so they count only where they make an answer stricter.
    pub claimed_applications: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Marked {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: Option<BTreeMap<String, Value>>,
    labels: Option<BTreeMap<String, Value>>,
}

impl ObjectMarks {
    /// The marks of what a write is about: of the object itself, or of the declared one that it belongs to.
    pub(crate) fn of(write: &Write<'_>, assessment: &Assessment<'_>) -> Self {
        let mut marks = Self::in_git(assessment.source, assessment.declared);
        match assessment.declared {
            Some(declared) => marks.claimed_applications = claimed_applications(write, assessment, declared),
            None => marks.labels.clone_from(&assessment.applied_labels),
        }
        marks
    }

    /// The marks in Git of an object that a source, or an application, declares; `declared` is what Git says of it,
    /// where that is known.
    pub(super) fn in_git(source: Option<&Source>, declared: Option<&Declared>) -> Self {
        let mut marks = Self::default();
        marks.applications.extend(source.map(|source| source.name.clone()));
        let applied_by = source.and_then(|source| source.applied_by.as_ref());
        marks.applications.extend(applied_by.into_iter().flat_map(|it| it.names.iter().cloned()));
        if let Some(declared) = declared {
            let git = Metadata::deserialize(&declared.object()["metadata"]).unwrap_or_default();
            marks.applications.extend(git.applications(declared.key()));
            let labels = git.labels.unwrap_or_default().into_iter();
            marks.labels = labels.filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect();
        }
        marks
    }

    /// The application that marks in Git name first: as `NAMESPACE/NAME` where the namespace is known.
    pub(super) fn application(declared: &Declared) -> Option<String> {
        let git = Metadata::deserialize(&declared.object()["metadata"]).unwrap_or_default();
        git.applications(declared.key()).into_iter().next()
    }
}

fn claimed_applications(write: &Write<'_>, assessment: &Assessment<'_>, declared: &Declared) -> Vec<String> {
    // Of what belongs to a declared object, the marks are its controller's.
    if assessment.name != declared.name || assessment.kind != declared.kind {
        return Vec::new();
    }
    let read = |json: &str| serde_json::from_str::<Marked>(json).ok();
    let Some(Marked { metadata }) = write.old_object.and_then(read) else { return Vec::new() };
    metadata.applications(declared.key())
}

impl Metadata {
    /// The applications that the labels and annotations of the object name.
    fn applications(&self, object: ObjectKey<'_>) -> Vec<String> {
        let value = |key: &str| {
            let maps = [&self.annotations, &self.labels].into_iter().flatten();
            maps.into_iter().find_map(|map| map.get(key)?.as_str())
        };
        let mut names = Vec::new();
        let mut add = |namespace: Option<&str>, name: &str| {
            names.extend(namespace.map(|namespace| format!("{namespace}/{name}")));
            names.push(name.to_owned());
        };
        if let Some((namespace, name)) = value(TRACKING_ID).and_then(|id| tracked_application(id, object)) {
            add(namespace, name);
        }
        for ApplicationMark { name, namespace } in APPLICATION_MARKS {
            if let Some(name) = value(name) {
                add(namespace.and_then(value), name);
            }
        }
        names
    }
}

/// The application of a tracking id, and its namespace, if there is one. An id that is of another object was copied
/// from there, by an operator for example, and says nothing.
fn tracked_application<'i>(id: &'i str, object: ObjectKey<'_>) -> Option<(Option<&'i str>, &'i str)> {
    let (application, of) = id.split_once(':')?;
    let (kind, place) = of.split_once(':')?;
    let (group, kind) = kind.split_once('/')?;
    let (namespace, name) = place.split_once('/')?;
    let is_its_own = (group, kind, name) == (object.group, object.kind, object.name)
        && (namespace == object.namespace || namespace.is_empty());
    // No name of Kubernetes has an underscore.
    let named = application.split_once('_').map_or((None, application), |(namespace, name)| (Some(namespace), name));
    is_its_own.then_some(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marks_name_applications_and_those_of_other_objects_none() {
        let object = ObjectKey { group: "apps", kind: "Deployment", namespace: "prod", name: "web" };
        for (metadata, expected) in [
            (json!({}), &[][..]),
            (json!({"labels": null, "annotations": null}), &[]),
            (json!({"labels": {"app.kubernetes.io/instance": "shop"}}), &["shop"]),
            (json!({"labels": {"app.kubernetes.io/instance": 7}}), &[]),
            (json!({"annotations": {TRACKING_ID: "shop:apps/Deployment:prod/web"}}), &["shop"]),
            (json!({"annotations": {TRACKING_ID: "team-a_shop:apps/Deployment:prod/web"}}), &["team-a/shop", "shop"]),
            (json!({"annotations": {TRACKING_ID: "shop:apps/Deployment:prod/api"}}), &[]),
            (json!({"annotations": {TRACKING_ID: "shop:apps/Deployment:test/web"}}), &[]),
            (json!({"annotations": {TRACKING_ID: "shop"}}), &[]),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
                &["flux-system/apps", "apps"],
            ),
            (json!({"annotations": {"meta.helm.sh/release-name": "web"}}), &["web"]),
        ] {
            let marked = Metadata::deserialize(&metadata).unwrap();
            assert_eq!(marked.applications(object), expected, "{metadata}");
        }
    }
}
