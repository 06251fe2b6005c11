//! Controllers finish what a person has started.

use crate::cluster::test_cluster;
use crate::kubectl::create_deployment;

#[test]
fn a_namespace_that_git_does_not_declare_is_deleted_with_its_contents() {
    let Some(cluster) = test_cluster() else { return };
    cluster.alice("kubectl create namespace scratch").expect_success();
    cluster.alice(&create_deployment("shadow", "scratch", 2)).expect_success();
    cluster.alice("kubectl create configmap -n scratch shadow --from-literal=a=b").expect_success();
    let pods = "kubectl get pods -n scratch -o name";
    cluster.wait_for("its pods are there", pods, |pods| pods.lines().count() == 2);
    let deleted = cluster.alice("kubectl delete namespace scratch --wait=false");
    assert_eq!(deleted.answer(), "allow", "{deleted:?}");
    cluster.wait_for("it is gone", "kubectl get namespace -o name", |names| !names.contains("scratch"));
}

#[test]
fn the_dependents_of_a_deleted_object_are_garbage_collected() {
    let Some(cluster) = test_cluster() else { return };
    cluster.alice(&create_deployment("shadow", "prod", 1)).expect_success();
    let owned = "kubectl get replicasets,pods -n prod -l app=shadow -o name";
    cluster.wait_for("its pod is there", owned, |names| names.lines().count() == 2);
    let deleted = cluster.alice("kubectl delete deployment -n prod shadow");
    assert_eq!(deleted.answer(), "allow", "{deleted:?}");
    cluster.wait_for("all of it is gone", owned, str::is_empty);
}

#[test]
fn a_cron_job_starts_a_job_that_runs_to_its_end() {
    let Some(cluster) = test_cluster() else { return };
    // Its schedule is every minute, so this may take as long.
    let jobs = "kubectl get jobs -n prod -o jsonpath='{.items[*].metadata.ownerReferences[*].name}'";
    cluster.wait_for("the cron job makes a job", jobs, |owners| owners.contains("nightly"));
    let pods = "kubectl get pods -n prod -l job-name -o name";
    let pod = cluster.wait_for("the job makes a pod", pods, |pods| !pods.is_empty());
    let pod = pod.lines().next().unwrap();
    // As the kubelet would write it.
    let done = r#"{"status": {"phase": "Succeeded"}}"#;
    cluster
        .alice(&format!("unreviewed patch -n prod {pod} --subresource=status --type=merge -p '{done}'"))
        .expect_success();
    let finished = "kubectl get jobs -n prod -o jsonpath='{.items[*].status.succeeded}'";
    cluster.wait_for("the job is finished", finished, |counts| counts.contains('1'));
}
