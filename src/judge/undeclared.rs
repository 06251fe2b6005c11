//! A write to an object that Git does not declare: it may belong to one that
//! Git declares, hold some, or steer one.

use serde::Deserialize as _;
use serde_json::Value;

use super::cluster::Owner;
use super::declared::{is_kept, parsed};
use super::differ::{Scope, object_differences};
use super::metadata::{Metadata, metadata_of};
use super::verdict::{Judgement, Matter, Verdict};
use super::{Case, Outcome, Unjudged, borrowed, wording};
use crate::compare::{Difference, Nature, Path};
use crate::desired::{Declared, ObjectKey, Source};
use crate::review::Operation;

/// Kinds that aim a controller at another object: group, kind, and the field that aims.
const STEERING: [(&str, &str, &str); 5] = [
    ("argoproj.io", "Rollout", "workloadRef"),
    ("autoscaling", "HorizontalPodAutoscaler", "scaleTargetRef"),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", "targetRef"),
    ("flagger.app", "Canary", "targetRef"),
    ("keda.sh", "ScaledObject", "scaleTargetRef"),
];

/// Owner chains are followed this far: the longest that is known (Application →
/// operator → StatefulSet → Pod) is half of it.
const CHAIN: usize = 8;

/// Groups whose objects are notes of what runs, not configuration.
const NOTES: [&str; 4] = ["authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io", "events.k8s.io"];

pub(super) fn judge<'a>(case: &Case<'_, 'a>) -> Result<Judgement<'a>, Unjudged> {
    let write = case.write;
    if !write.resource.subresource.is_empty() {
        return if case.actor.is_person() { derived(case) } else { Ok(case.verdict(Verdict::Unmanaged)) };
    }
    if let Some(judgement) = borrowed::secret(case)? {
        return Ok(judgement);
    }
    match write.operation {
        Operation::Delete if holds_objects(case) => {
            let old = parsed("oldObject", write.old_object)?.unwrap_or_default();
            match taken_along(case, &old) {
                Some((objects, source)) if old["metadata"]["deletionTimestamp"].is_null() => {
                    Ok(case.verdict(Verdict::Drift).about(Matter::TakesAlong { objects }).of(source))
                }
                _ => Ok(case.verdict(Verdict::Unmanaged)),
            }
        }
        Operation::Create | Operation::Update if case.actor.is_person() && steering(case).is_some() => steers(case),
        Operation::Create => create(case),
        _ if case.actor.is_person() => derived(case),
        _ => Ok(case.verdict(Verdict::Unmanaged)),
    }
}

fn holds_objects(case: &Case<'_, '_>) -> bool {
    matches!(
        (&*case.write.resource.group, case.kind.as_str()),
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// How many objects of Git a deletion takes along, and a source that declares
/// some: those of a Namespace, or of the kind that a CustomResourceDefinition
/// defines. `None` where there are none.
pub(super) fn taken_along<'a>(case: &Case<'_, 'a>, old: &Value) -> Option<(usize, &'a Source)> {
    let snapshot = case.bench.snapshot;
    match (&*case.write.resource.group, case.kind.as_str()) {
        ("", "Namespace") => snapshot.held_in(&case.name),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let spec = &old["spec"];
            snapshot.held_of(spec["group"].as_str()?, spec["names"]["kind"].as_str()?)
        }
        _ => None,
    }
}

/// A new object: a strict namespace asks for a reason to let it in.
fn create<'a>(case: &Case<'_, 'a>) -> Result<Judgement<'a>, Unjudged> {
    let unmanaged = case.verdict(Verdict::Unmanaged);
    if case.namespace.is_empty()
        || is_note(&case.write.resource.group, &case.kind)
        || case.bench.policy.unmanaged_in(case.namespace) == Outcome::Allow
    {
        return Ok(unmanaged);
    }
    if !case.actor.is_person() {
        if is_address(&case.write.resource.group, &case.kind) {
            return Ok(unmanaged);
        }
        // What a controller makes for an object of Git is that object's. Not
        // every operator calls itself the controller of what it makes.
        let owners = metadata_of(case.write.object)?.owners();
        let found: Vec<_> = owners.map(|owner| declared_above(case, owner)).collect();
        if found.iter().any(|found| matches!(found, Ok(Some(_)))) {
            return Ok(case.verdict(Verdict::Conforms));
        }
        found.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(unmanaged.about(Matter::Unmanaged))
}

/// Whether objects of a kind say where something runs: controllers and meshes
/// write them, and leaders are elected by them.
fn is_address(group: &str, kind: &str) -> bool {
    matches!((group, kind), ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice"))
}

/// Whether objects of a kind are notes of what runs: no namespace is too strict for them.
fn is_note(group: &str, kind: &str) -> bool {
    NOTES.contains(&group) || (group.is_empty() && kind == "Event")
}

// === steering ===

fn steering(case: &Case<'_, '_>) -> Option<&'static str> {
    let is = |(group, kind, _): &&(&str, &str, &str)| *group == case.write.resource.group && *kind == case.kind;
    STEERING.iter().find(is).map(|(_, _, field)| *field)
}

fn steers<'a>(case: &Case<'_, 'a>) -> Result<Judgement<'a>, Unjudged> {
    let Some(field) = steering(case) else { return Ok(case.verdict(Verdict::Unmanaged)) };
    let old = parsed("oldObject", case.write.old_object)?;
    let new = parsed("object", case.write.object)?.ok_or(Unjudged::Absent("object"))?;
    // A recommender that changes nothing steers nothing.
    let is_off = |object: &Value| object["spec"]["updatePolicy"]["updateMode"] == "Off";
    let aim = |object: &Value| Aim::deserialize(&object["spec"][field]).unwrap_or_default();
    let (before, after) = (old.as_ref().filter(|old| !is_off(old)).map(aim), aim(&new));
    let (group, kind) = after.target();
    let target = ObjectKey { group, kind, namespace: case.namespace, name: &after.name };
    match case.bench.snapshot.get(target) {
        Some((declared, source)) if !is_off(&new) && before.as_ref() != Some(&after) => {
            let path = Path::of(&["spec", field]);
            let sent = Some(new["spec"][field].clone());
            let difference = Difference { path, nature: Nature::Extra, sent, declared: None };
            if case.may_move(&difference.path) {
                return Ok(case.verdict(Verdict::Unmanaged));
            }
            let mut finding = case.finding(difference, None, Outcome::Deny);
            finding.place = Some(declared.start());
            let matter = Matter::Steers { target: wording::name(target) };
            Ok(case.verdict(Verdict::Drift).about(matter).finding(vec![finding]).of(source))
        }
        _ if case.write.operation == Operation::Create => create(case),
        _ => derived(case),
    }
}

/// The object that a `scaleTargetRef` names.
#[derive(Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Aim {
    api_version: String,
    kind: String,
    name: String,
}

impl Aim {
    /// Group and kind; KEDA's default is a Deployment.
    fn target(&self) -> (&str, &str) {
        match (self.api_version.split_once('/'), self.kind.as_str()) {
            (_, "") => ("apps", "Deployment"),
            (Some((group, _)), kind) => (group, kind),
            (None, kind @ ("Deployment" | "ReplicaSet" | "StatefulSet")) if self.api_version.is_empty() => {
                ("apps", kind)
            }
            (None, kind) => ("", kind),
        }
    }
}

// === what belongs to an object of Git ===

/// A person's write to an object that may belong to one that Git declares.
fn derived<'a>(case: &Case<'_, 'a>) -> Result<Judgement<'a>, Unjudged> {
    let write = case.write;
    let metadata = match &*write.resource.subresource {
        // A Scale does not name the owner of what it scales.
        "scale" => None,
        _ => Some(metadata_of(write.old_object.or(write.object))?),
    };
    let is_going = metadata.as_ref().is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    let found = match metadata {
        Some(metadata) => ancestor(case, metadata),
        None => match case.bench.cluster.owner(case.key()) {
            Ok(owner) => owner.map_or(Ok(None), |owner| declared_above(case, owner)),
            Err(error) => Err(error.into()),
        },
    };
    let passing = match write.operation {
        Operation::Delete => Some(Verdict::Runtime),
        _ => is_going.then_some(Verdict::Conforms),
    };
    if let Some(verdict) = passing {
        // Whatever it belongs to it passes, also where that cannot be looked up.
        let is_of_git = found.is_ok_and(|found| found.is_some());
        return Ok(case.verdict(if is_of_git { verdict } else { Verdict::Unmanaged }));
    }
    let Some((declared, source)) = found? else { return Ok(case.verdict(Verdict::Unmanaged)) };
    let findings = moved(case)?;
    if findings.is_empty() {
        return Ok(case.verdict(Verdict::Conforms));
    }
    let findings = findings.into_iter().map(|(difference, hardest)| {
        let mut finding = case.finding(difference, None, hardest);
        finding.place = Some(declared.start());
        finding
    });
    let matter = Matter::Derived { owner: wording::name(declared.key()) };
    Ok(case.verdict(Verdict::Drift).about(matter).finding(findings.collect()).of(source))
}

/// The fields of a derived object that a write moves, each with its hardest answer.
fn moved(case: &Case<'_, '_>) -> Result<Vec<(Difference, Outcome)>, Unjudged> {
    let old = parsed("oldObject", case.write.old_object)?;
    let new = parsed("object", case.write.object)?.ok_or(Unjudged::Absent("object"))?;
    let moved = match &*case.write.resource.subresource {
        "scale" => {
            let replicas = |scale: &Value| scale["spec"].get("replicas").cloned().unwrap_or_else(|| 0.into());
            let (path, sent) = (Path::of(&["spec", "replicas"]), replicas(&new));
            let moves = old.as_ref().map(replicas) != Some(sent.clone());
            let difference = Difference { path, nature: Nature::Extra, sent: Some(sent), declared: None };
            if moves { vec![difference] } else { Vec::new() }
        }
        "status" => object_differences(None, old.as_ref(), &new, crate::compare::unknown(), Scope::Marks),
        _ => case.with_schema(|place, _| object_differences(None, old.as_ref(), &new, place, Scope::Object))?,
    };
    let is_soft = |path: &Path| {
        path.is_under(&["metadata", "annotations"])
            || path.is_under(&["metadata", "labels"])
            || path.is_under(&["spec", "ephemeralContainers"])
    };
    let weighed = moved.into_iter().filter(|difference| !is_kept(&difference.path) && !case.may_move(&difference.path));
    Ok(weighed
        .map(|difference| {
            let hardest = if is_soft(&difference.path) { Outcome::Warn } else { Outcome::Deny };
            (difference, hardest)
        })
        .collect())
}

/// The object of Git that an object's owner chain leads to.
fn ancestor<'a>(case: &Case<'_, 'a>, metadata: Metadata) -> Result<Option<(&'a Declared, &'a Source)>, Unjudged> {
    metadata.controller().map_or(Ok(None), |owner| declared_above(case, owner))
}

fn declared_above<'a>(case: &Case<'_, 'a>, first: Owner) -> Result<Option<(&'a Declared, &'a Source)>, Unjudged> {
    let mut owner = first;
    for _ in 0..CHAIN {
        let in_namespace =
            ObjectKey { group: &owner.group, kind: &owner.kind, namespace: case.namespace, name: &owner.name };
        let cluster_wide = ObjectKey { namespace: "", ..in_namespace };
        let snapshot = case.bench.snapshot;
        if let Some(found) = snapshot.get_scoped(in_namespace).or_else(|| snapshot.get_scoped(cluster_wide)) {
            return Ok(Some(found));
        }
        match case.bench.cluster.owner(in_namespace)? {
            Some(above) => owner = above,
            None => break,
        }
    }
    Ok(None)
}
