//! Flux's `Kustomization` (`fluxcd/kustomize-controller`, `api/v1/kustomization_types.go`).

use std::sync::Arc;

use super::super::application::{Application, ApplicationKind, ApplicationName};
use super::super::fields::{identity, optional_text, text};
use super::super::ignored::IgnoredDifferences;
use super::super::observed::Observed;
use super::{FluxSourceName, FluxSources, accounts, destination, sync_state};
use crate::desired::{AppliedBy, Source};

/// Reads a Kustomization; `None` for an object without a name.
pub(in super::super) fn parse_kustomization(observed: &Observed, sources: &FluxSources) -> Option<Application> {
    let Observed { object, listed, rules } = observed;
    let (namespace, name) = identity(object)?;
    let name = ApplicationName { kind: ApplicationKind::Kustomization, namespace, name };
    let source = FluxSourceName::referenced(object, "/spec/sourceRef", &name.namespace);
    let source = source.and_then(|source| sources.get(&source)).cloned().unwrap_or_default();
    let applied = text(object, "/status/lastAppliedRevision");
    let attempted = text(object, "/status/lastAttemptedRevision");
    Some(Application {
        created: text(object, "/metadata/creationTimestamp"),
        project: None,
        destination: destination(object),
        namespace: optional_text(object, "/spec/targetNamespace"),
        source: Source {
            name: name.to_string(),
            repo: source.url,
            revision: source.revision,
            commit: commit_of(&applied).to_owned(),
            applied_by: Some(AppliedBy {
                application: name.to_string(),
                names: name.names(None),
                tool: name.kind.tool(),
                revision: shorten(&applied),
            }),
            ..Source::default()
        },
        newest_revision: if source.newest.is_empty() { attempted } else { source.newest },
        sync: sync_state(object),
        objects: listed.clone(),
        release: None,
        ignored: Arc::new(IgnoredDifferences::new(rules.rules.clone())),
        accounts: accounts(object, &name.namespace),
        permissions: None,
        mark: None,
        notes: rules.notes.clone(),
        name,
    })
}

/// The commit or digest of a revision: `b9ec…` of `main@sha1:b9ec…`.
pub(super) fn commit_of(revision: &str) -> &str {
    let id = revision.rsplit_once('@').map_or(revision, |(_, id)| id);
    id.rsplit_once(':').map_or(id, |(_, hash)| hash)
}

/// A revision as people write it: `main@b9ec996`.
pub(super) fn shorten(revision: &str) -> String {
    let Some((name, _)) = revision.rsplit_once('@') else { return revision.to_owned() };
    let commit = commit_of(revision);
    format!("{name}@{}", commit.get(..7).unwrap_or(commit))
}
