//! Which application an object belongs to. The tool's own list says so; a mark that an object
//! carries only decides between applications that list it, or stands for a list that is missing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::evaluation::Evaluation;
use crate::applications::{Account, Application, ApplicationKind, ApplicationName, InstanceMark};
use crate::desired::ObjectKey;

/// Where Argo CD notes whose an object is, and of which Argo CD
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>).
const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
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
    fn of(json: Option<&str>) -> Self {
        let object = json.and_then(|json| serde_json::from_str::<Object>(json).ok());
        object.map(|object| object.metadata).unwrap_or_default()
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key).map(String::as_str)
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether the object says that it belongs to this application.
    fn name(&self, application: &Application, key: ObjectKey<'_>) -> bool {
        let ApplicationName { kind, namespace, name } = &application.name;
        let is_labelled = |[of_name, of_namespace]: [&str; 2]| {
            self.label(of_name) == Some(name) && self.label(of_namespace) == Some(namespace)
        };
        match (kind, &application.mark) {
            (ApplicationKind::HelmRelease, _) => is_labelled(HELM_RELEASE),
            (ApplicationKind::Kustomization, _) => is_labelled(KUSTOMIZATION),
            (ApplicationKind::Application, None) => false,
            (ApplicationKind::Application, Some(InstanceMark { instance, tracking })) => {
                let installation = self.annotation(INSTALLATION_ID).unwrap_or_default();
                let by_annotation = || self.tracked(key) == Some(instance);
                let by_label = || self.label(&tracking.label).is_some_and(|label| label == instance);
                installation == tracking.installation && if tracking.is_by_label { by_label() } else { by_annotation() }
            }
        }
    }

    /// The application of a tracking id; one of another object was copied from there and says nothing.
    fn tracked(&self, key: ObjectKey<'_>) -> Option<&str> {
        let (application, of) = self.annotation(TRACKING_ID)?.split_once(':')?;
        let place = format!("{}/{}:", key.group, key.kind);
        let (_, name) = of.strip_prefix(&place)?.split_once('/')?;
        (name == key.name).then_some(application)
    }
}

/// The application to which the object under review belongs; `None` where it belongs to none. Where several list it,
/// it is one that may deploy it: of these the one that the stored object names, else the oldest. Nobody takes an
/// object over by listing it too.
pub(in super::super) fn owning_application<'a>(evaluation: &Evaluation<'_, 'a>) -> Option<&'a Application> {
    let applications = evaluation.context.snapshot.applications();
    if applications.is_empty() {
        return None;
    }
    let key = evaluation.key();
    let listing = applications.listing(key);
    let permitted: Vec<_> = listing.iter().copied().filter(|application| application.may_deploy(key)).collect();
    let candidates = if permitted.is_empty() { listing } else { permitted };
    match candidates[..] {
        [] if applications.has_unlisted_releases() => unlisted(evaluation),
        [] => None,
        [application] => Some(application),
        [..] => {
            let marks = Marks::of(evaluation.write.old_object);
            let marked = candidates.iter().find(|application| marks.name(application, key));
            let oldest = candidates.iter().min_by(|a, b| a.created.cmp(&b.created));
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
/// belongs. Whoever may write an application may let it list anything: no account is exempt for what the tool would
/// not deploy for this application, or for what another one has marked as its own.
pub(in super::super) fn is_own_write(evaluation: &Evaluation<'_, '_>) -> bool {
    let Some((namespace, name)) = evaluation.write.user.service_account() else { return false };
    let account = Account { namespace: namespace.to_owned(), name: name.to_owned() };
    let applications = evaluation.context.snapshot.applications();
    if !applications.has_account(&account) {
        return false;
    }
    let Some(application) = owning_application(evaluation) else { return false };
    let key = evaluation.key();
    if !application.accounts.contains(&account) || !application.may_deploy(key) {
        return false;
    }
    let marks = Marks::of(evaluation.write.old_object);
    // A label that charts use for names of their own is no proof of another application.
    let is_of_another = |other: &Application| {
        let is_by_label = other.mark.as_ref().is_some_and(|mark| mark.tracking.is_by_label);
        other.name != application.name && !is_by_label && other.is_here() && marks.name(other, key)
    };
    marks.name(application, key) || !applications.iter().any(is_of_another)
}
