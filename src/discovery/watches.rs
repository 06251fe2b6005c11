//! One watch for each kind: what it saw, as events, and how it stands.

use std::collections::{BTreeMap, HashSet};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftwall_core::applications::ObservedKind;
use futures_util::stream::{SelectAll, Stream, StreamExt as _};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};

use super::kinds::{APPLICATIONS, FLUX, PROJECTS, SETTINGS, SETTINGS_NAMES, WatchedKind};
use super::settings::{ArgocdDiscovery, DiscoverySettings};
use crate::cluster::{ClusterContext, ConnectError, client_of_kubeconfig};
use crate::telemetry::LogChanges;

/// Objects of one page of a list: an Application has some tens of kilobytes.
const PAGE_SIZE: u32 = 100;

/// How long a watch lasts before another one replaces it, in seconds: a connection that broke off in silence must
/// not hide changes for long.
const WATCH_SECONDS: u32 = 240;

/// How long to wait before a kind that the server does not know is looked for again.
const UNKNOWN_KIND_WAIT: Duration = Duration::from_secs(30);

pub(super) type EventStream = Pin<Box<dyn Stream<Item = WatchEvent> + Send>>;
pub(super) type Watches = SelectAll<EventStream>;

/// What a watch saw.
pub(super) enum WatchEvent {
    /// An object is there.
    Present(ObservedKind, Value),
    /// It is gone.
    Gone(ObservedKind, Value),
    /// A list was read to its end.
    InStep,
}

/// How a watch stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchState {
    /// Whether all that there is was seen once, or the server does not have the kind.
    pub is_in_step: bool,
    /// Why nothing new is seen.
    pub error: Option<String>,
}

/// How all watches stand, by what they watch.
#[derive(Debug, Default)]
pub struct WatchStatus(Mutex<BTreeMap<String, WatchState>>);

impl WatchStatus {
    /// All watches.
    pub fn states(&self) -> BTreeMap<String, WatchState> {
        self.lock().clone()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Whether every watch has seen all that there is once.
    pub(super) fn are_in_step(&self) -> bool {
        self.lock().values().all(|state| state.is_in_step)
    }

    fn set(&self, name: &str, change: impl FnOnce(&mut WatchState)) {
        change(self.lock().entry(name.to_owned()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, WatchState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watches of what is discovered.
pub(super) async fn watches(
    cluster: &ClusterContext,
    settings: &DiscoverySettings,
    states: &Arc<WatchStatus>,
) -> Result<Watches, ConnectError> {
    let mut watches = Watches::default();
    if settings.flux {
        for kind in FLUX {
            watches.push(Watch::new(cluster.watch_client(), kind, states).into_stream());
        }
    }
    if let Some(ArgocdDiscovery { namespace, kubeconfig, .. }) = &settings.argocd {
        let client = match kubeconfig {
            Some(file) => client_of_kubeconfig(file).await?,
            None => cluster.watch_client(),
        };
        watches.push(Watch::new(client.clone(), APPLICATIONS, states).into_stream());
        watches.push(Watch::new(client.clone(), PROJECTS, states).in_namespace(namespace).into_stream());
        for name in SETTINGS_NAMES {
            let watch = Watch::new(client.clone(), SETTINGS, states).in_namespace(namespace);
            watches.push(watch.of_object(name).into_stream());
        }
    }
    Ok(watches)
}

struct Watch {
    client: Client,
    kind: WatchedKind,
    /// `None` for all namespaces.
    namespace: Option<String>,
    /// `None` for all objects.
    object: Option<&'static str>,
    states: Arc<WatchStatus>,
}

impl Watch {
    fn new(client: Client, kind: WatchedKind, states: &Arc<WatchStatus>) -> Self {
        Self { client, kind, namespace: None, object: None, states: Arc::clone(states) }
    }

    fn in_namespace(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    fn of_object(self, name: &'static str) -> Self {
        Self { object: Some(name), ..self }
    }

    /// The name of the watch, for people.
    fn name(&self) -> String {
        match self.object {
            Some(object) => format!("{} {object}", self.kind.plural),
            None => self.kind.plural.to_owned(),
        }
    }

    fn into_stream(self) -> EventStream {
        let name = self.name();
        // It is known from the start, so that nothing counts before it is in step.
        self.states.set(&name, |_| {});
        let first = Attempt { watch: self, name, version: 0, seen: Seen::default(), problem: LogChanges::default() };
        Box::pin(futures_util::stream::unfold(Running { attempt: first, stream: None }, Running::next))
    }

    /// Watches in one of the versions that the server may have.
    fn objects(&self, version: usize) -> ObjectStream {
        let WatchedKind { group, versions, kind, plural, .. } = self.kind;
        let gvk = GroupVersionKind::gvk(group, versions[version], kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> = match &self.namespace {
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

type ObjectStream = Pin<Box<dyn Stream<Item = watcher::Result<Event<DynamicObject>>> + Send>>;

/// A watch in one version, and what it saw.
struct Attempt {
    watch: Watch,
    name: String,
    /// Which of the versions.
    version: usize,
    seen: Seen,
    problem: LogChanges,
}

/// The objects that are there: of a list that is read again, those that it does not have are gone.
#[derive(Default)]
struct Seen {
    /// Those of the list before that were not seen again yet, by namespace and name.
    before: HashSet<(String, String)>,
    now: HashSet<(String, String)>,
    /// Whether what is left of `before` is gone.
    is_complete: bool,
}

/// A watch that runs, and the events that are still to be told.
struct Running {
    attempt: Attempt,
    stream: Option<ObjectStream>,
}

impl Running {
    async fn next(mut self) -> Option<(WatchEvent, Self)> {
        loop {
            if let Some(event) = self.attempt.seen.pop_gone(self.attempt.watch.kind) {
                return Some((event, self));
            }
            let Self { attempt, stream } = &mut self;
            let stream = stream.get_or_insert_with(|| attempt.watch.objects(attempt.version));
            let Some(event) = stream.next().await else {
                self.stream = None;
                continue;
            };
            match event {
                Ok(event) => {
                    if let Some(event) = attempt.seen(event) {
                        return Some((event, self));
                    }
                }
                Err(error) => {
                    if attempt.failed(&error).await {
                        self.stream = None;
                    }
                    // What is in step without the kind may make all of them so.
                    return Some((WatchEvent::InStep, self));
                }
            }
        }
    }
}

impl Attempt {
    fn seen(&mut self, event: Event<DynamicObject>) -> Option<WatchEvent> {
        let kind = self.watch.kind.observed;
        match event {
            Event::Init => {
                self.seen.begin();
                None
            }
            Event::InitApply(object) | Event::Apply(object) => {
                self.seen.add(&object);
                Some(WatchEvent::Present(kind, value_of(object, self.watch.kind)?))
            }
            Event::Delete(object) => {
                self.seen.remove(&object);
                Some(WatchEvent::Gone(kind, value_of(object, self.watch.kind)?))
            }
            Event::InitDone => {
                self.seen.end();
                self.problem.recovered();
                self.watch.states.set(&self.name, |state| {
                    *state = WatchState { is_in_step: true, error: None };
                });
                Some(WatchEvent::InStep)
            }
        }
    }

    /// Notes an error; returns whether the watch is to begin anew, in another version.
    async fn failed(&mut self, error: &watcher::Error) -> bool {
        let refusal = refusal(error);
        let message = match refusal {
            Some(404) => format!("the API server does not have {}.{}", self.watch.kind.plural, self.watch.kind.group),
            Some(403) => {
                format!("driftwall may not list and watch {}.{}", self.watch.kind.plural, self.watch.kind.group)
            }
            _ => "the API server does not answer the watch".to_owned(),
        };
        if self.problem.is_new(&message) {
            tracing::warn!(watch = self.name, reason = %message, %error, "Applications not watched");
        }
        let is_unknown = refusal == Some(404);
        // A kind that is not there has no objects; what is only not seen may have some.
        let is_last = self.version + 1 == self.watch.kind.versions.len();
        self.watch.states.set(&self.name, |state| {
            state.is_in_step |= refusal.is_some() && (is_last || !is_unknown);
            state.error = Some(message);
        });
        if is_unknown {
            self.version = (self.version + 1) % self.watch.kind.versions.len();
            if self.version == 0 {
                tokio::time::sleep(UNKNOWN_KIND_WAIT).await;
            }
        }
        is_unknown
    }
}

impl Seen {
    fn key(object: &DynamicObject) -> (String, String) {
        (object.metadata.namespace.clone().unwrap_or_default(), object.metadata.name.clone().unwrap_or_default())
    }

    fn begin(&mut self) {
        let now = mem::take(&mut self.now);
        self.before.extend(now);
        self.is_complete = false;
    }

    fn add(&mut self, object: &DynamicObject) {
        let key = Self::key(object);
        self.before.remove(&key);
        self.now.insert(key);
    }

    fn remove(&mut self, object: &DynamicObject) {
        self.now.remove(&Self::key(object));
    }

    /// The list was read to its end: what is left of `before` is gone.
    fn end(&mut self) {
        self.is_complete = true;
    }

    fn pop_gone(&mut self, kind: WatchedKind) -> Option<WatchEvent> {
        if !self.is_complete {
            return None;
        }
        let Some(key) = self.before.iter().next().cloned() else {
            self.is_complete = false;
            return None;
        };
        self.before.remove(&key);
        let (namespace, name) = key;
        let object = json!({"kind": kind.kind, "metadata": {"namespace": namespace, "name": name}});
        Some(WatchEvent::Gone(kind.observed, object))
    }
}

/// The whole object; a watch may leave its kind out.
fn value_of(object: DynamicObject, kind: WatchedKind) -> Option<Value> {
    let mut value = serde_json::to_value(object).ok()?;
    value.as_object_mut()?.insert("kind".to_owned(), kind.kind.into());
    Some(value)
}

/// The status code where the API server itself says no.
fn refusal(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            Some(status.code).filter(|code| matches!(code, 403 | 404))
        }
        _ => None,
    }
}
