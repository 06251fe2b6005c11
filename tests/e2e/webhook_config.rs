//! The webhook configuration that driftwall manages: what happens when Git or somebody changes it.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{REGISTER_AGAIN, TestCluster, WEBHOOK_CONFIG, test_cluster};
use crate::process::wait_for;

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;

/// The webhook configuration as the API server has it.
fn live_config(cluster: &TestCluster) -> Option<Value> {
    let got = cluster.alice(&format!("kubectl get {WEBHOOK_CONFIG} -o json"));
    got.succeeded.then(|| serde_json::from_str(&got.stdout).unwrap())
}

fn wait_for_state(cluster: &TestCluster, state: &str) {
    let series = format!("driftwall_registration{{state=\"{state}\"}}");
    wait_for(&format!("the webhook configuration is {state}"), || {
        cluster.replicas.all_have(&series, "1").then_some(())
    });
}

fn wait_for_denials(cluster: &TestCluster) {
    cluster.wait_for("drift is denied", &format!("{PATCH} --dry-run=server 2>&1"), |out| out.contains("Git says 3"));
}

/// Waits for an Event on driftwall's own Deployment.
fn wait_for_event(cluster: &TestCluster, reason: &str) {
    let events =
        "kubectl get events -n driftwall -o jsonpath='{range .items[*]}{.reason} {.involvedObject.kind}{\"\\n\"}{end}'";
    cluster.wait_for("the Event", events, |all| all.lines().any(|line| line == format!("{reason} Deployment")));
}

#[test]
fn a_deleted_webhook_configuration_stays_deleted_until_it_is_asked_for() {
    let Some(mut cluster) = test_cluster() else { return };
    cluster.alice(&format!("kubectl delete {WEBHOOK_CONFIG}")).expect_success();
    wait_for_state(&cluster, "absent");
    wait_for_event(&cluster, "RegistrationRemoved");
    let passes = |out: &str| !out.contains("Git says");
    cluster.wait_for("driftwall is disabled", &format!("{PATCH} --dry-run=server 2>&1"), passes);
    assert_eq!(cluster.alice(PATCH).answer(), "allow", "driftwall is disabled");
    // A restart does not enable it again.
    cluster.replicas.stop_oldest(Signal::TERM);
    cluster.replicas.scale_to(1);
    wait_for_state(&cluster, "absent");
    assert_eq!(live_config(&cluster), None);
    cluster.alice("argocd_sync").expect_success();

    cluster.alice(REGISTER_AGAIN).expect_success();
    wait_for_state(&cluster, "in_sync");
    wait_for_denials(&cluster);
    cluster.set_self_heal(true);
    cluster.alice(&format!("kubectl delete {WEBHOOK_CONFIG}")).expect_success();
    wait_for("it is restored", || live_config(&cluster));
    cluster.set_self_heal(false);
    wait_for_denials(&cluster);
}

#[test]
fn a_weakened_webhook_configuration_is_reported_and_restored_where_self_heal_is_on() {
    let Some(mut cluster) = test_cluster() else { return };
    let whole = live_config(&cluster).unwrap()["webhooks"].clone();
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["namespaces"]});
    let only = json!([{"op": "replace", "path": "/webhooks/0/rules", "value": [rule]}]);
    cluster.alice(&format!("kubectl patch {WEBHOOK_CONFIG} --type=json -p '{only}'")).expect_success();
    wait_for_state(&cluster, "changed");
    wait_for_event(&cluster, "RegistrationChanged");
    let passes = |out: &str| !out.contains("Git says");
    cluster.wait_for("the change takes effect", &format!("{PATCH} --dry-run=server 2>&1"), passes);
    cluster.set_self_heal(true);
    wait_for_state(&cluster, "in_sync");
    assert_eq!(live_config(&cluster).unwrap()["webhooks"], whole);
    cluster.set_self_heal(false);
    wait_for_denials(&cluster);
}

#[test]
fn an_operators_failure_policy_is_kept_when_a_new_kind_in_git_is_registered() {
    let Some(cluster) = test_cluster() else { return };
    let policy = |policy: &str| {
        let patch = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": policy}]);
        cluster.alice(&format!("kubectl patch {WEBHOOK_CONFIG} --type=json -p '{patch}'")).expect_success();
    };
    let asks = |cluster: &TestCluster| {
        let live = live_config(cluster).unwrap();
        let of_git = &live["webhooks"][0];
        (of_git["rules"].to_string().contains("\"podtemplates\""), of_git["failurePolicy"] == "Fail")
    };
    assert_eq!(asks(&cluster), (false, false));
    policy("Fail");
    wait_for("it is reported", || {
        let series = "driftwall_registration_failure_policy{policy=\"Fail\"}";
        cluster.replicas.all_have(series, "1").then_some(())
    });

    let file = cluster.path("git/apps/prod/template.yaml");
    let object = "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: batch, namespace: prod}\n\
        template: {spec: {securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, \
        containers: [{name: a, image: busybox, \
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}\n";
    std::fs::write(&file, object).unwrap();
    cluster.git_commit();
    wait_for("the kind is registered", || (asks(&cluster) == (true, true)).then_some(()));
    cluster.alice("argocd_sync").expect_success();
    let edit = r#"kubectl patch podtemplate batch -n prod --dry-run=server \
        -p '{"template": {"spec": {"hostNetwork": true}}}' 2>&1"#;
    cluster.wait_for("its first object is enforced", edit, |out| {
        out.contains("podtemplate \"batch\": template.spec.hostNetwork")
    });
    std::fs::remove_file(&file).unwrap();
    cluster.git_commit();
    wait_for("the kind is not registered any more", || (asks(&cluster) == (false, true)).then_some(()));
    policy("Ignore");
    cluster.alice("kubectl delete podtemplate batch -n prod").expect_success();
}

#[test]
fn in_a_strict_namespace_a_person_creates_only_what_git_declares() {
    let Some(mut cluster) = test_cluster() else { return };
    // A server from 1.21 on has set the label itself.
    let label = "kubectl label namespace strict kubernetes.io/metadata.name=strict --overwrite";
    cluster.alice(&format!("kubectl create namespace strict && {label}")).expect_success();
    let usual = cluster.replicas.config();
    let mut config = usual.clone();
    config["unmanaged"] = json!([{"namespaces": ["strict"], "answer": "deny"}]);
    cluster.replicas.configure(config);
    // A kind that Git does not declare: for others two webhooks are called, and either may be quoted.
    let create = "kubectl create quota note -n strict --hard=pods=9";
    let refused = cluster.wait_for("the namespace is strict", &format!("{create} --dry-run=server 2>&1"), |out| {
        out.contains(
            "driftwall: resourcequota \"note\" is not declared in Git, \
             and this namespace accepts only objects that are.",
        )
    });
    assert!(!refused.contains("denied"), "{refused}");
    let denied = cluster.alice(create);
    let words =
        "admission webhook \"strict.driftwall.io\" denied the request: resourcequota \"note\" is not declared in Git";
    assert!(!denied.succeeded && denied.stderr.contains(words), "{denied:?}");
    // Other namespaces are not strict, and controllers create what every namespace needs.
    cluster
        .alice("kubectl create quota note -n default --hard=pods=9 && kubectl delete quota note -n default")
        .expect_success();
    cluster.wait_for("controllers work there", "kubectl get serviceaccount default -n strict -o name", |name| {
        !name.is_empty()
    });
    cluster.replicas.configure(usual);
    cluster.wait_for("it is not strict any more", &format!("{create} --dry-run=server 2>&1"), |out| {
        !out.contains("driftwall")
    });
    cluster.alice("kubectl delete namespace strict --wait=false").expect_success();
}

#[test]
fn a_person_gets_no_token_of_an_exempt_service_account() {
    let Some(cluster) = test_cluster() else { return };
    let account = |name: &str| {
        format!(
            "kubectl create serviceaccount {name} -n argocd --dry-run=client -o yaml | kubectl apply -f - >/dev/null\n"
        )
    };
    cluster.alice("kubectl create namespace argocd --dry-run=client -o yaml | kubectl apply -f -").expect_success();
    cluster.alice(&format!("{}{}", account("argocd-application-controller"), account("other"))).expect_success();
    let denied = cluster.alice("kubectl create token argocd-application-controller -n argocd");
    assert_eq!(denied.answer(), "deny", "{denied:?}");
    assert!(
        denied.stderr.contains("is exempt as a GitOps tool") && denied.stderr.contains("Nothing was issued."),
        "{denied:?}"
    );
    let other = cluster.alice("kubectl create token other -n argocd");
    assert_eq!(other.answer(), "allow", "{other:?}");
}

#[test]
fn what_git_declares_in_a_version_that_is_not_served_is_reviewed_in_every_one() {
    let Some(cluster) = test_cluster() else { return };
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "leftovers.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced", "names": {"kind": "Leftover", "plural": "leftovers"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    let object = |version: &str| {
        let metadata = json!({"name": "it", "namespace": "prod"});
        json!({"apiVersion": format!("example.org/{version}"), "kind": "Leftover", "metadata": metadata, "spec": {"a": 1}})
    };
    cluster.alice(&format!("echo '{definition}' | unreviewed create -f -")).expect_success();
    cluster.wait_for("the kind is served", "kubectl get leftovers.example.org -n prod", |_| true);
    cluster.alice(&format!("echo '{}' | kubectl create -f -", object("v1"))).expect_success();
    // As Git has it after its definition stopped serving that version, so that no tool can sync it.
    let file = cluster.path("git/apps/prod/leftover.yaml");
    std::fs::write(&file, object("v1alpha1").to_string()).unwrap();
    cluster.git_commit();
    let delete = "kubectl delete leftover it -n prod --dry-run=server 2>&1";
    cluster.wait_for("its deletion is reviewed", delete, |out| out.contains("driftwall:"));
    assert_eq!(cluster.alice("kubectl delete leftover it -n prod --wait=false").answer(), "deny");
    let edit = cluster.alice(r#"kubectl patch leftover it -n prod --type=merge -p '{"spec": {"a": 2}}'"#);
    assert_eq!(edit.answer(), "deny", "{edit:?}");
    assert!(edit.stderr.contains("spec.a: 2, Git says 1"), "{edit:?}");
    assert_eq!(cluster.alice("kubectl label leftover it -n prod team=blue").answer(), "allow");
    std::fs::remove_file(&file).unwrap();
    cluster.git_commit();
    cluster.wait_for("it is not declared any more", delete, |out| !out.contains("driftwall:"));
    cluster.alice("unreviewed delete crd leftovers.example.org --wait=false").expect_success();
}
