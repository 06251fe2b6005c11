//! Created glass, as the cluster has it at any moment.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch::Receiver;

use crate::cluster::ClusterContext;
use driftwall_core::policy::{
    ActiveBreakGlasses, BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL, BREAK_GLASS_VERSION, BreakGlass,
};

/// How long a watch lasts before another takes its place, in seconds: a connection that
/// has silently broken off must not keep glass whole in an emergency, or broken after it.
const WATCH: u32 = 20;

/// Namespace and name.
type Key = (String, String);

/// Every `BreakGlass` of the cluster.
#[derive(Default)]
struct Seen {
    now: HashMap<Key, DynamicObject>,
    /// What a new list has brought so far.
    listed: HashMap<Key, DynamicObject>,
}

/// Follows every `BreakGlass` and tells, whenever they or the `longest` that one
/// may last change, which count; `None` while the cluster has no such kind, or
/// `longest` says that none is to count. What was told last stays while the API
/// server is away: each ends by itself.
pub async fn watch(
    home: ClusterContext,
    mut longest: Receiver<Option<Duration>>,
    tell: impl Fn(Option<ActiveBreakGlasses>),
) -> Infallible {
    let kind = GroupVersionKind::gvk(BREAK_GLASS_GROUP, BREAK_GLASS_VERSION, "BreakGlass");
    let kind = ApiResource::from_gvk_with_plural(&kind, BREAK_GLASS_PLURAL);
    let api: Api<DynamicObject> = Api::all_with(home.client.clone(), &kind);
    let mut events = pin!(watcher(api, watcher::Config::default().timeout(WATCH)).default_backoff());
    let mut seen = Seen::default();
    let mut is_known = false;
    let mut trouble = String::new();
    let mut is_configured = true;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    if !seen.take(event) {
                        continue;
                    }
                    trouble.clear();
                    is_known = true;
                }
                Some(Err(error)) => {
                    let (words, refusal) = (error.to_string(), refusal(&error));
                    if words != trouble {
                        if refusal == Some(404) {
                            tracing::info!("The cluster has no BreakGlass: there is no glass to break");
                        } else {
                            tracing::warn!(error = words, "Failed to watch what glass is broken");
                        }
                        trouble = words;
                    }
                    if refusal.is_none() {
                        continue;
                    }
                    is_known = false;
                }
                // A watch never ends by itself.
                None => std::future::pending().await,
            },
            changed = longest.changed(), if is_configured => is_configured = changed.is_ok(),
        }
        let longest = *longest.borrow_and_update();
        tell(longest.filter(|_| is_known).map(|longest| seen.break_glasses(&home.namespace, longest)));
    }
}

/// The API server's own no: the kind is not there, or may not be read.
fn refusal(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            Some(status.code).filter(|code| matches!(code, 403 | 404))
        }
        _ => None,
    }
}

impl Seen {
    /// Whether what is there may have changed.
    fn take(&mut self, event: Event<DynamicObject>) -> bool {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(object) => drop(self.listed.insert(key(&object), object)),
            Event::InitDone => {
                self.now = std::mem::take(&mut self.listed);
                return true;
            }
            Event::Apply(object) => {
                self.now.insert(key(&object), object);
                return true;
            }
            Event::Delete(object) => return self.now.remove(&key(&object)).is_some(),
        }
        false
    }

    /// Those that count.
    fn break_glasses(&self, home: &str, longest: Duration) -> ActiveBreakGlasses {
        let broken = self.now.iter().filter_map(|((namespace, name), object)| {
            let glass = serde_json::to_value(object).map(|object| BreakGlass::from_stored(&object, longest));
            match glass {
                Ok(Ok(glass)) => Some(glass),
                Ok(Err(error)) => {
                    tracing::warn!(namespace, name, field = error.field(), %error, "A BreakGlass that lets nothing pass");
                    None
                }
                Err(error) => {
                    tracing::warn!(namespace, name, %error, "A BreakGlass that cannot be read");
                    None
                }
            }
        });
        ActiveBreakGlasses { driftwall_namespace: home.to_owned(), break_glasses: broken.collect() }
    }
}

fn key(object: &DynamicObject) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}
