//! The first line of a denial or warning: what is wrong, up to the fields.

use super::declarer::Declarer;
use crate::actor::{Class, GitopsTool};
use crate::admission::{Operation, Write};
use crate::applications::Loss;
use crate::desired::{ObjectKey, SourceLocation};
use crate::policy::{Assessment, Violation};

/// What is wrong, up to the fields.
pub(super) fn summary(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    let object = object_name(write, assessment);
    let declared = Declarer::of(assessment).adverbial();
    match &assessment.violation {
        Violation::CascadingDelete { objects: 1 } => {
            format!("{object} holds 1 object that Git declares, and this write would delete it too.")
        }
        Violation::CascadingDelete { objects } => {
            format!("{object} holds {objects} objects that Git declares, and this write would delete them too.")
        }
        Violation::ChangeDefinition { objects: 1 } => {
            format!(
                "{object} defines the kind of 1 object that Git declares, and this write would change how it is served:"
            )
        }
        Violation::ChangeDefinition { objects } => {
            format!(
                "{object} defines the kind of {objects} objects that Git declares, and this write would change how they are served:"
            )
        }
        Violation::ChangeNamespace { objects } => format!("{object} {}", changes_for_all(*objects)),
        Violation::ChangeDeclared => format!("{object} is declared {declared}, and this write would drift from it:"),
        Violation::ChangeUnknown { tool } => {
            let application = Declarer::of(assessment).application();
            format!(
                "{object} is deployed by {}{application}, and nothing says what was applied to it. This write changes:",
                tool.as_str()
            )
        }
        Violation::ChangeDerived { owner } => {
            format!("{object} belongs to {owner}, which is declared {declared}, and this write would drift from it:")
        }
        Violation::CreateDiffers => {
            format!("{object} is declared {declared}, and this write would create it differently:")
        }
        Violation::CreateUndeclared => {
            format!("{object} is not declared in Git, and this namespace accepts only objects that are.")
        }
        Violation::CreateListed => {
            format!("{object} is declared {declared}, and this write would create it by hand.")
        }
        Violation::DeleteDeclared(location) => {
            format!("{object} is declared {declared}, and this write would delete it.{}", at(location.as_ref()))
        }
        Violation::EvictDeclared(location) => {
            format!("{object} is declared {declared}, and this eviction would delete it.{}", at(location.as_ref()))
        }
        Violation::ForgetApplied { tool } => {
            format!(
                "{object} is declared {declared}, and this write would make {} forget what it applied:",
                tool.as_str()
            )
        }
        Violation::ExemptToken { account, class } => {
            let account = ObjectKey { group: "", kind: "ServiceAccount", namespace: "", name: account }.kubectl_name();
            let exempt_as = exempt_class(*class);
            format!("{account} is exempt as {exempt_as}: with its token, writes would bypass Git.")
        }
        Violation::ChangeToolStatus { tool } => {
            let (tool, would) = (tool.as_str(), if write.operation == Operation::Create { "bring" } else { "change" });
            format!("{object} has a status that only {tool} itself may write, and this write would {would} it:")
        }
        Violation::DeleteToolKind { tool } => {
            let tool = tool.as_str();
            format!("{object} defines what {tool} deploys, and this write would delete all of it.")
        }
        Violation::ForeignOperation => {
            format!("{object} would be synced to something else than it says:")
        }
        Violation::PauseTool { tool } => {
            format!("{object} would be paused: {} would leave alone what it deploys:", tool.as_str())
        }
        Violation::ProtectLess { tool, loss } => format!("{object} {}", protects_less(*tool, *loss, assessment)),
        Violation::Rollback => format!("{object} would be rolled back to what it said before:"),
        Violation::RunAsExempt { account, class } => {
            let account = ObjectKey { group: "", kind: "ServiceAccount", namespace: "", name: account }.kubectl_name();
            let exempt_as = exempt_class(*class);
            format!("{object} would run as {account}, which is exempt as {exempt_as}: writes would bypass Git:")
        }
        Violation::SteerTool { tool } => {
            let (tool, done) = (tool.as_str(), past_of(write.operation));
            format!("{object} is not declared in Git and tells {tool} what to deploy; it is {done} by hand.")
        }
        Violation::UnknownRevision => {
            format!("{object} would be synced to a commit that driftwall does not know:")
        }
        Violation::NotEvaluated(reason) | Violation::NotReadable(reason) => {
            format!("{object} could not be compared with Git: {reason}")
        }
        Violation::OtherVersion { declared: version } => {
            let sent = &write.resource.version;
            format!(
                "{object} is declared in {version}: write it in that version. This write is in {sent}, and changes:"
            )
        }
        Violation::TargetDeclared { target } => {
            format!("{object} is not declared in Git, and would control {target}, which is:")
        }
    }
}

/// What changes for all in a Namespace, after its name.
fn changes_for_all(objects: usize) -> String {
    let what = if objects == 1 { "1 object".to_owned() } else { format!("{objects} objects") };
    format!("holds {what} that Git declares, and this write changes what holds for all in it:")
}

/// What takes from what is protected, after the object's name.
fn protects_less(tool: GitopsTool, loss: Loss, assessment: &Assessment<'_>) -> String {
    let tool = tool.as_str();
    match loss {
        Loss::Account => {
            format!("would let another service account write for {tool}, which is not compared with Git:")
        }
        Loss::Ignored => format!("would have {tool} ignore more, and driftwall with it:"),
        Loss::Unseen => {
            let end = if assessment.findings.is_empty() { '.' } else { ':' };
            format!("tells what {tool} deploys: some of it would no longer be protected{end}")
        }
    }
}

/// A location, to follow a sentence.
fn at(location: Option<&SourceLocation>) -> String {
    location.map(|location| format!("   {location}")).unwrap_or_default()
}

/// What a write does, in the past tense.
fn past_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "created",
        Operation::Delete => "deleted",
        Operation::Connect | Operation::Update => "changed",
    }
}

/// What an exempt account counts as.
fn exempt_class(class: Class) -> &'static str {
    match class {
        Class::Autoscaler => "the autoscaler",
        Class::ControlPlane => "part of the control plane",
        Class::Controller => "a controller with fields of its own",
        Class::Gitops => "a GitOps tool",
        Class::Person => "a person",
        Class::Workload => "a workload",
    }
}

/// The object, as kubectl would name it.
pub(super) fn object_name(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    let (group, kind) = (&*write.resource.group, kind_name(write, assessment));
    ObjectKey { group, kind: &kind, namespace: &write.namespace, name: &assessment.name }.kubectl_name()
}

/// The object's kind; a review of a Scale may bring no more than the plural of its parent.
pub(super) fn kind_name(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    match &*assessment.kind {
        "" => write.resource.plural.strip_suffix('s').unwrap_or(&write.resource.plural).to_owned(),
        kind => kind.to_owned(),
    }
}
