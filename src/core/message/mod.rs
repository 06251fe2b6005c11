//! The words that people read: in the terminal, beside their own command.

mod source_url;
mod value_display;

use jiff::Unit;

use crate::actor::Class;
use crate::admission::{Cause, Denial, Operation, Write};
use crate::desired::{ObjectKey, Source};
use crate::diff::ChangeKind;
use crate::policy::{Assessment, BreakGlass, DecisionContext, Finding, Verdict, Violation, scope};
use crate::text::{sanitize, truncate, truncate_start};
use source_url::link;
use value_display::{Pair, one, pair};

/// Fields that are named; `details.causes` carries more.
const MAX_FIELDS: usize = 10;
/// Fields that `details.causes` carries: more would make an answer of many megabytes.
const MAX_CAUSES: usize = 1000;
/// Characters of a path that are shown: Kubernetes' own fields and keys fit.
const MAX_PATH: usize = 400;
/// Characters of a value that are shown.
const MAX_VALUE: usize = 80;
/// Characters of a value in a warning that would be too long otherwise.
const MAX_VALUE_IN_WARNING: usize = 20;
/// Characters of an object's name in a warning that would be too long otherwise.
const MAX_NAME_IN_WARNING: usize = 48;
/// A warning stays under 120 characters
/// (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response>).
const MAX_WARNING: usize = 119;
/// All warnings of one answer stay under 4096 bytes, or the API server cuts them.
const MAX_WARNINGS: usize = 3500;

/// A refusal in words.
pub(crate) fn denial(write: &Write<'_>, assessment: &Assessment<'_>, context: DecisionContext<'_>) -> Denial {
    let mut lines = vec![opening(write, assessment)];
    for finding in assessment.findings.iter().take(MAX_FIELDS) {
        let (path, words) = (truncate_start(&finding.path.to_string(), MAX_PATH), finding.words(assessment, MAX_VALUE));
        lines.push(format!("  {path}: {words}{}", finding.place()));
    }
    if assessment.findings.len() > MAX_FIELDS {
        lines.push(format!("  … and {} more", assessment.findings.len() - MAX_FIELDS));
    }
    lines.push(advice(write, assessment));
    lines.extend(context.emergency.and_then(|emergency| way_out(write, assessment, &emergency.break_glasses.home)));
    Denial {
        message: lines.iter().map(|line| sanitize(line)).collect::<Vec<_>>().join("\n"),
        name: assessment.name.clone(),
        group: write.resource.group.to_string(),
        kind: kind_of(write, assessment),
        causes: assessment.findings.iter().take(MAX_CAUSES).map(|finding| finding.cause(assessment)).collect(),
    }
}

/// Warnings in words: a line for each field, as many as a client shows.
pub(crate) fn warnings(
    write: &Write<'_>,
    assessment: &Assessment<'_>,
    context: DecisionContext<'_>,
    glass: Option<&BreakGlass>,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(BreakGlass { name, until, .. }) = glass {
        let until = until.round(Unit::Second).unwrap_or(*until);
        lines.push(format!(
            "driftwall: let through by BreakGlass {}, until {until}",
            truncate(name, MAX_NAME_IN_WARNING)
        ));
    }
    if context.stale && assessment.verdict == Verdict::Drift {
        lines.push(
            "driftwall has not seen Git for too long to deny anything; this write differs from what it last saw".into(),
        );
    }
    if assessment.findings.is_empty() {
        match &assessment.violation {
            Violation::NotEvaluated(reason) => {
                let object = truncate(&object_of(write, assessment), MAX_NAME_IN_WARNING);
                lines.push(format!("driftwall: {object} could not be held against Git:"));
                lines.push(format!("driftwall: {reason}"));
            }
            _ => lines.push(format!("driftwall: {}", opening(write, assessment))),
        }
    }
    let object = object_of(write, assessment);
    lines.extend(assessment.findings.iter().take(MAX_FIELDS).map(|finding| finding.warning(&object, assessment)));
    let mut left = MAX_WARNINGS;
    let mut lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
    let fitting = lines.iter().take_while(|line| left.checked_sub(line.len()).map(|rest| left = rest).is_some());
    lines.truncate(fitting.count());
    let named = lines.len().min(MAX_FIELDS).min(assessment.findings.len());
    if named < assessment.findings.len() {
        lines.push(format!("driftwall: … and {} more fields", assessment.findings.len() - named));
    }
    lines
}

/// A text as one warning.
pub(crate) fn one_line(text: &str) -> String {
    truncate(text, MAX_WARNING)
}

/// What is wrong, up to the fields.
fn opening(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    let object = object_of(write, assessment);
    match &assessment.violation {
        Violation::ExemptToken { account, class } => {
            let whom = let_through_as(*class);
            let account = ObjectKey { group: "", kind: "ServiceAccount", namespace: "", name: account }.kubectl_name();
            format!("token of {account}: its bearer is let through as {whom}, so this would be a way past Git.")
        }
        Violation::CreateDiffers => {
            format!("{object} is declared in Git, and this write would create it unlike Git says:")
        }
        Violation::DeleteDeclared(place) => {
            format!("{object} is declared in Git, and this write would delete it.   {place}")
        }
        Violation::ChangeDerived { owner } => {
            format!("{object} belongs to {owner}, which is declared in Git, and this write would drift from it:")
        }
        Violation::ChangeDeclared => format!("{object} is declared in Git, and this write would drift from it:"),
        Violation::CascadingDelete { objects } => {
            let (s, them) = if *objects == 1 { ("", "it") } else { ("s", "them") };
            format!("{object} holds {objects} object{s} that Git declares, and this write would delete {them} too.")
        }
        Violation::TargetDeclared { target } => {
            format!("{object} is not declared in Git, and would steer {target}, which is:")
        }
        Violation::NotEvaluated(reason) => format!("{object} could not be held against Git: {reason}"),
        Violation::CreateUndeclared => {
            format!("{object} is not declared in Git, and the namespace takes only what is.")
        }
    }
}

/// Who a class is, to somebody who wants to be it.
fn let_through_as(class: Class) -> &'static str {
    match class {
        Class::Autoscaler => "the autoscaler",
        Class::ControlPlane => "part of the control plane",
        Class::Controller => "a controller of fields of its own",
        Class::Gitops => "Git's own hand",
        Class::Person => "a person",
        Class::Workload => "a workload",
    }
}

/// What to do instead.
fn advice(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    let at = assessment.source.map(|source| reference(source, assessment)).unwrap_or_default();
    match &assessment.violation {
        Violation::ExemptToken { .. } => "Change in Git what it is needed for. Nothing was issued.".into(),
        Violation::CreateDiffers => format!("Change it in Git{at}. Nothing was created."),
        Violation::DeleteDeclared(_) => format!("Remove it in Git{at}. Nothing was deleted."),
        Violation::ChangeDerived { .. } | Violation::ChangeDeclared => {
            format!("Change it in Git{at}. This object was not changed.")
        }
        Violation::TargetDeclared { .. } if write.operation == Operation::Create => {
            format!("Declare it in Git{at}. Nothing was created.")
        }
        Violation::TargetDeclared { .. } => format!("Declare it in Git{at}. This object was not changed."),
        Violation::CascadingDelete { .. } => format!("Remove them in Git first{at}. Nothing was deleted."),
        Violation::NotEvaluated(_) => "Errors are denied here (onError: deny). Nothing was changed.".into(),
        Violation::CreateUndeclared => format!("Declare it in Git{at}. Nothing was created."),
    }
}

/// How to break the glass, where the object's name is known.
fn way_out(write: &Write<'_>, assessment: &Assessment<'_>, home: &str) -> Option<String> {
    let (kind, name) = (kind_of(write, assessment), &assessment.name);
    let namespace = scope(write, &kind, home);
    let object = format!("{}/{name}", kind.to_lowercase());
    // It is to be pasted into a shell.
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-.:/".contains(c));
    let is_of_use = !matches!(assessment.violation, Violation::ExemptToken { .. });
    let is_known = is_of_use && !name.is_empty() && is_plain(&object) && is_plain(namespace);
    is_known.then(|| format!("In an emergency: driftwall break-glass -n {namespace} {object} --reason '…'"))
}

/// `: <where> (main @ 5c56d97)`
fn reference(source: &Source, assessment: &Assessment<'_>) -> String {
    let place = match &assessment.violation {
        Violation::DeleteDeclared(place) => Some(place),
        _ => assessment.findings.iter().find_map(|finding| finding.place.as_ref()),
    };
    let commit = source.commit.get(..7).unwrap_or(&source.commit);
    format!(": {} ({} @ {commit})", link(source, place), source.revision)
}

fn object_of(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    let (group, kind) = (&*write.resource.group, kind_of(write, assessment));
    ObjectKey { group, kind: &kind, namespace: &write.namespace, name: &assessment.name }.kubectl_name()
}

/// The object's kind; a review of a Scale may bring no more than the plural of its parent.
fn kind_of(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    match &*assessment.kind {
        "" => write.resource.plural.strip_suffix('s').unwrap_or(&write.resource.plural).to_owned(),
        kind => kind.to_owned(),
    }
}

impl Finding {
    /// What happens to the field, each value in at most `limit` characters.
    fn words(&self, assessment: &Assessment<'_>, limit: usize) -> String {
        if self.secret {
            return "not as Git says (a Secret's values are not shown)".into();
        }
        let both = || {
            let Pair { at, sent, declared } = pair(self.sent.as_ref(), self.declared.as_ref(), limit);
            format!("{at}{sent}, Git says {declared}")
        };
        let [sent, declared] = [&self.sent, &self.declared].map(|value| one(value.as_ref(), limit));
        match (self.nature, &assessment.violation) {
            (ChangeKind::Changed | ChangeKind::Filled, _) => both(),
            (ChangeKind::RemovedExtra, _) => "taken away".into(),
            (ChangeKind::Extra | ChangeKind::Extended, _) if self.declared.is_some() => both(),
            (
                ChangeKind::Extra | ChangeKind::Extended,
                Violation::ChangeDerived { .. } | Violation::TargetDeclared { .. },
            ) => sent,
            (ChangeKind::Extra | ChangeKind::Extended, _) => format!("{sent}, Git has none"),
            (ChangeKind::RemovedDeclared, _) if self.sent.is_some() => both(),
            (ChangeKind::RemovedDeclared, Violation::CreateDiffers) => format!("left out, Git says {declared}"),
            (ChangeKind::RemovedDeclared, _) => format!("taken away, Git says {declared}"),
            (ChangeKind::Opaque, _) => "changed, Git holds it encrypted or as a placeholder".into(),
        }
    }

    fn place(&self) -> String {
        self.place.as_ref().map(|place| sanitize(&format!("   {place}"))).unwrap_or_default()
    }

    /// The field as a warning: what is least needed goes first where it is too long.
    fn warning(&self, object: &str, assessment: &Assessment<'_>) -> String {
        let (path, place) = (sanitize(&self.path.to_string()), self.place());
        let fits = |line: &String| line.chars().count() <= MAX_WARNING;
        for (limit, place) in [(MAX_VALUE, &*place), (MAX_VALUE, ""), (MAX_VALUE_IN_WARNING, "")] {
            let line = format!("driftwall: {object}: {path}: {}{place}", self.words(assessment, limit));
            if fits(&line) {
                return line;
            }
        }
        let (object, words) = (truncate(object, MAX_NAME_IN_WARNING), self.words(assessment, MAX_VALUE_IN_WARNING));
        let others = format!("driftwall: {object}: : {words}").chars().count();
        let path = truncate_start(&path, MAX_WARNING.saturating_sub(others).max(MAX_VALUE_IN_WARNING));
        format!("driftwall: {object}: {path}: {words}")
    }

    fn cause(&self, assessment: &Assessment<'_>) -> Cause {
        let place = self.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        let message = format!("{}{}", self.words(assessment, MAX_VALUE), sanitize(&place));
        Cause { reason: "Drift", message, field: sanitize(&self.path.to_string()) }
    }
}
