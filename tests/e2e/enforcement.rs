//! What driftwall denies and allows in enforce mode, from the patch on the README's front page on.

use crate::cluster::test_cluster;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const REPLICAS: &str = "kubectl get deployment python-app-prod -n prod -o jsonpath={.spec.replicas}";
const PODS: &str = "kubectl get pods -n prod -l app=python-app -o name";

#[test]
fn a_patch_of_declared_replicas_is_denied_with_the_field_the_value_and_the_line_in_git() {
    let Some(cluster) = test_cluster() else { return };
    let denied = cluster.alice(PATCH);
    let expected = format!(
        "Error from server (Forbidden): admission webhook \"writes.driftwall.io\" denied the request: \
         deployment.apps \"python-app-prod\" is declared in Git, and this write would drift from it:\n  \
         spec.replicas: 7, Git says 3   apps/prod/app.yaml:18\n\
         Change it in Git: git (main @ {}). This object was not changed.\n",
        &cluster.git_head()[..7]
    );
    // Where the cluster has the BreakGlass API, a denial says how to use it.
    let emergency = "In an emergency: driftwall break-glass -n prod deployment/python-app-prod --reason '…'\n";
    assert_eq!(denied.stderr.strip_suffix(emergency).unwrap_or(&denied.stderr), expected);
    assert_eq!(denied.stdout, "");
    assert_eq!(cluster.alice(REPLICAS).expect_success(), "3");
}

#[test]
fn scaling_away_from_git_is_denied_and_scaling_back_is_allowed() {
    let Some(cluster) = test_cluster() else { return };
    let denied = cluster.alice("kubectl scale deployment python-app-prod -n prod --replicas=5");
    assert_eq!(denied.answer(), "deny", "{denied:?}");
    assert!(denied.stderr.contains("  spec.replicas: 5, Git says 3   apps/prod/app.yaml:18\n"), "{denied:?}");
    cluster.alice("unreviewed scale deployment python-app-prod -n prod --replicas=5").expect_success();
    let back = cluster.alice("kubectl scale deployment python-app-prod -n prod --replicas=3");
    assert_eq!(back.answer(), "allow", "{back:?}");
    assert_eq!(cluster.alice(REPLICAS).expect_success(), "3");
}

#[test]
fn a_deleted_pod_is_replaced_by_its_replica_set() {
    let Some(cluster) = test_cluster() else { return };
    let before = cluster.wait_for("three pods", PODS, |pods| pods.lines().count() >= 3);
    let pod = before.lines().next().unwrap();
    let deleted = cluster.alice(&format!("kubectl delete -n prod {pod}"));
    assert_eq!(deleted.answer(), "allow", "{deleted:?}");
    let after = cluster
        .wait_for("as many again", PODS, |pods| pods.lines().count() == before.lines().count() && !pods.contains(pod));
    assert_eq!(after.lines().filter(|pod| !before.contains(pod)).count(), 1);
}

#[test]
fn a_rollout_restart_is_allowed_and_rolls_the_pods() {
    let Some(cluster) = test_cluster() else { return };
    let sets = "kubectl get replicasets -n prod -l app=web -o name";
    let before = cluster.wait_for("a replica set", sets, |sets| !sets.is_empty());
    let restarted = cluster.alice("kubectl rollout restart deployment/web -n prod");
    assert_eq!(restarted.answer(), "allow", "{restarted:?}");
    cluster.wait_for("a further replica set", sets, |sets| sets.lines().count() > before.lines().count());
}

#[test]
fn argo_cd_flux_and_a_person_may_apply_what_git_declares() {
    let Some(cluster) = test_cluster() else { return };
    // Each of them has something to correct.
    for apply in [
        "argocd apply --server-side --field-manager=argocd-controller --force-conflicts",
        "flux apply --server-side --field-manager=kustomize-controller --force-conflicts",
        "kubectl apply --server-side --force-conflicts",
        "kubectl apply",
    ] {
        cluster.alice("unreviewed scale deployment python-app-prod -n prod --replicas=5").expect_success();
        let applied = cluster.alice(&format!("{apply} -f git/apps/prod/"));
        assert_eq!(applied.answer(), "allow", "{apply}: {applied:?}");
        assert_eq!(cluster.alice(REPLICAS).expect_success(), "3", "{apply}");
    }
    assert!(cluster.count_reviews(r#"actor="gitops""#) > 0);
}

#[test]
fn a_denied_write_is_allowed_once_it_is_in_git() {
    let Some(cluster) = test_cluster() else { return };
    assert_eq!(cluster.alice(PATCH).answer(), "deny");
    let file = cluster.path("git/apps/prod/app.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("replicas: 3", "replicas: 7", 1)).unwrap();
    cluster.git_commit();
    cluster.wait_for("the commit is in force", PATCH, |_| true);
    let stored = cluster.alice(REPLICAS).expect_success();
    let other = cluster.alice("kubectl scale deployment python-app-prod -n prod --replicas=3");
    std::fs::write(&file, text).unwrap();
    cluster.git_commit();
    let dry = "kubectl scale deployment python-app-prod -n prod --replicas=6 --dry-run=server 2>&1";
    cluster.wait_for("the revert is in force", dry, |out| out.contains("Git says 3"));
    assert_eq!(stored, "7");
    assert_eq!(other.answer(), "deny", "{other:?}");
}
