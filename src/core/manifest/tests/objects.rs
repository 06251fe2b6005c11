//! Which objects a document contains.

use super::super::{Reason, parse};
use super::{manifest, names, object, objects, position};

#[test]
fn an_object_has_its_type_namespace_and_name() {
    let object = object("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: prod}\n");
    assert_eq!(object.api_version, "apps/v1");
    assert_eq!(object.kind, "Deployment");
    assert_eq!(object.namespace.as_deref(), Some("prod"));
    assert_eq!(object.name, "web");
    assert_eq!(object.document, 1);
    for namespace in ["", "namespace:", "namespace: ''"] {
        let text = format!("apiVersion: v1\nkind: C\nmetadata:\n  name: a\n  {namespace}\n");
        assert_eq!(super::object(&text).namespace, None, "{namespace}");
    }
}

#[test]
fn documents_that_never_reach_a_cluster_are_skipped() {
    let cases = [
        "replicas: 3",
        "apiVersion: v2\nname: chart",
        "kind: Deployment",
        "apiVersion: 1\nkind: C",
        "apiVersion: v1\nkind: ''",
        "apiVersion: v1\nkind: {a: b}",
        "text",
        "null",
        "- apiVersion: v1\n  kind: C\n  metadata: {name: a}",
        "[]",
        "{}",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nmetadata: {name: a}",
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration",
        "apiVersion: v1\nkind: Config\nclusters: []",
    ];
    for text in cases {
        let parsed = parse("app.yaml", text.as_bytes());
        assert!(parsed.errors.is_empty(), "{text}: {}", parsed.errors[0]);
        assert!(parsed.objects.is_empty(), "{text}");
        assert_eq!(parsed.skipped, 1, "{text}");
    }
    // Flux's own Kustomization is an object of the cluster.
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}";
    assert_eq!(names(flux), ["a"]);
}

#[test]
fn an_object_needs_a_name_that_is_a_string() {
    let cases = [
        ("", Reason::NoName, "1:1"),
        ("metadata:", Reason::NoName, "3:1"),
        ("metadata: {labels: {}}", Reason::NoName, "3:1"),
        ("metadata: {name: ''}", Reason::NoName, "3:1"),
        ("metadata: {name: }", Reason::NoName, "3:1"),
        ("metadata: text", Reason::MetadataNotAMapping, "3:1"),
        ("metadata: {name: 123}", Reason::NameNotAString, "3:12"),
        ("metadata: {name: on}", Reason::NameNotAString, "3:12"),
        ("metadata: {name: [a]}", Reason::NameNotAString, "3:12"),
        ("metadata: {name: a, namespace: 1e3}", Reason::NamespaceNotAString, "3:21"),
    ];
    for (metadata, reason, position) in cases {
        let text = format!("apiVersion: v1\nkind: C\n{metadata}\n");
        let parsed = parse("app.yaml", text.as_bytes());
        assert!(parsed.objects.is_empty(), "{metadata}");
        assert_eq!(parsed.errors[0].reason, reason, "{metadata}");
        assert_eq!(parsed.errors[0].position.unwrap().to_string(), position, "{metadata}");
    }
    assert_eq!(names(&manifest("'123'", "")), ["123"]);
}

#[test]
fn the_items_of_lists_are_objects_of_their_own() {
    let text = "\
apiVersion: v1
kind: List
metadata: {resourceVersion: ''}
items:
- apiVersion: v1
  kind: Secret
  metadata: {name: a}
  data: {x: eQ==}
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 80}]}}
- replicas: 3
- apiVersion: apps/v1
  kind: Deployment
  metadata: {labels: {}}
- {apiVersion: v1, kind: Secret, metadata: {name: c}}
";
    let parsed = parse("app.yaml", text.as_bytes());
    let names: Vec<_> = parsed.objects.iter().map(|object| &object.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(parsed.skipped, 1);
    assert_eq!(parsed.errors.len(), 1);
    assert_eq!(parsed.errors[0].to_string(), format!("app.yaml:16:3: document 1: {}", Reason::NoName));
    let [a, b, c] = &parsed.objects[..] else { panic!() };
    assert_eq!(position(a, ""), "5:3");
    assert_eq!(position(a, "data.x"), "8:10");
    assert_eq!(position(b, "spec.ports[0].port"), "12:74");
    assert_eq!(position(c, "metadata.name"), "17:45");
    for object in [a, b, c] {
        assert_eq!(object.positions.len(), super::super::positions::count(&object.value));
    }
}

#[test]
fn items_without_a_type_have_that_of_their_list() {
    let text = "\
kind: ConfigMapList
apiVersion: v1
items:
- metadata: {name: a}
  data: {x: y}
- apiVersion: v1
  kind: Secret
  metadata: {name: b}
- kind: Secret
  metadata: {name: c}
";
    let parsed = parse("app.yaml", text.as_bytes());
    assert_eq!(parsed.skipped, 1, "half a type is not a type");
    let [a, b] = &parsed.objects[..] else { panic!() };
    assert_eq!((a.kind.as_str(), a.api_version.as_str()), ("ConfigMap", "v1"));
    assert_eq!(a.value["kind"], "ConfigMap");
    assert_eq!(a.value["apiVersion"], "v1");
    assert_eq!(position(a, "apiVersion"), "2:1");
    assert_eq!(position(a, "kind"), "1:1");
    assert_eq!(position(a, "data"), "5:3");
    assert_eq!(position(a, "data.x"), "5:10");
    assert_eq!(position(a, "metadata.name"), "4:14");
    assert_eq!(b.kind, "Secret");
}

#[test]
fn a_list_is_known_by_its_items() {
    for items in ["", "items:", "items: []", "items: [1, {}]"] {
        let text = format!("apiVersion: v1\nkind: List\n{items}");
        assert!(objects(&text).is_empty(), "{items}");
    }
    let text = "apiVersion: example.org/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {items: [b]}";
    assert_eq!(names(text), ["a"], "a kind that is only called a list");
    let text = "apiVersion: v1\nkind: Menu\nmetadata: {name: a}\nitems: []";
    assert_eq!(names(text), ["a"], "items of something else");
}

#[test]
fn labels_that_are_not_strings_are_kept() {
    let text = "apiVersion: v1\nkind: C\nmetadata: {name: a, labels: {ver: 1.0, x: true}}";
    let labels = &object(text).value["metadata"]["labels"];
    assert_eq!(*labels, serde_json::json!({"ver": 1, "x": true}));
}
