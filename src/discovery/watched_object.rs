//! An object as a watch brings it. Whoever may write an application may make it as large as the API server takes, so of a
//! page of a list nothing but its text is kept until each object is read by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kube::Resource;
use kube::api::{ApiResource, ObjectMeta};
use kube::core::DynamicResourceScope;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An object: which one it is, and its text.
#[derive(Clone, Debug)]
pub(super) struct WatchedObject {
    metadata: ObjectMeta,
    text: Box<RawValue>,
}

/// What of the metadata a watch needs.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Identity {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
}

#[derive(Deserialize)]
struct Identified {
    metadata: Identity,
}

impl WatchedObject {
    /// Namespace and name.
    pub(super) fn key(&self) -> (String, String) {
        let ObjectMeta { name, namespace, .. } = &self.metadata;
        (namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default())
    }

    /// The whole object, but for fields that nest deeper than what a tool writes: those are as if they were not there.
    pub(super) fn value(&self) -> Option<Value> {
        let mut object = Map::new();
        for (name, text) in fields(&self.text)? {
            match fields(&text) {
                Some(inner) => {
                    let read = inner.into_iter().filter_map(|(name, text)| Some((name, value(&text)?)));
                    object.insert(name, Value::Object(read.collect()));
                }
                None => object.extend(value(&text).map(|value| (name, value))),
            }
        }
        Some(Value::Object(object))
    }
}

fn fields(text: &RawValue) -> Option<BTreeMap<String, Box<RawValue>>> {
    serde_json::from_str(text.get()).ok()
}

/// A value of up to 128 levels.
fn value(text: &RawValue) -> Option<Value> {
    serde_json::from_str(text.get()).ok()
}

impl<'de> Deserialize<'de> for WatchedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let Identified { metadata } = serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
        let Identity { name, namespace, resource_version } = metadata;
        Ok(Self { metadata: ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() }, text })
    }
}

impl Serialize for WatchedObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl Resource for WatchedObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::api::{ObjectList, WatchEvent};

    use super::*;

    const OBJECT: &str = r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": {"a": [1, {"b": null}]},
        "metadata": {"name": "shop", "namespace": "argocd", "resourceVersion": "7", "labels": {"a": 1}}}"#;

    #[test]
    fn pages_and_events_are_read() {
        let page = format!(r#"{{"kind": "ApplicationList", "metadata": {{"continue": "x"}}, "items": [{OBJECT}]}}"#);
        let page: ObjectList<WatchedObject> = serde_json::from_str(&page).unwrap();
        let event = format!(r#"{{"type": "MODIFIED", "object": {OBJECT}}}"#);
        let Ok(WatchEvent::Modified(event)) = serde_json::from_str::<WatchEvent<WatchedObject>>(&event) else {
            panic!("not an event")
        };
        for object in [&page.items[0], &event] {
            assert_eq!(object.key(), ("argocd".to_owned(), "shop".to_owned()));
            assert_eq!(object.meta().resource_version.as_deref(), Some("7"));
            assert_eq!(object.value(), serde_json::from_str(OBJECT).ok());
        }
    }

    #[test]
    fn a_field_that_nests_too_deeply_is_left_out() {
        let deep = format!("{}1{}", "[".repeat(9000), "]".repeat(9000));
        let text = format!(
            r#"{{"metadata": {{"name": "shop"}}, "spec": {{"values": {deep}, "project": "a"}}, "deep": {deep}}}"#
        );
        let object: WatchedObject = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({"metadata": {"name": "shop"}, "spec": {"project": "a"}});
        assert_eq!(object.value(), Some(expected));
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in ["7", "{}", "[]", r#"{"metadata": 7}"#, ""] {
            assert!(serde_json::from_str::<WatchedObject>(text).is_err(), "{text}");
        }
    }
}
