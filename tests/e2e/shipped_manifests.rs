//! What `deploy/` ships, held out to the API server, which stores nothing of it.

use serde_json::{Value, json};

use crate::api_versions::Lacks;
use crate::cluster::{Stage, stage};
use crate::process::say;

/// Kinds of other projects, which the server knows only where those are installed.
const OTHERS: [&str; 4] = ["Certificate", "Issuer", "PrometheusRule", "ServiceMonitor"];

const BASE: &str = "kubectl kustomize $DEPLOY";
const MONITORING: &str = "kubectl kustomize $DEPLOY/monitoring";
/// Into a namespace, and under a name, where nothing is yet.
const CHART: &str = "helm template wall $DEPLOY/chart --namespace trial";

#[test]
fn the_api_server_accepts_what_is_shipped() {
    let Some(stage) = stage() else { return };
    let lacks = Lacks::of(&stage.cluster.plane);
    stage.alice("kubectl create namespace trial").must();
    let values = std::env::current_dir().unwrap().join("tests/data/chart");
    let files = std::fs::read_dir(&values).unwrap().map(|file| file.unwrap().path().display().to_string());
    let mut charts: Vec<_> = files.map(|file| format!("{CHART} --values {file}")).collect();
    charts.sort();
    assert!(!charts.is_empty(), "there are no values in {}", values.display());
    let others = [BASE, MONITORING, CHART].map(str::to_owned);
    let refused: Vec<_> = others.iter().chain(&charts).filter_map(|how| accepted(&stage, &lacks, how).err()).collect();
    stage.alice("kubectl delete namespace trial --wait=false").must();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

fn accepted(stage: &Stage, lacks: &Lacks, how: &str) -> Result<(), String> {
    let objects = lacks.objects(how, &stage.cluster.plane.admin(how));
    let (others, items): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| OTHERS.contains(&object.kind.as_str()));
    let items: Vec<Value> = items.into_iter().map(|object| object.value).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    std::fs::write(stage.path("shipped.json"), list.to_string()).unwrap();
    let held = stage.alice("kubectl apply --dry-run=server -f shipped.json");
    let taken = held.out.lines().filter(|line| line.ends_with(" (server dry run)")).count();
    say(&format!("{how}: {taken} of {} accepted, {} of other projects left out", items.len(), others.len()));
    if held.succeeded && taken == items.len() && taken > 0 { Ok(()) } else { Err(format!("{how}: {held:?}")) }
}
