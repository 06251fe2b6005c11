//! The applications that were found, as metrics and the admin port show them.

use crate::discovery::{WatchState, WatchStatus};
use crate::telemetry::{ApplicationHealth, DiscoveryHealth, WatchHealth};
use driftwall_core::applications::{Account, Application, Destination, ListedObjects, SyncState};
use driftwall_core::desired::Snapshot;

/// Why what an application declares is known from the objects alone.
const APPLIED: &str = "known by what was last applied; a source of its repository gives files and lines";
const ELSEWHERE: &str = "it deploys to another cluster";
const UNLISTED: &str = "the tool has not listed its objects yet";

/// The applications of a snapshot, and how the watches stand.
pub(super) fn discovery_health(snapshot: &Snapshot, watches: &WatchStatus) -> DiscoveryHealth {
    let watch = |(name, WatchState { is_in_step, error })| WatchHealth { name, is_in_step, error };
    DiscoveryHealth {
        applications: snapshot.applications().iter().map(application_health).collect(),
        watches: watches.states().into_iter().map(watch).collect(),
    }
}

fn application_health(application: &Application) -> ApplicationHealth {
    let Application { name, project, destination, source, newest_revision, sync, objects, accounts, .. } = application;
    let SyncState { status, message, is_automatic, is_paused } = sync.clone();
    let ListedObjects { objects, is_missing, .. } = objects;
    let (grade, grade_reason, other_cluster) = match destination {
        Destination::Other(cluster) => ("none", ELSEWHERE, Some(cluster.clone())),
        Destination::ThisCluster if *is_missing => ("none", UNLISTED, None),
        Destination::ThisCluster => ("applied", APPLIED, None),
    };
    ApplicationHealth {
        name: name.to_string(),
        tool: name.kind.tool().as_str(),
        grade,
        grade_reason: grade_reason.to_owned(),
        project: project.clone(),
        other_cluster,
        repo: source.repo.clone(),
        revision: source.revision.clone(),
        applied_revision: source.applied_by.as_ref().map(|it| it.revision.clone()).unwrap_or_default(),
        newest_revision: newest_revision.clone(),
        objects: objects.len(),
        sync_status: status,
        sync_message: message,
        is_automatic,
        is_paused,
        accounts: accounts.iter().map(|Account { namespace, name }| format!("{namespace}/{name}")).collect(),
        notes: application.notes(),
    }
}
