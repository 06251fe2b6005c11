//! Warn, audit, and what stores nothing.

use crate::cluster::stage;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const REPLICAS: &str = "kubectl get deployment python-app-prod -n prod -o jsonpath={.spec.replicas}";

#[test]
fn in_warn_mode_the_write_goes_through_and_kubectl_prints_why() {
    let Some(mut stage) = stage() else { return };
    stage.mode("warn");
    let warned = stage.alice(PATCH);
    assert_eq!(warned.answer(), "warn", "{warned:?}");
    let warnings = warned.warnings();
    assert_eq!(warnings.len(), 1, "{warned:?}");
    assert!(warnings[0].contains("spec.replicas: 7, Git says 3"), "{warned:?}");
    assert!(warnings[0].len() < 120, "{warned:?}");
    assert_eq!(stage.alice(REPLICAS).must(), "7");
}

#[test]
fn in_audit_mode_the_write_goes_through_in_silence_and_is_counted() {
    let Some(mut stage) = stage() else { return };
    stage.mode("audit");
    let drifts =
        |stage: &crate::cluster::Stage| stage.counted(r#"verdict="drift",actor="person",answer="allow",mode="audit""#);
    let before = drifts(&stage);
    let passed = stage.alice(PATCH);
    assert_eq!(passed.answer(), "allow", "{passed:?}");
    assert_eq!(passed.err, "");
    assert_eq!(stage.alice(REPLICAS).must(), "7");
    assert_eq!(drifts(&stage), before + 1);
}

#[test]
fn a_diff_and_a_dry_run_work_and_are_warned_about() {
    let Some(stage) = stage() else { return };
    let edit = "sed 's/replicas: 3/replicas: 4/' git/apps/prod/app.yaml > edited.yaml";
    stage.alice(edit).must();
    // It exits with 1 where something differs.
    let diff = stage.alice("kubectl diff -f edited.yaml; [ $? = 1 ]");
    assert_eq!(diff.answer(), "warn", "{diff:?}");
    assert!(diff.out.contains("+  replicas: 4"), "{diff:?}");
    for apply in ["apply", "apply --server-side --force-conflicts"] {
        let dry = stage.alice(&format!("kubectl {apply} --dry-run=server -f edited.yaml"));
        assert_eq!(dry.answer(), "warn", "{apply}: {dry:?}");
        assert!(dry.warnings().iter().any(|line| line.contains("spec.replicas: 4, Git says 3")), "{dry:?}");
    }
    assert_eq!(stage.alice(REPLICAS).must(), "3");
}
