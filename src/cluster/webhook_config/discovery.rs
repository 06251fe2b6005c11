//! What the API server has of the kinds that Git declares: their plurals, and the versions that it serves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::cluster::lookup::discovery::ApiGroup;
use driftwall_core::desired::{DeclaredResource, Snapshot};
use driftwall_core::webhook_config::{ServedKind, ServedKinds};

/// The reconciler does not wait longer. Without a plural, all kinds of the group are
/// registered; what was found before stays, and all is asked for again.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(2);

/// A kind that does not exist may be created later, a group may have been unreachable, and
/// a definition or another API server may stop serving a version.
const INTERVAL: Duration = Duration::from_mins(1);

/// Asks for kinds and keeps what was found.
pub(super) struct KindDiscovery {
    client: Client,
    found: ServedKinds,
    /// When each group was asked for last.
    asked: BTreeMap<String, Instant>,
}

impl KindDiscovery {
    pub(super) fn new(client: Client) -> Self {
        Self { client, found: ServedKinds::new(), asked: BTreeMap::new() }
    }

    /// The kinds of what the snapshot declares, as far as the API server has them.
    pub(super) async fn served(&mut self, snapshot: &Snapshot) -> ServedKinds {
        let mut wanted = BTreeSet::new();
        for DeclaredResource { group, kind, .. } in snapshot.resources() {
            // Of the core group, every API server has all kinds, in one version.
            if !group.is_empty() {
                wanted.insert((group.to_owned(), kind.to_owned()));
            }
        }
        self.discover(&wanted).await;
        let mut served = ServedKinds::new();
        for key in wanted {
            if let Some(kind) = self.found.get(&key) {
                served.insert(key, kind.clone());
            }
        }
        served
    }

    /// Asks for the groups that were not asked for lately.
    async fn discover(&mut self, wanted: &BTreeSet<(String, String)>) {
        let mut groups = BTreeSet::new();
        for (group, _) in wanted {
            if self.asked.get(group).is_none_or(|last| last.elapsed() >= INTERVAL) {
                groups.insert(group.clone());
            }
        }
        let mut requests = JoinSet::new();
        for group in groups {
            self.asked.insert(group.clone(), Instant::now());
            let client = self.client.clone();
            requests.spawn(async move {
                let kinds = ApiGroup::read(&client, &group).await;
                (group, kinds)
            });
        }
        let deadline = Instant::now() + DISCOVERY_TIMEOUT;
        while let Ok(Some(request)) = timeout_at(deadline, requests.join_next()).await {
            match request {
                Ok((group, Ok(kinds))) => self.add(&group, &kinds, wanted),
                Ok((group, Err(error))) => {
                    tracing::warn!(%group, %error, "Failed to find the kinds of a group; of those not found before, all are registered");
                }
                // The task panicked, which was logged.
                Err(_) => {}
            }
        }
    }

    fn add(&mut self, group: &str, kinds: &ApiGroup, wanted: &BTreeSet<(String, String)>) {
        for (of_group, kind) in wanted {
            if of_group == group
                && let Some(resource) = kinds.by_kind(kind)
            {
                let versions = kinds.versions_of(kind).map(str::to_owned).collect();
                let served = ServedKind { plural: resource.api.plural.clone(), versions };
                self.found.insert((of_group.clone(), kind.clone()), served);
            }
        }
    }
}
