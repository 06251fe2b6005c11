//! What controllers do after a person's write that is allowed.

use crate::cluster::stage;

#[test]
fn a_namespace_that_git_does_not_know_is_deleted_with_all_that_it_holds() {
    let Some(stage) = stage() else { return };
    stage.alice("kubectl create namespace scratch").must();
    stage.alice("kubectl create deployment -n scratch shadow --image=nginx --replicas=2").must();
    stage.alice("kubectl create configmap -n scratch shadow --from-literal=a=b").must();
    let pods = "kubectl get pods -n scratch -o name";
    stage.until("its pods are there", pods, |pods| pods.lines().count() == 2);
    let deleted = stage.alice("kubectl delete namespace scratch --wait=false");
    assert_eq!(deleted.answer(), "allow", "{deleted:?}");
    stage.until("it is gone", "kubectl get namespace -o name", |names| !names.contains("scratch"));
}

#[test]
fn what_belonged_to_a_deleted_object_is_collected() {
    let Some(stage) = stage() else { return };
    stage.alice("kubectl create deployment -n prod shadow --image=nginx").must();
    let owned = "kubectl get replicasets,pods -n prod -l app=shadow -o name";
    stage.until("its pod is there", owned, |names| names.lines().count() == 2);
    let deleted = stage.alice("kubectl delete deployment -n prod shadow");
    assert_eq!(deleted.answer(), "allow", "{deleted:?}");
    stage.until("all of it is gone", owned, str::is_empty);
}

#[test]
fn a_job_runs_to_its_end_and_its_cron_job_keeps_its_own_status() {
    let Some(stage) = stage() else { return };
    // Every minute is the schedule, so this one may take as long.
    let jobs = "kubectl get jobs -n prod -o jsonpath='{.items[*].metadata.ownerReferences[*].name}'";
    stage.until("the cron job makes a job", jobs, |owners| owners.contains("nightly"));
    let pods = "kubectl get pods -n prod -l job-name -o name";
    let pod = stage.until("the job makes a pod", pods, |pods| !pods.is_empty());
    let pod = pod.lines().next().unwrap();
    // As the node's agent would say it.
    let done = r#"{"status": {"phase": "Succeeded"}}"#;
    stage.alice(&format!("behind patch -n prod {pod} --subresource=status --type=merge -p '{done}'")).must();
    let finished = "kubectl get jobs -n prod -o jsonpath='{.items[*].status.succeeded}'";
    stage.until("the job is finished", finished, |counts| counts.contains('1'));
}
