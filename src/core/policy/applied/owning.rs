//! Which application an object belongs to. The tool's own list says so; a mark that an object
//! carries only decides between applications that list it, or stands for a list that is missing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::evaluation::Evaluation;
use crate::applications::{Account, Application, ApplicationKind, ApplicationName};

/// Where Argo CD notes whose an object is
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>).
const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// The same by labels, in its own and in a usual form.
const INSTANCE: [&str; 2] = ["argocd.argoproj.io/instance", "app.kubernetes.io/instance"];
/// Where Flux does, for its Kustomizations and HelmReleases: name and namespace.
const KUSTOMIZATION: [&str; 2] = ["kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"];
const HELM_RELEASE: [&str; 2] = ["helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"];
/// Where Helm notes the release (`helm.sh/helm/pkg/action/validate.go`).
const RELEASE: [&str; 2] = ["meta.helm.sh/release-name", "meta.helm.sh/release-namespace"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Marks,
}

/// The labels and annotations of an object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Marks {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Marks {
    fn of(raw: Option<&RawValue>) -> Self {
        let object = raw.and_then(|raw| serde_json::from_str::<Object>(raw.get()).ok());
        object.map(|object| object.metadata).unwrap_or_default()
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key).map(String::as_str)
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether the object says that it belongs to this application.
    fn name(&self, name: &ApplicationName) -> bool {
        let is_labelled = |[of_name, of_namespace]: [&str; 2]| {
            self.label(of_name) == Some(&name.name) && self.label(of_namespace) == Some(&name.namespace)
        };
        match name.kind {
            ApplicationKind::Application => {
                let tracked = self.annotation(TRACKING_ID).and_then(|id| id.split(':').next());
                let instance = tracked.or_else(|| INSTANCE.iter().find_map(|key| self.label(key)));
                // One outside of Argo CD's namespace is named with its own (`InstanceName`).
                instance.is_some_and(|it| it == name.name || it == format!("{}_{}", name.namespace, name.name))
            }
            ApplicationKind::HelmRelease => is_labelled(HELM_RELEASE),
            ApplicationKind::Kustomization => is_labelled(KUSTOMIZATION),
        }
    }
}

/// The application to which the object under review belongs; `None` where it belongs to none. Where several list it,
/// it is the one that the stored object names, else the oldest: nobody takes an object over by listing it too.
pub(in super::super) fn owning_application<'a>(evaluation: &Evaluation<'_, 'a>) -> Option<&'a Application> {
    let applications = evaluation.context.snapshot.applications();
    if applications.is_empty() {
        return None;
    }
    let listing = applications.listing(evaluation.key());
    match listing[..] {
        [] if applications.has_unlisted_releases() => unlisted(evaluation),
        [] => None,
        [application] => Some(application),
        [..] => {
            let marks = Marks::of(evaluation.write.old_object);
            let marked = listing.iter().find(|application| marks.name(&application.name));
            let oldest = listing.iter().min_by(|a, b| a.created.cmp(&b.created));
            marked.or(oldest).copied()
        }
    }
}

/// The application of a HelmRelease that lists nothing: the object carries the marks of its release.
fn unlisted<'a>(evaluation: &Evaluation<'_, 'a>) -> Option<&'a Application> {
    let marks = Marks::of(evaluation.write.old_object);
    let [name, namespace] = HELM_RELEASE.map(|key| marks.label(key).map(str::to_owned));
    let name = ApplicationName { kind: ApplicationKind::HelmRelease, namespace: namespace?, name: name? };
    let application = evaluation.context.snapshot.applications().of_unlisted_release(&name)?;
    let release = application.release.as_ref()?;
    let [release_name, release_namespace] = RELEASE.map(|key| marks.annotation(key));
    let is_of_release = release_name == Some(&release.name) && release_namespace == Some(&release.namespace);
    is_of_release.then_some(application)
}

/// Whether the writer is an account as which a GitOps tool writes the objects of the application to which this one
/// belongs.
pub(in super::super) fn is_own_write(evaluation: &Evaluation<'_, '_>) -> bool {
    let Some((namespace, name)) = evaluation.write.user.service_account() else { return false };
    let account = Account { namespace: namespace.to_owned(), name: name.to_owned() };
    evaluation.context.snapshot.applications().has_account(&account)
        && owning_application(evaluation).is_some_and(|application| application.accounts.contains(&account))
}
