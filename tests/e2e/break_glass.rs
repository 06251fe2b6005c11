//! A `BreakGlass` through its whole life, and the Events that driftwall records.

use crate::cluster::{TestCluster, test_cluster};
use crate::kubectl::CommandResult;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const DRY: &str = "kubectl scale deployment python-app-prod -n prod --replicas=7 --dry-run=server 2>&1";

/// Alice may create a `BreakGlass`. Bob may write to Deployments, and not that.
fn prepared() -> Option<TestCluster> {
    let mut cluster = test_cluster()?;
    // A new replica, which has not used up its rate limit of Events.
    cluster.replicas.add();
    cluster.replicas.scale_to(1);
    let rights = "kubectl create clusterrole writer \
            --verb=get,list,patch,update --resource=deployments.apps,deployments.apps/scale
        kubectl create clusterrolebinding bob --clusterrole=writer --user=bob";
    cluster.alice("kubectl apply --validate=false -f \"$DEPLOY/03-breakglass.yaml\"").expect_success();
    if !cluster.alice("kubectl get clusterrolebinding bob").succeeded {
        cluster.alice(rights).expect_success();
    }
    cluster.alice("kubectl delete breakglasses -n prod --all").expect_success();
    cluster.wait_for("driftwall watches BreakGlasses", &format!("{PATCH} 2>&1 || true"), |out| {
        out.contains("\nIn an emergency: driftwall break-glass -n prod deployment/python-app-prod --reason '…'")
    });
    Some(cluster)
}

/// Whether a dry run is warned about as drift that no `BreakGlass` allows.
fn is_enforced(out: &str) -> bool {
    out.contains("Git says 3") && !out.contains("allowed by BreakGlass")
}

fn bob(cluster: &TestCluster, script: &str) -> CommandResult {
    cluster
        .alice(&format!("kubectl() {{ command kubectl --as=bob --as-group=system:authenticated \"$@\"; }}; {script}"))
}

/// A script that creates a `BreakGlass` for alice.
fn manifest(name: &str, until: &str) -> String {
    format!(
        "kubectl create -f - <<END\n\
         {{apiVersion: driftwall.io/v1alpha1, kind: BreakGlass, metadata: {{name: {name}, namespace: prod}},\n\
         spec: {{objects: [{{kind: Deployment, name: python-*}}], users: [alice], \
         reason: INC-42, until: \"{until}\"}}}}\nEND"
    )
}

#[test]
fn a_break_glass_allows_its_drift_until_it_expires() {
    let Some(cluster) = prepared() else { return };
    let before = cluster.count_reviews(r#"mode="break-glass""#);
    let created = cluster.alice(
        "\"$DRIFTWALL\" break-glass -n prod deployment/python-app-prod --user alice --reason 'INC-42: load' --for 15s",
    );
    assert!(
        created.succeeded && created.stdout.contains("drift of deployment/python-app-prod in prod by alice is allowed"),
        "{created:?}"
    );
    let dry = cluster.wait_for("it is known", DRY, |out| out.contains("driftwall: allowed by BreakGlass break-glass-"));
    assert!(dry.contains("Git says 3"), "{dry}");
    let other = cluster.alice("kubectl scale deployment web -n prod --replicas=9");
    assert_eq!(other.answer(), "deny", "{other:?}");
    let not_named = bob(&cluster, PATCH);
    assert_eq!(not_named.answer(), "deny", "{not_named:?}");
    let passed = cluster.alice(PATCH);
    assert_eq!(passed.answer(), "warn", "{passed:?}");
    assert!(cluster.count_reviews(r#"mode="break-glass""#) > before);
    let shown = cluster.alice("kubectl get bg -n prod").expect_success();
    assert!(shown.contains("INC-42: load") && shown.contains("[\"alice\"]"), "{shown}");

    cluster.alice("argocd_sync").expect_success();
    cluster.wait_for("it has expired", DRY, is_enforced);
    let expired = cluster.alice(PATCH);
    assert_eq!(expired.answer(), "deny", "{expired:?}");
    let events = "kubectl get events -n prod -o jsonpath='{range .items[*]}{.reason} {.involvedObject.name} \
         {.message}{\"\\n\"}{end}'";
    cluster.wait_for("what passed is recorded", events, |lines| {
        let is_it = |line: &str| {
            line.starts_with("BreakGlassUsed python-app-prod BreakGlass prod/break-glass-")
                && line.ends_with(" allowed alice to drift from Git: spec.replicas")
        };
        lines.lines().any(is_it)
    });
}

#[test]
fn only_who_may_create_a_break_glass_can_and_deleting_it_ends_it() {
    let Some(cluster) = prepared() else { return };
    let far = "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)";
    let refused = bob(&cluster, &manifest("incident", far));
    assert!(!refused.succeeded && refused.stderr.contains("cannot create resource \"breakglasses\""), "{refused:?}");
    cluster.alice(&manifest("incident", far)).expect_success();
    cluster.wait_for("it is known", DRY, |out| out.contains("allowed by BreakGlass incident"));
    cluster.alice("kubectl delete bg -n prod incident").expect_success();
    cluster.wait_for("its deletion is known", DRY, is_enforced);
    assert_eq!(cluster.alice(PATCH).answer(), "deny");
}

#[test]
fn a_break_glass_without_effect_is_refused_with_what_is_missing() {
    let Some(cluster) = prepared() else { return };
    let far = "$(date -u -d '+5 hours' +%Y-%m-%dT%H:%M:%SZ)";
    cluster.wait_for(
        "driftwall reviews BreakGlasses",
        &format!("{{ {}\n}} 2>&1 || true", manifest("far", far)),
        |out| {
            out.contains("admission webhook \"break-glass.driftwall.io\" denied the request")
                && out.contains("is too far ahead")
        },
    );
    // Also in driftwall's own namespace, which its other webhooks leave out.
    let unsaid = cluster.alice(&manifest("unsaid", far).replace("namespace: prod", "namespace: driftwall"));
    assert!(
        !unsaid.succeeded && unsaid.stderr.contains("  spec.until: ") && unsaid.stderr.contains("is the latest"),
        "{unsaid:?}"
    );
    let near = "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)";
    let no_reason = cluster.alice(&manifest("silent", near).replace("reason: INC-42", "reason: ' '"));
    assert!(!no_reason.succeeded && no_reason.stderr.contains("spec.reason: it is missing: say why"), "{no_reason:?}");
    let nobody = cluster.alice(&manifest("nobody", near).replace("users: [alice]", "users: []"));
    // An API server that knows validation rules refuses by those of the CustomResourceDefinition, before driftwall.
    let is_refused_by_crd = cluster.apis.keeps_field("x-kubernetes-validations");
    let words = if is_refused_by_crd { "say for whom: users or groups" } else { "it names nobody" };
    assert!(!nobody.succeeded && nobody.stderr.contains(words), "{nobody:?}");
    cluster.alice(&manifest("good", near)).expect_success();
    let edit = "kubectl patch bg good -n prod --type=merge -p '{\"spec\": {\"reason\": \"other\"}}'";
    let changed = cluster.alice(edit);
    assert!(!changed.succeeded && changed.stderr.contains("a BreakGlass cannot be changed"), "{changed:?}");
    cluster.alice("kubectl delete bg -n prod good").expect_success();
}

#[test]
fn a_denial_is_recorded_as_an_event_and_a_dry_run_is_not() {
    let Some(cluster) = prepared() else { return };
    let name = "web";
    let denied = format!(
        "kubectl get events -n prod --field-selector involvedObject.name={name},reason=Denied -o \
         jsonpath='{{.items[*].message}}'"
    );
    cluster.alice("kubectl scale deployment web -n prod --replicas=8 --dry-run=server").expect_success();
    let dry = cluster.alice(&denied).expect_success();
    assert!(!dry.contains("spec.replicas: 8"), "{dry}");
    let refused = cluster.alice("kubectl patch deployment web -n prod -p '{\"spec\": {\"paused\": true}}'");
    assert_eq!(refused.answer(), "deny", "{refused:?}");
    cluster.wait_for("the denial is recorded as an Event", &denied, |notes| {
        notes.contains("alice was denied: deployment.apps \"web\"")
    });
    let described = "kubectl describe deployment web -n prod";
    cluster.wait_for("people see it", described, |shown| shown.contains("alice was denied"));
    // Events of cluster-scoped objects are in the default namespace.
    assert_eq!(cluster.alice("kubectl delete namespace prod").answer(), "deny");
    let events = "kubectl get events -n default -o jsonpath='{.items[*].message}'";
    cluster.wait_for("that too", events, |notes| notes.contains("alice was denied: namespace \"prod\" holds"));
}
