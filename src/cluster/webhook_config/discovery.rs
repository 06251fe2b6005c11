//! What the API server calls the kinds that Git declares and nobody defines there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::cluster::lookup::discovery::Group;
use driftwall_core::desired::{DeclaredResource, Snapshot};
use driftwall_core::webhook_config::Plurals;

/// The registration does not wait longer: meanwhile everything of the group is asked about.
const LONGEST: Duration = Duration::from_secs(2);

/// A kind that is not there may come; its group may have been out of reach.
const AGAIN: Duration = Duration::from_mins(1);

/// The plurals that were found. A definition cannot change its own.
pub(super) struct Discovery {
    client: Client,
    found: Plurals,
    /// When a group was asked for last.
    asked: BTreeMap<String, Instant>,
}

impl Discovery {
    pub(super) fn new(client: Client) -> Self {
        Self { client, found: Plurals::new(), asked: BTreeMap::new() }
    }

    /// The plurals of what the snapshot declares, as far as the API server tells them.
    pub(super) async fn plurals(&mut self, snapshot: &Snapshot) -> Plurals {
        let wanted = snapshot.resources().into_iter().filter(|resource| !resource.is_defined);
        let wanted = wanted.map(|DeclaredResource { group, kind, .. }| (group.to_owned(), kind.to_owned()));
        let wanted = wanted.collect::<BTreeSet<_>>();
        self.look(&wanted).await;
        let plural = |wanted: &(String, String)| Some((wanted.clone(), self.found.get(wanted)?.clone()));
        wanted.iter().filter_map(plural).collect()
    }

    async fn look(&mut self, wanted: &BTreeSet<(String, String)>) {
        let is_due = |group: &String| self.asked.get(group).is_none_or(|last| last.elapsed() >= AGAIN);
        let missing = wanted.iter().filter(|kind| !self.found.contains_key(kind)).map(|(group, _)| group);
        let groups: BTreeSet<_> = missing.filter(|group| is_due(group)).cloned().collect();
        let mut looks = JoinSet::new();
        for group in groups {
            self.asked.insert(group.clone(), Instant::now());
            let client = self.client.clone();
            looks.spawn(async move {
                let read = Group::read(&client, &group).await;
                (group, read)
            });
        }
        let until = Instant::now() + LONGEST;
        while let Ok(Some(look)) = timeout_at(until, looks.join_next()).await {
            let Ok((group, read)) = look else { continue };
            match read {
                Ok(kinds) => {
                    for (_, kind) in wanted.iter().filter(|(of, _)| *of == group) {
                        if let Some(resource) = kinds.by_kind(kind) {
                            self.found.insert((group.clone(), kind.clone()), resource.plural.clone());
                        }
                    }
                }
                Err(error) => tracing::warn!(%group, %error, "Plurals not found; the whole group is asked about"),
            }
        }
    }
}
