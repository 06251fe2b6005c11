//! The API server accepts what `deploy/` ships, in a dry run.

use serde_json::{Value, json};

use crate::cluster::{TestCluster, test_cluster};
use crate::process::report;

/// Kinds of other projects, which the server has only where those are installed.
const FOREIGN_KINDS: [&str; 4] = ["Certificate", "Issuer", "PrometheusRule", "ServiceMonitor"];

const BASE: &str = "kubectl kustomize $DEPLOY";
const MONITORING: &str = "kubectl kustomize $DEPLOY/monitoring";
/// With a namespace and a name that nothing has yet.
const CHART: &str = "helm template wall $DEPLOY/chart --namespace trial";

#[test]
fn the_api_server_accepts_everything_that_is_shipped() {
    let Some(cluster) = test_cluster() else { return };
    cluster.alice("kubectl create namespace trial").expect_success();
    let values = std::env::current_dir().unwrap().join("tests/data/chart");
    let files = std::fs::read_dir(&values).unwrap().map(|file| file.unwrap().path().display().to_string());
    let mut charts: Vec<_> = files.map(|file| format!("{CHART} --values {file}")).collect();
    charts.sort();
    assert!(!charts.is_empty(), "there are no values in {}", values.display());
    let others = [BASE, MONITORING, CHART].map(str::to_owned);
    let refused: Vec<_> = others.iter().chain(&charts).filter_map(|how| accepted(&cluster, how).err()).collect();
    cluster.alice("kubectl delete namespace trial --wait=false").expect_success();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

fn accepted(cluster: &TestCluster, how: &str) -> Result<(), String> {
    let objects = cluster.apis.objects(how, &cluster.control_plane.admin(how));
    let (others, items): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| FOREIGN_KINDS.contains(&object.kind.as_str()));
    let items: Vec<Value> = items.into_iter().map(|object| object.value).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    std::fs::write(cluster.path("shipped.json"), list.to_string()).unwrap();
    let result = cluster.alice("kubectl apply --dry-run=server -f shipped.json");
    let accepted = result.stdout.lines().filter(|line| line.ends_with(" (server dry run)")).count();
    report(&format!("{how}: {accepted} of {} accepted, {} of other projects left out", items.len(), others.len()));
    if result.succeeded && accepted == items.len() && accepted > 0 { Ok(()) } else { Err(format!("{how}: {result:?}")) }
}
