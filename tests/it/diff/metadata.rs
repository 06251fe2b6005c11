//! Labels, annotations, owners and finalizers; marks that opt out; objects that
//! hold others, or are on their way out.

use crate::diff::table::{CONFIG_MAP, DEPLOYMENT, Git, Person, Workload, object, table, text};

#[test]
fn a_declared_label_is_held_and_any_other_is_free() {
    table(
        CONFIG_MAP,
        &[
            ("a label", "metadata: {labels: {a: b}}", "=", "metadata: {labels: {a: c}}", "drift metadata.labels[\"a\"]", "conforms"),
            ("a label taken away", "metadata: {labels: {a: b, c: d}}", "=", "metadata: {labels: {c: d}}", "drift metadata.labels[\"a\"]", "conforms"),
            ("all taken away", "metadata: {annotations: {a: b}}", "=", "data: {}", "drift metadata.annotations[\"a\"]", "conforms"),
            ("a label more", "metadata: {labels: {a: b}}", "=", "metadata: {labels: {a: b, c: d}}", "conforms", "conforms"),
            ("the first annotation", "data: {a: b}", "=", "metadata: {annotations: {a: b}}\ndata: {a: b}", "conforms", "conforms"),
            ("what the server keeps", "metadata: {uid: a, resourceVersion: '1', generation: 1}", "data: {}", "metadata: {uid: b, resourceVersion: '2', generation: 2, creationTimestamp: x, managedFields: [{manager: a}]}", "conforms", "conforms"),
        ],
    );
}

#[test]
fn no_person_sets_a_key_that_decides_about_others_work() {
    let mut cases = Vec::new();
    for key in [
        "driftwall.io/ignore",
        "argocd.argoproj.io/tracking-id",
        "argocd.argoproj.io/sync-options",
        "kustomize.toolkit.fluxcd.io/reconcile",
        "helm.toolkit.fluxcd.io/driftDetection",
        "meta.helm.sh/release-name",
        "pod-security.kubernetes.io/enforce",
        "eks.amazonaws.com/role-arn",
    ] {
        for map in ["labels", "annotations"] {
            let there = format!("drift metadata.{map}[\"{key}\"] | conforms");
            cases.push((format!("{key} in {map}"), format!("metadata: {{{map}: {{{key}: x}}}}\ndata: {{a: b}}"), there));
        }
    }
    let cases: Vec<_> = cases
        .iter()
        .map(|(guards, new, there)| (&**guards, "data: {a: b}", "=", &**new, &**there, "conforms"))
        .collect();
    table(CONFIG_MAP, &cases);
    // An object out of a backup brings its tracking along, but no mark that opts out.
    table(
        CONFIG_MAP,
        &[
            ("tracking", "data: {}", "none", "metadata: {annotations: {meta.helm.sh/release-name: a}}", "conforms", "-"),
            ("an opt-out", "data: {}", "none", "metadata: {annotations: {driftwall.io/ignore: 'true'}}", "drift metadata.annotations[\"driftwall.io/ignore\"] | conforms", "-"),
        ],
    );
}

#[test]
fn no_person_forges_owners_or_finalizers() {
    let owner = |uid: &str| format!("{{apiVersion: v1, kind: ConfigMap, name: a, uid: {uid}}}");
    let held_by = |owners: &str| format!("metadata: {{ownerReferences: [{owners}]}}\ndata: {{a: b}}");
    let (one, two) = (held_by(&owner("u")), held_by(&format!("{}, {}", owner("v"), owner("u"))));
    let (by_person, finalizers) = ("drift metadata.ownerReferences | conforms", "drift metadata.finalizers | conforms");
    table(
        CONFIG_MAP,
        &[
            ("an owner", "data: {a: b}", "=", &one, by_person, "conforms"),
            ("another owner", "data: {a: b}", &one, &two, by_person, "conforms"),
            ("an owner aimed anew", "data: {a: b}", &one, &one.replace("name: a", "name: b"), by_person, by_person),
            ("a finalizer", "data: {a: b}", "=", "metadata: {finalizers: [x/y]}\ndata: {a: b}", finalizers, "conforms"),
            ("another finalizer", "data: {a: b}", "metadata: {finalizers: [x/y]}", "metadata: {finalizers: [a/b, x/y]}", finalizers, "conforms"),
            ("finalizers turned round", "data: {a: b}", "metadata: {finalizers: [a/b, x/y, c/d]}", "metadata: {finalizers: [c/d, a/b]}", "conforms", finalizers),
            ("a declared finalizer", "metadata: {finalizers: [x/y]}", "=", "metadata: {finalizers: []}", "drift metadata.finalizers", "conforms"),
        ],
    );
}

#[test]
fn a_mark_in_git_or_on_the_old_object_opts_out_and_one_on_the_new_does_not() {
    let ignore = "driftwall.io/ignore: 'true'";
    let marked = |mark: &str, map: &str, value: &str| format!("metadata: {{{map}: {{{mark}}}}}\ndata: {{a: {value}}}");
    for (mark, in_git, live) in [
        (ignore, "unmanaged", false),
        ("driftwall.io/ignore: 'false'", "drift data[\"a\"]", false),
        ("kustomize.toolkit.fluxcd.io/reconcile: Disabled", "unmanaged", true),
        ("kustomize.toolkit.fluxcd.io/ssa: Ignore", "unmanaged", true),
        ("kustomize.toolkit.fluxcd.io/ssa: IfNotPresent", "unmanaged", false),
        ("kustomize.toolkit.fluxcd.io/ssa: Merge", "drift data[\"a\"]", false),
        ("helm.toolkit.fluxcd.io/driftDetection: disabled", "unmanaged", false),
    ] {
        for map in ["labels", "annotations"] {
            let (git, changed) = (marked(mark, map, "x"), marked(mark, map, "y"));
            let plain = "data: {a: x}";
            let on_old = if live { "unmanaged" } else { "drift data[\"a\"]" };
            let by_person = format!(
                "drift metadata.{map}[\"{}\"] data[\"a\"] | drift data[\"a\"]",
                mark.split_once(':').unwrap().0
            );
            table(
                CONFIG_MAP,
                &[
                    (&format!("{mark} in Git"), &git, "=", &changed, in_git, "-"),
                    (&format!("{mark} on the old object"), plain, &git, &changed, on_old, "-"),
                    (&format!("{mark} on the new object"), plain, "=", &changed, &by_person, "-"),
                ],
            );
        }
    }
}

#[test]
fn an_object_on_its_way_out_is_let_go() {
    let going = "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [x/y]}\nspec: {replicas: 3}";
    table(
        DEPLOYMENT,
        &[
            ("its finalizers", "spec: {replicas: 3}", going, "spec: {replicas: 9}", "conforms", "-"),
            ("a second delete", "spec: {replicas: 3}", going, "none", "conforms", "-"),
            ("a first delete", "spec: {replicas: 3}", "=", "none", "drift", "-"),
        ],
    );
}

#[test]
fn what_holds_declared_objects_is_not_deleted() {
    let git = Git::of(&[text(CONFIG_MAP, "data: {}"), text("example.com/v1 Widget", "spec: {}")].join("---\n"));
    let namespace = |name: &str, going: &str| {
        object("v1 Namespace", "spec: {}").as_object().cloned().map(|mut fields| {
            fields.insert("metadata".into(), serde_json::json!({"name": name, "namespace": name}));
            if !going.is_empty() {
                fields["metadata"]["deletionTimestamp"] = going.into();
            }
            fields.into()
        })
    };
    let definition = |kind: &str| {
        object("apiextensions.k8s.io/v1 CustomResourceDefinition", &format!("spec: {{group: example.com, names: {{kind: {kind}}}}}"))
    };
    for (what, old, expected) in [
        ("its namespace", namespace("prod", "").unwrap(), "drift"),
        ("its namespace, again", namespace("prod", "2026-01-01T00:00:00Z").unwrap(), "unmanaged"),
        ("another namespace", namespace("test", "").unwrap(), "unmanaged"),
        ("its definition", definition("Widget"), "drift"),
        ("another definition", definition("Gadget"), "unmanaged"),
    ] {
        for by in [Person, Workload] {
            assert_eq!(git.delete(by, &old).line(), expected, "{what} by a {by:?}");
        }
    }
}
