//! The words that people read: in the terminal, beside their own command.

use jiff::Unit;
use serde_json::Value;

use super::answer::Circumstances;
use super::glass::{Glass, scope};
use super::link::link;
use super::values::{Pair, cut, cut_left, one, pair, plain};
use super::verdict::{Finding, Judgement, Matter, Verdict};
use crate::actor::Class;
use crate::compare::Nature;
use crate::desired::{ObjectKey, Source};
use crate::review::{Cause, Denial, Operation, Write};

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

/// The name that kubectl gives an object: `deployment.apps "web"`.
pub(super) fn name(key: ObjectKey<'_>) -> String {
    let (kind, dot) = (key.kind.to_lowercase(), if key.group.is_empty() { "" } else { "." });
    // A name is still to be made up where the object asks for a generated one.
    let name = if key.name.is_empty() { String::new() } else { format!(" {}", Value::from(key.name)) };
    plain(&format!("{kind}{dot}{}{name}", key.group))
}

/// A refusal in words.
pub(super) fn denial(write: &Write<'_>, judgement: &Judgement<'_>, circumstances: Circumstances<'_>) -> Denial {
    let mut lines = vec![opening(write, judgement)];
    for finding in judgement.findings.iter().take(MAX_FIELDS) {
        let (path, words) = (cut_left(&finding.path.to_string(), MAX_PATH), finding.words(judgement, MAX_VALUE));
        lines.push(format!("  {path}: {words}{}", finding.place()));
    }
    if judgement.findings.len() > MAX_FIELDS {
        lines.push(format!("  … and {} more", judgement.findings.len() - MAX_FIELDS));
    }
    lines.push(advice(write, judgement));
    lines.extend(circumstances.emergency.and_then(|emergency| way_out(write, judgement, &emergency.glasses.home)));
    Denial {
        message: lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n"),
        name: judgement.name.clone(),
        group: write.resource.group.to_string(),
        kind: kind_of(write, judgement),
        causes: judgement.findings.iter().take(MAX_CAUSES).map(|finding| finding.cause(judgement)).collect(),
    }
}

/// Warnings in words: a line for each field, as many as a client shows.
pub(super) fn warnings(
    write: &Write<'_>,
    judgement: &Judgement<'_>,
    circumstances: Circumstances<'_>,
    glass: Option<&Glass>,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(Glass { name, until, .. }) = glass {
        let until = until.round(Unit::Second).unwrap_or(*until);
        lines.push(format!("driftwall: let through by BreakGlass {}, until {until}", cut(name, MAX_NAME_IN_WARNING)));
    }
    if circumstances.stale && judgement.verdict == Verdict::Drift {
        lines.push(
            "driftwall has not seen Git for too long to deny anything; this write differs from what it last saw".into(),
        );
    }
    if judgement.findings.is_empty() {
        match &judgement.matter {
            Matter::Unjudged(reason) => {
                let object = cut(&object_of(write, judgement), MAX_NAME_IN_WARNING);
                lines.push(format!("driftwall: {object} could not be held against Git:"));
                lines.push(format!("driftwall: {reason}"));
            }
            _ => lines.push(format!("driftwall: {}", opening(write, judgement))),
        }
    }
    let object = object_of(write, judgement);
    lines.extend(judgement.findings.iter().take(MAX_FIELDS).map(|finding| finding.warning(&object, judgement)));
    let mut left = MAX_WARNINGS;
    let mut lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
    let fitting = lines.iter().take_while(|line| left.checked_sub(line.len()).map(|rest| left = rest).is_some());
    lines.truncate(fitting.count());
    let named = lines.len().min(MAX_FIELDS).min(judgement.findings.len());
    if named < judgement.findings.len() {
        lines.push(format!("driftwall: … and {} more fields", judgement.findings.len() - named));
    }
    lines
}

/// A text as one warning.
pub(super) fn one_line(text: &str) -> String {
    cut(text, MAX_WARNING)
}

/// What is wrong, up to the fields.
fn opening(write: &Write<'_>, judgement: &Judgement<'_>) -> String {
    let object = object_of(write, judgement);
    match &judgement.matter {
        Matter::Borrows { account, class } => {
            let whom = let_through_as(*class);
            let account = name(ObjectKey { group: "", kind: "ServiceAccount", namespace: "", name: account });
            format!("token of {account}: its bearer is let through as {whom}, so this would be a way past Git.")
        }
        Matter::Creates => format!("{object} is declared in Git, and this write would create it unlike Git says:"),
        Matter::Deletes(place) => {
            format!("{object} is declared in Git, and this write would delete it.   {place}")
        }
        Matter::Derived { owner } => {
            format!("{object} belongs to {owner}, which is declared in Git, and this write would drift from it:")
        }
        Matter::Moves => format!("{object} is declared in Git, and this write would drift from it:"),
        Matter::TakesAlong { objects } => {
            let (s, them) = if *objects == 1 { ("", "it") } else { ("s", "them") };
            format!("{object} holds {objects} object{s} that Git declares, and this write would delete {them} too.")
        }
        Matter::Steers { target } => {
            format!("{object} is not declared in Git, and would steer {target}, which is:")
        }
        Matter::Unjudged(reason) => format!("{object} could not be held against Git: {reason}"),
        Matter::Unmanaged => {
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
fn advice(write: &Write<'_>, judgement: &Judgement<'_>) -> String {
    let at = judgement.source.map(|source| reference(source, judgement)).unwrap_or_default();
    match &judgement.matter {
        Matter::Borrows { .. } => "Change in Git what it is needed for. Nothing was issued.".into(),
        Matter::Creates => format!("Change it in Git{at}. Nothing was created."),
        Matter::Deletes(_) => format!("Remove it in Git{at}. Nothing was deleted."),
        Matter::Derived { .. } | Matter::Moves => format!("Change it in Git{at}. This object was not changed."),
        Matter::Steers { .. } if write.operation == Operation::Create => {
            format!("Declare it in Git{at}. Nothing was created.")
        }
        Matter::Steers { .. } => format!("Declare it in Git{at}. This object was not changed."),
        Matter::TakesAlong { .. } => format!("Remove them in Git first{at}. Nothing was deleted."),
        Matter::Unjudged(_) => "Errors are denied here (onError: deny). Nothing was changed.".into(),
        Matter::Unmanaged => format!("Declare it in Git{at}. Nothing was created."),
    }
}

/// How to break the glass, where the object's name is known.
fn way_out(write: &Write<'_>, judgement: &Judgement<'_>, home: &str) -> Option<String> {
    let (kind, name) = (kind_of(write, judgement), &judgement.name);
    let namespace = scope(write, &kind, home);
    let object = format!("{}/{name}", kind.to_lowercase());
    // It is to be pasted into a shell.
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-.:/".contains(c));
    let is_of_use = !matches!(judgement.matter, Matter::Borrows { .. });
    let is_known = is_of_use && !name.is_empty() && is_plain(&object) && is_plain(namespace);
    is_known.then(|| format!("In an emergency: driftwall break-glass -n {namespace} {object} --reason '…'"))
}

/// `: <where> (main @ 5c56d97)`
fn reference(source: &Source, judgement: &Judgement<'_>) -> String {
    let place = match &judgement.matter {
        Matter::Deletes(place) => Some(place),
        _ => judgement.findings.iter().find_map(|finding| finding.place.as_ref()),
    };
    let commit = source.commit.get(..7).unwrap_or(&source.commit);
    format!(": {} ({} @ {commit})", link(source, place), source.revision)
}

fn object_of(write: &Write<'_>, judgement: &Judgement<'_>) -> String {
    let (group, kind) = (&*write.resource.group, kind_of(write, judgement));
    name(ObjectKey { group, kind: &kind, namespace: &write.namespace, name: &judgement.name })
}

/// The object's kind; a review of a Scale may bring no more than the plural of its parent.
fn kind_of(write: &Write<'_>, judgement: &Judgement<'_>) -> String {
    match &*judgement.kind {
        "" => write.resource.plural.strip_suffix('s').unwrap_or(&write.resource.plural).to_owned(),
        kind => kind.to_owned(),
    }
}

impl Finding {
    /// What happens to the field, each value in at most `limit` characters.
    fn words(&self, judgement: &Judgement<'_>, limit: usize) -> String {
        if self.secret {
            return "not as Git says (a Secret's values are not shown)".into();
        }
        let both = || {
            let Pair { at, sent, declared } = pair(self.sent.as_ref(), self.declared.as_ref(), limit);
            format!("{at}{sent}, Git says {declared}")
        };
        let [sent, declared] = [&self.sent, &self.declared].map(|value| one(value.as_ref(), limit));
        match (self.nature, &judgement.matter) {
            (Nature::Changed | Nature::Filled, _) => both(),
            (Nature::Dropped, _) => "taken away".into(),
            (Nature::Extra | Nature::Widened, _) if self.declared.is_some() => both(),
            (Nature::Extra | Nature::Widened, Matter::Derived { .. } | Matter::Steers { .. }) => sent,
            (Nature::Extra | Nature::Widened, _) => format!("{sent}, Git has none"),
            (Nature::Missing, _) if self.sent.is_some() => both(),
            (Nature::Missing, Matter::Creates) => format!("left out, Git says {declared}"),
            (Nature::Missing, _) => format!("taken away, Git says {declared}"),
            (Nature::Opaque, _) => "changed, Git holds it encrypted or as a placeholder".into(),
        }
    }

    fn place(&self) -> String {
        self.place.as_ref().map(|place| plain(&format!("   {place}"))).unwrap_or_default()
    }

    /// The field as a warning: what is least needed goes first where it is too long.
    fn warning(&self, object: &str, judgement: &Judgement<'_>) -> String {
        let (path, place) = (plain(&self.path.to_string()), self.place());
        let fits = |line: &String| line.chars().count() <= MAX_WARNING;
        for (limit, place) in [(MAX_VALUE, &*place), (MAX_VALUE, ""), (MAX_VALUE_IN_WARNING, "")] {
            let line = format!("driftwall: {object}: {path}: {}{place}", self.words(judgement, limit));
            if fits(&line) {
                return line;
            }
        }
        let (object, words) = (cut(object, MAX_NAME_IN_WARNING), self.words(judgement, MAX_VALUE_IN_WARNING));
        let others = format!("driftwall: {object}: : {words}").chars().count();
        let path = cut_left(&path, MAX_WARNING.saturating_sub(others).max(MAX_VALUE_IN_WARNING));
        format!("driftwall: {object}: {path}: {words}")
    }

    fn cause(&self, judgement: &Judgement<'_>) -> Cause {
        let place = self.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        let message = format!("{}{}", self.words(judgement, MAX_VALUE), plain(&place));
        Cause { reason: "Drift", message, field: plain(&self.path.to_string()) }
    }
}
