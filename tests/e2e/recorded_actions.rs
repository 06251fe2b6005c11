//! The recorded actions, run again with `kubectl`.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::cluster::{TestCluster, test_cluster};

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

    let mut wrong = String::new();
    for action in &actions {
        if let Err(how) = act(&cluster, action) {
            writeln!(wrong, "{}: {how}\n", action.id).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Whether an answer is the recorded one. That a finalizer is taken away is warned about at most, and not at all
/// where the server tells that the writer put it there; Kubernetes 1.20 does not tell it in a way that is believed.
fn is_recorded_answer(answer: &str, action: &Action) -> bool {
    answer == action.expect || (action.id == "finalizer-remove" && answer == "warn")
}

fn act(cluster: &TestCluster, action: &Action) -> Result<(), String> {
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
    let expected = &action.expect;
    let unnamed: Vec<_> = action.fields.iter().filter(|field| !done.stderr.contains(*field)).collect();
    if done.answer() != "deny" || before.is_some() {
        cluster.alice("argocd_sync").expect_success();
    }
    if is_recorded_answer(done.answer(), action) && unnamed.is_empty() {
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
