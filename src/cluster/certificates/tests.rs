//! Replicas and their Secret, at the fake API server.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::certs::Certificate;
use crate::cluster::testing::api_server::ApiServer;

const SECRET: &str = "/api/v1/namespaces/ops/secrets/wall-certificates";
const REPORT: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/wall-one";
/// Longer than anything takes that happens at all.
const LONG: Duration = Duration::from_mins(2);

fn fast_timing() -> RotationTiming {
    RotationTiming {
        propagation_delay: Duration::from_secs(1),
        poll_interval: Duration::from_millis(50),
        report_interval: Duration::from_millis(200),
        report_timeout: Duration::from_secs(1),
        ..RotationTiming::default()
    }
}

struct Replica {
    certificates: Arc<CertificateManager>,
    is_leader: watch::Sender<bool>,
    running: JoinHandle<Infallible>,
}

fn replica(server: &ApiServer, identity: &str, is_leader: bool, registered: &watch::Sender<RegisteredCa>) -> Replica {
    let spec = CertificateSpec {
        service: "wall".into(),
        names: vec!["wall.ops.svc".into()],
        ca_validity: Duration::from_hours(48),
        certificate_validity: Duration::from_hours(24),
        renderer: None,
    };
    let context = server.context(identity);
    let reports = Arc::new(ReplicaReports::new(&context, "wall", fast_timing()));
    let certificates = Arc::new(CertificateManager::new(&context, spec, fast_timing(), Arc::clone(&reports)));
    let (is_leader, is_leader_receiver) = watch::channel(is_leader);
    let (manager, registered) = (Arc::clone(&certificates), registered.subscribe());
    let running = tokio::spawn(async move {
        tokio::select! {
            never = Box::pin(manager.run(is_leader_receiver, registered)) => never,
            never = reports.run() => never,
        }
    });
    Replica { certificates, is_leader, running }
}

impl Replica {
    /// What is to be trusted, as if it were registered.
    fn trusted(&self) -> RegisteredCa {
        RegisteredCa::Bundle(self.certificates.ca_bundle().borrow().clone().unwrap_or_default())
    }

    async fn pair(&self, is_it: impl Fn(&ServingCertificate) -> bool) -> Arc<ServingCertificate> {
        let mut pairs = self.certificates.serving_certificate();
        let found = pairs.wait_for(|pair| pair.as_ref().is_some_and(|pair| is_it(pair)));
        timeout(LONG, found).await.unwrap().unwrap().clone().unwrap()
    }

    /// The CAs to be trusted, once there are so many.
    async fn bundle(&self, count: usize) -> Vec<Certificate> {
        let mut bundles = self.certificates.ca_bundle();
        let read = |bundle: &Option<String>| Certificate::parse_pem(bundle.as_deref().unwrap_or_default()).unwrap();
        let found = bundles.wait_for(|bundle| read(bundle).len() == count);
        read(&timeout(LONG, found).await.unwrap().unwrap())
    }
}

fn data(server: &ApiServer) -> BTreeMap<String, String> {
    let secret = server.object(SECRET).unwrap();
    let text = |value: &serde_json::Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    let data = secret["data"].as_object().unwrap().iter();
    data.map(|(key, value)| (key.clone(), String::from_utf8(text(value)).unwrap())).collect()
}

#[tokio::test]
async fn the_leader_creates_the_certificate_and_all_replicas_serve_it() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let other = replica(&server, "two", false, &registered);
    let leader = replica(&server, "one", true, &registered);
    let pair = leader.pair(|_| true).await;
    assert_eq!(other.pair(|_| true).await.cert, pair.cert);
    assert_eq!(leader.bundle(1).await[0].to_pem(), pair.ca);
    let data = data(&server);
    assert_eq!(data.keys().collect::<Vec<_>>(), ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    assert_eq!(server.object(SECRET).unwrap()["type"], "kubernetes.io/tls");
    assert!(Certificate::parse_pem(&data["tls.crt"]).unwrap()[0].is_of_key(&data["tls.key"]));
}

#[tokio::test]
async fn a_lost_ca_key_leads_to_a_new_ca_without_a_gap() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let leader = replica(&server, "one", true, &registered);
    let follower = replica(&server, "two", false, &registered);
    let first = leader.pair(|_| true).await;
    follower.pair(|_| true).await;
    registered.send_replace(RegisteredCa::Bundle(first.ca.clone()));
    server.edit(SECRET, |secret| secret["data"]["ca.key"] = json!(BASE64_STANDARD.encode("gone")));

    // The new CA is trusted beside the old one, and nothing is signed by it yet.
    let both = leader.bundle(2).await;
    assert_eq!(both[1].to_pem(), first.ca);
    assert_eq!(data(&server)["tls.crt"], first.cert);
    assert_eq!(leader.pair(|_| true).await.cert, first.cert);
    registered.send_replace(leader.trusted());
    let new = leader.pair(|pair| pair.ca == both[0].to_pem()).await;
    follower.pair(|pair| pair.cert == new.cert).await;
    // Both say so, and the old one goes.
    assert_eq!(leader.bundle(1).await[0], both[0]);
}

#[tokio::test]
async fn an_old_ca_stays_trusted_until_no_replica_reports_it() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let leader = replica(&server, "one", true, &registered);
    let first = leader.pair(|_| true).await;
    registered.send_replace(RegisteredCa::Bundle(first.ca.clone()));
    let behind = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/wall-behind";
    let other_s = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/wall-b-one";
    let report = |name: &str, service: &str| {
        let (labels, notes) = (json!({"driftwall.io/replica": service}), json!({"driftwall.io/serves": "old"}));
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "labels": labels, "annotations": notes}})
    };
    server.edit(other_s, |lease| *lease = report("wall-b-one", "wall-b"));
    let speaking = tokio::spawn({
        let (server, report) = (server.clone(), report("wall-behind", "wall"));
        async move {
            loop {
                server.edit(behind, |lease| *lease = report.clone());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    server.edit(SECRET, |secret| secret["data"]["ca.key"] = json!(""));
    let both = leader.bundle(2).await;
    registered.send_replace(leader.trusted());
    leader.pair(|pair| pair.ca == both[0].to_pem()).await;
    // Longer than anything takes once all follow.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(leader.bundle(2).await, both);
    speaking.abort();
    assert_eq!(leader.bundle(1).await[0], both[0]);
    assert!(server.object(behind).is_none(), "swept away");
    assert!(server.object(other_s).is_some(), "another installation's is not ours to count");
}

#[tokio::test]
async fn another_leader_continues_where_the_first_one_stopped() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let leader = replica(&server, "one", true, &registered);
    let other = replica(&server, "two", false, &registered);
    let first = leader.pair(|_| true).await;
    registered.send_replace(RegisteredCa::Bundle(first.ca.clone()));
    server.remove(SECRET);
    let both = other.bundle(2).await;
    assert_eq!(both[1].to_pem(), first.ca, "what is registered stays trusted");
    leader.running.abort();
    other.is_leader.send_replace(true);
    registered.send_replace(other.trusted());
    other.pair(|pair| pair.ca == both[0].to_pem()).await;
    // The first one's report ends by its report_timeout.
    assert_eq!(other.bundle(1).await[0], both[0]);
    assert!(server.object(REPORT).is_none());
}

#[tokio::test]
async fn nothing_is_created_before_the_registered_ca_is_known() {
    let server = ApiServer::default();
    let registered = watch::Sender::default();
    let leader = replica(&server, "one", true, &registered);
    // Long enough for a leader in haste.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(server.object(SECRET).is_none());
    let old = crate::certs::CertificateAuthority::generate(Duration::from_hours(1)).unwrap().cert;
    registered.send_replace(RegisteredCa::Bundle(old.clone()));
    assert_eq!(leader.bundle(2).await[1].to_pem(), old, "what is registered stays trusted");
}

#[tokio::test]
async fn without_a_leader_the_waiting_reason_says_what_is_missing() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let lonely = replica(&server, "one", false, &registered);
    let waiting_reason = &lonely.certificates.waiting_reason;
    let mut waiting_reason = waiting_reason.subscribe();
    let said = waiting_reason.wait_for(|waiting_reason| waiting_reason.contains("leader has not created it"));
    timeout(LONG, said).await.unwrap().unwrap();
    server.set_away(true);
    lonely.running.abort();
    let lonely = replica(&server, "two", false, &registered);
    let mut waiting_reason = lonely.certificates.waiting_reason.subscribe();
    timeout(LONG, waiting_reason.wait_for(|waiting_reason| waiting_reason.contains("away"))).await.unwrap().unwrap();
}
