//! `status.inventory`: the objects that a controller applied.

use serde_json::Value;

use super::super::application::{ListedObject, ListedObjects};
use super::super::fields::{items, name};

/// Reads the inventory of a Kustomization or HelmRelease.
pub fn parse_inventory(object: &Value) -> ListedObjects {
    if object.pointer("/status/inventory").is_none_or(Value::is_null) {
        return ListedObjects::missing();
    }
    ListedObjects::from_entries(items(object, "/status/inventory/entries").iter().map(entry))
}

/// An entry: `NAMESPACE_NAME_GROUP_KIND`, and the version. A colon in the name of an RBAC object is written as `__`
/// (`fluxcd/cli-utils`, `pkg/object/objmetadata.go`).
fn entry(entry: &Value) -> Option<ListedObject> {
    let (id, version) = (name(entry, "/id"), name(entry, "/v"));
    let (namespace, rest) = id.split_once('_')?;
    let (rest, kind) = rest.rsplit_once('_')?;
    let (name, group) = rest.rsplit_once('_')?;
    let name = if group == "rbac.authorization.k8s.io" { name.replace("__", ":") } else { name.to_owned() };
    Some(ListedObject {
        group: group.into(),
        version,
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
        is_obsolete: false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_names_an_object() {
        for (id, expected) in [
            ("prod_web_apps_Deployment", Some("Deployment.apps prod/web")),
            ("_prod__Namespace", Some("Namespace prod")),
            ("prod_config__ConfigMap", Some("ConfigMap prod/config")),
            (
                "_system__discovery_rbac.authorization.k8s.io_ClusterRole",
                Some("ClusterRole.rbac.authorization.k8s.io system:discovery"),
            ),
            ("nothing", None),
            ("", None),
        ] {
            let found = entry(&json!({"id": id, "v": "v1"})).map(|object| object.key().to_string());
            assert_eq!(found.as_deref(), expected, "{id}");
        }
    }

    #[test]
    fn a_list_that_is_missing_or_cut_short_is_known_as_that() {
        let list =
            |entries: serde_json::Value| parse_inventory(&json!({"status": {"inventory": {"entries": entries}}}));
        assert!(parse_inventory(&json!({"status": {}})).is_missing);
        assert!(!list(json!([])).is_missing);
        let some =
            list(json!([{"id": "a_b__ConfigMap", "v": "v1"}, {"id": "a_b__ConfigMap", "v": "v1"}, {"id": "x"}, 7]));
        assert_eq!((some.objects.len(), some.left_out), (1, 2));
        let long = "n".repeat(300);
        assert_eq!(list(json!([{"id": format!("a_{long}__ConfigMap"), "v": "v1"}])).left_out, 1);
    }
}
