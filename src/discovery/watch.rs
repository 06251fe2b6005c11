//! The watch of a kind as a stream of events. It carries: what follows from what comes is decided in [`super::progress`].

use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{Stream, StreamExt as _};
use kube::Client;
use kube::api::{Api, ApiResource};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};

use super::kinds::WatchedKind;
use super::progress::{Failure, Next, Outcome, Standing, WatchProgress};
use super::status::WatchStatus;
use super::watched_object::WatchedObject;
use super::watches::{EventStream, WatchEvent};
use crate::cluster::ApiError;
use crate::telemetry::LogChanges;

/// Objects of one page of a list. An Application has some tens of kilobytes, and may have 1.5 MiB: that many are in memory
/// at once.
const PAGE_SIZE: u32 = 20;

/// How long a watch lasts before another one replaces it, in seconds: a connection that broke off in silence must
/// not hide changes for long.
const WATCH_SECONDS: u32 = 240;

/// What is watched.
pub(super) struct Watch {
    client: Client,
    kind: WatchedKind,
    /// `None` for all namespaces.
    namespace: Option<String>,
    /// `None` for all objects.
    object: Option<&'static str>,
    states: Arc<WatchStatus>,
}

type ObjectStream = Pin<Box<dyn Stream<Item = watcher::Result<Event<WatchedObject>>> + Send>>;

/// A watch that runs.
struct Running {
    watch: Watch,
    name: String,
    progress: WatchProgress,
    stream: Option<ObjectStream>,
    /// What is to be done before the stream is asked again.
    next: Next,
    problem: LogChanges,
}

impl Watch {
    pub(super) fn new(client: Client, kind: WatchedKind, states: &Arc<WatchStatus>) -> Self {
        Self { client, kind, namespace: None, object: None, states: Arc::clone(states) }
    }

    pub(super) fn in_namespace(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    pub(super) fn of_object(self, name: &'static str) -> Self {
        Self { object: Some(name), ..self }
    }

    /// The name of the watch, for people.
    fn name(&self) -> String {
        match self.object {
            Some(object) => format!("{} {object}", self.kind.plural),
            None => self.kind.plural.to_owned(),
        }
    }

    pub(super) fn into_stream(self) -> EventStream {
        let name = self.name();
        // It is known from the start, so that nothing counts before it is in step.
        self.states.add(&name, self.kind.observed);
        let progress = WatchProgress::new(self.kind);
        let running =
            Running { watch: self, name, progress, stream: None, next: Next::Continue, problem: LogChanges::default() };
        Box::pin(futures_util::stream::unfold(running, Running::next_event))
    }

    fn objects(&self, version: &str) -> ObjectStream {
        let WatchedKind { group, kind, plural, .. } = self.kind;
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<WatchedObject> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let mut config = watcher::Config::default().page_size(PAGE_SIZE).timeout(WATCH_SECONDS);
        if let Some(name) = self.object {
            config = config.fields(&format!("metadata.name={name}"));
        }
        Box::pin(watcher(api, config).default_backoff())
    }
}

impl Running {
    async fn next_event(mut self) -> Option<(WatchEvent, Self)> {
        loop {
            // Before any pause: what is gone does not wait.
            if let Some(event) = self.progress.pop_gone() {
                return Some((event, self));
            }
            let (Outcome { event, standing, next }, error) = self.outcome().await;
            self.next = next;
            if let Some(standing) = standing {
                self.note(standing, error.as_ref());
            }
            if let Some(event) = event {
                return Some((event, self));
            }
        }
    }

    /// What follows from what comes next, and the error where it is one.
    async fn outcome(&mut self) -> (Outcome, Option<ApiError>) {
        if let Next::Restart(wait) = std::mem::take(&mut self.next) {
            self.stream = None;
            tokio::time::sleep(wait).await;
        }
        loop {
            let stream = self.stream.get_or_insert_with(|| {
                self.progress.begin();
                self.watch.objects(self.progress.version())
            });
            match tokio::time::timeout(self.progress.patience(), stream.next()).await {
                Ok(Some(Ok(event))) => return (self.progress.event(event), None),
                Ok(Some(Err(error))) => return (self.progress.failure(Failure::of(&error)), Some(error.into())),
                Ok(None) => self.stream = None,
                Err(_) => return (self.progress.silence(), None),
            }
        }
    }

    fn note(&mut self, standing: Standing, error: Option<&ApiError>) {
        let states = &self.watch.states;
        match standing {
            Standing::InStep => {
                if self.problem.recovered() {
                    tracing::info!(watch = self.name, "Applications watched again");
                }
                states.in_step(&self.name);
            }
            Standing::Failed { message, is_not_there } => {
                if self.problem.is_new(&message) {
                    let error = error.map(tracing::field::display);
                    tracing::warn!(watch = self.name, reason = %message, error, "Applications not watched");
                }
                states.failed(&self.name, message, is_not_there);
            }
        }
    }
}
