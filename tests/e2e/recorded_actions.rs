//! The recorded actions, run again with `kubectl`.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::{TestCluster, test_cluster};
use crate::https_server::HttpsServer;
use crate::install::encoded;
use crate::process::wait_for;

#[derive(Deserialize)]
struct Action {
    id: String,
    command: String,
    expect: String,
    fields: Vec<String>,
}

/// Actions that need an autoscaler at work, which is tested in `autoscaling`.
const LEFT_OUT: [&str; 3] = ["hpa-scale-up", "hpa-scale-down", "edit-undeclared-while-hpa-scaled"];

/// What `kubectl create job --from=cronjob/nightly` sends, where the server has `CronJob`s only in a version that
/// kubectl does not ask for.
const JOB_FROM_CRON_JOB: &str = r#"of() { kubectl get cronjob nightly -n prod -o jsonpath="{$1}"; }
    printf '{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "manual", "namespace": "prod",
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
        "ownerReferences": [
            {"apiVersion": "%s", "kind": "CronJob", "name": "nightly", "uid": "%s", "controller": true}
        ]}, "spec": %s}' "$(of .apiVersion)" "$(of .metadata.uid)" "$(of .spec.jobTemplate.spec)" \
        | kubectl create -f -"#;

/// What has to happen before an action, by its id.
const BEFORE: [(&str, &str); 8] = [
    ("argocd-self-heal", "unreviewed scale deployment python-app-prod -n prod --replicas=7"),
    ("scale-back-to-git", "unreviewed scale deployment python-app-prod -n prod --replicas=5"),
    ("rollout-undo-to-git", "unreviewed set image deployment/python-app-prod -n prod web=python-app:2.0.0"),
    ("rollout-resume", "unreviewed rollout pause deployment/python-app-prod -n prod"),
    ("delete-own-pod", "kubectl run -n prod debugbox2 --image=busybox --restart=Never -- sleep 100"),
    (
        "finalizer-remove",
        r#"unreviewed patch deployment python-app-prod -n prod --type=merge \
            -p '{"metadata":{"finalizers":["example.com/hold"]}}'"#,
    ),
    ("create-like-git", "unreviewed delete deployment web -n prod"),
    ("create-unlike-git", "unreviewed delete deployment web -n prod"),
];

/// Writes the files that actions name.
pub(crate) const FILES: &str = r"
document() { awk -v RS='---\n' '/\nkind: Deployment\n/ && /name: web\n/' git/apps/prod/app.yaml; }
document > web-like-git.yaml
document | sed 's/replicas: 2/replicas: 4/' > web-unlike-git.yaml
";

/// Sets `pod` and `set` to the current names. Since no pod ever becomes ready here, a rollout never finishes:
/// the larger ReplicaSet is the one whose pods are there.
pub(crate) const NAMES: &str = r"
set=$(kubectl get replicasets -n prod -l app=python-app --sort-by=.spec.replicas \
    --no-headers -o custom-columns=:.metadata.name | tail -n 1)
pod=$(kubectl get pods -n prod -l app=python-app,pod-template-hash=${set##*-} -o jsonpath='{.items[0].metadata.name}')
";

#[test]
fn every_recorded_action_is_answered_as_it_was_recorded() {
    let Some(cluster) = test_cluster() else { return };
    let text = std::fs::read_to_string("tests/data/reviews/actions.json").unwrap();
    let actions: Vec<Action> = serde_json::from_str(&text).unwrap();
    let known = |id: &str| assert!(actions.iter().any(|action| action.id == id), "there is no action {id}");
    LEFT_OUT.into_iter().chain(BEFORE.map(|(id, _)| id)).for_each(known);

    let shows_old_owners = shows_old_owners(&cluster);
    let mut wrong = String::new();
    for action in &actions {
        if let Err(how) = act(&cluster, action, expected_answer(action, shows_old_owners)) {
            writeln!(wrong, "{}: {how}\n", action.id).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The recorded answer, but for a finalizer that its own writer takes away: who owned it is in the stored object, and a
/// server that takes that out of `oldObject` leaves a person who would take a controller's finalizer, which is warned.
fn expected_answer(action: &Action, shows_old_owners: bool) -> &str {
    if action.id == "finalizer-remove" && !shows_old_owners { "warn" } else { &action.expect }
}

/// Whether the server sends `managedFields` in `oldObject`: up to 1.20 it took them out of the stored object before
/// it called webhooks.
pub(crate) fn shows_old_owners(cluster: &TestCluster) -> bool {
    let shown = Arc::new(Mutex::new(None));
    let seen = shown.clone();
    let server = HttpsServer::start(&cluster.control_plane, move |request| {
        let review: Value = serde_json::from_slice(request.body()).unwrap();
        let request = &review["request"];
        if request["operation"] == "UPDATE" {
            let owners = &request["oldObject"]["metadata"]["managedFields"];
            *seen.lock().unwrap() = Some(owners.as_array().is_some_and(|owners| !owners.is_empty()));
        }
        let response = json!({"uid": request["uid"], "allowed": true});
        let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
        (StatusCode::OK, answer)
    });
    let ca = std::fs::read_to_string(cluster.path("ca.crt")).unwrap();
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "owners"},
        "webhooks": [{
            "name": "owners.example.org",
            "clientConfig": {"url": format!("https://localhost:{}/", server.port), "caBundle": encoded(&ca)},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"]}],
            "objectSelector": {"matchLabels": {"example.org/owners": "shown"}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }],
    });
    std::fs::write(cluster.path("owners.json"), configuration.to_string()).unwrap();
    cluster
        .alice(
            "kubectl create -f owners.json && kubectl create configmap owners -n default --from-literal=a=b
            kubectl label configmap owners -n default example.org/owners=shown",
        )
        .expect_success();
    let found = wait_for("an update is reviewed", || {
        cluster.alice("kubectl annotate configmap owners -n default at=$RANDOM --overwrite").expect_success();
        *shown.lock().unwrap()
    });
    cluster
        .alice("kubectl delete validatingwebhookconfiguration owners; kubectl delete configmap owners -n default")
        .expect_success();
    found
}

fn act(cluster: &TestCluster, action: &Action, expected: &str) -> Result<(), String> {
    if !is_possible(cluster, &action.id) {
        return Ok(());
    }
    let command = match action.id.as_str() {
        "job-from-cronjob" if !cluster.apis.is_current("CronJob") => JOB_FROM_CRON_JOB.to_owned(),
        _ => command_here(cluster, &action.command),
    };
    let is_of_pods = command.contains("$pod") || command.contains("$set");
    if is_of_pods {
        cluster
            .wait_for("pods", "kubectl get pods -n prod -l app=python-app -o name", |pods| pods.lines().count() >= 3);
    }
    let before = BEFORE.iter().find(|(id, _)| *id == action.id).map(|(_, script)| *script);
    if let Some(script) = before {
        let prepared = cluster.alice(script);
        if !prepared.succeeded {
            return Err(format!("not prepared: {prepared:?}"));
        }
    }
    let names = if is_of_pods { NAMES } else { "" };
    let done = cluster.alice(&format!("{FILES}{names}{command}"));
    let unnamed: Vec<_> = action.fields.iter().filter(|field| !done.stderr.contains(*field)).collect();
    if done.answer() != "deny" || before.is_some() {
        cluster.alice("argocd_sync").expect_success();
    }
    if done.answer() == expected && unnamed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} and not {expected}; not named: {unnamed:?}; {}\n{}{}",
        done.answer(),
        action.command,
        done.stderr,
        done.stdout
    ))
}

/// Whether this cluster can do what the recorded one did.
fn is_possible(cluster: &TestCluster, id: &str) -> bool {
    match id {
        "debug-pod" => cluster.apis.subresource_version("pods/ephemeralcontainers").is_some(),
        _ => !LEFT_OUT.contains(&id),
    }
}

/// A command with the names and API versions of this cluster in place of those of the recorded one.
fn command_here(cluster: &TestCluster, command: &str) -> String {
    let eviction = cluster.apis.subresource_version("pods/eviction").expect("pods can be evicted");
    let command = command.replace("policy/v1\"", &format!("{eviction}\""));
    // An older server's API description does not allow that a part of an object is applied.
    let command =
        command.replace("--field-manager=other-controller", "--field-manager=other-controller --validate=false");
    let mut rest = command.as_str();
    let mut renamed = String::new();
    while let Some((before, after)) = rest.split_once("python-app-prod-") {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let end = after.find(|letter| !is_part(letter)).unwrap_or(after.len());
        let name = if after[..end].contains('-') { "$pod" } else { "$set" };
        // In single quotes the shell would not expand the variable.
        let is_quoted = (renamed.matches('\'').count() + before.matches('\'').count()) % 2 == 1;
        write!(renamed, "{before}{}", if is_quoted { format!("'{name}'") } else { name.to_owned() }).unwrap();
        rest = &after[end..];
    }
    renamed + rest
}
