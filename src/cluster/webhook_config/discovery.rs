//! The plurals of kinds that Git declares without defining them, as the API server knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::cluster::lookup::discovery::ApiGroup;
use driftwall_core::desired::{DeclaredResource, Snapshot};
use driftwall_core::webhook_config::Plurals;

/// The reconciler does not wait longer. Without a plural, all kinds of the group are
/// registered, and the missing ones are asked for again.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(2);

/// A kind that does not exist may be created later; a group may have been unreachable.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);

/// Asks for plurals and keeps them: a CustomResourceDefinition cannot change its own.
pub(super) struct PluralDiscovery {
    client: Client,
    found: Plurals,
    /// When each group was asked for last.
    asked: BTreeMap<String, Instant>,
}

impl PluralDiscovery {
    pub(super) fn new(client: Client) -> Self {
        Self { client, found: Plurals::new(), asked: BTreeMap::new() }
    }

    /// The plurals of what the snapshot declares, as far as the API server knows them.
    pub(super) async fn plurals(&mut self, snapshot: &Snapshot) -> Plurals {
        let mut wanted = BTreeSet::new();
        for DeclaredResource { group, kind, is_defined, .. } in snapshot.resources() {
            if !is_defined {
                wanted.insert((group.to_owned(), kind.to_owned()));
            }
        }
        self.discover(&wanted).await;
        let mut plurals = Plurals::new();
        for key in wanted {
            if let Some(plural) = self.found.get(&key) {
                plurals.insert(key, plural.clone());
            }
        }
        plurals
    }

    /// Asks for the groups of what has not been found yet.
    async fn discover(&mut self, wanted: &BTreeSet<(String, String)>) {
        let mut groups = BTreeSet::new();
        for (group, kind) in wanted {
            let is_due = self.asked.get(group).is_none_or(|last| last.elapsed() >= RETRY_INTERVAL);
            if is_due && !self.found.contains_key(&(group.clone(), kind.clone())) {
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
                    tracing::warn!(%group, %error, "Failed to find plurals; all kinds of the group are registered");
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
                self.found.insert((of_group.clone(), kind.clone()), resource.api.plural.clone());
            }
        }
    }
}
