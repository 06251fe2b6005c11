//! The recorded actions, typed again at a real terminal.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::cluster::{Stage, stage};

#[derive(Deserialize)]
struct Action {
    id: String,
    command: String,
    expect: String,
    fields: Vec<String>,
}

/// What the older server or this cluster cannot do.
const LEFT_OUT: [(&str, &str); 4] = [
    // An alpha of its own shape in 1.20, which kubectl no longer speaks.
    ("debug-pod", "no ephemeral containers"),
    ("hpa-scale-up", "a controller's work: `scaling` sees it"),
    ("hpa-scale-down", "a controller's work: `scaling` sees it"),
    ("edit-undeclared-while-hpa-scaled", "between the two"),
];

/// What kubectl would send, where it asks for an API version that the server may lack.
const OTHERWISE: [(&str, &str); 1] = [(
    "job-from-cronjob",
    r#"of() { kubectl get cronjob nightly -n prod -o jsonpath="{$1}"; }
    printf '{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "manual", "namespace": "prod",
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
        "ownerReferences": [{"apiVersion": "%s", "kind": "CronJob", "name": "nightly", "uid": "%s", "controller": true}]},
        "spec": %s}' "$(of .apiVersion)" "$(of .metadata.uid)" "$(of .spec.jobTemplate.spec)" | kubectl create -f -"#,
)];

/// What must have happened before, for an action to be one.
const BEFORE: [(&str, &str); 8] = [
    ("argocd-self-heal", "behind scale deployment python-app-prod -n prod --replicas=7"),
    ("scale-back-to-git", "behind scale deployment python-app-prod -n prod --replicas=5"),
    ("rollout-undo-to-git", "behind set image deployment/python-app-prod -n prod web=python-app:2.0.0"),
    ("rollout-resume", "behind rollout pause deployment/python-app-prod -n prod"),
    ("delete-own-pod", "kubectl run -n prod debugbox2 --image=busybox --restart=Never -- sleep 100"),
    (
        "finalizer-remove",
        "behind patch deployment python-app-prod -n prod --type=merge -p '{\"metadata\":{\"finalizers\":[\"example.com/hold\"]}}'",
    ),
    ("create-like-git", "behind delete deployment web -n prod"),
    ("create-unlike-git", "behind delete deployment web -n prod"),
];

/// Makes the files that actions name.
const FILES: &str = r"
document() { awk -v RS='---\n' '/\nkind: Deployment\n/ && /name: web\n/' git/apps/prod/app.yaml; }
document > web-like-git.yaml
document | sed 's/replicas: 2/replicas: 4/' > web-unlike-git.yaml
";

/// `pod` and `set`, the names of what is there now. Where no pod ever runs, a roll-out stays in the
/// middle: the larger set is the one that stands for the Deployment.
pub(crate) const NAMES: &str = r"
set=$(kubectl get replicasets -n prod -l app=python-app --sort-by=.spec.replicas --no-headers -o custom-columns=:.metadata.name | tail -n 1)
pod=$(kubectl get pods -n prod -l app=python-app,pod-template-hash=${set##*-} -o jsonpath='{.items[0].metadata.name}')
";

#[test]
fn every_recorded_action_is_answered_as_expected() {
    let Some(stage) = stage() else { return };
    let text = std::fs::read_to_string("tests/data/reviews/actions.json").unwrap();
    let actions: Vec<Action> = serde_json::from_str(&text).unwrap();
    let known = |id: &str| assert!(actions.iter().any(|action| action.id == id), "there is no action {id}");
    LEFT_OUT.iter().chain(&OTHERWISE).chain(&BEFORE).for_each(|(id, _)| known(id));

    let mut wrong = String::new();
    for action in &actions {
        if let Err(how) = act(&stage, action) {
            writeln!(wrong, "{}: {how}\n", action.id).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn act(stage: &Stage, action: &Action) -> Result<(), String> {
    // A status is asked about only where the API server itself can leave its writers out.
    let is_unasked = action.id == "status-annotation" && !stage.asks_about("deployments/status");
    if is_unasked || LEFT_OUT.iter().any(|(id, _)| *id == action.id) {
        return Ok(());
    }
    let otherwise = OTHERWISE.iter().find(|(id, _)| *id == action.id).map(|(_, script)| (*script).to_owned());
    let command = otherwise.unwrap_or_else(|| with_names(&action.command));
    let is_of_pods = command.contains("$pod") || command.contains("$set");
    if is_of_pods {
        stage.until("pods", "kubectl get pods -n prod -l app=python-app -o name", |pods| pods.lines().count() >= 3);
    }
    let before = BEFORE.iter().find(|(id, _)| *id == action.id).map(|(_, script)| *script);
    if let Some(script) = before {
        let prepared = stage.alice(script);
        if !prepared.succeeded {
            return Err(format!("not prepared: {prepared:?}"));
        }
    }
    let names = if is_of_pods { NAMES } else { "" };
    let done = stage.alice(&format!("{FILES}{names}{command}"));
    let expected = &action.expect;
    let unnamed: Vec<_> = action.fields.iter().filter(|field| !done.err.contains(*field)).collect();
    if done.answer() != "deny" || before.is_some() {
        stage.alice("sync").must();
    }
    if done.answer() == *expected && unnamed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} and not {expected}; not named: {unnamed:?}; {}\n{}{}",
        done.answer(),
        action.command,
        done.err,
        done.out
    ))
}

/// The command with names of this cluster for those of the recorded one, in the API versions it has.
fn with_names(command: &str) -> String {
    let command = command.replace("policy/v1\"", "policy/v1beta1\"");
    // The older server's description does not know that a part of an object may be applied.
    let command =
        command.replace("--field-manager=other-controller", "--field-manager=other-controller --validate=false");
    let mut rest = command.as_str();
    let mut named = String::new();
    while let Some((before, after)) = rest.split_once("python-app-prod-") {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let end = after.find(|letter| !is_part(letter)).unwrap_or(after.len());
        let name = if after[..end].contains('-') { "$pod" } else { "$set" };
        // Names stand between single quotes, too.
        let is_quoted = (named.matches('\'').count() + before.matches('\'').count()) % 2 == 1;
        write!(named, "{before}{}", if is_quoted { format!("'{name}'") } else { name.to_owned() }).unwrap();
        rest = &after[end..];
    }
    named + rest
}
