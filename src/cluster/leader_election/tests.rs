//! Elections at a fake API server.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::*;
use crate::cluster::testing::api_server::ApiServer;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/wall";
const TIMING: ElectionTiming = ElectionTiming {
    lease_duration: Duration::from_millis(600),
    retry_period: Duration::from_millis(40),
    request_timeout: Duration::from_millis(200),
};
/// Longer than anything takes that happens at all.
const LONG: Duration = Duration::from_mins(1);

/// A replica that takes part until the task is aborted.
fn candidate(server: &ApiServer, identity: &str) -> (Arc<LeaderElector>, JoinHandle<Infallible>) {
    let elector = Arc::new(LeaderElector::new(&server.context(identity), "wall", TIMING));
    let running = Arc::clone(&elector);
    (elector, tokio::spawn(async move { running.run().await }))
}

async fn wait_for_leadership(elector: &LeaderElector, is_leader: bool) {
    timeout(LONG, elector.is_leader().wait_for(|current| *current == is_leader)).await.unwrap().unwrap();
}

fn holder(server: &ApiServer) -> Option<String> {
    Some(server.object(LEASE)?["spec"]["holderIdentity"].as_str()?.to_owned())
}

#[tokio::test]
async fn one_replica_leads_and_another_takes_over_when_it_is_gone() {
    let server = ApiServer::default();
    let (one, running) = candidate(&server, "one");
    wait_for_leadership(&one, true).await;
    let (two, _running) = candidate(&server, "two");
    // Longer than a lease lasts that is not renewed.
    sleep(TIMING.lease_duration * 2).await;
    assert!(*one.is_leader().borrow() && !*two.is_leader().borrow());
    running.abort();
    wait_for_leadership(&two, true).await;
    assert_eq!(holder(&server).as_deref(), Some("two"));
    assert_eq!(server.object(LEASE).unwrap()["spec"]["leaseTransitions"], 2);
}

#[tokio::test]
async fn a_released_lease_is_free_for_another_replica() {
    let server = ApiServer::default();
    let (one, running) = candidate(&server, "one");
    wait_for_leadership(&one, true).await;
    running.abort();
    one.release().await;
    assert_eq!(holder(&server), None);
    assert!(!*one.is_leader().borrow());
    let (two, running) = candidate(&server, "two");
    wait_for_leadership(&two, true).await;
    // A replica that does not hold the lease takes it from nobody.
    one.release().await;
    assert_eq!(holder(&server).as_deref(), Some("two"));
    running.abort();
}

#[tokio::test]
async fn a_leader_stops_while_the_api_server_is_away() {
    let server = ApiServer::default();
    let (one, _running) = candidate(&server, "one");
    wait_for_leadership(&one, true).await;
    server.set_away(true);
    wait_for_leadership(&one, false).await;
    server.set_away(false);
    wait_for_leadership(&one, true).await;
}

#[tokio::test]
async fn a_leader_stops_when_another_holder_is_written_into_the_lease() {
    let server = ApiServer::default();
    let (one, _running) = candidate(&server, "one");
    wait_for_leadership(&one, true).await;
    server.edit(LEASE, |lease| lease["spec"]["holderIdentity"] = json!("two"));
    wait_for_leadership(&one, false).await;
    // The other one never renews.
    wait_for_leadership(&one, true).await;
}
