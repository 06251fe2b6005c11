//! The reconciler at the fake API server.

mod modifications;

use std::sync::Mutex;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::WebhookConfigClient;
use super::discovery::KindDiscovery;
use super::reconciler::Reconciler;
use super::*;
use crate::cluster::testing::api_server::ApiServer;
use driftwall_core::desired::{FileContents, Source, SourceContents};
use driftwall_core::manifest;
use driftwall_core::webhook_config::{Endpoint, ReviewPath, ServedKinds, Writers};

const CONFIG: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/driftwall";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/driftwall";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ops/deployments/driftwall";
const CLUSTER_ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/driftwall";

/// `PEM` and `OTHER`, in base64.
const PEM: &str = "UEVN";
const OTHER: &str = "T1RIRVI=";

/// A cluster in which driftwall is installed and has registered nothing yet.
fn cluster() -> ApiServer {
    let server = ApiServer::default();
    server.put("/version", json!({"major": "1", "minor": "30"}));
    server.put(DEPLOYMENT, json!({"metadata": {"uid": "one"}}));
    server.put(CLUSTER_ROLE, json!({"metadata": {"uid": "role"}}));
    server.put(LEASE, json!({"metadata": {}}));
    server
}

/// From now on writes of the webhook configuration are refused.
fn refuse_writes(server: &ApiServer) {
    server.refuse(Some(Method::PATCH), "validatingwebhookconfigurations", StatusCode::FORBIDDEN);
}

/// From now on the `ClusterRole` must not be read.
fn refuse_cluster_roles(server: &ApiServer) {
    server.refuse(Some(Method::GET), "clusterroles", StatusCode::FORBIDDEN);
}

/// Keeps what it is told, one line each.
#[derive(Default)]
struct RecordingObserver(Mutex<Vec<String>>);

impl Observer for RecordingObserver {
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

/// What Git declares: one object of each kind.
fn spec_of(kinds: &[&str]) -> WebhookSpec {
    spec_in("v1", kinds)
}

fn spec_in(version: &str, kinds: &[&str]) -> WebhookSpec {
    let text = kinds
        .iter()
        .map(|kind| format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: a, namespace: prod}}}}\n"))
        .collect::<Vec<_>>()
        .join("---\n");
    let objects = manifest::parse("git.yaml", text.as_bytes()).objects;
    let file = FileContents::new(&Arc::from("git.yaml"), None, objects).unwrap();
    let snapshot = Snapshot::new(vec![Arc::new(SourceContents::new(Source::default(), vec![Arc::new(file)]))]);
    WebhookSpec {
        snapshot: Arc::new(snapshot),
        parameters: WebhookParameters {
            name: "driftwall".into(),
            labels: std::collections::BTreeMap::new(),
            ca_bundle: None,
            endpoint: Endpoint::Service { namespace: "wall".into(), name: "driftwall".into(), port: 443 },
            path: ReviewPath::well_known(),
            failure_policy: "Ignore",
            timeout_seconds: 5,
            own_namespace: "wall".into(),
            excluded_namespaces: vec!["wall".into()],
            strict_namespaces: Some(Vec::new()),
            canary: None,
            break_glass: false,
            match_conditions: false,
            writers: Writers::default(),
            served: ServedKinds::new(),
        },
        service: "driftwall".into(),
        self_heal: false,
    }
}

/// A replica, with everything that it depends on.
struct Replica {
    server: ApiServer,
    reconciler: Reconciler,
    desired: watch::Sender<DesiredWebhookConfig>,
    inputs: ControllerInputs,
    is_leader: watch::Sender<bool>,
    ca: watch::Sender<Option<String>>,
    path: watch::Sender<Option<ReviewPath>>,
    observer: Arc<RecordingObserver>,
}

impl Replica {
    fn new(server: &ApiServer) -> Self {
        let (is_leader, is_leader_receiver) = watch::channel(true);
        let (desired, desired_receiver) =
            watch::channel(DesiredWebhookConfig::Managed(Box::new(spec_of(&["ConfigMap"]))));
        let (ca, ca_receiver) = watch::channel(Some("PEM".to_owned()));
        let (path, path_receiver) = watch::channel(Some(ReviewPath::well_known()));
        let inputs = ControllerInputs {
            is_leader: is_leader_receiver,
            desired: desired_receiver,
            ca_bundle: Some(ca_receiver),
            path: path_receiver,
        };
        let observer = Arc::new(RecordingObserver::default());
        let client = server.client();
        let mut reconciler = Reconciler::new(
            WebhookConfigClient::new(client.clone(), "ops"),
            KindDiscovery::new(client),
            inputs.clone(),
            Arc::clone(&observer) as _,
        );
        reconciler.min_write_interval = Duration::ZERO;
        Self { server: server.clone(), reconciler, desired, inputs, is_leader, ca, path, observer }
    }

    /// Takes what is in the cluster and reconciles once; what the observer was told.
    async fn reconcile(&mut self) -> String {
        let object = self.server.object(CONFIG).map(|object| serde_json::from_value(object).unwrap());
        self.reconciler.on_watch_event(Ok(object));
        self.reconciler.reconcile().await;
        self.observed()
    }

    /// What the observer was told since this was last asked.
    fn observed(&self) -> String {
        std::mem::take(&mut *self.observer.0.lock().unwrap()).join("\n")
    }

    fn edit_spec(&self, edit: impl FnOnce(&mut WebhookSpec)) {
        self.desired.send_modify(|desired| match desired {
            DesiredWebhookConfig::Managed(spec) => edit(spec),
            DesiredWebhookConfig::Off | DesiredWebhookConfig::Unknown => panic!("there is no spec"),
        });
    }
}

fn webhooks(server: &ApiServer) -> Vec<Value> {
    server.object(CONFIG).unwrap()["webhooks"].as_array().unwrap().clone()
}

/// The rules of the webhook for writes.
fn rules(server: &ApiServer) -> String {
    webhooks(server)[0]["rules"].to_string()
}

fn ca_bundle(server: &ApiServer) -> Value {
    webhooks(server)[0]["clientConfig"]["caBundle"].clone()
}

fn registered_installation(server: &ApiServer) -> Value {
    server.object(LEASE).unwrap()["metadata"]["annotations"]["driftwall.io/registered"].clone()
}

#[tokio::test]
async fn the_configuration_is_written_and_follows_git() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    assert_eq!(replica.reconcile().await, "absent -\nwrote true\nin_sync Ignore");
    let made = server.object(CONFIG).unwrap();
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "role");
    assert!(made["webhooks"][0]["matchConditions"].is_array(), "the server is new enough");
    assert_eq!((registered_installation(&server), ca_bundle(&server)), (json!("one role"), json!(PEM)));
    assert!(rules(&server).contains("configmaps") && !rules(&server).contains("secrets"));

    replica.edit_spec(|spec| *spec = spec_of(&["Secret"]));
    assert_eq!(replica.reconcile().await, "pending Ignore\nwrote true\nin_sync Ignore");
    assert!(!rules(&server).contains("configmaps") && rules(&server).contains("secrets"));
    replica.ca.send_replace(Some("OTHER".to_owned()));
    replica.reconcile().await;
    assert_eq!(ca_bundle(&server), OTHER);
    assert_eq!(replica.reconcile().await, "in_sync Ignore", "there is nothing more to do");
}

#[tokio::test]
async fn a_kind_that_git_does_not_define_is_registered_by_the_plural_that_the_cluster_knows() {
    let server = cluster();
    let chaos_spec = || spec_in("chaos-mesh.org/v1alpha1", &["NetworkChaos"]);
    let chaos_resources = || {
        let rules = webhooks(&server)[0]["rules"].as_array().unwrap().clone();
        let rules = rules.into_iter().filter(|rule| rule["apiGroups"] == json!(["chaos-mesh.org"]));
        rules.map(|rule| rule["resources"].clone()).collect::<Vec<_>>()
    };
    let mut replica = Replica::new(&server);
    replica.edit_spec(|spec| *spec = chaos_spec());
    replica.reconcile().await;
    // The cluster does not know it yet: one rule is for deletions, whatever their version.
    assert_eq!(chaos_resources(), [json!(["*"]), json!(["*"]), json!(["*/scale", "*/status"])]);

    let version = json!({"groupVersion": "chaos-mesh.org/v1alpha1", "version": "v1alpha1"});
    server.put("/apis/chaos-mesh.org", json!({"name": "chaos-mesh.org", "versions": [version]}));
    let resources = json!([{
        "name": "networkchaos", "singularName": "", "kind": "NetworkChaos", "namespaced": true, "verbs": ["get"],
    }]);
    let list = json!({"groupVersion": "chaos-mesh.org/v1alpha1", "resources": resources});
    server.put("/apis/chaos-mesh.org/v1alpha1", list);
    let mut other = Replica::new(&server);
    other.edit_spec(|spec| *spec = chaos_spec());
    other.reconcile().await;
    assert_eq!(chaos_resources(), [json!(["networkchaos"]), json!(["networkchaos/scale", "networkchaos/status"])]);
}

#[tokio::test]
async fn nothing_is_written_before_the_path_is_known_and_then_every_webhook_has_it() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.path.send_replace(None);
    assert_eq!(replica.reconcile().await, "");
    assert!(server.object(CONFIG).is_none());
    for path in [1, 2].map(ReviewPath::unguessable) {
        replica.path.send_replace(Some(path.clone()));
        assert!(replica.reconcile().await.contains("wrote true"));
        for webhook in webhooks(&server) {
            assert_eq!(webhook["clientConfig"]["service"]["path"], path.as_str(), "{webhook}");
        }
    }
    assert_eq!(replica.reconcile().await, "in_sync Ignore");
}

#[tokio::test]
async fn two_leaders_do_not_write_without_a_pause() {
    let server = cluster();
    let (mut one, mut other) = (Replica::new(&server), Replica::new(&server));
    other.edit_spec(|spec| *spec = spec_of(&["Secret"]));
    for replica in [&mut one, &mut other] {
        replica.reconciler.min_write_interval = Duration::from_hours(1);
        assert!(replica.reconcile().await.contains("wrote true"));
    }
    for replica in [&mut one, &mut other] {
        assert!(!replica.reconcile().await.contains("wrote"), "it waits");
    }
}

#[tokio::test]
async fn the_state_is_pending_where_the_write_fails_and_off_where_it_is_not_managed() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.reconcile().await;
    refuse_writes(&server);
    replica.edit_spec(|spec| *spec = spec_of(&["Secret"]));
    assert_eq!(replica.reconcile().await, "pending Ignore\nwrote false");
    assert_eq!(replica.reconcile().await, "pending Ignore\nwrote false", "as long as it is refused");

    let inputs = ControllerInputs { desired: watch::channel(DesiredWebhookConfig::Off).1, ..replica.inputs.clone() };
    let controller = WebhookConfigController::new(&server.context("it"), inputs, Arc::clone(&replica.observer) as _);
    let _ = tokio::time::timeout(Duration::from_millis(50), controller.run()).await;
    assert_eq!(replica.observed(), "off -");
}

#[tokio::test]
async fn an_external_ca_is_set_on_every_webhook_before_one_may_fail_closed() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.reconciler.inputs.ca_bundle = None;
    replica.edit_spec(|spec| spec.parameters.failure_policy = "Fail");
    let policies_and_cas = || {
        let webhooks = webhooks(&server);
        let parts = webhooks.iter().map(|it| json!([it["failurePolicy"], it["clientConfig"]["caBundle"]]));
        parts.collect::<Vec<_>>()
    };
    assert_eq!(replica.reconcile().await, "absent -\nwrote true\nmissing_ca Ignore");
    assert_eq!(replica.reconcile().await, "missing_ca Ignore", "nothing more to do without a CA");
    server.edit(CONFIG, |it| it["webhooks"][0]["failurePolicy"] = "Fail".into());
    replica.reconcile().await;
    assert_eq!(
        policies_and_cas(),
        vec![json!(["Ignore", null]); 4],
        "an operator's policy does not count without a CA"
    );

    server.edit(CONFIG, |it| it["webhooks"][0]["clientConfig"]["caBundle"] = PEM.into());
    replica.reconcile().await;
    // The webhooks for tokens, identities and undeclared objects ignore failures always.
    let with_ca = |blocking: usize| [vec![json!(["Fail", PEM]); blocking], vec![json!(["Ignore", PEM]); 3]].concat();
    assert_eq!(policies_and_cas(), with_ca(1), "the policy is set together with the CA");
    replica.edit_spec(|spec| spec.parameters.strict_namespaces = None);
    replica.reconcile().await;
    assert_eq!(policies_and_cas(), with_ca(2), "a new webhook gets the CA of the others");
    assert_eq!(replica.reconcile().await, "in_sync Fail");

    server.edit(CONFIG, |it| it["webhooks"][1]["clientConfig"]["caBundle"] = OTHER.into());
    assert_eq!(replica.reconcile().await, "in_sync Fail", "others may change it");
    for webhook in 0..5 {
        server.edit(CONFIG, |it| it["webhooks"][webhook]["clientConfig"]["caBundle"] = Value::Null);
    }
    assert!(replica.reconcile().await.ends_with("wrote true\nmissing_ca Ignore"));
}

#[tokio::test]
async fn nothing_is_written_without_a_certificate_or_the_leadership() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.ca.send_replace(None);
    assert_eq!(replica.reconcile().await, "absent -", "no certificate yet");
    replica.ca.send_replace(Some("PEM".to_owned()));
    replica.is_leader.send_replace(false);
    assert_eq!(replica.reconcile().await, "absent -", "another replica leads");
    replica.is_leader.send_replace(true);
    assert!(replica.reconcile().await.contains("wrote true"));
}

#[tokio::test]
async fn a_missing_right_is_reported_and_retried_with_backoff() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    refuse_writes(&server);
    assert_eq!(replica.reconcile().await, "absent -\nwrote false");
    assert_eq!(replica.reconciler.reconcile().await, Duration::from_secs(2), "the wait grows");
    refuse_cluster_roles(&server);
    assert!(replica.reconcile().await.contains("wrote true"), "the owner may stay unknown");
    assert!(server.object(CONFIG).unwrap()["metadata"]["ownerReferences"].is_null());
}

#[tokio::test]
async fn a_version_that_the_server_does_not_have_is_not_named_in_a_rule() {
    let server = cluster();
    let serve = |versions: &[&str]| {
        let version = |version: &&str| json!({"groupVersion": format!("batch/{version}"), "version": version});
        let all: Vec<_> = versions.iter().map(version).collect();
        server.put("/apis/batch", json!({"kind": "APIGroup", "apiVersion": "v1", "name": "batch", "versions": all}));
        for version in versions {
            let resource = json!({"name": "cronjobs", "singularName": "cronjob", "namespaced": true, "kind": "CronJob", "verbs": ["get"]});
            let list = json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("batch/{version}"),
                "resources": [resource],
            });
            server.put(&format!("/apis/batch/{version}"), list);
        }
    };
    for (served, expected) in [(&["v1"][..], "*"), (&["v1", "v1beta1"][..], "v1beta1")] {
        serve(served);
        let mut replica = Replica::new(&server);
        replica.edit_spec(|spec| *spec = spec_in("batch/v1beta1", &["CronJob"]));
        replica.reconcile().await;
        let rules = webhooks(&server)[0]["rules"].as_array().unwrap().clone();
        let rule = rules.iter().find(|rule| rule["resources"] == json!(["cronjobs"])).unwrap();
        assert_eq!(rule["apiVersions"], json!([expected]), "{served:?}");
    }
}
