//! The words that people read: in the terminal, beside their own command.

use serde_json::Value;

use super::answer::Circumstances;
use super::link::link;
use super::verdict::{Finding, Judgement, Matter, Verdict};
use crate::compare::Nature;
use crate::desired::{ObjectKey, Source};
use crate::review::{Cause, Denial, Write};

/// Fields that a denial names; `details.causes` carries them all.
const MAX_FIELDS: usize = 10;
/// Characters of a value that are shown.
const MAX_VALUE: usize = 80;
/// A warning stays under 120 characters
/// (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response>).
const MAX_WARNING: usize = 119;
/// All warnings of one answer stay under 4096 bytes, or the API server cuts them.
const MAX_WARNINGS: usize = 3500;

/// The name that kubectl gives an object: `deployment.apps "web"`.
pub(super) fn name(key: ObjectKey<'_>) -> String {
    let (kind, dot) = (key.kind.to_lowercase(), if key.group.is_empty() { "" } else { "." });
    format!("{kind}{dot}{} {}", key.group, Value::from(key.name))
}

/// A refusal in words.
pub(super) fn denial(write: &Write<'_>, judgement: &Judgement<'_>) -> Denial {
    let mut message = opening(write, judgement);
    let shown = judgement.findings.iter().take(MAX_FIELDS);
    for finding in shown {
        let place = finding.place.as_ref().map(|place| format!("   {place}")).unwrap_or_default();
        message.push_str(&format!("\n  {}: {}{place}", finding.path, finding.words(judgement)));
    }
    if judgement.findings.len() > MAX_FIELDS {
        message.push_str(&format!("\n  … and {} more", judgement.findings.len() - MAX_FIELDS));
    }
    message.push('\n');
    message.push_str(&advice(judgement));
    Denial {
        message,
        name: write.name.to_string(),
        group: write.resource.group.to_string(),
        kind: write.resource.kind.to_string(),
        causes: judgement.findings.iter().map(|finding| finding.cause(judgement)).collect(),
    }
}

/// Warnings in words: a line for each field, as many as a client shows.
pub(super) fn warnings(write: &Write<'_>, judgement: &Judgement<'_>, circumstances: Circumstances) -> Vec<String> {
    let object = object_of(write);
    let mut lines: Vec<String> = Vec::new();
    if circumstances.stale && judgement.verdict == Verdict::Drift {
        lines.push(
            "driftwall has not seen Git for too long to deny anything; this write differs from what it last saw".into(),
        );
    }
    if judgement.findings.is_empty() {
        lines.push(format!("driftwall: {}", opening(write, judgement).trim_end_matches(':')));
    }
    for (shown, finding) in judgement.findings.iter().enumerate() {
        if shown == MAX_FIELDS {
            lines.push(format!("driftwall: … and {} more fields", judgement.findings.len() - MAX_FIELDS));
            break;
        }
        lines.push(format!("driftwall: {object}: {}: {}", finding.path, finding.words(judgement)));
    }
    let mut total = 0;
    lines.truncate(MAX_FIELDS + 2);
    lines
        .iter()
        .map(|line| one_line(line))
        .take_while(|line| {
            total += line.len();
            total <= MAX_WARNINGS
        })
        .collect()
}

/// What is wrong, up to the fields.
fn opening(write: &Write<'_>, judgement: &Judgement<'_>) -> String {
    let object = object_of(write);
    match &judgement.matter {
        Matter::Creates => format!("{object} is declared in Git, and this write would create it unlike Git says:"),
        Matter::Deletes(place) => {
            format!("{object} is declared in Git, and this write would delete it.   {place}")
        }
        Matter::Derived { owner } => {
            format!("{object} belongs to {owner}, which is declared in Git, and this write would drift from it:")
        }
        Matter::Moves => format!("{object} is declared in Git, and this write would drift from it:"),
        Matter::TakesAlong { objects } => {
            let s = if *objects == 1 { "" } else { "s" };
            format!("{object} holds {objects} object{s} that Git declares, and this write would delete them with it.")
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

/// What to do instead.
fn advice(judgement: &Judgement<'_>) -> String {
    let at = judgement.source.map(|source| reference(source, judgement)).unwrap_or_default();
    match &judgement.matter {
        Matter::Creates => format!("Change it in Git{at}. Nothing was created."),
        Matter::Deletes(_) | Matter::TakesAlong { .. } => format!("Remove it in Git{at}. Nothing was deleted."),
        Matter::Derived { .. } | Matter::Moves => format!("Change it in Git{at}. This object was not changed."),
        Matter::Steers { .. } => format!("Declare it in Git{at}. This object was not changed."),
        Matter::Unjudged(_) => "Errors are denied here (onError: deny). Nothing was changed.".into(),
        Matter::Unmanaged => format!("Declare it in Git{at}. Nothing was created."),
    }
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

fn object_of(write: &Write<'_>) -> String {
    let resource = &write.resource;
    let kind = if resource.subresource == "scale" { singular(&resource.plural) } else { resource.kind.to_string() };
    name(ObjectKey { group: &resource.group, kind: &kind, namespace: &write.namespace, name: &write.name })
}

/// The kind's name where the review brings only a plural (a Scale's parent).
fn singular(plural: &str) -> String {
    plural.strip_suffix('s').unwrap_or(plural).to_owned()
}

impl Finding {
    fn words(&self, judgement: &Judgement<'_>) -> String {
        if self.secret {
            return "not as Git says (a Secret's values are not shown)".into();
        }
        let (sent, declared) = both(self.sent.as_ref(), self.declared.as_ref());
        let derived = matches!(judgement.matter, Matter::Derived { .. });
        match self.nature {
            Nature::Changed | Nature::Filled => format!("{sent}, Git says {declared}"),
            Nature::Dropped => "taken away".into(),
            Nature::Extra | Nature::Widened if self.declared.is_some() => format!("{sent}, Git says {declared}"),
            Nature::Extra | Nature::Widened if derived => sent,
            Nature::Extra | Nature::Widened => format!("{sent}, Git has none"),
            Nature::Missing if judgement.matter == Matter::Creates => format!("left out, Git says {declared}"),
            Nature::Missing => format!("taken away, Git says {declared}"),
            Nature::Opaque => "changed, Git holds it encrypted or as a placeholder".into(),
        }
    }

    fn cause(&self, judgement: &Judgement<'_>) -> Cause {
        let place = self.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        let message = format!("{}{place}", self.words(judgement));
        Cause { reason: "Drift", message, field: self.path.to_string() }
    }
}

/// Both values, shortened: long ones to the first line in which they differ.
fn both(sent: Option<&Value>, declared: Option<&Value>) -> (String, String) {
    let (sent, declared) = (text(sent), text(declared));
    let is_long = |text: &str| text.contains('\n') || text.chars().count() > MAX_VALUE;
    if !is_long(&sent.long) && !is_long(&declared.long) {
        return (sent.short, declared.short);
    }
    let (mut ours, mut theirs) = (sent.long.lines(), declared.long.lines());
    let mut number = 0;
    let (ours, theirs) = loop {
        number += 1;
        match (ours.next(), theirs.next()) {
            (Some(a), Some(b)) if a == b => {}
            pair => break pair,
        }
    };
    let shown = |line: Option<&str>, is_text: bool| match line {
        None => "the end".to_owned(),
        Some(line) if is_text => format!("line {number} {}", shortened(&Value::from(line.trim_end()).to_string())),
        Some(line) => shortened(line.trim().trim_end_matches(',')),
    };
    (shown(ours, sent.is_text), shown(theirs, declared.is_text))
}

struct Text {
    /// On one line.
    short: String,
    /// On as many lines as it has.
    long: String,
    is_text: bool,
}

fn text(value: Option<&Value>) -> Text {
    match value {
        None => Text { short: "nothing".into(), long: "nothing".into(), is_text: false },
        Some(Value::String(text)) => {
            Text { short: shortened(&Value::from(text.as_str()).to_string()), long: text.clone(), is_text: true }
        }
        Some(value) => {
            let short = value.to_string();
            let fits = short.chars().count() <= MAX_VALUE;
            let long = if fits { short.clone() } else { format!("{value:#}") };
            Text { short: shortened(&short), long, is_text: false }
        }
    }
}

fn shortened(text: &str) -> String {
    cut(text, MAX_VALUE)
}

/// A text as one warning.
pub(super) fn one_line(text: &str) -> String {
    cut(text, MAX_WARNING)
}

/// At most `limit` characters on one line, without anything that a terminal would obey.
fn cut(text: &str, limit: usize) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limit + 1).collect();
    if line.chars().count() > limit {
        line = line.chars().take(limit - 1).collect();
        line.push('…');
    }
    line
}
