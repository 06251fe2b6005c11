//! Replicas and their Secret, at the fake API server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use super::*;
use crate::cluster::RotationTiming;
use crate::cluster::testing::api_server::ApiServer;

const SECRET: &str = "/api/v1/namespaces/ops/secrets/wall-path";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ops/deployments/wall";
/// Longer than anything takes that happens at all.
const LONG: Duration = Duration::from_mins(2);

struct Replica {
    manager: Arc<ReviewPathManager>,
    is_leader: watch::Sender<bool>,
    running: JoinHandle<Infallible>,
}

fn timing() -> PathTiming {
    PathTiming {
        settling: Duration::from_millis(300),
        unused: Duration::from_secs(1),
        poll_interval: Duration::from_millis(50),
        read_interval: Duration::from_millis(200),
        ..PathTiming::default()
    }
}

fn replica(
    server: &ApiServer,
    identity: &str,
    is_leader: bool,
    registered: &watch::Sender<RegisteredPaths>,
) -> Replica {
    let context = server.context(identity);
    let report_timing = RotationTiming {
        report_interval: Duration::from_millis(100),
        report_timeout: Duration::from_secs(1),
        ..RotationTiming::default()
    };
    let reports = Arc::new(ReplicaReports::new(&context, "wall", report_timing));
    let manager = ReviewPathManager::new(&context, "wall", timing(), Arc::clone(&reports), Vec::new());
    let manager = Arc::new(manager);
    let (is_leader, is_leader_receiver) = watch::channel(is_leader);
    let (running, registered) = (Arc::clone(&manager), registered.subscribe());
    let running = tokio::spawn(async move {
        tokio::select! {
            never = running.run(is_leader_receiver, registered) => never,
            never = reports.run() => never,
        }
    });
    Replica { manager, is_leader, running }
}

impl Replica {
    /// What is accepted, once that is so: each path, with a `*` where it is a former one.
    async fn accepts(&self, expected: &[&str]) {
        let shown = |accepted: &[AcceptedPath]| {
            let paths = accepted.iter();
            paths
                .map(|one| format!("{}{}", one.path.as_str(), if one.is_former { "*" } else { "" }))
                .collect::<Vec<_>>()
        };
        let mut accepted = self.manager.accepted();
        let found = timeout(LONG, accepted.wait_for(|accepted| shown(accepted) == expected)).await;
        assert!(found.is_ok(), "{:?}, not {expected:?}", shown(&self.manager.accepted.borrow()));
    }

    /// The path to register, once it is another one than this.
    async fn registers_other_than(&self, path: &str) -> String {
        let mut to_register = self.manager.to_register();
        let is_other = |new: &Option<ReviewPath>| new.as_ref().is_some_and(|new| new.as_str() != path);
        let found = timeout(LONG, to_register.wait_for(is_other)).await.unwrap().unwrap().clone();
        found.unwrap().as_str().to_owned()
    }
}

fn registered(path: &str) -> RegisteredPaths {
    RegisteredPaths::Paths([path.to_owned()].into())
}

/// A value of the Secret; empty where it is missing.
fn value(server: &ApiServer, key: &str) -> String {
    let secret = server.object(SECRET).unwrap_or_default();
    let bytes = BASE64_STANDARD.decode(secret["data"][key].as_str().unwrap_or_default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_leader_creates_a_path_and_registers_it_when_all_replicas_accept_it() {
    let server = ApiServer::default();
    server.put(DEPLOYMENT, json!({"metadata": {}, "status": {"readyReplicas": 2}}));
    let known = watch::Sender::new(RegisteredPaths::NoWebhookConfig);
    let leader = replica(&server, "one", true, &known);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(leader.manager.to_register().borrow().is_none(), "a replica of another version may be ready");
    let other = replica(&server, "two", false, &known);
    let path = leader.registers_other_than("").await;
    assert_eq!((path.len(), value(&server, "path")), (33, path.clone()));
    for replica in [&leader, &other] {
        replica.accepts(&[&path]).await;
    }
    assert_eq!(server.object(SECRET).unwrap()["type"], "Opaque");
}

#[tokio::test]
async fn an_upgrade_keeps_the_path_that_everybody_knows_until_nobody_uses_it() {
    let server = ApiServer::default();
    let known = watch::Sender::new(registered("/validate"));
    let other = replica(&server, "two", false, &known);
    other.accepts(&["/validate"]).await;
    let leader = replica(&server, "one", true, &known);
    let path = leader.registers_other_than("/validate").await;
    for replica in [&leader, &other] {
        replica.accepts(&[&path, "/validate*"]).await;
    }
    known.send_replace(registered(&path));
    for replica in [&leader, &other] {
        replica.accepts(&[&path]).await;
    }
    assert_eq!(value(&server, "former-path"), "");
}

#[tokio::test]
async fn a_deleted_secret_leads_to_another_path_and_the_registered_one_stays_accepted() {
    let server = ApiServer::default();
    let known = watch::Sender::new(RegisteredPaths::NoWebhookConfig);
    let leader = replica(&server, "one", true, &known);
    let first = leader.registers_other_than("").await;
    known.send_replace(registered(&first));
    leader.manager.former_used_at.store(i64::MAX / 2, Ordering::Relaxed);
    server.remove(SECRET);
    let second = leader.registers_other_than(&first).await;
    // A replica that begins now learns both from the Secret.
    let late = replica(&server, "two", false, &known);
    for replica in [&leader, &late] {
        replica.accepts(&[&second, &format!("{first}*")]).await;
    }
    assert_eq!(late.registers_other_than("").await, first);
    known.send_replace(registered(&second));
    tokio::time::sleep(timing().unused * 2).await;
    leader.accepts(&[&second, &format!("{first}*")]).await;
    // The report of a replica that is gone counts no more.
    leader.running.abort();
    late.is_leader.send_replace(true);
    late.accepts(&[&second]).await;
}

#[tokio::test]
async fn without_the_right_to_the_secret_the_path_of_older_versions_stays() {
    let server = ApiServer::default();
    server.refuse(None, "secrets", axum::http::StatusCode::FORBIDDEN);
    let known = watch::Sender::new(registered("/validate"));
    let leader = replica(&server, "one", true, &known);
    leader.accepts(&["/validate"]).await;
    assert_eq!(leader.registers_other_than("").await, "/validate");

    let server = ApiServer::default();
    server.refuse(Some(axum::http::Method::PATCH), "secrets", axum::http::StatusCode::FORBIDDEN);
    let leader = replica(&server, "one", true, &known);
    leader.accepts(&["/validate"]).await;
    assert_eq!(leader.registers_other_than("").await, "/validate");
}

#[tokio::test]
async fn nothing_is_accepted_or_created_before_it_is_known_what_is_registered() {
    let server = ApiServer::default();
    let known = watch::Sender::new(RegisteredPaths::Unknown);
    let leader = replica(&server, "one", true, &known);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(server.object(SECRET).is_none() && leader.manager.accepted().borrow().is_empty());
    known.send_replace(registered("/0123456789abcdef"));
    let path = leader.registers_other_than("/0123456789abcdef").await;
    leader.accepts(&[&path, "/0123456789abcdef*"]).await;
}
