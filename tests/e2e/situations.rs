//! Situations of everyday work, on a real control plane: certificates, restarts from pages, nodes, order, an
//! autoscaler in two versions, pauses. `tests/data/live-situations.yaml` has them; what else there is, `it/situations`.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::json;

use crate::cluster::{TestCluster, test_cluster};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situations {
    definitions: Vec<Definition>,
    manifests: String,
    functions: String,
    in_force: Vec<String>,
    rows: Vec<Situation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    group: String,
    version: String,
    kind: String,
    plural: String,
}

/// What somebody does, and driftwall's answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    name: String,
    #[serde(default)]
    before: String,
    script: String,
    answer: String,
    #[serde(default)]
    says: String,
}

#[test]
fn situations_of_everyday_work_are_answered_as_they_should_be() {
    let text = std::fs::read_to_string("tests/data/live-situations.yaml").unwrap();
    let all: Situations = serde_saphyr::from_str(&text).unwrap();
    let Some(mut cluster) = test_cluster() else { return };
    declare(&mut cluster, &all);
    let mut wrong = String::new();
    for Situation { name, before, script, answer, says } in &all.rows {
        cluster.alice("argocd_sync").expect_success();
        cluster.alice(&format!("{}\n{before}", all.functions)).expect_success();
        let done = cluster.alice(&format!("{}\n{script}", all.functions));
        if done.answer() != answer || !done.stderr.contains(says) {
            writeln!(wrong, "{name}: {} and not {answer}\n{}{}", done.answer(), done.stderr, done.stdout).unwrap();
        }
    }
    let objects = "deployment/shop daemonset/agent ingress/shop hpa/shop cronjob/yearly";
    cluster.alice(&format!("unreviewed delete -n prod {objects}")).expect_success();
    cluster.alice("unreviewed delete clusterrolebinding machines").expect_success();
    for Definition { group, plural, .. } in &all.definitions {
        cluster.alice(&format!("unreviewed delete crd {plural}.{group} --wait=false")).expect_success();
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Puts the manifests into Git and the cluster, and waits until writes to all of them are reviewed.
fn declare(cluster: &mut TestCluster, all: &Situations) {
    for Definition { group, version, kind, plural } in &all.definitions {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                "versions": [{
                    "name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                }],
            },
        });
        cluster.alice(&format!("echo '{definition}' | unreviewed create -f -")).expect_success();
        cluster.wait_for("the kind is served", &format!("kubectl get {plural}.{group} -n prod"), |_| true);
    }
    let machines = ["cert-manager", "ops"].map(|name| format!(" --group=system:serviceaccounts:{name}")).concat();
    let binding = format!("kubectl create clusterrolebinding machines --clusterrole=cluster-admin{machines}");
    cluster.alice(&binding).expect_success();
    let manifests = cluster.apis.in_served_versions(&all.manifests);
    std::fs::write(cluster.path("git/apps/prod/situations.yaml"), manifests).unwrap();
    cluster.alice("argocd_sync").expect_success();
    cluster.git_commit();
    for write in &all.in_force {
        cluster.wait_for("the kind is reviewed", write, |out| out.contains("Git says"));
    }
}
