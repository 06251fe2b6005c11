//! From a document's value to the Kubernetes objects in it.

use std::borrow::Cow;

use serde_json::Value;

use super::error::{DocumentError, Reason};
use super::positions::{Position, Positions, Segment, count, entry_offset};
use super::{Object, ParsedFile};
use crate::skipped::SkipReason;

/// Adds the objects of a document to `parsed`; returns what is wrong with others.
pub(super) fn extract(
    value: Value,
    positions: &[Position],
    (file, document): (&str, usize),
    parsed: &mut ParsedFile,
) -> Vec<DocumentError> {
    let mut extractor = ObjectExtractor { file, document, parsed, errors: Vec::new() };
    extractor.value(value, Cow::Borrowed(positions));
    extractor.errors
}

struct ObjectExtractor<'r> {
    file: &'r str,
    document: usize,
    parsed: &'r mut ParsedFile,
    errors: Vec<DocumentError>,
}

impl ObjectExtractor<'_> {
    fn value(&mut self, value: Value, positions: Cow<'_, [Position]>) {
        let Some(type_meta) = TypeMeta::of(&value) else {
            self.parsed.skipped += 1;
            if !is_empty(&value) {
                self.report(SkipReason::NoKind, positions.first());
            }
            return;
        };
        if type_meta.is_list(&value) {
            self.list(&type_meta, value, &positions);
        } else if type_meta.is_client_side() {
            self.parsed.skipped += 1;
        } else {
            self.object(type_meta, value, positions);
        }
    }

    fn list(&mut self, list: &TypeMeta, mut value: Value, positions: &[Position]) {
        let Value::Object(map) = &mut value else {
            return;
        };
        let type_positions = ["apiVersion", "kind"].map(|key| (key, positions.get(entry_offset(map, key)).copied()));
        let item_type = list.item_type();

        // After the position of the sequence come those of its items.
        let mut from = entry_offset(map, "items") + 1;
        let Some(Value::Array(items)) = map.remove("items") else {
            return;
        };
        for mut item in items {
            let to = from + count(&item);
            let mut positions = Cow::Borrowed(positions.get(from..to).unwrap_or_default());
            from = to;
            if let (Some(item_type), Value::Object(map)) = (&item_type, &mut item)
                && !map.contains_key("apiVersion")
                && !map.contains_key("kind")
            {
                for ((key, position), text) in type_positions.iter().zip([&item_type.api_version, &item_type.kind]) {
                    // The position of the list's own type: that is the line to change.
                    let position = position.unwrap_or(Position::START);
                    positions.to_mut().insert(entry_offset(map, key), position);
                    map.insert((*key).to_owned(), Value::String(text.clone()));
                }
            }
            self.value(item, positions);
        }
    }

    fn report(&mut self, reason: SkipReason, position: Option<&Position>) {
        self.parsed.reported.add(reason, self.file, position.map(|position| position.line));
    }

    fn object(&mut self, type_meta: TypeMeta, value: Value, positions: Cow<'_, [Position]>) {
        let positions = Positions::new(positions.into_owned());
        let TypeMeta { api_version, kind } = type_meta;
        match namespace_and_name(&value) {
            Ok((namespace, name)) => self.parsed.objects.push(Object {
                api_version,
                kind,
                namespace,
                name,
                value,
                positions,
                document: self.document,
            }),
            // Hooks are often written like this. The server generates a name each time,
            // so no object of a cluster can be found by it.
            Err((Reason::GeneratedName, _)) => {
                self.parsed.skipped += 1;
                if !is_hook(&value) {
                    self.report(SkipReason::GeneratedName, positions.find(&value, &[]).as_ref());
                }
            }
            Err((reason, path)) => {
                let position = positions.find(&value, path).or(positions.find(&value, &[]));
                self.errors.push(DocumentError { position, reason });
            }
        }
    }
}

const HOOK_ANNOTATIONS: [&str; 2] = ["argocd.argoproj.io/hook", "helm.sh/hook"];

/// Whether a manifest is a hook of Helm or Argo CD: it runs at a sync and is not desired state.
pub fn is_hook(object: &Value) -> bool {
    HOOK_ANNOTATIONS.iter().any(|key| object["metadata"]["annotations"].get(key).is_some())
}

/// Whether nothing is written here: templates leave such documents behind.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The type that a value says it has.
struct TypeMeta {
    api_version: String,
    kind: String,
}

impl TypeMeta {
    fn of(value: &Value) -> Option<Self> {
        let text = |key| match value.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        Some(Self { api_version: text("apiVersion")?, kind: text("kind")? })
    }

    /// Whether this is a list of objects. A `List` without items is one too: an empty one.
    fn is_list(&self, value: &Value) -> bool {
        let is_array = value.get("items").is_some_and(Value::is_array);
        self.kind.ends_with("List") && is_array || self.kind == "List" && self.api_version == "v1"
    }

    /// The type of the items of this list that do not say it themselves.
    fn item_type(&self) -> Option<Self> {
        let kind = self.kind.strip_suffix("List")?;
        (!kind.is_empty()).then(|| Self { api_version: self.api_version.clone(), kind: kind.to_owned() })
    }

    /// Whether a program reads it from its file, so that it never reaches a cluster.
    fn is_client_side(&self) -> bool {
        let group = self.api_version.split('/').next().unwrap_or_default();
        CLIENT_SIDE_GROUPS.contains(&group) || (self.api_version == "v1" && self.kind == "Config")
    }
}

/// Groups that no API server serves: Kustomizations and the configuration files of
/// Kubernetes' own programs, which people keep next to their manifests.
const CLIENT_SIDE_GROUPS: &[&str] = &[
    "apiserver.config.k8s.io",
    "audit.k8s.io",
    "client.authentication.k8s.io",
    "controllermanager.config.k8s.io",
    "kind.x-k8s.io",
    "kubeadm.k8s.io",
    "kubelet.config.k8s.io",
    "kubeproxy.config.k8s.io",
    "kubescheduler.config.k8s.io",
    "kustomize.config.k8s.io",
];

const METADATA: Segment<'_> = Segment::Key("metadata");

type SegmentPath = &'static [Segment<'static>];

/// The namespace and name, or what is wrong with them and where.
fn namespace_and_name(value: &Value) -> Result<(Option<String>, String), (Reason, SegmentPath)> {
    let metadata = match value.get("metadata") {
        None | Some(Value::Null) => return Err((Reason::NoName, &[METADATA])),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err((Reason::MetadataNotAMapping, &[METADATA])),
    };
    let name = match metadata.get("name") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        None | Some(Value::Null | Value::String(_)) => {
            let reason = match metadata.get("generateName") {
                None | Some(Value::Null) => Reason::NoName,
                Some(_) => Reason::GeneratedName,
            };
            return Err((reason, &[METADATA]));
        }
        Some(_) => return Err((Reason::NameNotAString, &[METADATA, Segment::Key("name")])),
    };
    let namespace = match metadata.get("namespace") {
        None | Some(Value::Null) => None,
        Some(Value::String(namespace)) if namespace.is_empty() => None,
        Some(Value::String(namespace)) => Some(namespace.clone()),
        Some(_) => {
            let path = &[METADATA, Segment::Key("namespace")];
            return Err((Reason::NamespaceNotAString, path));
        }
    };
    Ok((namespace, name))
}
