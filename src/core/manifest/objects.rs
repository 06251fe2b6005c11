//! A document's value to the Kubernetes objects in it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::error::{Fault, Reason};
use super::positions::{Position, Positions, Step, count};
use super::{Object, Reading};

/// Takes the objects out of a document; returns what is wrong with others.
pub(super) fn take(value: Value, positions: &[Position], document: usize, reading: &mut Reading) -> Vec<Fault> {
    let mut taking = Taking { document, reading, faults: Vec::new() };
    taking.any(value, Cow::Borrowed(positions));
    taking.faults
}

struct Taking<'r> {
    document: usize,
    reading: &'r mut Reading,
    faults: Vec<Fault>,
}

impl Taking<'_> {
    fn any(&mut self, value: Value, positions: Cow<'_, [Position]>) {
        let Some(of) = Kind::of(&value) else {
            self.reading.skipped += 1;
            return;
        };
        if of.is_list(&value) {
            self.list(&of, value, &positions);
        } else if of.is_client_side() {
            self.reading.skipped += 1;
        } else {
            let Kind { api_version, kind } = of;
            self.object(api_version, kind, value, positions);
        }
    }

    fn list(&mut self, list: &Kind, mut value: Value, positions: &[Position]) {
        let Value::Object(map) = &mut value else {
            return;
        };
        let place = |key| positions.get(offset(map, key)).copied();
        let filled = ["apiVersion", "kind"].map(|key| (key, place(key)));
        let of_items = list.of_items();

        // Behind the sequence itself its items follow one after another.
        let mut from = offset(map, "items") + 1;
        let Some(Value::Array(items)) = map.remove("items") else {
            return;
        };
        for mut item in items {
            let to = from + count(&item);
            let mut positions = Cow::Borrowed(positions.get(from..to).unwrap_or_default());
            from = to;
            if let (Some(of), Value::Object(map)) = (&of_items, &mut item)
                && !map.contains_key("apiVersion")
                && !map.contains_key("kind")
            {
                for ((key, position), text) in filled.iter().zip([&of.api_version, &of.kind]) {
                    // Where the list says it, which is what makes it so.
                    let position = position.unwrap_or(Position::START);
                    positions.to_mut().insert(offset(map, key), position);
                    map.insert((*key).to_owned(), Value::String(text.clone()));
                }
            }
            self.any(item, positions);
        }
    }

    fn object(&mut self, api_version: String, kind: String, value: Value, positions: Cow<'_, [Position]>) {
        let marks = Positions::new(positions.into_owned());
        match names(&value) {
            Ok((namespace, name)) => self.reading.objects.push(Object {
                api_version,
                kind,
                namespace,
                name,
                value,
                marks,
                document: self.document,
            }),
            // Hooks are often written so. The server makes up a name each time: no
            // object of a cluster is ever this one.
            Err((Reason::GeneratedName, _)) => self.reading.skipped += 1,
            Err((reason, steps)) => {
                let position = marks.find(&value, steps).or(marks.find(&value, &[]));
                self.faults.push(Fault { position, reason });
            }
        }
    }
}

/// What a value says it is.
struct Kind {
    api_version: String,
    kind: String,
}

impl Kind {
    fn of(value: &Value) -> Option<Self> {
        let text = |key| match value.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        Some(Self { api_version: text("apiVersion")?, kind: text("kind")? })
    }

    /// A `List` without items is one too: it holds nothing.
    fn is_list(&self, value: &Value) -> bool {
        let is_array = value.get("items").is_some_and(Value::is_array);
        self.kind.ends_with("List") && is_array || self.kind == "List" && self.api_version == "v1"
    }

    /// What the items of this list are that do not say it themselves.
    fn of_items(&self) -> Option<Self> {
        let kind = self.kind.strip_suffix("List")?;
        (!kind.is_empty()).then(|| Self { api_version: self.api_version.clone(), kind: kind.to_owned() })
    }

    /// Whether it is read by a program from its file and never reaches a cluster.
    fn is_client_side(&self) -> bool {
        let group = self.api_version.split('/').next().unwrap_or_default();
        CLIENT_SIDE_GROUPS.contains(&group) || (self.api_version == "v1" && self.kind == "Config")
    }
}

/// Groups without an API: Kustomizations and the configuration files of
/// Kubernetes' own programs, which people keep beside their manifests.
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

const METADATA: Step<'_> = Step::Key("metadata");

type Path = &'static [Step<'static>];

/// The namespace and name, or what is wrong with them and where.
fn names(value: &Value) -> Result<(Option<String>, String), (Reason, Path)> {
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
        Some(_) => return Err((Reason::NameNotAString, &[METADATA, Step::Key("name")])),
    };
    let namespace = match metadata.get("namespace") {
        None | Some(Value::Null) => None,
        Some(Value::String(namespace)) if namespace.is_empty() => None,
        Some(Value::String(namespace)) => Some(namespace.clone()),
        Some(_) => {
            let path = &[METADATA, Step::Key("namespace")];
            return Err((Reason::NamespaceNotAString, path));
        }
    };
    Ok((namespace, name))
}

/// The index among the positions that an entry has or would have.
fn offset(map: &Map<String, Value>, key: &str) -> usize {
    let elder = map.iter().take_while(|(name, _)| name.as_str() < key);
    1 + elder.map(|(_, value)| count(value)).sum::<usize>()
}
