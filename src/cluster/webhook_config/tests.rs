//! The registrar before an API server of the test's own.

mod server;

use std::sync::Mutex;
use std::time::Duration;

use axum::http::Method;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use self::server::{ApiServer, CONFIGURATION, DEPLOYMENT, LEASE, ROLE};
use super::*;
use driftwall_core::desired::{FileContents, Source, SourceContents};
use driftwall_core::manifest;
use driftwall_core::webhook_config::{Endpoint, Plurals};

/// What was heard, word by word.
#[derive(Default)]
struct Ears(Mutex<Vec<String>>);

impl Observer for Ears {
    fn set_state(&self, state: super::WebhookConfigState, policy: Option<&str>) {
        self.0.lock().unwrap().push(format!("{} {}", state.as_str(), policy.unwrap_or("-")));
    }

    fn record_write(&self, succeeded: bool) {
        self.0.lock().unwrap().push(format!("wrote {succeeded}"));
    }

    fn record_event(&self, reason: &'static str, note: String, deployment_uid: &str) {
        assert!(!deployment_uid.is_empty());
        self.0.lock().unwrap().push(format!("{reason}: {note}"));
    }
}

fn plan(kinds: &[&str]) -> WebhookSpec {
    plan_of("v1", kinds)
}

fn plan_of(version: &str, kinds: &[&str]) -> WebhookSpec {
    let text = kinds
        .iter()
        .map(|kind| format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: a, namespace: prod}}}}\n"))
        .collect::<Vec<_>>()
        .join("---\n");
    let objects = manifest::parse("git.yaml", text.as_bytes()).objects;
    let file = FileContents::new(&Arc::from("git.yaml"), None, objects).unwrap();
    let snapshot = Snapshot::new(vec![Arc::new(SourceContents::new(Source::default(), vec![Arc::new(file)]))]).unwrap();
    WebhookSpec {
        snapshot: Arc::new(snapshot),
        registration: WebhookParameters {
            name: "driftwall".into(),
            labels: std::collections::BTreeMap::new(),
            ca_bundle: None,
            endpoint: Endpoint::Service { namespace: "wall".into(), name: "driftwall".into(), port: 443 },
            failure_policy: "Ignore",
            timeout_seconds: 5,
            excluded_namespaces: vec!["wall".into()],
            strict_namespaces: Some(Vec::new()),
            break_glass: false,
            match_conditions: false,
            plurals: Plurals::new(),
        },
        service: "driftwall".into(),
        restore: false,
    }
}

/// A replica, with all that it goes by.
struct Replica {
    server: ApiServer,
    keeper: Reconciler,
    plan: watch::Sender<Desired>,
    inputs: ControllerInputs,
    leading: watch::Sender<bool>,
    ca: watch::Sender<Option<String>>,
    live: watch::Receiver<Option<String>>,
    ears: Arc<Ears>,
}

impl Replica {
    fn new(server: &ApiServer) -> Self {
        let (leading, leads) = watch::channel(true);
        let (plan_in, plan_out) = watch::channel(Desired::Managed(Box::new(plan(&["ConfigMap"]))));
        let (ca, ca_out) = watch::channel(Some("PEM".to_owned()));
        let inputs = ControllerInputs { leading: leads, plan: plan_out, bundle: Some(ca_out) };
        let given = inputs.clone();
        let home = server.home();
        let ears = Arc::new(Ears::default());
        let bundle = watch::Sender::new(None);
        let live = bundle.subscribe();
        let calls = WebhookConfigClient::new(home.client.clone(), home.namespace.clone());
        let discovery = Discovery::new(home.client.clone());
        let mut keeper = Reconciler::new(calls, discovery, inputs, Arc::clone(&ears) as _, bundle);
        keeper.pause = Duration::ZERO;
        Self { server: server.clone(), keeper, plan: plan_in, inputs: given, leading, ca, live, ears }
    }

    /// Takes in what is there and does a step; what was heard of it.
    async fn step(&mut self) -> String {
        self.keeper.take(Ok(Event::Init));
        if let Some(object) = self.server.get(CONFIGURATION) {
            self.keeper.take(Ok(Event::InitApply(serde_json::from_value(object).unwrap())));
        }
        self.keeper.take(Ok(Event::InitDone));
        self.keeper.step().await;
        self.heard()
    }

    fn heard(&self) -> String {
        std::mem::take(&mut *self.ears.0.lock().unwrap()).join("\n")
    }

    fn plan(&self, edit: impl FnOnce(&mut WebhookSpec)) {
        self.plan.send_modify(|order| match order {
            Desired::Managed(plan) => edit(plan),
            Desired::Off | Desired::Unknown => panic!("there is no plan"),
        });
    }
}

/// What the registration asks about in the core group.
fn resources(server: &ApiServer) -> String {
    server.get(CONFIGURATION).unwrap()["webhooks"][0]["rules"].to_string()
}

fn remembered(server: &ApiServer) -> Value {
    server.get(LEASE).unwrap()["metadata"]["annotations"]["driftwall.io/registered"].clone()
}

#[tokio::test]
async fn it_registers_and_follows_git() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    assert_eq!(replica.step().await, "absent -\nwrote true\nin_sync Ignore");
    let made = server.get(CONFIGURATION).unwrap();
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "role");
    assert!(made["webhooks"][0]["matchConditions"].is_array(), "the server is new enough");
    assert_eq!((remembered(&server), replica.live.borrow().as_deref()), (json!("one role"), Some("PEM")));
    assert!(resources(&server).contains("configmaps") && !resources(&server).contains("secrets"));

    replica.plan(|now| *now = plan(&["Secret"]));
    assert_eq!(replica.step().await, "pending Ignore\nwrote true\nin_sync Ignore");
    assert!(!resources(&server).contains("configmaps") && resources(&server).contains("secrets"));
    replica.ca.send_replace(Some("OTHER".to_owned()));
    replica.step().await;
    assert_eq!(replica.live.borrow().as_deref(), Some("OTHER"));
    assert_eq!(replica.step().await, "in_sync Ignore", "there is nothing more to do");
}

#[tokio::test]
async fn a_kind_that_git_does_not_define_is_asked_about_by_the_name_that_the_cluster_has_for_it() {
    let server = ApiServer::usual();
    let chaos = || plan_of("chaos-mesh.org/v1alpha1", &["NetworkChaos"]);
    let of_chaos = || {
        let rules = server.get(CONFIGURATION).unwrap()["webhooks"][0]["rules"].as_array().unwrap().clone();
        let of = rules.into_iter().filter(|rule| rule["apiGroups"] == json!(["chaos-mesh.org"]));
        of.map(|rule| rule["resources"].clone()).collect::<Vec<_>>()
    };
    let mut replica = Replica::new(&server);
    replica.plan(|now| *now = chaos());
    replica.step().await;
    assert_eq!(of_chaos(), [json!(["*"]), json!(["*/scale", "*/status"])], "nobody knows it yet");

    let version = json!({"groupVersion": "chaos-mesh.org/v1alpha1", "version": "v1alpha1"});
    server.put("/apis/chaos-mesh.org", &json!({"name": "chaos-mesh.org", "versions": [version]}));
    let resources = json!([{"name": "networkchaos", "singularName": "", "kind": "NetworkChaos", "namespaced": true, "verbs": ["get"]}]);
    let list = json!({"groupVersion": "chaos-mesh.org/v1alpha1", "resources": resources});
    server.put("/apis/chaos-mesh.org/v1alpha1", &list);
    let mut other = Replica::new(&server);
    other.plan(|now| *now = chaos());
    other.step().await;
    assert_eq!(of_chaos(), [json!(["networkchaos"]), json!(["networkchaos/scale", "networkchaos/status"])]);
}

#[tokio::test]
async fn what_was_deleted_a_moment_ago_is_not_made_again() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    replica.step().await;
    server.remove(CONFIGURATION);
    replica.plan(|now| *now = plan(&["Secret"]));
    // The watch has not brought it yet.
    assert_eq!(replica.keeper.step().await, Duration::from_secs(1), "looked at anew");
    assert!(server.get(CONFIGURATION).is_none());
    replica.keeper.step().await;
    assert!(replica.heard().contains("RegistrationRemoved"), "taken for what it is");
    assert!(server.get(CONFIGURATION).is_none());
}

#[tokio::test]
async fn replicas_that_both_lead_do_not_write_without_a_pause() {
    let server = ApiServer::usual();
    let (mut one, mut other) = (Replica::new(&server), Replica::new(&server));
    other.plan(|now| *now = plan(&["Secret"]));
    for replica in [&mut one, &mut other] {
        replica.keeper.pause = Duration::from_hours(1);
        assert!(replica.step().await.contains("wrote true"));
    }
    for replica in [&mut one, &mut other] {
        assert!(!replica.step().await.contains("wrote"), "it waits");
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_behind_and_what_is_not_to_be_kept_is_off() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    replica.step().await;
    server.refuse(Some((Method::PATCH, "validatingwebhookconfigurations")));
    replica.plan(|now| *now = plan(&["Secret"]));
    assert_eq!(replica.step().await, "pending Ignore\nwrote false");
    assert_eq!(replica.step().await, "pending Ignore\nwrote false", "for as long as it lasts");

    let inputs = ControllerInputs { plan: watch::channel(Desired::Off).1, ..replica.inputs.clone() };
    let registrar = WebhookConfigController::new(&server.home(), inputs, Arc::clone(&replica.ears) as _);
    let _ = tokio::time::timeout(Duration::from_millis(50), registrar.run()).await;
    assert_eq!(replica.heard(), "off -");
}

#[tokio::test]
async fn a_ca_that_others_keep_is_on_every_webhook_before_one_may_fail() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    replica.keeper.inputs.bundle = None;
    replica.plan(|plan| plan.registration.failure_policy = "Fail");
    let webhooks = || {
        let all = server.get(CONFIGURATION).unwrap()["webhooks"].as_array().unwrap().clone();
        let told = all.iter().map(|it| json!([it["failurePolicy"], it["clientConfig"]["caBundle"]]));
        told.collect::<Vec<_>>()
    };
    assert_eq!(replica.step().await, "absent -\nwrote true\nmissing_ca Ignore");
    assert_eq!(replica.step().await, "missing_ca Ignore", "as it is to be without a CA");
    server.edit(CONFIGURATION, |it| it["webhooks"][0]["failurePolicy"] = "Fail".into());
    replica.step().await;
    assert_eq!(webhooks(), vec![json!(["Ignore", null]); 2], "not by an operator's hand either");

    server.edit(CONFIGURATION, |it| it["webhooks"][0]["clientConfig"]["caBundle"] = "UEVN".into());
    replica.step().await;
    assert_eq!(webhooks(), vec![json!(["Fail", "UEVN"]); 2], "with the CA comes the policy");
    replica.plan(|plan| plan.registration.strict_namespaces = None);
    replica.step().await;
    assert_eq!(webhooks(), vec![json!(["Fail", "UEVN"]); 3], "all are one server");
    assert_eq!(replica.step().await, "in_sync Fail");

    server.edit(CONFIGURATION, |it| it["webhooks"][1]["clientConfig"]["caBundle"] = "T1RIRVI=".into());
    assert_eq!(replica.step().await, "in_sync Fail", "theirs to change");
    for webhook in 0..3 {
        server.edit(CONFIGURATION, |it| it["webhooks"][webhook]["clientConfig"]["caBundle"] = Value::Null);
    }
    assert!(replica.step().await.ends_with("wrote true\nmissing_ca Ignore"));
}

#[tokio::test]
async fn nothing_is_written_before_it_is_time() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    replica.ca.send_replace(None);
    assert_eq!(replica.step().await, "absent -", "no certificate yet");
    replica.ca.send_replace(Some("PEM".to_owned()));
    replica.leading.send_replace(false);
    assert_eq!(replica.step().await, "absent -", "another replica leads");
    replica.leading.send_replace(true);
    assert!(replica.step().await.contains("wrote true"));
}

#[tokio::test]
async fn a_removal_is_the_way_out_and_survives_a_restart() {
    let server = ApiServer::usual();
    let mut first = Replica::new(&server);
    first.step().await;
    server.remove(CONFIGURATION);
    let heard = first.step().await;
    assert!(heard.starts_with("absent -\nRegistrationRemoved: ") && heard.contains("kubectl annotate lease driftwall"));
    assert_eq!(first.step().await, "absent -", "said once");
    let mut second = Replica::new(&server);
    assert!(second.step().await.contains("RegistrationRemoved"), "after a restart, too");
    assert!(server.get(CONFIGURATION).is_none());

    server.edit(LEASE, |lease| lease["metadata"] = json!({}));
    assert!(second.step().await.contains("wrote true"), "the way back in");
    server.remove(CONFIGURATION);
    second.plan(|plan| plan.restore = true);
    let heard = second.step().await;
    assert!(heard.contains("RegistrationRemoved") && heard.contains("RegistrationRestored"), "{heard}");
    assert!(server.get(CONFIGURATION).is_some());

    server.remove(CONFIGURATION);
    server.put(DEPLOYMENT, &json!({"metadata": {"uid": "two"}}));
    assert!(Replica::new(&server).step().await.contains("wrote true"), "another installation");
    assert_eq!(remembered(&server), "two role");
}

#[tokio::test]
async fn a_new_cluster_role_gets_the_registration_and_a_garbage_collection_is_no_way_out() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    replica.step().await;
    let owner = || server.get(CONFIGURATION).unwrap()["metadata"]["ownerReferences"][0]["uid"].clone();
    server.put(ROLE, &json!({"metadata": {"uid": "new"}}));
    assert!(replica.step().await.contains("wrote true"));
    assert_eq!((owner(), remembered(&server)), (json!("new"), json!("one new")));
    assert!(!replica.step().await.contains("wrote"), "nothing more to do");

    // The garbage collector was faster.
    server.put(ROLE, &json!({"metadata": {"uid": "newer"}}));
    server.remove(CONFIGURATION);
    assert!(replica.step().await.contains("wrote true"));
    assert_eq!(owner(), "newer");

    server.refuse(Some((Method::GET, "clusterroles")));
    server.remove(CONFIGURATION);
    assert!(replica.step().await.contains("RegistrationRemoved"), "not to be read is no other one");
}

#[tokio::test]
async fn what_somebody_changes_is_told_and_only_the_ca_is_kept_right() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    replica.step().await;
    server.edit(CONFIGURATION, |it| {
        it["webhooks"][0]["rules"].as_array_mut().unwrap().remove(0);
        it["webhooks"].as_array_mut().unwrap().push(json!({"name": "another.example"}));
    });
    let heard = replica.step().await;
    assert!(heard.starts_with("changed Ignore\nRegistrationChanged: "), "{heard}");
    assert!(heard.contains(" is missing") && heard.contains("another.example is not driftwall's"), "{heard}");
    assert!(!heard.contains("wrote"), "{heard}");
    replica.ca.send_replace(Some("OTHER".to_owned()));
    assert_eq!(replica.step().await, "changed Ignore\nwrote true");
    assert_eq!(replica.live.borrow().as_deref(), Some("OTHER"));
    assert_eq!(server.get(CONFIGURATION).unwrap()["webhooks"].as_array().unwrap().len(), 3, "the rest stays");

    replica.plan(|plan| plan.restore = true);
    let heard = replica.step().await;
    assert!(heard.contains("RegistrationRestored"), "{heard}");
    assert_eq!(server.get(CONFIGURATION).unwrap()["webhooks"].as_array().unwrap().len(), 2);
    assert_eq!(replica.step().await, "in_sync Ignore");
}

#[tokio::test]
async fn an_operator_s_failure_policy_stays_until_the_configuration_says_otherwise() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    replica.step().await;
    let policy = || server.get(CONFIGURATION).unwrap()["webhooks"][0]["failurePolicy"].clone();
    server.edit(CONFIGURATION, |it| it["webhooks"][0]["failurePolicy"] = "Fail".into());
    let heard = replica.step().await;
    assert!(heard.starts_with("in_sync Fail\nFailurePolicyChanged: "), "{heard}");
    replica.plan(|now| now.snapshot = plan(&["Secret"]).snapshot);
    assert!(replica.step().await.contains("wrote true"));
    assert_eq!(policy(), "Fail", "a write for Git leaves it");
    replica.plan(|plan| plan.registration.failure_policy = "Fail");
    replica.step().await;
    replica.plan(|plan| plan.registration.failure_policy = "Ignore");
    replica.step().await;
    assert_eq!(policy(), "Ignore");
}

#[tokio::test]
async fn a_missing_right_is_told_and_tried_again() {
    let server = ApiServer::usual();
    let mut replica = Replica::new(&server);
    server.refuse(Some((Method::PATCH, "validatingwebhookconfigurations")));
    assert_eq!(replica.step().await, "absent -\nwrote false");
    assert_eq!(replica.keeper.step().await, Duration::from_secs(2), "it is tried again, later and later");
    server.refuse(Some((Method::GET, "clusterroles")));
    assert!(replica.step().await.contains("wrote true"), "the owner may stay unknown");
    assert!(server.get(CONFIGURATION).unwrap()["metadata"]["ownerReferences"].is_null());
}
