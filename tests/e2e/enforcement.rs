//! The story that driftwall tells, word by word.

use crate::cluster::stage;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const REPLICAS: &str = "kubectl get deployment python-app-prod -n prod -o jsonpath={.spec.replicas}";
const PODS: &str = "kubectl get pods -n prod -l app=python-app -o name";

#[test]
fn a_patch_of_declared_replicas_is_denied_in_the_words_of_the_story() {
    let Some(stage) = stage() else { return };
    let denied = stage.alice(PATCH);
    let expected = format!(
        "Error from server (Forbidden): admission webhook \"writes.driftwall.io\" denied the request: \
         deployment.apps \"python-app-prod\" is declared in Git, and this write would drift from it:\n  \
         spec.replicas: 7, Git says 3   apps/prod/app.yaml:18\n\
         Change it in Git: git (main @ {}). This object was not changed.\n",
        &stage.head()[..7]
    );
    // Where the cluster knows of broken glass, a denial names the way.
    let emergency = "In an emergency: driftwall break-glass -n prod deployment/python-app-prod --reason '…'\n";
    assert_eq!(denied.err.strip_suffix(emergency).unwrap_or(&denied.err), expected);
    assert_eq!(denied.out, "");
    assert_eq!(stage.alice(REPLICAS).must(), "3");
}

#[test]
fn a_scale_by_hand_is_denied_and_the_way_back_is_not() {
    let Some(stage) = stage() else { return };
    let denied = stage.alice("kubectl scale deployment python-app-prod -n prod --replicas=5");
    assert_eq!(denied.answer(), "deny", "{denied:?}");
    assert!(denied.err.contains("  spec.replicas: 5, Git says 3   apps/prod/app.yaml:18\n"), "{denied:?}");
    stage.alice("behind scale deployment python-app-prod -n prod --replicas=5").must();
    let back = stage.alice("kubectl scale deployment python-app-prod -n prod --replicas=3");
    assert_eq!(back.answer(), "allow", "{back:?}");
    assert_eq!(stage.alice(REPLICAS).must(), "3");
}

#[test]
fn a_deleted_pod_is_made_again_by_its_replica_set() {
    let Some(stage) = stage() else { return };
    let before = stage.until("three pods", PODS, |pods| pods.lines().count() >= 3);
    let pod = before.lines().next().unwrap();
    let deleted = stage.alice(&format!("kubectl delete -n prod {pod}"));
    assert_eq!(deleted.answer(), "allow", "{deleted:?}");
    let after = stage
        .until("as many again", PODS, |pods| pods.lines().count() == before.lines().count() && !pods.contains(pod));
    assert_eq!(after.lines().filter(|pod| !before.contains(pod)).count(), 1);
}

#[test]
fn a_restart_rolls_the_pods() {
    let Some(stage) = stage() else { return };
    let sets = "kubectl get replicasets -n prod -l app=web -o name";
    let before = stage.until("a replica set", sets, |sets| !sets.is_empty());
    let restarted = stage.alice("kubectl rollout restart deployment/web -n prod");
    assert_eq!(restarted.answer(), "allow", "{restarted:?}");
    stage.until("a further replica set", sets, |sets| sets.lines().count() > before.lines().count());
}

#[test]
fn argo_cd_flux_and_a_person_may_all_apply_what_git_says() {
    let Some(stage) = stage() else { return };
    // Something to do for each of them.
    for apply in [
        "argocd apply --server-side --field-manager=argocd-controller --force-conflicts",
        "flux apply --server-side --field-manager=kustomize-controller --force-conflicts",
        "kubectl apply --server-side --force-conflicts",
        "kubectl apply",
    ] {
        stage.alice("behind scale deployment python-app-prod -n prod --replicas=5").must();
        let applied = stage.alice(&format!("{apply} -f git/apps/prod/"));
        assert_eq!(applied.answer(), "allow", "{apply}: {applied:?}");
        assert_eq!(stage.alice(REPLICAS).must(), "3", "{apply}");
    }
    assert!(stage.counted(r#"actor="gitops""#) > 0);
}

#[test]
fn what_was_denied_passes_once_git_says_so() {
    let Some(stage) = stage() else { return };
    assert_eq!(stage.alice(PATCH).answer(), "deny");
    let file = stage.path("git/apps/prod/app.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("replicas: 3", "replicas: 7", 1)).unwrap();
    stage.commit();
    stage.until("the commit is known", PATCH, |_| true);
    let stored = stage.alice(REPLICAS).must();
    let other = stage.alice("kubectl scale deployment python-app-prod -n prod --replicas=3");
    std::fs::write(&file, text).unwrap();
    stage.commit();
    let dry = "kubectl scale deployment python-app-prod -n prod --replicas=6 --dry-run=server 2>&1";
    stage.until("the commit back is known", dry, |out| out.contains("Git says 3"));
    assert_eq!(stored, "7");
    assert_eq!(other.answer(), "deny", "{other:?}");
}
