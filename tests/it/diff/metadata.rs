//! Labels, annotations, owners and finalizers; opt-outs; objects that contain others or are being deleted.

use crate::diff::table::{
    CONFIG_MAP, DEPLOYMENT, DeclaredState, Person, Workload, case, manifest_text, parse_object, table,
};

#[test]
fn changing_a_declared_label_is_drift_and_adding_another_is_not() {
    table(
        CONFIG_MAP,
        [
            case("a label")
                .git("metadata: {labels: {a: b}}")
                .update("metadata: {labels: {a: c}}")
                .expect("drift metadata.labels[\"a\"]")
                .reverse("conforms"),
            case("a label taken away")
                .git("metadata: {labels: {a: b, c: d}}")
                .update("metadata: {labels: {c: d}}")
                .expect("drift metadata.labels[\"a\"]")
                .reverse("conforms"),
            case("all taken away")
                .git("metadata: {annotations: {a: b}}")
                .update("data: {}")
                .expect("drift metadata.annotations[\"a\"]")
                .reverse("conforms"),
            case("a label more")
                .git("metadata: {labels: {a: b}}")
                .update("metadata: {labels: {a: b, c: d}}")
                .expect("conforms")
                .reverse("conforms"),
            case("the first annotation")
                .git("data: {a: b}")
                .update("metadata: {annotations: {a: b}}\ndata: {a: b}")
                .expect("conforms")
                .reverse("conforms"),
            case("what the server keeps")
                .git("metadata: {uid: a, resourceVersion: '1', generation: 1}")
                .update_from(
                    "data: {}",
                    "metadata: {uid: b, resourceVersion: '2', generation: 2, creationTimestamp: x, \
                     managedFields: [{manager: a}]}",
                )
                .expect("conforms")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn no_person_sets_a_protected_label_or_annotation() {
    let mut cases = Vec::new();
    // What opts out is nobody's but Git's; the rest is for the controllers that it belongs to.
    for (key, by_workload) in [
        ("driftwall.io/ignore", "drift"),
        ("argocd.argoproj.io/tracking-id", "conforms"),
        ("argocd.argoproj.io/sync-options", "drift"),
        ("kustomize.toolkit.fluxcd.io/reconcile", "drift"),
        ("helm.toolkit.fluxcd.io/driftDetection", "drift"),
        ("meta.helm.sh/release-name", "conforms"),
        ("pod-security.kubernetes.io/enforce", "conforms"),
        ("eks.amazonaws.com/role-arn", "conforms"),
    ] {
        for map in ["labels", "annotations"] {
            let new = format!("metadata: {{{map}: {{{key}: x}}}}\ndata: {{a: b}}");
            let drift = format!("drift metadata.{map}[\"{key}\"]");
            let outcome = format!("{drift} | {}", if by_workload == "drift" { &drift } else { by_workload });
            let guards = format!("{key} in {map}");
            cases.push(case(&guards).git("data: {a: b}").update(&new).expect(&outcome).reverse("conforms"));
        }
    }
    table(CONFIG_MAP, cases);
    // An object out of a backup brings its tracking along, but no mark that opts out.
    table(
        CONFIG_MAP,
        [
            case("tracking")
                .git("data: {}")
                .create("metadata: {annotations: {meta.helm.sh/release-name: a}}")
                .expect("conforms"),
            case("an opt-out")
                .git("data: {}")
                .create("metadata: {annotations: {driftwall.io/ignore: 'true'}}")
                .expect("drift metadata.annotations[\"driftwall.io/ignore\"]"),
        ],
    );
}

#[test]
fn no_person_forges_owners_or_finalizers() {
    let owner = |uid: &str| format!("{{apiVersion: v1, kind: ConfigMap, name: a, uid: {uid}}}");
    let held_by = |owners: &str| format!("metadata: {{ownerReferences: [{owners}]}}\ndata: {{a: b}}");
    let (one, two) = (held_by(&owner("u")), held_by(&format!("{}, {}", owner("v"), owner("u"))));
    let (by_person, finalizers) = ("drift metadata.ownerReferences | conforms", "drift metadata.finalizers | conforms");
    let taken = "warned metadata.finalizers | conforms";
    table(
        CONFIG_MAP,
        [
            case("an owner").git("data: {a: b}").update(&one).expect(by_person).reverse("conforms"),
            case("another owner").git("data: {a: b}").update_from(&one, &two).expect(by_person).reverse("conforms"),
            case("an owner aimed anew")
                .git("data: {a: b}")
                .update_from(&one, &one.replace("name: a", "name: b"))
                .expect(by_person)
                .reverse(by_person),
            case("a finalizer")
                .git("data: {a: b}")
                .update("metadata: {finalizers: [x/y]}\ndata: {a: b}")
                .expect(finalizers)
                .reverse(taken),
            case("another finalizer")
                .git("data: {a: b}")
                .update_from("metadata: {finalizers: [x/y]}", "metadata: {finalizers: [a/b, x/y]}")
                .expect(finalizers)
                .reverse(taken),
            case("finalizers turned round")
                .git("data: {a: b}")
                .update_from("metadata: {finalizers: [a/b, x/y, c/d]}", "metadata: {finalizers: [c/d, a/b]}")
                .expect(taken)
                .reverse(finalizers),
            case("a declared finalizer")
                .git("metadata: {finalizers: [x/y]}")
                .update("metadata: {finalizers: []}")
                .expect("drift metadata.finalizers")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn an_opt_out_counts_in_git_and_on_the_old_object_but_not_on_the_new_one() {
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
            let on_new = format!("drift metadata.{map}[\"{}\"] data[\"a\"]", mark.split_once(':').unwrap().0);
            table(
                CONFIG_MAP,
                [
                    case(&format!("{mark} in Git")).git(&git).update(&changed).expect(in_git),
                    case(&format!("{mark} on the old object")).git(plain).update_from(&git, &changed).expect(on_old),
                    case(&format!("{mark} on the new object")).git(plain).update(&changed).expect(&on_new),
                ],
            );
        }
    }
}

#[test]
fn an_object_that_is_being_deleted_may_lose_its_finalizers() {
    let going = "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [x/y]}\nspec: {replicas: 3}";
    table(
        DEPLOYMENT,
        [
            case("its finalizers")
                .git("spec: {replicas: 3}")
                .update_from(going, "spec: {replicas: 9}")
                .expect("conforms"),
            case("a second delete").git("spec: {replicas: 3}").delete(going).expect("conforms"),
            case("a first delete").git("spec: {replicas: 3}").delete("=").expect("drift"),
        ],
    );
}

#[test]
fn a_namespace_or_crd_with_declared_objects_is_not_deleted() {
    let git = DeclaredState::parse(
        &[manifest_text(CONFIG_MAP, "data: {}"), manifest_text("example.com/v1 Widget", "spec: {}")].join("---\n"),
    );
    let namespace = |name: &str, going: &str| {
        parse_object("v1 Namespace", "spec: {}").as_object().cloned().map(|mut fields| {
            fields.insert("metadata".into(), serde_json::json!({"name": name, "namespace": name}));
            if !going.is_empty() {
                fields["metadata"]["deletionTimestamp"] = going.into();
            }
            fields.into()
        })
    };
    let definition = |kind: &str| {
        parse_object(
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            &format!("spec: {{group: example.com, names: {{kind: {kind}}}}}"),
        )
    };
    for (what, old, expected) in [
        ("its namespace", namespace("prod", "").unwrap(), "drift"),
        ("its namespace, again", namespace("prod", "2026-01-01T00:00:00Z").unwrap(), "unmanaged"),
        ("another namespace", namespace("test", "").unwrap(), "unmanaged"),
        ("its definition", definition("Widget"), "drift"),
        ("another definition", definition("Gadget"), "unmanaged"),
    ] {
        for by in [Person, Workload] {
            assert_eq!(git.delete(by, &old).summary(), expected, "{what} by a {by:?}");
        }
    }
}
