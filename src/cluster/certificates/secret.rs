//! The Secret in the cluster: followed by all, written by one.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watch_object};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::contents::SecretContents;
use crate::cluster::context::ClusterContext;
use crate::cluster::{FIELD_MANAGER, reason};

/// Between two looks beside the watch, which can be silent, or forbidden.
const LOOK: Duration = Duration::from_secs(10);
/// The API server's answer to a request.
const ANSWER: Duration = Duration::from_secs(5);

/// The Secret, as it was seen last.
#[derive(Clone, Default)]
pub(super) enum SecretState {
    /// It has not been looked at.
    #[default]
    Unread,
    /// There is none.
    Absent,
    /// It is there.
    There(Arc<Secret>, Arc<SecretContents>),
}

impl SecretState {
    /// What it holds; nothing where there is none.
    pub(super) fn contents(&self) -> Option<Arc<SecretContents>> {
        match self {
            Self::Unread => None,
            Self::Absent => Some(Arc::default()),
            Self::There(_, contents) => Some(Arc::clone(contents)),
        }
    }
}

/// The Secret that certificates are kept in.
pub(super) struct SecretStore {
    pub(super) name: String,
    api: Api<Secret>,
    found: watch::Sender<SecretState>,
}

impl SecretStore {
    pub(super) fn new(home: &ClusterContext, name: String) -> Self {
        let api = Api::namespaced(home.client.clone(), &home.namespace);
        Self { name, api, found: watch::Sender::default() }
    }

    pub(super) fn found(&self) -> watch::Receiver<SecretState> {
        self.found.subscribe()
    }

    /// Keeps what was found new, and tells what keeps it from being so.
    pub(super) async fn follow(&self, waiting_reason: &watch::Sender<String>) -> Infallible {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = [String::new(), String::new()];
        loop {
            let mut events = pin!(watch_object(self.api.clone(), &self.name).default_backoff());
            loop {
                // The look comes first: what it finds missing is said before any watch could.
                let (told, seen) = tokio::select! {
                    biased;
                    _ = look.tick() => (&mut told[0], self.look().await),
                    event = events.next() => match event {
                        Some(event) => (&mut told[1], event.map_err(|error| watch_reason(&error))),
                        None => break,
                    },
                };
                match seen {
                    Ok(secret) => {
                        told.clear();
                        self.see(secret);
                    }
                    Err(error) => {
                        waiting_reason.send_replace(error.clone());
                        if *told != error {
                            tracing::warn!(secret = %self.name, %error, "Secret could not be looked at");
                            *told = error;
                        }
                    }
                }
            }
        }
    }

    async fn look(&self) -> Result<Option<Secret>, String> {
        match timeout(ANSWER, self.api.get_opt(&self.name)).await {
            Ok(found) => found.map_err(|error| reason(&error)),
            Err(_) => Err("the API server does not answer in time".to_owned()),
        }
    }

    fn see(&self, secret: Option<Secret>) {
        self.found.send_if_modified(|found| {
            let Some(secret) = secret else {
                let is_news = !matches!(found, SecretState::Absent);
                *found = SecretState::Absent;
                return is_news;
            };
            if let SecretState::There(before, _) = found {
                let (before, now) = (&before.metadata, &secret.metadata);
                let age = |version: &Option<String>| version.as_ref().and_then(|version| version.parse::<u64>().ok());
                // A watch can be behind what was looked at or written.
                if before.uid == now.uid && age(&now.resource_version) <= age(&before.resource_version) {
                    return false;
                }
            }
            let contents = SecretContents::read(&secret);
            if !contents.faults.is_empty() {
                let faults = contents.faults.join(", ");
                tracing::error!(secret = %self.name, %faults, "Secret of certificates is damaged");
            }
            *found = SecretState::There(Arc::new(secret), Arc::new(contents));
            true
        });
    }

    /// Writes what it is to hold, where it is still the one that was `found`.
    pub(super) async fn write(&self, found: &SecretState, contents: &SecretContents) -> Result<(), String> {
        let written = async {
            let secret = match found {
                SecretState::There(secret, _) => (**secret).clone(),
                _ => self.make().await?,
            };
            self.put(secret, contents).await
        };
        match timeout(ANSWER, written).await {
            Ok(Ok(secret)) => {
                self.see(Some(secret));
                Ok(())
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                self.see(self.look().await?);
                Err("another was first".to_owned())
            }
            Ok(Err(error)) => Err(reason(&error)),
            Err(_) => Err("the API server does not answer in time".to_owned()),
        }
    }

    /// Made empty, and filled like any other: of two makers only one can then fill it. By a
    /// patch, since that names the object and the right to it can too.
    async fn make(&self) -> Result<Secret, kube::Error> {
        let empty = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/name": "driftwall"}},
            "data": {"tls.crt": "", "tls.key": ""},
        });
        self.api.patch(&self.name, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(empty)).await
    }

    /// Keys of others stay.
    async fn put(&self, mut secret: Secret, contents: &SecretContents) -> Result<Secret, kube::Error> {
        let mut data = secret.data.take().unwrap_or_default();
        data.retain(|key, _| !SecretContents::KEYS.contains(&key.as_str()));
        data.extend(contents.data());
        secret.data = Some(data);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.api.replace(&self.name, &parameters, &secret).await
    }
}

fn watch_reason(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => reason(error),
        other => other.to_string(),
    }
}
