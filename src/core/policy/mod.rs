//! The verdict first, the mode after: what a write does to what Git declares,
//! what is answered to it, and in which words.

mod break_glass;
mod decision_context;
mod declared;
mod evaluation;
mod exempt_token;
mod lookup;
mod metadata;
mod object_diff;
mod protected;
mod self_check;
mod settings;
mod undeclared;

use crate::actor::{Actor, Actors};
use crate::admission::{Operation, Write};
use crate::desired::{ObjectKey, Snapshot};
use crate::diff::{self, SchemaRef};

pub(crate) use break_glass::scope;
pub use break_glass::{
    ActiveBreakGlasses, BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL, BREAK_GLASS_VERSION, BreakGlass, BreakGlassError,
};
pub use decision_context::{BreakGlassContext, DecisionContext};
pub(crate) use declared::parsed;
pub use evaluation::{Assessment, Finding, Verdict, Violation};
pub use lookup::{ClusterLookup, LookupError, NoCluster, Owner};
pub use self_check::{Disagreement, is_to_check, self_check};
pub use settings::{IgnoreRule, Mode, ModeRule, NamespaceRule, Outcome, Policy, PolicyError};

/// All that a verdict is made from.
#[derive(Clone, Copy)]
pub struct EvaluationContext<'a> {
    /// What Git says.
    pub snapshot: &'a Snapshot,
    /// Who is who.
    pub actors: &'a Actors,
    /// What is asked of writers.
    pub policy: &'a Policy,
    /// What the cluster knows.
    pub cluster: &'a dyn ClusterLookup,
}

/// Subresources that change no configuration: evictions, bindings, tokens, approvals, streams.
const RUNTIME_SUBRESOURCES: [&str; 10] =
    ["approval", "attach", "binding", "eviction", "exec", "finalize", "log", "portforward", "proxy", "token"];

/// Judges one write. Objects are parsed only once who writes, and what Git
/// knows of the object, have not settled it.
pub fn evaluate<'a>(write: &Write<'_>, context: EvaluationContext<'a>) -> Assessment<'a> {
    let EvaluationContext { snapshot, actors, .. } = context;
    let actor = actors.classify(&write.user, &write.namespace);
    let verdict = |verdict| Assessment::new(verdict, actor.class);
    if actor.is_exempt(&write.resource) {
        return verdict(Verdict::Exempt);
    }
    let subresource = &*write.resource.subresource;
    if write.operation == Operation::Connect || RUNTIME_SUBRESOURCES.contains(&subresource) {
        let borrowed = exempt_token::request(write, actor, context);
        let named = |assessment: Assessment<'a>| assessment.named("ServiceAccount".to_owned(), write.name.to_string());
        return borrowed.map_or_else(|| verdict(Verdict::Runtime), named);
    }
    let evaluation = match Evaluation::new(write, actor, context) {
        Ok(evaluation) => evaluation,
        Err(error) => return Assessment::error(actor.class, &error).named(String::new(), write.name.to_string()),
    };
    let (judged, source) = match snapshot.get(evaluation.key()) {
        Some((declared, source)) => {
            let unsettled = snapshot.has_unparsed_change(source, declared);
            (declared::evaluate(&evaluation, declared).map(|assessment| assessment.unsettled(unsettled)), Some(source))
        }
        None => (undeclared::evaluate(&evaluation), None),
    };
    let assessment = judged.unwrap_or_else(|error| Assessment::error(actor.class, &error));
    // An error is its source's too: it must not be answered harder than drift.
    let assessment = source.into_iter().fold(assessment, Assessment::of);
    if assessment.tells() { assessment.named(evaluation.kind, evaluation.name) } else { assessment }
}

/// Why a write cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvaluationError {
    #[error("the {0} of the review is missing")]
    Absent(&'static str),
    #[error(transparent)]
    LookUp(#[from] LookupError),
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
struct Evaluation<'w, 'a> {
    write: &'w Write<'w>,
    actor: Actor<'a>,
    context: EvaluationContext<'a>,
    /// The kind of the object itself, also where a review brings a `Scale` of it.
    kind: String,
    namespace: &'w str,
    name: String,
}

impl<'w, 'a> Evaluation<'w, 'a> {
    fn new(write: &'w Write<'w>, actor: Actor<'a>, context: EvaluationContext<'a>) -> Result<Self, EvaluationError> {
        let resource = &write.resource;
        let kind = match &*resource.subresource {
            "scale" => match context.snapshot.kind_of(&resource.group, &resource.plural) {
                Some(kind) => kind.to_owned(),
                // A person's may belong to what Git declares, whatever its kind.
                None if actor.is_person() || context.snapshot.has_group(&resource.group) => {
                    context.cluster.kind_of(&resource.group, &resource.plural)?.unwrap_or_default()
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
        Ok(Self { write, actor, context, kind, namespace, name })
    }

    fn key(&self) -> ObjectKey<'_> {
        ObjectKey { group: &self.write.resource.group, kind: &self.kind, namespace: self.namespace, name: &self.name }
    }

    fn verdict(&self, verdict: Verdict) -> Assessment<'a> {
        Assessment::new(verdict, self.actor.class)
    }

    /// What is known of the fields of the object's kind.
    fn with_schema<T>(
        &self,
        then: impl FnOnce(SchemaRef<'_>, Option<&diff::CustomResource>) -> T,
    ) -> Result<T, EvaluationError> {
        let (group, version) = (&*self.write.resource.group, &*self.write.resource.version);
        if let Some(place) = diff::builtin_schema(group, version, &self.kind) {
            return Ok(then(place, None));
        }
        let from_cluster;
        let custom = if let Some(custom) = self.context.snapshot.custom_resource(group, &self.kind) {
            Some(custom)
        } else {
            from_cluster = self.context.cluster.custom_resource(group, &self.kind)?;
            from_cluster.as_deref()
        };
        Ok(then(custom.and_then(|custom| custom.schema(version)).unwrap_or(diff::unknown_schema()), custom))
    }
}

/// The namespace that rules by namespace look at: for a Namespace, itself.
pub(crate) fn namespace_of<'w>(write: &'w Write<'_>) -> &'w str {
    &write.namespace
}
