//! The verdict on a write, whatever the mode: what the write does to what Git
//! declares, field by field.

mod adoption;
mod applied;
mod assessment;
mod binding;
mod borrowed_identity;
mod break_glass;
mod brought;
mod cascade;
mod changed_parts;
mod declared;
mod declared_object;
mod definition;
mod derived;
mod drift;
mod endpoints;
mod error;
mod evaluation;
mod eviction;
mod exact_fields;
mod finalizers;
mod findings;
mod gitops_tools;
mod handed_over;
mod lookup;
mod metadata;
mod mode;
mod mode_rule;
mod named_targets;
mod object_diff;
mod object_marks;
mod other_version;
mod owners;
mod protected_key_table;
mod protected_keys;
mod review_object;
mod rule_order;
mod run_controls;
mod runtime_fields;
mod scale;
mod self_check;
mod settings;
mod target;
mod undeclared;
mod unmatched_rules;
mod warned_key_table;

use crate::actor::{Actor, Class};
use crate::admission::{Operation, Write};
use crate::deep_stack::with_stack_for;
use crate::desired::kinds;
use crate::diff;
use binding::{evaluate_binding, is_binding};
use declared::evaluate_declared;
use error::EvaluationError;
use evaluation::Evaluation;
use undeclared::evaluate_undeclared;

pub use assessment::{Assessment, Finding, Verdict, Violation};
pub(crate) use break_glass::break_glass_namespace;
pub use break_glass::{
    BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL, BREAK_GLASS_VERSION, BreakGlass, BreakGlassError, BreakGlasses,
};
pub use error::PolicyError;
pub use evaluation::EvaluationContext;
pub use handed_over::{HAND_OVERS, HandOver, HandedFields};
pub use lookup::{ClusterLookup, LookupError, NoCluster, Owner, OwnerReference};
pub use mode::{Mode, Outcome};
pub use mode_rule::{ModeRule, ModeTarget};
pub use object_marks::ObjectMarks;
pub use protected_key_table::{KeysOfTool, ProtectedFrom, ProtectedKeys};
pub use protected_keys::{ProtectedKeyRules, is_denied_by_default, protected_keys, takes_object_away};
pub(crate) use review_object::{MAX_DEPTH, parse_object};
pub use rule_order::OrderNote;
pub use run_controls::{RUN_CONTROLS, RunControl};
pub use runtime_fields::{Place, RUNTIME_ANNOTATIONS, RuntimeAnnotation};
pub use self_check::{Disagreement, SelfCheck, needs_self_check, self_check, self_check_key};
pub use settings::{IgnoreRule, NamespaceRule, Policy};
pub use unmatched_rules::{UnmatchedRule, unmatched_rules};

/// What is in the text of every custom resource that names an account, or an object to act on. A name with an escape
/// could be any.
const NAMING_WORDS: [&str; 5] = ["argetRef", "erviceAccount", "erviceaccount", "workloadRef", "\\u"];

/// Whether an object that cannot be read, not declared in Git, may run as an exempt account, act on what is declared or
/// tell a GitOps tool what to do, as far as its kind and its text say.
fn may_borrow_or_steer(evaluation: &Evaluation<'_, '_>) -> bool {
    let (group, version) = (&*evaluation.write.resource.group, &*evaluation.write.resource.version);
    let is_builtin = diff::builtin_schema(group, version, &evaluation.kind).is_some();
    // What is too large to come whole is too large to be stored.
    let names_something = || {
        let text = evaluation.write.object.unwrap_or_default();
        NAMING_WORDS.iter().any(|word| text.contains(word))
    };
    let is_of_tool = group == "argoproj.io" || group.ends_with(".fluxcd.io");
    is_builtin || is_of_tool || (kinds::is_custom_group(group) && names_something())
}

/// Whether an object that Git does not declare cannot be read, and nothing says that it matters to Git.
fn is_of_no_concern(evaluation: &Evaluation<'_, '_>, error: &EvaluationError) -> bool {
    error.is_of_write() && !may_borrow_or_steer(evaluation)
}

/// Whether a write asks for something instead of changing an object: it opens a stream, or posts to
/// a subresource (an eviction, a binding, a token). An UPDATE of a subresource brings the object.
fn is_runtime(write: &Write<'_>) -> bool {
    match write.operation {
        Operation::Connect => true,
        Operation::Create => !write.resource.subresource.is_empty(),
        Operation::Delete | Operation::Update => false,
    }
}

/// Evaluates one write. Objects are parsed only where the writer's identity, and
/// whether Git declares the object, have not settled the verdict.
pub fn evaluate<'a>(write: &Write<'_>, context: EvaluationContext<'a>) -> Assessment<'a> {
    let actor = context.actors.classify(&write.user, &write.resource);
    if actor.is_exempt(&write.resource) {
        return Assessment::new(Verdict::Exempt, actor.class);
    }
    let unreadable = write.as_unreadable();
    let write = unreadable.as_ref().unwrap_or(write);
    with_stack_for(write, MAX_DEPTH, || evaluate_by_objects(write, actor, context))
}

fn evaluate_by_objects<'a>(write: &Write<'_>, actor: Actor<'a>, context: EvaluationContext<'a>) -> Assessment<'a> {
    let class = actor.class;
    if is_binding(write) {
        let name = write.name.to_string();
        return evaluate_binding(write, actor, context)
            .unwrap_or_else(|error| Assessment::error(class, &error).with_object("Pod".to_owned(), name));
    }
    if is_runtime(write) {
        if let Some(assessment) = borrowed_identity::evaluate_token_request(write, actor, context) {
            return assessment.with_object("ServiceAccount".to_owned(), write.name.to_string());
        }
        return match eviction::evaluate_eviction(write, actor, context) {
            Some(assessment) => assessment.with_object("Pod".to_owned(), write.name.to_string()),
            None => Assessment::new(Verdict::Runtime, actor.class),
        };
    }
    let evaluation = match Evaluation::new(write, actor, context) {
        Ok(evaluation) => evaluation,
        Err(error) => return Assessment::error(actor.class, &error).with_object(String::new(), write.name.to_string()),
    };
    if applied::is_own_write(&evaluation) {
        return Assessment::new(Verdict::Exempt, Class::Gitops);
    }
    // What Git says of an object that it does not seem to declare may not have been read yet.
    let of_undeclared = || context.snapshot.uncertainty_of_undeclared(evaluation.namespace);
    let assessment = match context.snapshot.get(evaluation.key()) {
        Some((declared, source)) => match evaluate_declared(&evaluation, declared) {
            Ok(assessment) => assessment
                .with_uncertainty(context.snapshot.uncertainty(source, declared))
                .with_declared(declared, source),
            // An error gets the source too, so that the mode of the source applies to
            // it: it must not be answered more strictly than drift.
            Err(error) => Assessment::error(actor.class, &error)
                .with_uncertainty(context.snapshot.uncertainty(source, declared))
                .with_declared(declared, source),
        },
        None => match applied::owning_application(&evaluation) {
            Some(application) => applied::evaluate_applied(&evaluation, application)
                .unwrap_or_else(|error| Assessment::error(actor.class, &error))
                .with_source(&application.source),
            None => evaluate_undeclared(&evaluation).unwrap_or_else(|error| {
                if is_of_no_concern(&evaluation, &error) {
                    return Assessment::new(Verdict::Unmanaged, actor.class);
                }
                Assessment::error(actor.class, &error).with_uncertainty(of_undeclared())
            }),
        },
    };
    let Assessment { source, declared, verdict, .. } = assessment;
    let uncertainty = assessment.uncertainty.clone();
    let assessment = gitops_tools::refine(&evaluation, assessment)
        .and_then(|assessment| borrowed_identity::refine(&evaluation, assessment))
        .unwrap_or_else(|error| match verdict {
            Verdict::Unmanaged if is_of_no_concern(&evaluation, &error) => {
                Assessment::new(Verdict::Unmanaged, actor.class)
            }
            _ => {
                let uncertainty = if source.is_some() { uncertainty } else { of_undeclared() };
                Assessment { source, declared, uncertainty, ..Assessment::error(actor.class, &error) }
            }
        });
    if assessment.is_reportable() { assessment.with_object(evaluation.kind, evaluation.name) } else { assessment }
}
