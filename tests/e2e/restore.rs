//! What Git declares and somebody has deleted, a person restores from Git's own file, whatever its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use driftwall_core::manifest::{self, Object};
use serde_json::{Value, json};

use crate::cluster::{TestCluster, test_cluster};
use crate::process::report;

/// The most objects of a kind that are taken of all data.
const OF_A_KIND: usize = 3;

/// Kinds of files, not of the cluster.
const OF_FILES: &str = "kustomize.config.k8s.io";

/// Definitions that a cluster needs for kinds that it does not know: whatever is in their objects stays.
const DEFINE: &str = "define.json";
/// What Git declares here besides the recorded manifests.
const FILE: &str = "git/apps/prod/every-kind.yaml";

#[test]
fn whatever_was_deleted_is_restored_from_gits_own_file() {
    let Some(cluster) = test_cluster() else { return };
    let manifests = manifests_of_data(&cluster);
    let kinds: BTreeSet<_> = manifests.iter().map(|object| text(&object["kind"])).collect();
    std::fs::write(cluster.path(DEFINE), definitions(&cluster, &manifests)).unwrap();
    cluster
        .alice(&format!("kubectl apply -f {DEFINE} && kubectl wait --for=condition=Established crd --all"))
        .expect_success();
    let objects = a_few_of_each_kind(&cluster, &manifests);
    let taken: BTreeSet<_> = objects.iter().map(|object| text(&object["kind"])).collect();
    assert_eq!(taken, kinds, "the server takes an object of every kind");
    let names: Vec<_> = objects.iter().map(object_name).collect();
    std::fs::write(cluster.path(FILE), documents(&objects)).unwrap();
    let sync = "argocd apply --server-side --field-manager=argocd-controller --force-conflicts";
    cluster.alice(&format!("{sync} -n prod -f {FILE}")).expect_success();
    cluster.git_commit();
    for name in &names {
        let delete = format!("kubectl delete -n prod {name} --dry-run=server 2>&1");
        cluster.wait_for(&format!("{name} is guarded"), &delete, |answer| answer.contains("Warning: "));
    }
    for restore in ["kubectl apply", "kubectl apply --server-side", "kubectl create"] {
        delete_all(&cluster, &names);
        let restored = cluster.alice(&format!("{restore} -n prod -f {FILE}"));
        assert_eq!(restored.answer(), "allow", "{restore}: {restored:?}");
        assert_eq!(restored.stdout.lines().count(), names.len(), "{restore}: {restored:?}");
        for again in ["kubectl apply", "kubectl apply --server-side --force-conflicts"] {
            let applied = cluster.alice(&format!("{again} -n prod -f {FILE}"));
            assert_eq!(applied.answer(), "allow", "{again} after {restore}: {applied:?}");
        }
    }
    report(&format!("{} objects of {} kinds restored in three ways", names.len(), kinds.len()));
    delete_all(&cluster, &names);
    cluster.alice(&format!("unreviewed delete -f {DEFINE} --wait=false")).expect_success();
}

/// Deletes the objects, as somebody whom driftwall does not stop.
fn delete_all(cluster: &TestCluster, names: &[String]) {
    let names = names.join(" ");
    cluster.alice(&format!("unreviewed delete -n prod {names} --wait=false")).expect_success();
    let left = format!("kubectl get -n prod {names} --ignore-not-found -o name");
    cluster.wait_for("they are gone", &left, str::is_empty);
}

/// An object, as `kubectl` takes it: `Service/web`.
fn object_name(object: &Value) -> String {
    let of_group = match text(&object["apiVersion"]).split_once('/') {
        Some((group, version)) => format!(".{version}.{group}"),
        None => String::new(),
    };
    format!("{}{of_group}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn documents(objects: &[Value]) -> String {
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n")
}

/// All manifests in `tests/data` but the recorded ones, in versions that the server has.
fn manifests_of_data(cluster: &TestCluster) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    for file in files(&cluster.path("git/apps/prod")) {
        let recorded = manifest::parse("recorded", &std::fs::read(file).unwrap());
        seen.extend(recorded.objects.into_iter().map(|object| (object.kind, object.name)));
    }
    let mut manifests = Vec::new();
    for file in files(Path::new("tests/data")) {
        for Object { api_version, kind, name, mut value, .. } in
            manifest::parse("data", &std::fs::read(file).unwrap()).objects
        {
            if api_version.starts_with(OF_FILES) || !seen.insert((kind, name)) {
                continue;
            }
            // All of them are in one namespace.
            value["metadata"].as_object_mut().unwrap().remove("namespace");
            manifests.push(cluster.apis.object(value));
        }
    }
    manifests
}

/// The files of manifests in a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let mut files_there = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            files_there.extend(files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "yaml") {
            files_there.push(entry);
        }
    }
    files_there
}

/// The first objects of each kind that the server takes: not patches, nor what has fields that it does not know.
fn a_few_of_each_kind(cluster: &TestCluster, manifests: &[Value]) -> Vec<Value> {
    let mut of_kind: BTreeMap<&str, usize> = BTreeMap::new();
    let mut taken = Vec::new();
    for object in manifests {
        let count = of_kind.entry(text(&object["kind"])).or_default();
        if *count == OF_A_KIND {
            continue;
        }
        std::fs::write(cluster.path("tried.json"), object.to_string()).unwrap();
        if cluster.alice("argocd create --dry-run=server --validate -n prod -f tried.json").succeeded {
            *count += 1;
            taken.push(object.clone());
        }
    }
    taken
}

/// The definitions of all kinds of other groups than the server's own.
fn definitions(cluster: &TestCluster, manifests: &[Value]) -> String {
    let served = cluster.alice("kubectl api-versions").expect_success();
    let groups: BTreeSet<_> = served.lines().filter_map(|version| Some(version.split_once('/')?.0)).collect();
    let mut items = BTreeMap::new();
    for object in manifests {
        let Some((group, version)) = text(&object["apiVersion"]).split_once('/') else { continue };
        if groups.contains(group) {
            continue;
        }
        let singular = text(&object["kind"]).to_lowercase();
        let plural = singular.strip_suffix('y').map_or(format!("{singular}s"), |start| format!("{start}ies"));
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let version =
            json!({"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": anything}});
        let name = format!("{plural}.{group}");
        let item = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            // Groups below k8s.io are refused without.
            "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
            "spec": {
                "group": group, "scope": "Namespaced", "versions": [version],
                "names": {"kind": object["kind"], "plural": plural, "singular": singular},
            },
        });
        items.insert(name, item);
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items.into_values().collect::<Vec<_>>()}).to_string()
}
