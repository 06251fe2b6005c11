//! The identity of an object.

use std::fmt;

use serde_json::Value;

use crate::text::sanitize;

/// An object's identity: group and kind, namespace (empty for a cluster-scoped one) and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKey<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
}

impl fmt::Display for ObjectKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, kind, namespace, name } = self;
        let (dot, slash) = (if group.is_empty() { "" } else { "." }, if namespace.is_empty() { "" } else { "/" });
        write!(f, "{kind}{dot}{group} {namespace}{slash}{name}")
    }
}

impl ObjectKey<'_> {
    /// The key that the object has where its kind is cluster-scoped.
    #[must_use]
    pub fn without_namespace(self) -> Self {
        Self { namespace: "", ..self }
    }

    /// The name that kubectl gives an object: `deployment.apps "web"`.
    pub fn kubectl_name(&self) -> String {
        let Self { group, kind, name, .. } = self;
        let (kind, dot) = (kind.to_lowercase(), if group.is_empty() { "" } else { "." });
        // An object with `generateName` has no name yet.
        let name = if name.is_empty() { String::new() } else { format!(" {}", Value::from(*name)) };
        sanitize(&format!("{kind}{dot}{group}{name}"))
    }
}
