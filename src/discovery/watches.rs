//! Which kinds are watched, and what their watches tell.

use std::pin::Pin;
use std::sync::Arc;

use driftwall_core::applications::ObservedKind;
use futures_util::stream::{SelectAll, Stream, StreamExt as _};
use kube::Client;
use serde_json::Value;

use super::hub;
use super::kinds::{APPLICATIONS, FLUX, PROJECTS, SETTINGS, SETTINGS_NAMES};
use super::settings::{ArgocdDiscovery, DiscoverySettings};
use super::status::WatchStatus;
use super::watch::Watch;
use crate::cluster::ClusterContext;

pub(super) type EventStream = Pin<Box<dyn Stream<Item = WatchEvent> + Send>>;
pub(super) type Watches = SelectAll<EventStream>;

/// What a watch saw.
pub(super) enum WatchEvent {
    /// An object is there.
    Present(ObservedKind, Value),
    /// It is gone.
    Gone(ObservedKind, Value),
    /// The watch stands otherwise than before: it is in step, or has failed.
    StandingChanged,
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
                    let client = hub::connect(&file, &states).await;
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
