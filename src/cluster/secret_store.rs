//! A Secret of driftwall's own: watched by all replicas, written by the leader.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::cluster::FIELD_MANAGER;
use crate::cluster::api_error::{ApiError, none_if_not_found, with_timeout};
use crate::cluster::context::ClusterContext;
use crate::telemetry::LogChanges;

/// The Secret is polled beside the watch, which can be silent, or forbidden.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What a Secret holds. It is written as a whole.
pub(super) trait SecretContents: Default + Send + Sync + 'static {
    /// The keys of the Secret that are driftwall's.
    const KEYS: &[&str];
    /// The Secret's type.
    const TYPE: &str;
    /// The keys that its type requires.
    const REQUIRED_KEYS: &[&str];

    /// What of it can be used.
    fn read(secret: &Secret) -> Self;
    /// The values of driftwall's keys.
    fn data(&self) -> BTreeMap<String, ByteString>;
    /// What is in the Secret and cannot be used, in words. They show no value.
    fn problems(&self) -> &[String];
}

/// The Secret, as it was read last.
pub(super) enum SecretState<C> {
    /// It does not exist.
    Absent,
    /// It must not be read, and never was.
    Forbidden,
    /// It exists, and holds this.
    Present(Arc<Secret>, Arc<C>),
    /// It has not been read yet.
    Unread,
}

impl<C> Clone for SecretState<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Absent => Self::Absent,
            Self::Forbidden => Self::Forbidden,
            Self::Present(secret, contents) => Self::Present(Arc::clone(secret), Arc::clone(contents)),
            Self::Unread => Self::Unread,
        }
    }
}

impl<C: Default> SecretState<C> {
    /// What it holds; `None` where it has not been read yet.
    pub(super) fn contents(&self) -> Option<Arc<C>> {
        match self {
            Self::Absent => Some(Arc::default()),
            Self::Present(_, contents) => Some(Arc::clone(contents)),
            Self::Forbidden | Self::Unread => None,
        }
    }
}

/// Why the Secret could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    /// The request failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Another replica has written it meanwhile.
    #[error("another replica was first")]
    Conflict,
}

/// A Secret, and what it holds.
pub(super) struct SecretStore<C> {
    pub(super) name: String,
    api: Api<Secret>,
    state: watch::Sender<SecretState<C>>,
}

impl<C: SecretContents> SecretStore<C> {
    pub(super) fn new(context: &ClusterContext, name: String) -> Self {
        let api = Api::namespaced(context.client.clone(), &context.namespace);
        Self { name, api, state: watch::Sender::new(SecretState::Unread) }
    }

    pub(super) fn state(&self) -> watch::Receiver<SecretState<C>> {
        self.state.subscribe()
    }

    /// Keeps the state current, and says in `waiting_reason` what prevents that; never returns.
    pub(super) async fn watch(&self, waiting_reason: &watch::Sender<String>) -> Infallible {
        let mut poll = interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut poll_problem, mut watch_problem) = (LogChanges::default(), LogChanges::default());
        loop {
            let mut events = pin!(watch_object(self.api.clone(), &self.name).default_backoff());
            loop {
                // The poll comes first: it says that the Secret is missing before any watch could.
                let (problem, answer) = tokio::select! {
                    biased;
                    _ = poll.tick() => (&mut poll_problem, self.read().await),
                    event = events.next() => match event {
                        Some(event) => (&mut watch_problem, event.map_err(ApiError::from)),
                        None => break,
                    },
                };
                match answer {
                    Ok(secret) => {
                        problem.recovered();
                        self.update(secret);
                    }
                    Err(error) => {
                        waiting_reason.send_replace(error.to_string());
                        if problem.is_new(&error.to_string()) {
                            tracing::warn!(secret = %self.name, %error, "Failed to read a Secret");
                        }
                        if error.is_forbidden() {
                            self.set_forbidden();
                        }
                    }
                }
            }
        }
    }

    async fn read(&self) -> Result<Option<Secret>, ApiError> {
        none_if_not_found(with_timeout(REQUEST_TIMEOUT, self.api.get(&self.name)).await)
    }

    /// What was read before stays.
    fn set_forbidden(&self) {
        self.state.send_if_modified(|state| {
            let is_first = matches!(state, SecretState::Unread);
            if is_first {
                *state = SecretState::Forbidden;
            }
            is_first
        });
    }

    fn update(&self, secret: Option<Secret>) {
        self.state.send_if_modified(|state| {
            let Some(secret) = secret else {
                let is_new = !matches!(state, SecretState::Absent);
                *state = SecretState::Absent;
                return is_new;
            };
            // A watch can be behind what was read or written.
            if matches!(state, SecretState::Present(current, _) if !is_newer(&secret, current)) {
                return false;
            }
            let contents = C::read(&secret);
            if !contents.problems().is_empty() {
                let problems = contents.problems().join(", ");
                tracing::error!(secret = %self.name, %problems, "Secret is damaged");
            }
            *state = SecretState::Present(Arc::new(secret), Arc::new(contents));
            true
        });
    }

    /// Writes the contents, where the Secret is still what it was in `state`.
    pub(super) async fn write(&self, state: &SecretState<C>, contents: &C) -> Result<(), SecretError> {
        let write = async {
            let secret = match state {
                SecretState::Present(secret, _) => (**secret).clone(),
                SecretState::Absent | SecretState::Forbidden | SecretState::Unread => self.create().await?,
            };
            self.replace(secret, contents).await
        };
        match with_timeout(REQUEST_TIMEOUT, write).await {
            Ok(secret) => {
                self.update(Some(secret));
                Ok(())
            }
            Err(error) if error.is_conflict() => {
                self.update(self.read().await?);
                Err(SecretError::Conflict)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the Secret empty. It is then filled like an existing one, so that only one of
    /// two replicas that create it fills it. By a patch, since a patch names the object, and
    /// so the right to it can be limited to that name.
    async fn create(&self) -> Result<Secret, kube::Error> {
        let data: BTreeMap<_, _> = C::REQUIRED_KEYS.iter().map(|key| (key, "")).collect();
        let empty = json!({
            "apiVersion": "v1", "kind": "Secret", "type": C::TYPE,
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/name": "driftwall"}},
            "data": data,
        });
        self.api.patch(&self.name, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(empty)).await
    }

    /// Replaces driftwall's keys of the Secret; other keys stay.
    async fn replace(&self, mut secret: Secret, contents: &C) -> Result<Secret, kube::Error> {
        let mut data = secret.data.take().unwrap_or_default();
        data.retain(|key, _| !C::KEYS.contains(&key.as_str()));
        data.extend(contents.data());
        secret.data = Some(data);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.api.replace(&self.name, &parameters, &secret).await
    }
}

/// Whether it is another Secret, or a later version of the same.
fn is_newer(new: &Secret, current: &Secret) -> bool {
    let version =
        |secret: &Secret| secret.metadata.resource_version.as_ref().and_then(|version| version.parse::<u64>().ok());
    new.metadata.uid != current.metadata.uid || version(new) > version(current)
}
