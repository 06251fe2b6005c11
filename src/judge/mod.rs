//! The verdict first, the mode after: what a write does to what Git declares,
//! what is answered to it, and in which words.

mod answer;
mod borrowed;
mod breaking;
mod cluster;
mod declared;
mod differ;
mod glass;
mod link;
mod metadata;
mod policy;
mod protected;
mod self_check;
mod undeclared;
mod values;
mod verdict;
mod wording;

use crate::actor::{Actor, Actors};
use crate::compare::{self, Place};
use crate::desired::{ObjectKey, Snapshot};
use crate::review::{Operation, Write};

pub use answer::{Circumstances, Emergency, Ruling, rule, unjudged};
pub use breaking::breaks_glass;
pub use cluster::{Cluster, LookUpError, NoCluster, Owner};
pub use glass::{GROUP, Glass, GlassError, Glasses, PLURAL, VERSION};
pub use policy::{Ignore, Mode, ModeRule, Outcome, Policy, PolicyError, Scoped};
pub use self_check::{Disagreement, is_to_check, self_check};
pub use verdict::{Finding, Judgement, Matter, Verdict};

/// All that a verdict is made from.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// What Git says.
    pub snapshot: &'a Snapshot,
    /// Who is who.
    pub actors: &'a Actors,
    /// What is asked of writers.
    pub policy: &'a Policy,
    /// What the cluster knows.
    pub cluster: &'a dyn Cluster,
}

/// Subresources that change no configuration: evictions, bindings, tokens, approvals, streams.
const RUNTIME_SUBRESOURCES: [&str; 10] =
    ["approval", "attach", "binding", "eviction", "exec", "finalize", "log", "portforward", "proxy", "token"];

/// Judges one write. Objects are parsed only once who writes, and what Git
/// knows of the object, have not settled it.
pub fn judge<'a>(write: &Write<'_>, bench: Bench<'a>) -> Judgement<'a> {
    let Bench { snapshot, actors, .. } = bench;
    let actor = actors.classify(&write.user, &write.namespace);
    let verdict = |verdict| Judgement::new(verdict, actor.class);
    if actor.is_exempt(&write.resource) {
        return verdict(Verdict::Exempt);
    }
    let subresource = &*write.resource.subresource;
    if write.operation == Operation::Connect || RUNTIME_SUBRESOURCES.contains(&subresource) {
        let borrowed = borrowed::request(write, actor, bench);
        let named = |judgement: Judgement<'a>| judgement.named("ServiceAccount".to_owned(), write.name.to_string());
        return borrowed.map_or_else(|| verdict(Verdict::Runtime), named);
    }
    let case = match Case::new(write, actor, bench) {
        Ok(case) => case,
        Err(error) => return Judgement::error(actor.class, &error).named(String::new(), write.name.to_string()),
    };
    let (judged, source) = match snapshot.get(case.key()) {
        Some((declared, source)) => {
            let unsettled = snapshot.is_unsettled(source, declared);
            (declared::judge(&case, declared).map(|judgement| judgement.unsettled(unsettled)), Some(source))
        }
        None => (undeclared::judge(&case), None),
    };
    let judgement = judged.unwrap_or_else(|error| Judgement::error(actor.class, &error));
    // An error is its source's too: it must not be answered harder than drift.
    let judgement = source.into_iter().fold(judgement, Judgement::of);
    if judgement.tells() { judgement.named(case.kind, case.name) } else { judgement }
}

/// Why a write cannot be judged.
#[derive(Debug, thiserror::Error)]
enum Unjudged {
    #[error("the {0} of the review is missing")]
    Absent(&'static str),
    #[error(transparent)]
    LookUp(#[from] LookUpError),
    // The parser's own words would quote what it found.
    #[error("failed to read the metadata of the object: it is not as Kubernetes writes it (column {0})")]
    Metadata(usize),
    #[error("failed to read the {0} of the review: {1}")]
    Object(&'static str, serde_json::Error),
    #[error("which field `scale` writes is not known: there is no CustomResourceDefinition of {0} here")]
    Replicas(String),
    #[error("the write is in version {sent}, Git in {declared}, and the two cannot be compared")]
    Version { sent: String, declared: String },
}

/// One write on its way to a verdict.
struct Case<'w, 'a> {
    write: &'w Write<'w>,
    actor: Actor<'a>,
    bench: Bench<'a>,
    /// The kind of the object itself, also where a review brings a `Scale` of it.
    kind: String,
    namespace: &'w str,
    name: String,
}

impl<'w, 'a> Case<'w, 'a> {
    fn new(write: &'w Write<'w>, actor: Actor<'a>, bench: Bench<'a>) -> Result<Self, Unjudged> {
        let resource = &write.resource;
        let kind = match &*resource.subresource {
            "scale" => match bench.snapshot.kind_of(&resource.group, &resource.plural) {
                Some(kind) => kind.to_owned(),
                // A person's may belong to what Git declares, whatever its kind.
                None if actor.is_person() || bench.snapshot.has_group(&resource.group) => {
                    bench.cluster.kind_of(&resource.group, &resource.plural)?.unwrap_or_default()
                }
                None => String::new(),
            },
            _ => resource.kind.to_string(),
        };
        let name = match &*write.name {
            // A deletecollection names its objects only in what is deleted.
            "" => metadata::name_of(write.old_object.or(write.object))?,
            name => name.to_owned(),
        };
        // A Namespace is reviewed as if it were inside itself.
        let namespace = if resource.group.is_empty() && kind == "Namespace" { "" } else { &*write.namespace };
        Ok(Self { write, actor, bench, kind, namespace, name })
    }

    fn key(&self) -> ObjectKey<'_> {
        ObjectKey { group: &self.write.resource.group, kind: &self.kind, namespace: self.namespace, name: &self.name }
    }

    fn verdict(&self, verdict: Verdict) -> Judgement<'a> {
        Judgement::new(verdict, self.actor.class)
    }

    /// What is known of the fields of the object's kind.
    fn with_schema<T>(
        &self,
        then: impl FnOnce(Place<'_>, Option<&compare::CustomResource>) -> T,
    ) -> Result<T, Unjudged> {
        let (group, version) = (&*self.write.resource.group, &*self.write.resource.version);
        if let Some(place) = compare::builtin(group, version, &self.kind) {
            return Ok(then(place, None));
        }
        let from_cluster;
        let custom = if let Some(custom) = self.bench.snapshot.custom(group, &self.kind) {
            Some(custom)
        } else {
            from_cluster = self.bench.cluster.custom(group, &self.kind)?;
            from_cluster.as_deref()
        };
        Ok(then(custom.and_then(|custom| custom.schema(version)).unwrap_or(compare::unknown()), custom))
    }
}

/// The namespace that rules by namespace look at: for a Namespace, itself.
fn namespace_of<'w>(write: &'w Write<'_>) -> &'w str {
    &write.namespace
}
