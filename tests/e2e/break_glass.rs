//! Broken glass through its whole life, and the Events that are left.

use crate::cluster::{Stage, stage};
use crate::kubectl::Outcome;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const DRY: &str = "kubectl scale deployment python-app-prod -n prod --replicas=7 --dry-run=server 2>&1";

/// Alice may break the glass. Bob may write to what is in the namespace, and not that.
fn prepared() -> Option<Stage> {
    let mut stage = stage()?;
    // One that has not yet recorded as many Events as it may at once.
    stage.cluster.replicas.add();
    stage.cluster.replicas.number(1);
    let rights = "kubectl create clusterrole writer --verb=get,list,patch,update --resource=deployments.apps,deployments.apps/scale
        kubectl create clusterrolebinding bob --clusterrole=writer --user=bob";
    stage.alice("kubectl apply --validate=false -f \"$DEPLOY/03-breakglass.yaml\"").must();
    if !stage.alice("kubectl get clusterrolebinding bob").succeeded {
        stage.alice(rights).must();
    }
    stage.alice("kubectl delete breakglasses -n prod --all").must();
    stage.until("driftwall knows of the glass", &format!("{PATCH} 2>&1 || true"), |out| {
        out.contains("\nIn an emergency: driftwall break-glass -n prod deployment/python-app-prod --reason '…'")
    });
    Some(stage)
}

/// Whether a dry run is warned about, and no BreakGlass allows it.
fn is_whole(out: &str) -> bool {
    out.contains("Git says 3") && !out.contains("allowed by BreakGlass")
}

fn bob(stage: &Stage, script: &str) -> Outcome {
    stage.alice(&format!("kubectl() {{ command kubectl --as=bob --as-group=system:authenticated \"$@\"; }}; {script}"))
}

/// A `BreakGlass` as a manifest, for alice.
fn manifest(name: &str, until: &str) -> String {
    format!(
        "kubectl create -f - <<END\n\
         {{apiVersion: driftwall.io/v1alpha1, kind: BreakGlass, metadata: {{name: {name}, namespace: prod}},\n\
         spec: {{objects: [{{kind: Deployment, name: python-*}}], users: [alice], reason: INC-42, until: \"{until}\"}}}}\nEND"
    )
}

#[test]
fn broken_glass_lets_its_drift_pass_until_it_ends() {
    let Some(stage) = prepared() else { return };
    let before = stage.counted(r#"mode="break-glass""#);
    let broken = stage.alice(
        "\"$DRIFTWALL\" break-glass -n prod deployment/python-app-prod --user alice --reason 'INC-42: load' --for 15s",
    );
    assert!(
        broken.succeeded && broken.out.contains("drift of deployment/python-app-prod in prod by alice passes"),
        "{broken:?}"
    );
    let dry = stage.until("it is known", DRY, |out| out.contains("driftwall: allowed by BreakGlass break-glass-"));
    assert!(dry.contains("Git says 3"), "{dry}");
    let other = stage.alice("kubectl scale deployment web -n prod --replicas=9");
    assert_eq!(other.answer(), "deny", "{other:?}");
    let not_named = bob(&stage, PATCH);
    assert_eq!(not_named.answer(), "deny", "{not_named:?}");
    let passed = stage.alice(PATCH);
    assert_eq!(passed.answer(), "warn", "{passed:?}");
    assert!(stage.counted(r#"mode="break-glass""#) > before);
    let shown = stage.alice("kubectl get bg -n prod").must();
    assert!(shown.contains("INC-42: load") && shown.contains("[\"alice\"]"), "{shown}");

    stage.alice("sync").must();
    stage.until("it has ended", DRY, is_whole);
    let over = stage.alice(PATCH);
    assert_eq!(over.answer(), "deny", "{over:?}");
    let events = "kubectl get events -n prod -o jsonpath='{range .items[*]}{.reason} {.involvedObject.name} {.message}{\"\\n\"}{end}'";
    stage.until("what passed is recorded", events, |lines| {
        let is_it = |line: &str| {
            line.starts_with("BreakGlassUsed python-app-prod alice drifted from Git by BreakGlass prod/break-glass-")
                && line.ends_with(": spec.replicas")
        };
        lines.lines().any(is_it)
    });
}

#[test]
fn without_the_right_the_glass_is_whole_and_taken_back_it_is_whole_again() {
    let Some(stage) = prepared() else { return };
    let far = "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)";
    let refused = bob(&stage, &manifest("incident", far));
    assert!(!refused.succeeded && refused.err.contains("cannot create resource \"breakglasses\""), "{refused:?}");
    stage.alice(&manifest("incident", far)).must();
    stage.until("it is known", DRY, |out| out.contains("allowed by BreakGlass incident"));
    stage.alice("kubectl delete bg -n prod incident").must();
    stage.until("it is taken back", DRY, is_whole);
    assert_eq!(stage.alice(PATCH).answer(), "deny");
}

#[test]
fn one_that_would_let_nothing_pass_is_refused_with_the_words_for_what_is_missing() {
    let Some(stage) = prepared() else { return };
    let far = "$(date -u -d '+5 hours' +%Y-%m-%dT%H:%M:%SZ)";
    stage.until("driftwall is asked", &format!("{{ {}\n}} 2>&1 || true", manifest("far", far)), |out| {
        out.contains("admission webhook \"break-glass.driftwall.io\" denied the request")
            && out.contains("is too far ahead")
    });
    // Driftwall's own namespace, which no other webhook of its asks about, is no exception.
    let unsaid = stage.alice(&manifest("unsaid", far).replace("namespace: prod", "namespace: driftwall"));
    assert!(
        !unsaid.succeeded && unsaid.err.contains("  spec.until: ") && unsaid.err.contains("is the latest"),
        "{unsaid:?}"
    );
    let near = "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)";
    let no_reason = stage.alice(&manifest("silent", near).replace("reason: INC-42", "reason: ' '"));
    assert!(!no_reason.succeeded && no_reason.err.contains("spec.reason: it is missing: say why"), "{no_reason:?}");
    let nobody = stage.alice(&manifest("nobody", near).replace("users: [alice]", "users: []"));
    assert!(!nobody.succeeded && nobody.err.contains("it names nobody"), "{nobody:?}");
    stage.alice(&manifest("good", near)).must();
    let longer = "kubectl patch bg good -n prod --type=merge -p '{\"spec\": {\"reason\": \"other\"}}'";
    let changed = stage.alice(longer);
    assert!(!changed.succeeded && changed.err.contains("a BreakGlass cannot be changed"), "{changed:?}");
    stage.alice("kubectl delete bg -n prod good").must();
}

#[test]
fn a_denial_leaves_an_event_and_a_dry_run_none() {
    let Some(stage) = prepared() else { return };
    let name = "web";
    let denied = format!(
        "kubectl get events -n prod --field-selector involvedObject.name={name},reason=Denied -o jsonpath='{{.items[*].message}}'"
    );
    stage.alice("kubectl scale deployment web -n prod --replicas=8 --dry-run=server").must();
    let dry = stage.alice(&denied).must();
    assert!(!dry.contains("spec.replicas: 8"), "{dry}");
    let refused = stage.alice("kubectl patch deployment web -n prod -p '{\"spec\": {\"paused\": true}}'");
    assert_eq!(refused.answer(), "deny", "{refused:?}");
    stage.until("the denial is recorded", &denied, |notes| notes.contains("alice was denied: deployment.apps \"web\""));
    let described = "kubectl describe deployment web -n prod";
    stage.until("people see it", described, |shown| shown.contains("alice was denied"));
    // What has no namespace has its Events in the default one.
    assert_eq!(stage.alice("kubectl delete namespace prod").answer(), "deny");
    let events = "kubectl get events -n default -o jsonpath='{.items[*].message}'";
    stage.until("that too", events, |notes| notes.contains("alice was denied: namespace \"prod\" holds"));
}
