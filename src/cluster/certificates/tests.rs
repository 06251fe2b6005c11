//! ReplicaReports and their Secret, at an API server of the test's own.

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
const PATIENT: Duration = Duration::from_mins(2);

fn timing() -> RotationTiming {
    RotationTiming {
        propagation_delay: Duration::from_secs(1),
        look: Duration::from_millis(50),
        report: Duration::from_millis(200),
        report_timeout: Duration::from_secs(1),
        ..RotationTiming::default()
    }
}

struct Replica {
    certificates: Arc<CertificateManager>,
    leads: watch::Sender<bool>,
    kept: JoinHandle<Infallible>,
}

fn replica(server: &ApiServer, identity: &str, leads: bool, registered: &watch::Sender<RegisteredCa>) -> Replica {
    let wanted = CertificateSpec {
        service: "wall".into(),
        names: vec!["wall.ops.svc".into()],
        ca_validity: Duration::from_hours(48),
        certificate_validity: Duration::from_hours(24),
    };
    let certificates = Arc::new(CertificateManager::new(&server.home(identity), wanted, timing()));
    let (leads, led) = watch::channel(leads);
    let (kept, registered) = (Arc::clone(&certificates), registered.subscribe());
    let kept = tokio::spawn(async move { kept.run(led, registered).await });
    Replica { certificates, leads, kept }
}

impl Replica {
    /// What is to be trusted, as if it were registered.
    fn trusted(&self) -> RegisteredCa {
        RegisteredCa::Bundle(self.certificates.bundle().borrow().clone().unwrap_or_default())
    }

    async fn pair(&self, is_it: impl Fn(&ServingCertificate) -> bool) -> Arc<ServingCertificate> {
        let mut pairs = self.certificates.pair();
        let found = pairs.wait_for(|pair| pair.as_ref().is_some_and(|pair| is_it(pair)));
        timeout(PATIENT, found).await.unwrap().unwrap().clone().unwrap()
    }

    /// The CAs to be trusted, once there are so many.
    async fn bundle(&self, count: usize) -> Vec<Certificate> {
        let mut bundles = self.certificates.bundle();
        let read = |bundle: &Option<String>| Certificate::parse_pem(bundle.as_deref().unwrap_or_default()).unwrap();
        let found = bundles.wait_for(|bundle| read(bundle).len() == count);
        read(&timeout(PATIENT, found).await.unwrap().unwrap())
    }
}

fn data(server: &ApiServer) -> BTreeMap<String, String> {
    let secret = server.object(SECRET).unwrap();
    let text = |value: &serde_json::Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    let data = secret["data"].as_object().unwrap().iter();
    data.map(|(key, value)| (key.clone(), String::from_utf8(text(value)).unwrap())).collect()
}

#[tokio::test]
async fn one_makes_it_and_all_serve_it() {
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
async fn a_lost_key_leads_to_a_new_ca_without_a_gap() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let leader = replica(&server, "one", true, &registered);
    let follower = replica(&server, "two", false, &registered);
    let first = leader.pair(|_| true).await;
    follower.pair(|_| true).await;
    registered.send_replace(RegisteredCa::Bundle(first.ca.clone()));
    server.change(SECRET, |secret| secret["data"]["ca.key"] = json!(BASE64_STANDARD.encode("gone")));

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
async fn an_old_ca_stays_until_who_serves_under_it_is_gone() {
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
    server.change(other_s, |lease| *lease = report("wall-b-one", "wall-b"));
    let speaking = tokio::spawn({
        let (server, report) = (server.clone(), report("wall-behind", "wall"));
        async move {
            loop {
                server.change(behind, |lease| *lease = report.clone());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    server.change(SECRET, |secret| secret["data"]["ca.key"] = json!(""));
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
async fn another_leader_goes_on_where_the_first_has_stopped() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let leader = replica(&server, "one", true, &registered);
    let other = replica(&server, "two", false, &registered);
    let first = leader.pair(|_| true).await;
    registered.send_replace(RegisteredCa::Bundle(first.ca.clone()));
    server.remove(SECRET);
    let both = other.bundle(2).await;
    assert_eq!(both[1].to_pem(), first.ca, "what is registered stays trusted");
    leader.kept.abort();
    other.leads.send_replace(true);
    registered.send_replace(other.trusted());
    other.pair(|pair| pair.ca == both[0].to_pem()).await;
    // The first one's report ends by its report_timeout.
    assert_eq!(other.bundle(1).await[0], both[0]);
    assert!(server.object(REPORT).is_none());
}

#[tokio::test]
async fn nothing_is_made_before_it_is_known_what_is_trusted() {
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
async fn without_a_leader_it_is_said_what_is_missing() {
    let server = ApiServer::default();
    let registered = watch::Sender::new(RegisteredCa::Bundle(String::new()));
    let lonely = replica(&server, "one", false, &registered);
    let waiting_reason = &lonely.certificates.waiting_reason;
    let mut waiting_reason = waiting_reason.subscribe();
    let said = waiting_reason.wait_for(|waiting_reason| waiting_reason.contains("leads has not made it"));
    timeout(PATIENT, said).await.unwrap().unwrap();
    server.go_away(true);
    lonely.kept.abort();
    let lonely = replica(&server, "two", false, &registered);
    let mut waiting_reason = lonely.certificates.waiting_reason.subscribe();
    timeout(PATIENT, waiting_reason.wait_for(|waiting_reason| waiting_reason.contains("away"))).await.unwrap().unwrap();
}
