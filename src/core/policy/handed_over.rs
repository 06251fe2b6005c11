//! Fields that Git itself hands to a machine: by an annotation or label in Git, a controller
//! is asked to change them. Workloads may, persons may not.

use std::sync::LazyLock;

use serde_json::Value;

use super::evaluation::Evaluation;
use super::review_object::{parse_new, parse_old};
use crate::desired::Declared;
use crate::diff::{Path, Pattern};
use crate::glob;
use globset::GlobMatcher;

/// A mark in Git, and the fields that it hands over.
#[derive(Debug)]
pub struct HandOver {
    /// Glob of the annotation or label that Git declares; in words, where it is a field.
    pub mark: &'static str,
    /// The API group, a glob.
    pub group: &'static str,
    /// The kind, a glob.
    pub kind: &'static str,
    /// The fields.
    pub fields: HandedFields,
    /// Where it is written what the mark does.
    pub source: &'static str,
}

/// The fields that a mark hands over.
#[derive(Clone, Copy, Debug)]
pub enum HandedFields {
    /// These paths, and what is below them.
    Paths(&'static [&'static str]),
    /// Paths of an Ingress below `/.well-known/acme-challenge/`.
    AcmeChallenges,
    /// The images of the containers that the value of the annotation names.
    TriggeredImages,
    /// The images that triggers in the `spec` of a `DeploymentConfig` name, if they are automatic.
    ImageChanges,
    /// `kustomize.images` of an Application, and the `helm.parameters` that annotations name.
    UpdatedImages,
}

use HandedFields::{AcmeChallenges, ImageChanges, Paths, TriggeredImages, UpdatedImages};

const fn row(
    mark: &'static str,
    (group, kind): (&'static str, &'static str),
    fields: HandedFields,
    source: &'static str,
) -> HandOver {
    HandOver { mark, group, kind, fields, source }
}

const REPLICAS: HandedFields = Paths(&["spec.replicas"]);
const CA_BUNDLES: HandedFields =
    Paths(&["webhooks[*].clientConfig.caBundle", "spec.conversion.webhook.clientConfig.caBundle", "spec.caBundle"]);
const IMAGES: HandedFields = Paths(&[
    "spec.template.spec.containers[*].image",
    "spec.template.spec.initContainers[*].image",
    "spec.jobTemplate.spec.template.spec.containers[*].image",
]);
/// What downscalers scale to nothing: replicas, an autoscaler's least count, a pause of a `CronJob`.
const DOWNSCALED: HandedFields = Paths(&["spec.replicas", "spec.minReplicas", "spec.minReplicaCount", "spec.suspend"]);
/// What Kueue changes of a job as it admits it, and puts back as it stops it.
const QUEUED: HandedFields = Paths(&[
    "spec.suspend",
    "spec.runPolicy.suspend",
    "spec.template.spec.nodeSelector",
    "spec.template.spec.tolerations",
    "spec.template.spec.schedulingGates",
]);
const DATA: HandedFields = Paths(&["data", "binaryData", "stringData"]);

const ANY: (&str, &str) = ("*", "*");
const INGRESS: (&str, &str) = ("networking.k8s.io", "Ingress");
const CERT_MANAGER: &str = "https://cert-manager.io/docs/reference/annotations/";
const CLUSTER_API: &str =
    "https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/clusterapi/README.md";
const KUEUE: &str = "https://kueue.sigs.k8s.io/docs/tasks/run/jobs/";
const OPENSHIFT: &str = "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/images/triggering-updates-on-imagestream-changes";
const SERVICE_CA: &str = "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/security_and_compliance/configuring-certificates";
const DOWNSCALER: &str = "https://github.com/caas-team/py-kube-downscaler";
const REPLICATOR: &str = "https://github.com/mittwald/kubernetes-replicator";

/// What stands for a trigger in `spec` where other rows have an annotation; no key of one looks so.
const IMAGE_CHANGE: &str = "spec.triggers: ImageChange";

/// All hand-overs.
pub const HAND_OVERS: &[HandOver] = &[
    row("acme.cert-manager.io/http01-edit-in-place", INGRESS, AcmeChallenges, CERT_MANAGER),
    row("certmanager.k8s.io/acme-http01-edit-in-place", INGRESS, AcmeChallenges, CERT_MANAGER),
    row("cert-manager.io/inject-*", ANY, CA_BUNDLES, "https://cert-manager.io/docs/concepts/ca-injector/"),
    row("service.beta.openshift.io/inject-cabundle", ANY, CA_BUNDLES, SERVICE_CA),
    row("service.beta.openshift.io/inject-cabundle", ("", "ConfigMap"), Paths(&["data"]), SERVICE_CA),
    row("config.openshift.io/inject-trusted-cabundle", ("", "ConfigMap"), Paths(&["data"]), SERVICE_CA),
    row("image.openshift.io/triggers", ANY, TriggeredImages, OPENSHIFT),
    row(
        IMAGE_CHANGE,
        ("apps.openshift.io", "DeploymentConfig"),
        ImageChanges,
        "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/building_applications/deployments",
    ),
    row("keel.sh/policy", ANY, IMAGES, "https://keel.sh/docs/"),
    row(
        "argocd-image-updater.argoproj.io/image-list",
        ("argoproj.io", "Application"),
        UpdatedImages,
        "https://argocd-image-updater.readthedocs.io/en/stable/basics/update-methods/",
    ),
    row("cluster.x-k8s.io/cluster-api-autoscaler-node-group-*", ("cluster.x-k8s.io", "*"), REPLICAS, CLUSTER_API),
    row(
        "machine.openshift.io/cluster-api-autoscaler-node-group-*",
        ("machine.openshift.io", "*"),
        REPLICAS,
        CLUSTER_API,
    ),
    row(
        "cluster.x-k8s.io/replicas-managed-by",
        ("*cluster.x-k8s.io", "*"),
        REPLICAS,
        "https://cluster-api.sigs.k8s.io/reference/api/labels-and-annotations",
    ),
    row("kueue.x-k8s.io/queue-name", ANY, QUEUED, KUEUE),
    row("kueue.x-k8s.io/job-min-parallelism", ("batch", "Job"), Paths(&["spec.parallelism"]), KUEUE),
    row("downscaler/*time*", ANY, DOWNSCALED, DOWNSCALER),
    row("downscaler/*-replicas", ANY, DOWNSCALED, DOWNSCALER),
    row("sablier.enable", ANY, REPLICAS, "https://sablierapp.dev/providers/kubernetes/"),
    row("osiris.dm.gg/enable*", ANY, REPLICAS, "https://github.com/dailymotion-oss/osiris"),
    row("replicator.v1.mittwald.de/replicate-from", ("", "*"), DATA, REPLICATOR),
    row(
        "secret-generator.v1.mittwald.de/*",
        ("", "Secret"),
        DATA,
        "https://github.com/mittwald/kubernetes-secret-generator",
    ),
    row(
        "reflector.v1.k8s.emberstack.com/reflects",
        ("", "*"),
        DATA,
        "https://github.com/emberstack/kubernetes-reflector",
    ),
];

/// A row, ready to be matched.
struct Compiled {
    mark: GlobMatcher,
    group: GlobMatcher,
    kind: GlobMatcher,
    fields: HandedFields,
    paths: Vec<Pattern>,
}

/// A row that does not compile hands nothing over: a test keeps the table from having one.
static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| HAND_OVERS.iter().filter_map(compile).collect());

fn compile(row: &HandOver) -> Option<Compiled> {
    let paths = match row.fields {
        Paths(paths) => paths.iter().map(|path| path.parse()).collect::<Result<_, _>>().ok()?,
        AcmeChallenges | ImageChanges | TriggeredImages | UpdatedImages => Vec::new(),
    };
    Some(Compiled {
        mark: glob::matcher(row.mark).ok()?,
        group: glob::matcher(row.group).ok()?,
        kind: glob::matcher(row.kind).ok()?,
        fields: row.fields,
        paths,
    })
}

/// What of a declared object machines may change, because Git hands it to them.
pub(super) struct HandedOver {
    paths: Vec<Pattern>,
    /// Fields of which a part is handed over, and nothing else is changed by this write.
    partly: Vec<&'static [&'static str]>,
}

impl HandedOver {
    /// What Git hands to the writer of this write; nothing to a person.
    pub(super) fn of(evaluation: &Evaluation<'_, '_>, declared: &Declared) -> Self {
        let mut handed = Self { paths: Vec::new(), partly: Vec::new() };
        if evaluation.actor.is_person() {
            return handed;
        }
        let git = evaluation.context.snapshot.object(declared);
        for row in COMPILED.iter() {
            if !row.group.is_match(&*evaluation.write.resource.group) || !row.kind.is_match(&evaluation.kind) {
                continue;
            }
            if matches!(row.fields, ImageChanges) {
                handed.paths.extend(changed_images(&git));
                continue;
            }
            let Some(value) = mark_of(&git, &row.mark) else { continue };
            match row.fields {
                ImageChanges => {}
                Paths(_) => handed.paths.extend(row.paths.iter().cloned()),
                AcmeChallenges => handed.add_rules(evaluation, value != "false"),
                TriggeredImages => handed.paths.extend(triggered_images(value, &git)),
                UpdatedImages => handed.add_sources(evaluation, &git),
            }
        }
        // An Issuer may name the Ingress to edit, which carries no mark then.
        handed.add_rules(evaluation, evaluation.actor.preset() == Some("cert-manager"));
        handed
    }

    /// Whether a change at the path is handed over.
    pub(super) fn covers(&self, path: &Path) -> bool {
        self.paths.iter().any(|pattern| pattern.covers(path))
            || self.partly.iter().any(|fields| path.starts_with(fields))
    }

    /// The rules of an Ingress, if the write changes nothing in them but paths of challenges.
    fn add_rules(&mut self, evaluation: &Evaluation<'_, '_>, is_handed: bool) {
        const RULES: &[&str] = &["spec", "rules"];
        if is_handed
            && evaluation.is_kind("networking.k8s.io", "Ingress")
            && changes_alike(evaluation, |object| without_challenges(&object["spec"]["rules"]))
        {
            self.partly.push(RULES);
        }
    }

    /// The sources of an Application, if the write changes nothing in them but images.
    fn add_sources(&mut self, evaluation: &Evaluation<'_, '_>, git: &Value) {
        const SOURCES: [&[&str]; 2] = [&["spec", "source"], &["spec", "sources"]];
        let names = updated_parameters(git);
        if changes_alike(evaluation, |object| without_images(object["spec"].clone(), &names)) {
            self.partly.extend(SOURCES);
        }
    }
}

/// Whether `rest`, what is not handed over, is the same before and after the write.
fn changes_alike(evaluation: &Evaluation<'_, '_>, rest: impl Fn(&Value) -> Value) -> bool {
    match (parse_old(evaluation.write), parse_new(evaluation.write)) {
        (Ok(Some(old)), Ok(new)) => rest(&old) == rest(&new),
        _ => false,
    }
}

/// The value of the annotation or label in Git that the glob matches.
fn mark_of<'v>(git: &'v Value, mark: &GlobMatcher) -> Option<&'v str> {
    let maps = ["annotations", "labels"].into_iter().filter_map(|map| git["metadata"][map].as_object());
    let found = maps.flatten().find(|(key, _)| mark.is_match(key))?;
    Some(found.1.as_str().unwrap_or_default())
}

/// Where the challenges of ACME's HTTP-01 are (RFC 8555, section 8.3).
const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// The rules of an Ingress without the paths of challenges, and without the rules that are for them alone.
fn without_challenges(rules: &Value) -> Value {
    let mut kept = Vec::new();
    for rule in rules.as_array().into_iter().flatten() {
        let mut rule = rule.clone();
        if let Some(paths) = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut) {
            let before = paths.len();
            paths.retain(|path| !path["path"].as_str().unwrap_or_default().starts_with(CHALLENGE));
            if paths.is_empty() && before > 0 {
                continue;
            }
        }
        kept.push(rule);
    }
    Value::Array(kept)
}

/// The images that `OpenShift`'s trigger names, such as `spec.template.spec.containers[?(@.name=="web")].image`.
fn triggered_images(value: &str, git: &Value) -> Vec<Pattern> {
    let Ok(Value::Array(triggers)) = serde_json::from_str(value) else { return Vec::new() };
    let paths = triggers.iter().filter_map(|trigger| trigger["fieldPath"].as_str());
    paths.filter_map(|path| image_pattern(path, git)).collect()
}

/// The images that `OpenShift` sets by triggers of a `DeploymentConfig`, and its note of what it has set.
fn changed_images(git: &Value) -> Vec<Pattern> {
    let triggers = git["spec"]["triggers"].as_array().into_iter().flatten();
    let changes = triggers.map(|trigger| &trigger["imageChangeParams"]).filter(|change| change["automatic"] == true);
    let names = changes.flat_map(|change| change["containerNames"].as_array().into_iter().flatten());
    let mut patterns = Vec::new();
    for name in names.filter_map(Value::as_str).filter(|name| is_container_name(name)) {
        for list in ["containers", "initContainers"] {
            patterns.extend(format!("spec.template.spec.{list}[name=\"{name}\"].image").parse::<Pattern>().ok());
        }
    }
    patterns
}

fn is_container_name(name: &str) -> bool {
    name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}

fn image_pattern(field_path: &str, git: &Value) -> Option<Pattern> {
    let (list, rest) = field_path.split_once('[')?;
    let (selector, field) = rest.rsplit_once(']')?;
    if field != ".image" || !(list.ends_with("ontainers")) {
        return None;
    }
    let name = match selector.parse::<usize>() {
        Ok(index) => {
            let containers = list.split('.').fold(git, |value, name| &value[name]);
            containers[index]["name"].as_str()?
        }
        // The name is what stands in quotes.
        Err(_) => selector.split(['"', '\'']).nth(1)?,
    };
    if is_container_name(name) { format!("{list}[name=\"{name}\"].image").parse().ok() } else { None }
}

/// What the image updater's annotations begin with.
const IMAGE_UPDATER: &str = "argocd-image-updater.argoproj.io/";

/// The Helm parameters that the image updater sets: those that annotations name, and its defaults.
fn updated_parameters(git: &Value) -> Vec<String> {
    let mut names = vec!["image.name".to_owned(), "image.tag".to_owned()];
    for (key, value) in git["metadata"]["annotations"].as_object().into_iter().flatten() {
        let names_parameter = [".helm.image-name", ".helm.image-tag", ".helm.image-spec"];
        if key.starts_with(IMAGE_UPDATER) && names_parameter.iter().any(|suffix| key.ends_with(suffix)) {
            names.extend(value.as_str().map(str::to_owned));
        }
    }
    names
}

/// The `spec` of an Application without images and the parameters of these names.
fn without_images(mut spec: Value, names: &[String]) -> Value {
    let strip = |source: &mut Value| {
        let is_updated = |parameter: &Value| {
            parameter["name"].as_str().is_some_and(|name| names.iter().any(|updated| updated == name))
        };
        for (part, list) in [("helm", "parameters"), ("kustomize", "images")] {
            let Some(fields) = source.get_mut(part).and_then(Value::as_object_mut) else { continue };
            if let Some(items) = fields.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| part == "helm" && !is_updated(item));
                if items.is_empty() {
                    fields.remove(list);
                }
            }
            if fields.is_empty()
                && let Some(source) = source.as_object_mut()
            {
                source.remove(part);
            }
        }
    };
    if let Some(source) = spec.get_mut("source") {
        strip(source);
    }
    if let Some(sources) = spec.get_mut("sources").and_then(Value::as_array_mut) {
        sources.iter_mut().for_each(strip);
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_compiles() {
        for row in HAND_OVERS {
            assert!(compile(row).is_some(), "{row:?}");
        }
    }
}
