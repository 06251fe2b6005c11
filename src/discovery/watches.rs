//! One watch for each kind: what it saw, as events, and how it stands.

use std::collections::HashSet;
use std::mem;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use driftwall_core::applications::ObservedKind;
use futures_util::stream::{SelectAll, Stream, StreamExt as _};
use kube::Client;
use kube::api::{Api, ApiResource};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};

use super::kinds::{APPLICATIONS, FLUX, PROJECTS, SETTINGS, SETTINGS_NAMES, WatchedKind};
use super::settings::{ArgocdDiscovery, DiscoverySettings};
use super::status::WatchStatus;
use super::watched_object::WatchedObject;
use crate::cluster::{ApiError, ClusterContext, client_of_kubeconfig};
use crate::telemetry::LogChanges;

/// Objects of one page of a list. An Application has some tens of kilobytes, and may have 1.5 MiB: that many are in memory
/// at once.
const PAGE_SIZE: u32 = 20;

/// How long a watch lasts before another one replaces it, in seconds: a connection that broke off in silence must
/// not hide changes for long.
const WATCH_SECONDS: u32 = 240;

/// How long the pages of a list may be apart: longer than the pause after an error.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);

const NO_ANSWER: &str = "the API server does not answer the watch";

/// How long to wait before a kubeconfig that cannot be used is read again.
const RECONNECT_WAIT: Duration = Duration::from_secs(30);

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

/// The watches of what is discovered.
pub(super) fn watches(cluster: &ClusterContext, settings: &DiscoverySettings, states: &Arc<WatchStatus>) -> Watches {
    let mut watches = Watches::default();
    if settings.flux {
        for kind in FLUX {
            watches.push(Watch::new(cluster.watch_client(), kind, states).into_stream());
        }
    }
    if let Some(ArgocdDiscovery { namespace, kubeconfig, .. }) = &settings.argocd {
        let namespace = namespace.clone();
        let of_argocd: EventStream = match kubeconfig.clone() {
            None => Box::pin(argocd_watches(&cluster.watch_client(), &namespace, states)),
            Some(file) => {
                states.add(APPLICATIONS.plural, APPLICATIONS.observed);
                let states = Arc::clone(states);
                let hub = async move {
                    let client = connect_to_hub(&file, &states).await;
                    argocd_watches(&client, &namespace, &states)
                };
                Box::pin(futures_util::stream::once(hub).flatten())
            }
        };
        watches.push(of_argocd);
    }
    watches
}

fn argocd_watches(client: &Client, namespace: &str, states: &Arc<WatchStatus>) -> Watches {
    let mut watches = Watches::default();
    watches.push(Watch::new(client.clone(), APPLICATIONS, states).into_stream());
    watches.push(Watch::new(client.clone(), PROJECTS, states).in_namespace(namespace).into_stream());
    for name in SETTINGS_NAMES {
        let watch = Watch::new(client.clone(), SETTINGS, states).in_namespace(namespace);
        watches.push(watch.of_object(name).into_stream());
    }
    watches
}

/// A client of the cluster that Argo CD runs in. Its kubeconfig may be there later than driftwall is.
async fn connect_to_hub(kubeconfig: &Path, states: &WatchStatus) -> Client {
    let mut problem = LogChanges::default();
    loop {
        match client_of_kubeconfig(kubeconfig).await {
            Ok(client) => return client,
            Err(error) => {
                let message = error.to_string();
                if problem.is_new(&message) {
                    tracing::error!(reason = %message, "Applications of Argo CD not found");
                }
                states.failed(APPLICATIONS.plural, message, false);
                tokio::time::sleep(RECONNECT_WAIT).await;
            }
        }
    }
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
        self.states.add(&name, self.kind.observed);
        let first = Attempt {
            watch: self,
            name,
            version: 0,
            unknown_rounds: 0,
            wait: false,
            is_listing: true,
            seen: Seen::default(),
            problem: LogChanges::default(),
        };
        Box::pin(futures_util::stream::unfold(Running { attempt: first, stream: None }, Running::next))
    }

    /// Watches in one of the versions that the server may have.
    fn objects(&self, version: usize) -> ObjectStream {
        let WatchedKind { group, versions, kind, plural, .. } = self.kind;
        let gvk = GroupVersionKind::gvk(group, versions[version], kind);
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

type ObjectStream = Pin<Box<dyn Stream<Item = watcher::Result<Event<WatchedObject>>> + Send>>;

/// A watch in one version, and what it saw.
struct Attempt {
    watch: Watch,
    name: String,
    /// Which of the versions.
    version: usize,
    /// How often the server knew none of the versions, one time after the other.
    unknown_rounds: u32,
    /// Whether to wait before the server is asked again, after it was told that it does not know the kind.
    wait: bool,
    /// Whether a list is read, which ends; a watch may be silent for as long as it likes.
    is_listing: bool,
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
            if mem::take(&mut attempt.wait) {
                tokio::time::sleep(UNKNOWN_KIND_WAIT).await;
            }
            let stream = stream.get_or_insert_with(|| {
                attempt.is_listing = true;
                attempt.watch.objects(attempt.version)
            });
            let longest = if attempt.is_listing { LONGEST_SILENCE } else { Duration::MAX };
            let Ok(next) = tokio::time::timeout(longest, stream.next()).await else {
                attempt.fell_silent();
                self.stream = None;
                return Some((WatchEvent::InStep, self));
            };
            let Some(event) = next else {
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
                    if attempt.failed(error) {
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
    fn seen(&mut self, event: Event<WatchedObject>) -> Option<WatchEvent> {
        let kind = self.watch.kind.observed;
        match event {
            Event::Init => {
                self.is_listing = true;
                self.seen.begin();
                None
            }
            Event::InitApply(object) | Event::Apply(object) => {
                self.seen.add(&object);
                Some(WatchEvent::Present(kind, value_of(&object, self.watch.kind)?))
            }
            Event::Delete(object) => {
                self.seen.remove(&object);
                Some(WatchEvent::Gone(kind, value_of(&object, self.watch.kind)?))
            }
            Event::InitDone => {
                self.is_listing = false;
                self.seen.end();
                self.problem.recovered();
                self.unknown_rounds = 0;
                self.watch.states.in_step(&self.name);
                Some(WatchEvent::InStep)
            }
        }
    }

    /// Notes that a list does not go on.
    fn fell_silent(&mut self) {
        if self.problem.is_new(NO_ANSWER) {
            tracing::warn!(watch = self.name, reason = NO_ANSWER, "Applications not watched");
        }
        self.watch.states.failed(&self.name, NO_ANSWER.to_owned(), false);
    }

    /// Notes an error; returns whether the watch is to begin anew, in another version.
    fn failed(&mut self, error: watcher::Error) -> bool {
        let WatchedKind { plural, group, versions, .. } = self.watch.kind;
        let refusal = refusal(&error);
        let message = match refusal {
            // What was seen last is too old to go on from there: the list is read again.
            Some(410) => return false,
            Some(404) => format!("the API server does not have {plural}.{group}"),
            Some(403) => format!("driftwall may not list and watch {plural}.{group}"),
            _ => NO_ANSWER.to_owned(),
        };
        if self.problem.is_new(&message) {
            let error = ApiError::from(error);
            tracing::warn!(watch = self.name, reason = %message, %error, "Applications not watched");
        }
        let is_unknown = refusal == Some(404);
        let is_last = self.version + 1 == versions.len();
        self.watch.states.failed(&self.name, message, is_unknown && is_last);
        if is_unknown {
            self.version = (self.version + 1) % versions.len();
            if is_last {
                // A server that has just started may not know all its kinds yet; one that does not know a kind
                // for longer has no objects of it any more.
                self.unknown_rounds += 1;
                if self.unknown_rounds > 1 {
                    self.seen.begin();
                    self.seen.end();
                }
                self.wait = !self.seen.has_gone();
            }
        }
        is_unknown
    }
}

impl Seen {
    fn begin(&mut self) {
        let now = mem::take(&mut self.now);
        self.before.extend(now);
        self.is_complete = false;
    }

    fn add(&mut self, object: &WatchedObject) {
        let key = object.key();
        self.before.remove(&key);
        self.now.insert(key);
    }

    fn remove(&mut self, object: &WatchedObject) {
        self.now.remove(&object.key());
    }

    /// The list was read to its end: what is left of `before` is gone.
    fn end(&mut self) {
        self.is_complete = true;
    }

    fn has_gone(&self) -> bool {
        self.is_complete && !self.before.is_empty()
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
fn value_of(object: &WatchedObject, kind: WatchedKind) -> Option<Value> {
    let mut value = object.value()?;
    value.as_object_mut()?.insert("kind".to_owned(), kind.kind.into());
    Some(value)
}

/// The status code where the API server itself says no.
fn refusal(error: &watcher::Error) -> Option<u16> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    Some(status.code).filter(|code| matches!(code, 403 | 404 | 410))
}
