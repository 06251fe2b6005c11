//! Flux's `HelmRelease` (`fluxcd/helm-controller`, `api/v2/helmrelease_types.go`).

use std::sync::Arc;

use serde_json::Value;

use super::super::application::{Application, ApplicationKind, ApplicationName, Release};
use super::super::fields::{identity, optional_text, text};
use super::super::ignored::IgnoredDifferences;
use super::super::observed::Observed;
use super::{FluxSourceName, FluxSources, accounts, destination, sync_state};
use crate::desired::{AppliedBy, Source};

/// Reads a HelmRelease; `None` for an object without a name.
pub(in super::super) fn parse_helm_release(observed: &Observed, sources: &FluxSources) -> Option<Application> {
    let Observed { object, listed, rules } = observed;
    let (namespace, name) = identity(object)?;
    let name = ApplicationName { kind: ApplicationKind::HelmRelease, namespace, name };
    let mut notes = rules.notes.clone();
    let target = optional_text(object, "/spec/targetNamespace");
    let release_namespace = target.clone().unwrap_or_else(|| name.namespace.clone());
    let chart = FluxSourceName::referenced(object, "/spec/chartRef", &name.namespace)
        .or_else(|| FluxSourceName::referenced(object, "/spec/chart/spec/sourceRef", &name.namespace));
    let mut source = chart.as_ref().and_then(|chart| sources.get(chart)).cloned().unwrap_or_default();
    if let Some(repository) = source.from.as_ref().and_then(|from| sources.get(from)) {
        source.url.clone_from(&repository.url);
    }
    let objects = listed.clone();
    let release = Release {
        name: optional_text(object, "/status/history/0/name")
            .unwrap_or_else(|| release_name(object, &name, target.as_deref())),
        namespace: optional_text(object, "/status/history/0/namespace").unwrap_or(release_namespace),
    };
    if objects.is_missing {
        notes.push(
            "it has no list of its objects (status.inventory): they are known by the labels of the release".into(),
        );
    }
    let deployed = optional_text(object, "/status/history/0/chartVersion").unwrap_or_default();
    let chart_name = optional_text(object, "/spec/chart/spec/chart")
        .or(source.chart)
        .or_else(|| optional_text(object, "/status/history/0/chartName"));
    Some(Application {
        created: text(object, "/metadata/creationTimestamp"),
        project: None,
        destination: destination(object),
        namespace: Some(release.namespace.clone()),
        source: Source {
            name: name.to_string(),
            repo: source.url,
            revision: optional_text(object, "/spec/chart/spec/version").unwrap_or(source.revision),
            commit: deployed.clone(),
            chart: chart_name,
            applied_by: Some(AppliedBy {
                application: name.to_string(),
                names: name.names(None),
                tool: name.kind.tool(),
                revision: deployed,
            }),
            ..Source::default()
        },
        newest_revision: text(object, "/status/lastAttemptedRevision"),
        sync: sync_state(object),
        objects,
        release: Some(release),
        ignored: Arc::new(IgnoredDifferences::new(rules.rules.clone())),
        accounts: accounts(object, &name.namespace),
        permissions: None,
        mark: None,
        notes,
        name,
    })
}

/// The name that the controller gives a release which names none.
fn release_name(object: &Value, name: &ApplicationName, target: Option<&str>) -> String {
    match (optional_text(object, "/spec/releaseName"), target) {
        (Some(release), _) => release,
        (None, Some(target)) => format!("{target}-{}", name.name),
        (None, None) => name.name.clone(),
    }
}
