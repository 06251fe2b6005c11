//! Warn mode, audit mode, diffs and dry runs.

use crate::cluster::test_cluster;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const REPLICAS: &str = "kubectl get deployment python-app-prod -n prod -o jsonpath={.spec.replicas}";

#[test]
fn in_warn_mode_drift_is_allowed_and_kubectl_prints_the_reason() {
    let Some(mut cluster) = test_cluster() else { return };
    cluster.set_mode("warn");
    let warned = cluster.alice(PATCH);
    assert_eq!(warned.answer(), "warn", "{warned:?}");
    let warnings = warned.warnings();
    assert_eq!(warnings.len(), 1, "{warned:?}");
    assert!(warnings[0].contains("spec.replicas: 7, Git says 3"), "{warned:?}");
    assert!(warnings[0].len() < 120, "{warned:?}");
    assert_eq!(cluster.alice(REPLICAS).expect_success(), "7");
}

#[test]
fn in_audit_mode_drift_is_allowed_silently_and_counted() {
    let Some(mut cluster) = test_cluster() else { return };
    cluster.set_mode("audit");
    let drifts = |cluster: &crate::cluster::TestCluster| {
        cluster.count_reviews(r#"verdict="drift",actor="person",answer="allow",mode="audit""#)
    };
    let before = drifts(&cluster);
    let passed = cluster.alice(PATCH);
    assert_eq!(passed.answer(), "allow", "{passed:?}");
    assert_eq!(passed.stderr, "");
    assert_eq!(cluster.alice(REPLICAS).expect_success(), "7");
    // At least: after a conflict, the API server repeats a patch and its review.
    assert!(drifts(&cluster) > before);
}

#[test]
fn diffs_and_dry_runs_of_drift_work_with_a_warning() {
    let Some(cluster) = test_cluster() else { return };
    let edit = "sed 's/replicas: 3/replicas: 4/' git/apps/prod/app.yaml > edited.yaml";
    cluster.alice(edit).expect_success();
    // It exits with 1 where something differs.
    let diff = cluster.alice("kubectl diff -f edited.yaml; [ $? = 1 ]");
    assert_eq!(diff.answer(), "warn", "{diff:?}");
    assert!(diff.stdout.contains("+  replicas: 4"), "{diff:?}");
    for apply in ["apply", "apply --server-side --force-conflicts"] {
        let dry = cluster.alice(&format!("kubectl {apply} --dry-run=server -f edited.yaml"));
        assert_eq!(dry.answer(), "warn", "{apply}: {dry:?}");
        assert!(dry.warnings().iter().any(|line| line.contains("spec.replicas: 4, Git says 3")), "{dry:?}");
    }
    assert_eq!(cluster.alice(REPLICAS).expect_success(), "3");
}
