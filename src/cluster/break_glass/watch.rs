//! Watches the `BreakGlass` objects of the cluster.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, Store, reflector};
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::watch::Receiver;

use super::api_resource;
use crate::cluster::ClusterContext;
use crate::cluster::api_error::ApiError;
use crate::telemetry::LogChanges;
use driftwall_core::policy::{BreakGlass, BreakGlasses};

/// How long a watch lasts before another one replaces it, in seconds. A connection that
/// broke off in silence must not hide a new `BreakGlass` in an emergency, nor keep a
/// deleted one in force.
const WATCH_SECONDS: u32 = 20;

/// Watches every `BreakGlass` and calls `on_change` with the valid ones, whenever they
/// or `max_duration` change. It is called with `None` while the cluster does not have
/// the kind, or `max_duration` is `None` because break-glass is disabled. While the API
/// server is away, the last ones stay in use: each of them expires by itself.
pub async fn watch(
    context: ClusterContext,
    mut max_duration: Receiver<Option<Duration>>,
    on_change: impl Fn(Option<BreakGlasses>),
) -> Infallible {
    let resource = api_resource();
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource);
    let writer = reflector::store::Writer::new(resource);
    let store = writer.as_reader();
    let watcher = watcher(api, watcher::Config::default().timeout(WATCH_SECONDS));
    let mut events = pin!(reflector(writer, watcher).default_backoff());
    let mut is_available = false;
    let mut has_settings = true;
    let mut problem = LogChanges::default();
    loop {
        tokio::select! {
            event = events.next() => match event {
                // A list that is not complete yet.
                Some(Ok(Event::Init | Event::InitApply(_))) => continue,
                Some(Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_))) => {
                    problem.recovered();
                    is_available = true;
                }
                Some(Err(error)) => {
                    let refusal = refusal_code(&error);
                    let error = ApiError::from(error);
                    if problem.is_new(&error.to_string()) {
                        if refusal == Some(404) {
                            tracing::info!("Break-glass is not available: the cluster does not know the kind BreakGlass");
                        } else {
                            tracing::warn!(%error, "Failed to watch BreakGlass objects");
                        }
                    }
                    if refusal.is_none() {
                        continue;
                    }
                    is_available = false;
                }
                // A watch never ends by itself.
                None => std::future::pending().await,
            },
            changed = max_duration.changed(), if has_settings => has_settings = changed.is_ok(),
        }
        let max_duration = *max_duration.borrow_and_update();
        on_change(match max_duration {
            Some(max_duration) if is_available => Some(valid_break_glasses(&store, &context.namespace, max_duration)),
            _ => None,
        });
    }
}

/// The status code where the API server itself says no: the kind does not exist, or must not be read.
fn refusal_code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            Some(status.code).filter(|code| matches!(code, 403 | 404))
        }
        _ => None,
    }
}

fn valid_break_glasses(
    store: &Store<DynamicObject>,
    driftwall_namespace: &str,
    max_duration: Duration,
) -> BreakGlasses {
    let mut break_glasses = Vec::new();
    for object in store.state() {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        match serde_json::to_value(&*object).map(|object| BreakGlass::from_stored(&object, max_duration)) {
            Ok(Ok(break_glass)) => break_glasses.push(break_glass),
            Ok(Err(error)) => {
                tracing::warn!(namespace, name, field = error.field(), %error, "Ignoring an invalid BreakGlass");
            }
            Err(error) => tracing::warn!(namespace, name, %error, "Ignoring a BreakGlass that cannot be read"),
        }
    }
    BreakGlasses { driftwall_namespace: driftwall_namespace.to_owned(), break_glasses }
}
