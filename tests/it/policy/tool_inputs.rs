//! What Argo CD and Flux read beside their own kinds, and Git does not declare.

use serde_json::{Value, json};

use super::answers::{allowed, check, warned};
use crate::harness::reviews::{Review, review_of_yaml, set_at};

/// What declared objects of Flux read, and Git does not declare.
const READING: &str = "
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps
  sourceRef: {kind: GitRepository, name: apps}
  postBuild: {substituteFrom: [{kind: ConfigMap, name: variables}, {kind: Secret, name: hidden}]}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: flux-system}
spec: {chartRef: {kind: OCIRepository, name: shop}, targetNamespace: prod, valuesFrom: [{kind: ConfigMap, name: values}]}
";

#[test]
fn a_person_is_warned_who_writes_what_a_tool_reads() {
    let input = |kind: &str, namespace: &str, name: &str| {
        let plural = if kind == "Secret" { "secrets" } else { "configmaps" };
        let metadata = format!("{{name: {name}, namespace: {namespace}}}");
        review_of_yaml(plural, &format!("{{apiVersion: v1, kind: {kind}, metadata: {metadata}, data: {{a: eA==}}}}"))
    };
    let changed = |review: Review| review.with_object(|new| set_at(new, "/data/a", "eQ==".into()));
    let flux = |kind: &str, name: &str| input(kind, "flux-system", name);
    let cluster = || {
        let marked = |object: &mut Value| {
            set_at(object, "/metadata/labels", json!({"argocd.argoproj.io/secret-type": "cluster"}));
        };
        input("Secret", "argocd", "spoke").with_both(marked)
    };
    check(
        READING,
        vec![
            warned("variables", changed(flux("ConfigMap", "variables"))),
            warned("hidden ones, made", flux("Secret", "hidden").into_create()),
            warned("values, deleted", flux("ConfigMap", "values").into_delete()),
            warned("the record of a release", changed(flux("Secret", "sh.helm.release.v1.prod-shop.v3"))),
            warned("a cluster", changed(cluster())),
            allowed("nothing of it", flux("ConfigMap", "variables")),
            allowed("another kind of the name", changed(flux("Secret", "variables"))),
            allowed("another namespace", changed(input("ConfigMap", "prod", "variables"))),
            allowed("the record of another release", changed(flux("Secret", "sh.helm.release.v1.mine.v3"))),
            allowed("by a store of secrets", changed(flux("Secret", "hidden")).by("eso/external-secrets")),
        ],
    );
}
