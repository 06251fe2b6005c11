//! One step of the registrar: from what is there and what is wanted to what is
//! written, or told.

use std::sync::Arc;
use std::time::Duration;

use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::ca_bundle::{all_webhooks, bundle_of, has_bundles, names_a_ca, only_bundles, writes};
use super::client::WebhookConfigClient;
use super::desired::{hash, wanted};
use super::discovery::Discovery;
use super::report::LastReported;
use super::{ControllerInputs, Desired, Observer, WebhookConfigState, WebhookSpec};
use crate::cluster::api_error::ApiError;
use driftwall_core::webhook_config::{LiveState, kinds_in_several_versions, live_state};

/// How often the way back in is looked for while the registration is not kept.
const WAY_BACK: Duration = Duration::from_secs(3);

/// What is put back is put back at once; whoever changes it again right away is
/// a machine, and would go on for ever.
const RESTORED: Duration = Duration::from_secs(10);

/// How often it is looked at without a change: a watch can be silent for minutes
/// before its client finds out that nobody is there.
const LOOK: Duration = Duration::from_secs(15);

/// In the place of a uid that cannot be read.
const UNKNOWN: &str = "unknown";

/// Between two writes: two who take each other's for old ones must not keep an API server busy.
const PUT: Duration = Duration::from_secs(2);

const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What the registrar knows, from one step to the next.
pub(super) struct Reconciler {
    calls: WebhookConfigClient,
    discovery: Discovery,
    pub(super) inputs: ControllerInputs,
    pub(super) observer: Arc<dyn Observer>,
    bundle: watch::Sender<Option<String>>,
    live: Live,
    /// What a list that is under way has brought.
    listed: Option<Value>,
    /// Whether the watch failed, so that what is known may be old.
    away: bool,
    looked: Instant,
    conditions: Option<bool>,
    /// The Deployment's uid, once it could be read.
    pub(super) deployment: Option<String>,
    /// The `ClusterRole`'s uid, where it can be read.
    role: Option<String>,
    /// Whether this installation has registered before.
    registered: Option<bool>,
    /// Whether this process has seen a registration.
    pub(super) seen: bool,
    restored: Option<Instant>,
    put: Option<Instant>,
    pub(super) pause: Duration,
    pub(super) told: LastReported,
    failures: u32,
}

/// The configuration, where the API server has said so.
enum Live {
    Known(Option<Value>),
    Unknown,
}

/// What is to be done about the registration.
enum Action {
    /// The CA alone is put right; the rest is somebody's.
    Bundle,
    Nothing,
    Put,
    /// As `Put`, against somebody's will.
    Restore,
}

impl Reconciler {
    pub(super) fn new(
        calls: WebhookConfigClient,
        discovery: Discovery,
        inputs: ControllerInputs,
        observer: Arc<dyn Observer>,
        bundle: watch::Sender<Option<String>>,
    ) -> Self {
        Self {
            calls,
            discovery,
            inputs,
            observer,
            bundle,
            live: Live::Unknown,
            listed: None,
            away: false,
            looked: Instant::now(),
            conditions: None,
            deployment: None,
            role: None,
            registered: None,
            seen: false,
            restored: None,
            put: None,
            pause: PUT,
            told: LastReported::default(),
            failures: 0,
        }
    }

    /// Takes in what the watch brings.
    pub(super) fn take(&mut self, event: Result<watcher::Event<DynamicObject>, watcher::Error>) {
        let value = |object: DynamicObject| serde_json::to_value(object).ok();
        match event {
            Ok(watcher::Event::Init) => self.listed = None,
            Ok(watcher::Event::InitApply(object)) => self.listed = value(object),
            Ok(watcher::Event::InitDone) => self.live = Live::Known(self.listed.take()),
            Ok(watcher::Event::Apply(object)) => self.live = Live::Known(value(object)),
            Ok(watcher::Event::Delete(_)) => self.live = Live::Known(None),
            Err(error) => {
                tracing::debug!(%error, "The watch of the registration failed");
                (self.away, self.conditions) = (true, None);
            }
        }
    }

    /// What another replica may have done since is asked for again.
    pub(super) fn forget(&mut self) {
        self.registered = None;
        // What the log alone was told of is an Event by the one who leads.
        self.told.standing = None;
    }

    /// Does what is to be done; how long to wait for the next step at most.
    pub(super) async fn step(&mut self) -> Duration {
        match self.attempt().await {
            Ok(wait) => {
                if self.told.trouble.take().is_some() {
                    tracing::info!("The registration is looked after again");
                }
                self.failures = 0;
                wait.unwrap_or(LOOK)
            }
            Err(ApiError::Refused { code: 409, message }) => {
                tracing::debug!(%message, "The registration changed meanwhile");
                SHORTEST_WAIT
            }
            Err(fault) => {
                let words = fault.to_string();
                if self.told.trouble.as_ref() != Some(&words) {
                    tracing::error!(error = %words, "Failed to look after the registration with the API server");
                    self.told.trouble = Some(words);
                }
                let wait = SHORTEST_WAIT.saturating_mul(1 << self.failures.min(8)).min(LONGEST_WAIT);
                self.failures += 1;
                wait
            }
        }
    }

    async fn attempt(&mut self) -> Result<Option<Duration>, ApiError> {
        let Desired::Managed(mut plan) = self.inputs.plan.borrow().clone() else { return Ok(None) };
        if self.away || self.looked.elapsed() >= LOOK {
            self.look(&plan.registration.name).await?;
        }
        let Live::Known(live) = &self.live else { return Ok(None) };
        let live = live.clone();
        let conditions = match self.conditions {
            Some(knows) => knows,
            None => *self.conditions.insert(self.calls.knows_conditions().await?),
        };
        plan.registration.match_conditions = conditions;
        plan.registration.plurals = self.discovery.plurals(&plan.snapshot).await;
        let bundle = self.inputs.bundle.as_ref().map(|bundle| bundle.borrow().clone());
        let (wanted, kept) = wanted(&plan, bundle.clone().flatten(), bundle.is_none(), live.as_ref());
        let standing = live_state(live.as_ref(), &wanted, hash);
        self.report(&standing, live.as_ref(), &wanted);
        let leads = *self.inputs.leading.borrow();
        if !leads {
            self.tell_aside(&standing);
            return Ok(None);
        }
        if self.deployment.is_none() {
            self.deployment = self.calls.deployment(&plan.service).await?;
        }
        let role = self.calls.role(&plan.registration.name).await?;
        if replace(&mut self.role, role) {
            self.registered = None;
        }
        self.tell_policies(kept);
        self.tell_mixed(kinds_in_several_versions(&plan.snapshot));
        if bundle == Some(None) {
            // A certificate of driftwall's own that is not made yet.
            return Ok(None);
        }
        let deed = self.deed(&plan, &standing, live.as_ref(), &wanted).await?;
        let pause = match deed {
            Action::Restore => left(self.restored, RESTORED),
            Action::Put => left(self.put, self.pause),
            Action::Bundle | Action::Nothing => None,
        };
        match (deed, live, pause) {
            (Action::Nothing, _, _) | (Action::Bundle, None, _) => {}
            (Action::Put | Action::Restore, _, Some(left)) => return Ok(Some(left)),
            (Action::Restore, _, None) => {
                self.restored = Some(Instant::now());
                self.tell(&plan, &standing);
                self.put(&plan, wanted).await?;
                self.happened("RegistrationRestored", format!("{} is put back", plan.registration.name));
            }
            (Action::Put, _, None) => self.put(&plan, wanted).await?,
            (Action::Bundle, Some(live), _) => {
                self.tell(&plan, &standing);
                let patched = self.calls.patch(&plan.registration.name, &only_bundles(&live, &wanted)).await;
                self.written(patched)?;
            }
        }
        if matches!(standing, LiveState::Absent | LiveState::Modified(_)) && self.registered == Some(true) {
            self.tell(&plan, &standing);
            return Ok(Some(WAY_BACK));
        }
        if self.registered != Some(true) {
            let (deployment, role) = self.marks();
            self.calls.remember(&plan.service, &format!("{deployment} {role}")).await?;
            self.registered = Some(true);
        }
        self.told.standing = None;
        Ok(None)
    }

    /// Looks without the watch.
    async fn look(&mut self, name: &str) -> Result<(), ApiError> {
        self.looked = Instant::now();
        match self.calls.configuration(name).await {
            Ok(found) => {
                (self.live, self.away) = (Live::Known(found), false);
                Ok(())
            }
            Err(fault) => {
                self.observer.set_state(WebhookConfigState::Unknown, None);
                // An API server that comes back may be another one.
                (self.away, self.conditions) = (true, None);
                Err(fault)
            }
        }
    }

    /// What the leader does.
    async fn deed(
        &mut self,
        plan: &WebhookSpec,
        standing: &LiveState,
        live: Option<&Value>,
        wanted: &Value,
    ) -> Result<Action, ApiError> {
        let has_bundle = live.is_none_or(|live| has_bundles(live, wanted));
        match standing {
            LiveState::InSync if has_bundle && self.is_owned(live) => {
                if self.registered.is_none() {
                    self.registered = Some(self.has_registered(plan).await?);
                }
                return Ok(Action::Nothing);
            }
            LiveState::InSync | LiveState::Outdated => return Ok(Action::Put),
            LiveState::Absent | LiveState::Modified(_) => {}
        }
        self.registered = Some(self.has_registered(plan).await?);
        Ok(match (self.registered, standing) {
            (Some(true), _) if plan.restore => Action::Restore,
            (Some(true), LiveState::Modified(_)) if !has_bundle => Action::Bundle,
            (Some(true), _) => Action::Nothing,
            _ => Action::Put,
        })
    }

    /// Whether this installation has registered before: then a registration that is
    /// missing was removed by somebody.
    async fn has_registered(&self, plan: &WebhookSpec) -> Result<bool, ApiError> {
        let remembered = self.calls.remembered(&plan.service).await?;
        let (deployment, role) = self.marks();
        Ok(remembered.is_some_and(|remembered| {
            let (of, by) = remembered.split_once(' ').unwrap_or((&remembered, UNKNOWN));
            // A role that cannot be read for a while is no other one.
            of == deployment && (by == role || [by, role].contains(&UNKNOWN))
        }))
    }

    /// What tells this installation from others of its name. When the `ClusterRole` goes,
    /// the garbage collector takes the configuration along: that is nobody's way out.
    fn marks(&self) -> (&str, &str) {
        (self.deployment.as_deref().unwrap_or(UNKNOWN), self.role.as_deref().unwrap_or(UNKNOWN))
    }

    /// Whether the configuration goes with the `ClusterRole` that is there.
    fn is_owned(&self, live: Option<&Value>) -> bool {
        let owners = || live.and_then(|live| live["metadata"]["ownerReferences"].as_array()).into_iter().flatten();
        self.role.as_ref().is_none_or(|role| owners().any(|owner| owner["uid"] == **role))
    }

    async fn put(&mut self, plan: &WebhookSpec, mut wanted: Value) -> Result<(), ApiError> {
        let name = &plan.registration.name;
        self.put = Some(Instant::now());
        if let Some(uid) = &self.role {
            wanted["metadata"]["ownerReferences"] = json!([{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": name, "uid": uid}]);
        }
        if let Live::Known(Some(live)) = &self.live {
            // What somebody deletes or changes at this moment is not made again or undone.
            for guard in ["resourceVersion", "uid"] {
                wanted["metadata"][guard] = live["metadata"][guard].clone();
            }
        }
        let applied = self.calls.apply(name, &wanted).await;
        let applied = self.written(applied)?;
        // A server-side apply leaves what others have added.
        if live_state(Some(&applied), &wanted, hash) != LiveState::InSync {
            let replaced = self.calls.patch(name, &all_webhooks(&applied, &wanted)).await;
            self.written(replaced)?;
        }
        let webhooks = wanted["webhooks"].as_array();
        let rules = webhooks.into_iter().flatten().filter_map(|webhook| webhook["rules"].as_array()).map(Vec::len);
        tracing::info!(%name, rules = rules.sum::<usize>(), "Registered with the API server");
        let state = if names_a_ca(&wanted) { WebhookConfigState::InSync } else { WebhookConfigState::MissingCa };
        self.observer.set_state(state, wanted["webhooks"][0]["failurePolicy"].as_str());
        Ok(())
    }

    /// Takes in what was written.
    fn written(&mut self, outcome: Result<Value, ApiError>) -> Result<Value, ApiError> {
        if matches!(outcome, Err(ApiError::Refused { code: 409, .. })) {
            // Somebody was faster; what they left is looked at first.
            self.away = true;
        } else {
            self.observer.record_write(outcome.is_ok());
        }
        let written = outcome?;
        self.seen = true;
        self.bundle.send_if_modified(|now| replace(now, Some(bundle_of(&written))));
        self.live = Live::Known(Some(written.clone()));
        Ok(written)
    }

    fn report(&mut self, standing: &LiveState, live: Option<&Value>, wanted: &Value) {
        let has_bundle = live.is_some_and(|live| has_bundles(live, wanted));
        let is_trusted = live.is_none_or(names_a_ca);
        let state = match standing {
            LiveState::InSync | LiveState::Outdated if !is_trusted => WebhookConfigState::MissingCa,
            LiveState::Absent => WebhookConfigState::Absent,
            LiveState::InSync if has_bundle => WebhookConfigState::InSync,
            LiveState::InSync | LiveState::Outdated => WebhookConfigState::Pending,
            LiveState::Modified(_) => WebhookConfigState::Changed,
        };
        self.observer.set_state(state, live.and_then(writes).and_then(|webhook| webhook["failurePolicy"].as_str()));
        self.bundle.send_if_modified(|now| replace(now, live.map(bundle_of)));
        if !replace(&mut self.told.untrusted, !is_trusted) || is_trusted {
            return;
        }
        tracing::error!(
            "The registration names no CA: API servers cannot call driftwall; failurePolicy is Ignore until it does"
        );
    }
}

/// What is left of a pause since then.
fn left(since: Option<Instant>, pause: Duration) -> Option<Duration> {
    since.map(|since| pause.saturating_sub(since.elapsed())).filter(|left| !left.is_zero())
}

/// Whether there was something else.
fn replace<T: PartialEq>(now: &mut T, with: T) -> bool {
    let is_other = *now != with;
    *now = with;
    is_other
}
