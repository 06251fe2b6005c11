//! What others do to the webhook configuration: they remove it, change it, or set its failure policy.

use kube::runtime::watcher;

use super::*;

#[tokio::test]
async fn a_configuration_that_was_just_deleted_is_not_created_again() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.reconcile().await;
    server.remove(CONFIG);
    replica.edit_spec(|spec| *spec = spec_of(&["Secret"]));
    // The watch has not brought it yet.
    assert_eq!(replica.reconciler.reconcile().await, Duration::from_secs(1), "a conflict: it is read again");
    assert!(server.object(CONFIG).is_none());
    replica.reconciler.reconcile().await;
    assert!(replica.observed().contains("RegistrationRemoved"), "it is recognized as a removal");
    assert!(server.object(CONFIG).is_none());
}

#[tokio::test]
async fn a_removed_configuration_stays_removed_until_driftwall_is_enabled_again() {
    let server = cluster();
    let mut first = Replica::new(&server);
    first.reconcile().await;
    server.remove(CONFIG);
    let observed = first.reconcile().await;
    assert!(
        observed.starts_with("absent -\nRegistrationRemoved: ")
            && observed.contains("kubectl annotate lease driftwall")
    );
    assert_eq!(first.reconcile().await, "absent -", "reported once");
    let mut second = Replica::new(&server);
    assert!(second.reconcile().await.contains("RegistrationRemoved"), "after a restart, too");
    assert!(server.object(CONFIG).is_none());

    server.edit(LEASE, |lease| lease["metadata"] = json!({}));
    assert!(second.reconcile().await.contains("wrote true"), "enabled again");
    server.remove(CONFIG);
    second.edit_spec(|spec| spec.self_heal = true);
    let observed = second.reconcile().await;
    assert!(observed.contains("RegistrationRemoved") && observed.contains("RegistrationRestored"), "{observed}");
    assert!(server.object(CONFIG).is_some());

    server.remove(CONFIG);
    server.put(DEPLOYMENT, json!({"metadata": {"uid": "two"}}));
    assert!(Replica::new(&server).reconcile().await.contains("wrote true"), "another installation");
    assert_eq!(registered_installation(&server), "two role");
}

#[tokio::test]
async fn who_asks_for_a_registration_that_is_there_can_still_remove_it() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.reconcile().await;
    server.edit(LEASE, |lease| lease["metadata"] = json!({}));
    // As every few seconds: nothing is taken for granted.
    replica.reconciler.on_watch_event(Err(watcher::Error::NoResourceVersion));
    replica.reconciler.reconcile().await;
    assert_eq!(registered_installation(&server), "one role");
    replica.observed();
    server.remove(CONFIG);
    assert!(replica.reconcile().await.starts_with("absent -\nRegistrationRemoved: "));
    assert!(server.object(CONFIG).is_none());
}

#[tokio::test]
async fn the_configuration_is_owned_by_the_current_cluster_role_and_garbage_collection_is_not_a_removal() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.reconcile().await;
    let owner = || server.object(CONFIG).unwrap()["metadata"]["ownerReferences"][0]["uid"].clone();
    server.put(CLUSTER_ROLE, json!({"metadata": {"uid": "new"}}));
    assert!(replica.reconcile().await.contains("wrote true"));
    assert_eq!((owner(), registered_installation(&server)), (json!("new"), json!("one new")));
    assert!(!replica.reconcile().await.contains("wrote"), "nothing more to do");

    // The garbage collector was faster.
    server.put(CLUSTER_ROLE, json!({"metadata": {"uid": "newer"}}));
    server.remove(CONFIG);
    assert!(replica.reconcile().await.contains("wrote true"));
    assert_eq!(owner(), "newer");

    refuse_cluster_roles(&server);
    server.remove(CONFIG);
    assert!(replica.reconcile().await.contains("RegistrationRemoved"), "a role that cannot be read is not another one");
}

#[tokio::test]
async fn a_modified_configuration_is_reported_and_only_its_ca_is_corrected() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.reconcile().await;
    server.edit(CONFIG, |it| {
        it["webhooks"][0]["rules"].as_array_mut().unwrap().remove(0);
        it["webhooks"].as_array_mut().unwrap().push(json!({"name": "another.example"}));
    });
    let observed = replica.reconcile().await;
    assert!(observed.starts_with("changed Ignore\nRegistrationChanged: "), "{observed}");
    assert!(observed.contains(" is missing") && observed.contains("another.example is not driftwall's"), "{observed}");
    assert!(!observed.contains("wrote"), "{observed}");
    replica.ca.send_replace(Some("OTHER".to_owned()));
    assert_eq!(replica.reconcile().await, "changed Ignore\nwrote true");
    assert_eq!(ca_bundle(&server), OTHER);
    assert_eq!(webhooks(&server).len(), 5, "the rest stays");
    // Its path is replaced in the same way: who is called by the former one soon answers no more.
    replica.path.send_replace(Some(ReviewPath::unguessable(7)));
    assert_eq!(replica.reconcile().await, "changed Ignore\nwrote true");
    let paths = webhooks(&server).into_iter().map(|webhook| webhook["clientConfig"]["service"]["path"].clone());
    let expected = json!(ReviewPath::unguessable(7).as_str());
    assert!(paths.take(4).all(|path| path == expected));
    assert_eq!(webhooks(&server).len(), 5, "the rest stays");

    replica.edit_spec(|spec| spec.self_heal = true);
    let observed = replica.reconcile().await;
    assert!(observed.contains("RegistrationRestored"), "{observed}");
    assert_eq!(webhooks(&server).len(), 4);
    assert_eq!(replica.reconcile().await, "in_sync Ignore");
}

#[tokio::test]
async fn a_failure_policy_set_by_an_operator_is_kept_until_the_settings_change() {
    let server = cluster();
    let mut replica = Replica::new(&server);
    replica.reconcile().await;
    let policy = || server.object(CONFIG).unwrap()["webhooks"][0]["failurePolicy"].clone();
    server.edit(CONFIG, |it| it["webhooks"][0]["failurePolicy"] = "Fail".into());
    let observed = replica.reconcile().await;
    assert!(observed.starts_with("in_sync Fail\nFailurePolicyChanged: "), "{observed}");
    replica.edit_spec(|spec| spec.snapshot = spec_of(&["Secret"]).snapshot);
    assert!(replica.reconcile().await.contains("wrote true"));
    assert_eq!(policy(), "Fail", "a write of what Git declares keeps it");
    replica.edit_spec(|spec| spec.parameters.failure_policy = "Fail");
    replica.reconcile().await;
    replica.edit_spec(|spec| spec.parameters.failure_policy = "Ignore");
    replica.reconcile().await;
    assert_eq!(policy(), "Ignore");
}
