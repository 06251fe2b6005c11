//! The registration that driftwall keeps: what becomes of it when Git or somebody changes it.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{Stage, stage};
use crate::process::until;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const NAME: &str = "validatingwebhookconfiguration driftwall";
const BACK: &str = "kubectl annotate lease driftwall -n driftwall driftwall.io/registered-";

/// What the API server goes by.
fn registered(stage: &Stage) -> Option<Value> {
    let got = stage.alice(&format!("kubectl get {NAME} -o json"));
    got.succeeded.then(|| serde_json::from_str(&got.out).unwrap())
}

fn wait_until_it_stands(stage: &Stage, standing: &str) {
    until(&format!("the registration is {standing}"), || {
        let metric = format!("driftwall_registration{{state=\"{standing}\"}}");
        stage.cluster.replicas.metrics(&metric).iter().all(|value| value.as_deref() == Some("1")).then_some(())
    });
}

fn wait_until_it_denies(stage: &Stage) {
    stage.until("the wall stands", &format!("{PATCH} --dry-run=server 2>&1"), |out| out.contains("Git says 3"));
}

/// What driftwall said of it on its own Deployment.
fn wait_for_event(stage: &Stage, reason: &str) {
    let events =
        "kubectl get events -n driftwall -o jsonpath='{range .items[*]}{.reason} {.involvedObject.kind}{\"\\n\"}{end}'";
    stage.until("it is recorded", events, |all| all.lines().any(|line| line == format!("{reason} Deployment")));
}

fn restoring(stage: &mut Stage, is: bool) {
    let mut config = stage.cluster.replicas.config();
    config["registration"]["selfHeal"] = is.into();
    stage.cluster.replicas.configure(config);
}

#[test]
fn taken_away_it_stays_away_until_it_is_asked_for() {
    let Some(mut stage) = stage() else { return };
    stage.alice(&format!("kubectl delete {NAME}")).must();
    wait_until_it_stands(&stage, "absent");
    wait_for_event(&stage, "RegistrationRemoved");
    let passes = |out: &str| !out.contains("Git says");
    stage.until("the way out", &format!("{PATCH} --dry-run=server 2>&1"), passes);
    assert_eq!(stage.alice(PATCH).answer(), "allow", "the way out");
    // A new start is no reason to stand in the way again.
    stage.cluster.replicas.end(Signal::TERM);
    stage.cluster.replicas.number(1);
    wait_until_it_stands(&stage, "absent");
    assert_eq!(registered(&stage), None);
    stage.alice("sync").must();

    stage.alice(BACK).must();
    wait_until_it_stands(&stage, "in_sync");
    wait_until_it_denies(&stage);
    restoring(&mut stage, true);
    stage.alice(&format!("kubectl delete {NAME}")).must();
    until("it is put back", || registered(&stage));
    restoring(&mut stage, false);
    wait_until_it_denies(&stage);
}

#[test]
fn weakened_it_is_told_of_and_put_right_where_that_is_asked_for() {
    let Some(mut stage) = stage() else { return };
    let whole = registered(&stage).unwrap()["webhooks"].clone();
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["namespaces"]});
    let only = json!([{"op": "replace", "path": "/webhooks/0/rules", "value": [rule]}]);
    stage.alice(&format!("kubectl patch {NAME} --type=json -p '{only}'")).must();
    wait_until_it_stands(&stage, "changed");
    wait_for_event(&stage, "RegistrationChanged");
    let passes = |out: &str| !out.contains("Git says");
    stage.until("the API server goes by it", &format!("{PATCH} --dry-run=server 2>&1"), passes);
    restoring(&mut stage, true);
    wait_until_it_stands(&stage, "in_sync");
    assert_eq!(registered(&stage).unwrap()["webhooks"], whole);
    restoring(&mut stage, false);
    wait_until_it_denies(&stage);
}

#[test]
fn an_operator_s_failure_policy_stays_and_a_new_kind_of_git_is_registered() {
    let Some(stage) = stage() else { return };
    let policy = |policy: &str| {
        let patch = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": policy}]);
        stage.alice(&format!("kubectl patch {NAME} --type=json -p '{patch}'")).must();
    };
    let asks = |stage: &Stage| {
        let live = registered(stage).unwrap();
        let of_git = &live["webhooks"][0];
        (of_git["rules"].to_string().contains("\"podtemplates\""), of_git["failurePolicy"] == "Fail")
    };
    assert_eq!(asks(&stage), (false, false));
    policy("Fail");
    until("it is reported", || {
        let metric = "driftwall_registration_failure_policy{policy=\"Fail\"}";
        stage.cluster.replicas.metrics(metric).iter().all(|value| value.as_deref() == Some("1")).then_some(())
    });

    let file = stage.path("git/apps/prod/template.yaml");
    let object = "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: batch, namespace: prod}\n\
        template: {spec: {containers: [{name: a, image: busybox}]}}\n";
    std::fs::write(&file, object).unwrap();
    stage.commit();
    until("the kind is registered", || (asks(&stage) == (true, true)).then_some(()));
    stage.alice("sync").must();
    let edit = r#"kubectl patch podtemplate batch -n prod --dry-run=server -p '{"template": {"spec": {"hostNetwork": true}}}' 2>&1"#;
    stage.until("its first object is judged", edit, |out| {
        out.contains("podtemplate \"batch\": template.spec.hostNetwork")
    });
    std::fs::remove_file(&file).unwrap();
    stage.commit();
    until("the kind is left alone again", || (asks(&stage) == (false, true)).then_some(()));
    policy("Ignore");
    stage.alice("kubectl delete podtemplate batch -n prod").must();
}

#[test]
fn in_a_strict_namespace_only_what_git_declares_is_made_by_hand() {
    let Some(mut stage) = stage() else { return };
    stage.alice("kubectl create namespace strict && kubectl label namespace strict kubernetes.io/metadata.name=strict --overwrite").must();
    let usual = stage.cluster.replicas.config();
    let mut config = usual.clone();
    config["unmanaged"] = json!([{"namespaces": ["strict"], "answer": "deny"}]);
    stage.cluster.replicas.configure(config);
    // Git declares none of its kind: of another kind two webhooks are asked, and the first to answer is quoted.
    let create = "kubectl create quota note -n strict --hard=pods=9";
    let refused = stage.until("the namespace is strict", &format!("{create} --dry-run=server 2>&1"), |out| {
        out.contains("driftwall: resourcequota \"note\" is not declared in Git, and this namespace accepts only objects that are.")
    });
    assert!(!refused.contains("denied"), "{refused}");
    let denied = stage.alice(create);
    let words =
        "admission webhook \"strict.driftwall.io\" denied the request: resourcequota \"note\" is not declared in Git";
    assert!(!denied.succeeded && denied.err.contains(words), "{denied:?}");
    // Elsewhere, and for who makes what a namespace needs, nothing has changed.
    stage.alice("kubectl create quota note -n default --hard=pods=9 && kubectl delete quota note -n default").must();
    stage.until("controllers work there", "kubectl get serviceaccount default -n strict -o name", |name| {
        !name.is_empty()
    });
    stage.cluster.replicas.configure(usual);
    stage.until("it is not strict any more", &format!("{create} --dry-run=server 2>&1"), |out| {
        !out.contains("driftwall")
    });
    stage.alice("kubectl delete namespace strict --wait=false").must();
}

#[test]
fn a_token_of_who_is_let_through_is_not_for_people() {
    let Some(stage) = stage() else { return };
    let account = |name: &str| {
        format!(
            "kubectl create serviceaccount {name} -n argocd --dry-run=client -o yaml | kubectl apply -f - >/dev/null\n"
        )
    };
    stage.alice("kubectl create namespace argocd --dry-run=client -o yaml | kubectl apply -f -").must();
    stage.alice(&format!("{}{}", account("argocd-application-controller"), account("other"))).must();
    let denied = stage.alice("kubectl create token argocd-application-controller -n argocd");
    assert_eq!(denied.answer(), "deny", "{denied:?}");
    assert!(
        denied.err.contains("is exempt as a GitOps tool") && denied.err.contains("Nothing was issued."),
        "{denied:?}"
    );
    let other = stage.alice("kubectl create token other -n argocd");
    assert_eq!(other.answer(), "allow", "{other:?}");
}
