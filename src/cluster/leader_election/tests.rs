//! Elections at an API server of the test's own.

use super::*;
use crate::cluster::testing::api_server::ApiServer;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/wall";
const QUICK: ElectionTiming = ElectionTiming {
    lease_duration: Duration::from_millis(600),
    retry_period: Duration::from_millis(40),
    request_timeout: Duration::from_millis(200),
};
/// Longer than anything takes that happens at all.
const PATIENT: Duration = Duration::from_mins(1);

/// A replica that takes part until it is aborted.
fn part(server: &ApiServer, identity: &str) -> (std::sync::Arc<LeaderElector>, tokio::task::JoinHandle<Infallible>) {
    let lease = std::sync::Arc::new(LeaderElector::new(&server.home(identity), "wall", QUICK));
    let kept = std::sync::Arc::clone(&lease);
    (lease, tokio::spawn(async move { kept.run().await }))
}

async fn until(lease: &LeaderElector, leads: bool) {
    timeout(PATIENT, lease.is_leader().wait_for(|now| *now == leads)).await.unwrap().unwrap();
}

fn holder(server: &ApiServer) -> Option<String> {
    Some(server.object(PATH)?["spec"]["holderIdentity"].as_str()?.to_owned())
}

#[tokio::test]
async fn one_leads_and_the_other_follows_when_it_is_gone() {
    let server = ApiServer::default();
    let (one, kept) = part(&server, "one");
    until(&one, true).await;
    let (two, _kept) = part(&server, "two");
    // Longer than a lease lasts that nobody renews.
    sleep(QUICK.lease_duration * 2).await;
    assert!(*one.is_leader().borrow() && !*two.is_leader().borrow());
    kept.abort();
    until(&two, true).await;
    assert_eq!(holder(&server).as_deref(), Some("two"));
    assert_eq!(server.object(PATH).unwrap()["spec"]["leaseTransitions"], 2);
}

#[tokio::test]
async fn what_is_released_is_anybody_s() {
    let server = ApiServer::default();
    let (one, kept) = part(&server, "one");
    until(&one, true).await;
    kept.abort();
    one.release().await;
    assert_eq!(holder(&server), None);
    assert!(!*one.is_leader().borrow());
    let (two, kept) = part(&server, "two");
    until(&two, true).await;
    // Who never had it takes it from nobody.
    one.release().await;
    assert_eq!(holder(&server).as_deref(), Some("two"));
    kept.abort();
}

#[tokio::test]
async fn a_leader_without_an_api_server_stops_and_comes_back() {
    let server = ApiServer::default();
    let (one, _kept) = part(&server, "one");
    until(&one, true).await;
    server.go_away(true);
    until(&one, false).await;
    server.go_away(false);
    until(&one, true).await;
}

#[tokio::test]
async fn a_leader_that_is_overthrown_stops() {
    let server = ApiServer::default();
    let (one, _kept) = part(&server, "one");
    until(&one, true).await;
    server.change(PATH, |lease| lease["spec"]["holderIdentity"] = json!("two"));
    until(&one, false).await;
    // Two never renews.
    until(&one, true).await;
}
