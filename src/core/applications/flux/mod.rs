//! Flux's objects: Kustomizations, HelmReleases, and the sources that they deploy from.

mod helm_release;
mod inventory;
mod kustomization;
mod source;

use serde_json::Value;

use super::application::{Account, Destination, SyncState};
use super::fields::{is_true, items, optional_text, text, texts};
use super::ignored::DifferenceRule;
use super::selector::Selector;

pub use helm_release::parse_helm_release;
pub use inventory::parse_inventory;
pub use kustomization::parse_kustomization;
pub(crate) use source::without_credentials;
pub use source::{FluxSource, FluxSourceName, parse_source};

/// The sources that there are, by their names.
pub type FluxSources = std::collections::HashMap<FluxSourceName, FluxSource>;

/// Where an object is applied: in this cluster, unless it names a kubeconfig.
fn destination(object: &Value) -> Destination {
    match object.pointer("/spec/kubeConfig") {
        None | Some(Value::Null) => Destination::ThisCluster,
        Some(config) => {
            let secret =
                optional_text(config, "/secretRef/name").or_else(|| optional_text(config, "/configMapRef/name"));
            Destination::Other(format!("the cluster of kubeconfig {}", secret.unwrap_or_default()))
        }
    }
}

/// The account as which the controller writes, where it is not its own
/// (`fluxcd/pkg`, `runtime/client/impersonator.go`).
fn accounts(object: &Value, namespace: &str) -> Vec<Account> {
    let account = optional_text(object, "/spec/serviceAccountName");
    account.map(|name| Account { namespace: namespace.to_owned(), name }).into_iter().collect()
}

/// The condition `Ready`, and whether it is suspended.
fn sync_state(object: &Value) -> SyncState {
    let ready = items(object, "/status/conditions").iter().find(|condition| condition["type"] == "Ready");
    let of = |pointer: &str| ready.map(|ready| text(ready, pointer)).unwrap_or_default();
    let status = match &*of("/status") {
        "True" => "Ready".to_owned(),
        "" => String::new(),
        _ => of("/reason"),
    };
    let is_paused = is_true(object, "/spec/suspend");
    SyncState { status, message: of("/message"), is_automatic: !is_paused, is_paused }
}

/// Rules with a `target` and `paths`, and what of them cannot be read.
fn rules(object: &Value, pointer: &str) -> (Vec<DifferenceRule>, Vec<String>) {
    let (mut rules, mut notes) = (Vec::new(), Vec::new());
    for rule in items(object, pointer) {
        let (selector, pointers, is_partly_unknown) = match Selector::flux(rule.get("target")) {
            Ok(selector) => (Ok(selector), texts(rule, "/paths"), false),
            Err(reason) => {
                let key = pointer.trim_start_matches('/').replace('/', ".");
                notes.push(format!(
                    "a rule in {key} cannot be read: {reason}; drift of all objects is a warning at most"
                ));
                (Selector::flux(None), Vec::new(), true)
            }
        };
        if let Ok(selector) = selector {
            let (expressions, managers) = (Vec::new(), Vec::new());
            rules.push(DifferenceRule { selector, pointers, expressions, managers, is_partly_unknown });
        }
    }
    (rules, notes)
}
