//! An Application's `operation`: what Argo CD is asked to do at once. To sync what
//! the Application says is a runtime operation; anything else deploys what is not
//! in Git.

use std::iter;

use serde_json::Value;

use super::super::assessment::{Finding, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use crate::admission::Operation;
use crate::desired::Snapshot;
use crate::diff::{ChangeKind, Difference, Path};

/// The default branch of a repository, and what it is called in most.
const DEFAULT_BRANCH: &str = "HEAD";
const USUAL_DEFAULT_BRANCHES: [&str; 2] = ["main", "master"];

/// One place that an Application deploys from: the source, and the revision of it.
#[derive(Clone, Debug, PartialEq)]
struct SourceAt {
    source: Value,
    /// Empty for the source's own target revision.
    revision: String,
}

/// What a person's `operation` does beside a sync, and what is to be said of it;
/// `None` where it does nothing else.
pub(super) fn evaluate(evaluation: &Evaluation<'_, '_>) -> Result<Option<(Violation, Vec<Finding>)>, EvaluationError> {
    let write = evaluation.write;
    if !evaluation.is_kind("argoproj.io", "Application")
        || !write.resource.subresource.is_empty()
        || !matches!(write.operation, Operation::Create | Operation::Update)
        || !evaluation.actor.is_person()
    {
        return Ok(None);
    }
    let (old, new) = (parse_old_parts(write)?.unwrap_or_default(), parse_new(write)?);
    let sync = &new["operation"]["sync"];
    if sync.is_null() || new["operation"] == old["operation"] || is_being_deleted(&old) {
        return Ok(None);
    }
    let finding = |field: &str, value: &Value, max_outcome| {
        let path = Path::of(&["operation", "sync", field]);
        let difference = Difference { path, change: ChangeKind::Extra, new: Some(value.clone()), declared: None };
        evaluation.finding(&difference, None, max_outcome)
    };
    let foreign = |field: &str| {
        let findings = vec![finding(field, &sync[field], Outcome::Deny)];
        Some((Violation::ForeignOperation, findings))
    };
    if !is_empty(&sync["manifests"]) {
        return Ok(foreign("manifests"));
    }
    let spec = sources_of_spec(&new["spec"]);
    let asked = sources_of_operation(sync, &spec);
    let revision_field = if is_empty(&sync["revisions"]) { "revision" } else { "revisions" };
    if is_in_history(&old, &asked) && !is_target(evaluation, &old, &spec, &asked) {
        let findings = vec![finding(revision_field, &sync[revision_field], Outcome::Warn)];
        return Ok(Some((Violation::Rollback, findings)));
    }
    let has_own_sources =
        asked.len() != spec.len() || asked.iter().zip(&spec).any(|(asked, spec)| asked.source != spec.source);
    if has_own_sources {
        let field = if is_empty(&sync["sources"]) { "source" } else { "sources" };
        return Ok(foreign(field));
    }
    if is_target(evaluation, &old, &spec, &asked) {
        return Ok(None);
    }
    // Argo CD's server has resolved the target revision before it writes. Where nobody reads that
    // repository, a commit may be the newest of it, and nobody can say.
    let may_be_newest = evaluation.actor.is_intermediary()
        && asked.iter().enumerate().all(|(index, asked)| {
            is_at_target(evaluation, &old, index, asked)
                || (is_commit(&asked.revision) && !is_read(evaluation.context.snapshot, &asked.source))
        });
    if may_be_newest {
        let findings = vec![finding(revision_field, &sync[revision_field], Outcome::Warn)];
        return Ok(Some((Violation::UnknownRevision, findings)));
    }
    Ok(foreign(revision_field))
}

/// The sources that a `spec` deploys from, each at its target revision.
fn sources_of_spec(spec: &Value) -> Vec<SourceAt> {
    let of = |source: Value| SourceAt { source: pruned(&source), revision: String::new() };
    if let Some(hydrator) = spec.get("sourceHydrator").filter(|hydrator| !is_empty(hydrator)) {
        // What the hydrator writes is deployed from the same repository.
        let source = serde_json::json!({
            "repoURL": hydrator["drySource"]["repoURL"],
            "path": hydrator["syncSource"]["path"],
            "targetRevision": hydrator["syncSource"]["targetBranch"],
        });
        return vec![of(source)];
    }
    match spec["sources"].as_array() {
        Some(sources) if !sources.is_empty() => sources.iter().cloned().map(of).collect(),
        _ => vec![of(spec["source"].clone())],
    }
}

/// The sources and revisions of an operation, or of an entry of the history, where
/// what it leaves out is `spec`'s.
fn sources_of_operation(operation: &Value, spec: &[SourceAt]) -> Vec<SourceAt> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sources: Vec<Value> = match operation["sources"].as_array() {
        Some(sources) if !sources.is_empty() => sources.iter().map(pruned).collect(),
        _ if !is_empty(&operation["source"]) => vec![pruned(&operation["source"])],
        _ => spec.iter().map(|source| source.source.clone()).collect(),
    };
    let revisions: Vec<String> = match operation["revisions"].as_array() {
        Some(revisions) if !revisions.is_empty() => revisions.iter().map(text).collect(),
        _ => vec![text(&operation["revision"])],
    };
    // A revision without a source would be that of nothing: it is kept, and equals no `spec`.
    let missing = revisions.len().saturating_sub(sources.len());
    let sources = sources.into_iter().chain(iter::repeat_n(Value::Null, missing));
    let revisions = revisions.into_iter().chain(iter::repeat(String::new()));
    sources.zip(revisions).map(|(source, revision)| SourceAt { source, revision }).collect()
}

/// Whether the Application was deployed like this before.
fn is_in_history(old: &Value, asked: &[SourceAt]) -> bool {
    let entries = old["status"]["history"].as_array().into_iter().flatten();
    let has_revision = asked.iter().any(|asked| !asked.revision.is_empty());
    has_revision && entries.into_iter().any(|entry| sources_of_operation(entry, &[]) == asked)
}

/// Whether the operation asks for the sources of the `spec` at their target revisions.
fn is_target(evaluation: &Evaluation<'_, '_>, old: &Value, spec: &[SourceAt], asked: &[SourceAt]) -> bool {
    asked.len() == spec.len()
        && asked.iter().zip(spec).all(|(asked, spec)| asked.source == spec.source)
        && asked.iter().enumerate().all(|(index, asked)| is_at_target(evaluation, old, index, asked))
}

/// Whether the revision of the source at this index is its target revision, or the
/// commit that this is at: for Argo CD, or in the snapshot.
fn is_at_target(evaluation: &Evaluation<'_, '_>, old: &Value, index: usize, asked: &SourceAt) -> bool {
    let sync = &old["status"]["sync"];
    let synced = if is_empty(&sync["revisions"]) { &sync["revision"] } else { &sync["revisions"][index] };
    asked.revision.is_empty()
        || is_same_revision(&asked.revision, asked.source["targetRevision"].as_str())
        || synced.as_str() == Some(&asked.revision)
        || commits_of(evaluation.context.snapshot, &asked.source).any(|commit| commit == asked.revision)
}

/// The commits at which the snapshot has the source's repository and target revision.
fn commits_of<'a>(snapshot: &'a Snapshot, source: &'a Value) -> impl Iterator<Item = &'a str> {
    let repository = source["repoURL"].as_str().map(repository_name);
    let target = named_revision(source["targetRevision"].as_str());
    snapshot.sources().filter_map(move |read| {
        let read = &read.source;
        let is_it = Some(repository_name(&read.repo)) == repository && named_revision(Some(&read.revision)) == target;
        is_it.then_some(read.commit.as_str())
    })
}

/// Whether the snapshot has the source's repository at its target revision.
fn is_read(snapshot: &Snapshot, source: &Value) -> bool {
    commits_of(snapshot, source).next().is_some()
}

/// Whether both name the same revision. `HEAD` is the default branch, which only the
/// repository knows: it is taken for one of the usual names.
fn is_same_revision(asked: &str, target: Option<&str>) -> bool {
    let (asked, target) = (named_revision(Some(asked)), named_revision(target));
    asked == target || (asked == DEFAULT_BRANCH && USUAL_DEFAULT_BRANCHES.contains(&target))
}

/// A revision; Argo CD takes the repository's default branch where none is named.
fn named_revision(revision: Option<&str>) -> &str {
    match revision {
        None | Some("") => DEFAULT_BRANCH,
        Some(revision) => revision,
    }
}

/// The address of a repository, without what two spellings of it may differ in.
fn repository_name(url: &str) -> String {
    let url = url.trim_end_matches('/').trim_end_matches(".git");
    url.to_lowercase()
}

/// Whether the revision is the whole id of a commit.
fn is_commit(revision: &str) -> bool {
    matches!(revision.len(), 40 | 64) && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the field holds nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// A source or status without what Argo CD leaves out, or adds, when it writes it anew: its
/// fields that hold nothing. Helm values are whatever they are.
pub(super) fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut kept = serde_json::Map::new();
            for (name, value) in fields {
                let value = if name == "valuesObject" { value.clone() } else { pruned(value) };
                if !is_empty(&value) {
                    kept.insert(name.clone(), value);
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}
