//! Flux's objects: Kustomizations, HelmReleases, and the sources that they deploy from.

mod helm_release;
mod inventory;
mod kustomization;
mod source;

use serde_json::Value;

use super::application::{Account, ApplicationKind, Destination, SyncState};
use super::fields::{is_true, items, optional_text, text, texts};
use super::ignored::{DifferenceRule, OwnRules};
use super::name_pattern::PatternError;
use super::rule_budget::{RuleBudget, TooMuch};
use super::selector::Selector;

pub(super) use helm_release::parse_helm_release;
pub use inventory::parse_inventory;
pub(super) use kustomization::parse_kustomization;
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

/// Reads the rules of a Kustomization or HelmRelease: each with a `target` and `paths`.
pub(super) fn parse_own_rules(kind: ApplicationKind, object: &Value) -> OwnRules {
    let (pointer, place) = match kind {
        ApplicationKind::HelmRelease => ("/spec/driftDetection/ignore", "spec.driftDetection.ignore"),
        ApplicationKind::Application | ApplicationKind::Kustomization => ("/spec/ignore", "spec.ignore"),
    };
    let (mut own, mut budget) = (OwnRules::default(), RuleBudget::default());
    for rule in items(object, pointer) {
        let pointers = texts(rule, "/paths");
        let read = match Selector::flux(rule.get("target"), &mut budget) {
            Ok(selector) => budget.take_texts(&pointers).map(|()| DifferenceRule {
                selector,
                // `IgnorePathRoot`, in `fluxcd/pkg`, `ssa/jsondiff`.
                is_of_whole_object: pointers.iter().any(String::is_empty),
                pointers,
                expressions: Vec::new(),
                managers: Vec::new(),
                is_partly_unknown: false,
            }),
            Err(PatternError::Invalid(reason)) => {
                own.note(format!("{place}: {reason}: drift of all objects is a warning at most"));
                Ok(DifferenceRule::unknown(Selector::any()))
            }
            Err(PatternError::TooMuch) => Err(TooMuch),
        };
        let Ok(rule) = read else {
            own.cut_short(place);
            break;
        };
        own.push(rule);
    }
    own
}
