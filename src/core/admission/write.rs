//! One write that the API server asks about: who writes, and what to which object.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer};

use super::outline::Outline;

/// One write that the API server asks about.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// Identifies the review; the answer must have it too.
    pub uid: Cow<'a, str>,
    /// Who writes.
    pub user: User<'a>,
    /// What the write does.
    pub operation: Operation,
    /// The resource that it writes to.
    pub resource: Resource<'a>,
    /// The object's namespace; empty for a cluster-scoped object.
    pub namespace: Cow<'a, str>,
    /// The object's name; empty where the server generates one, and in a
    /// deletecollection.
    pub name: Cow<'a, str>,
    /// The object as it would be stored, as JSON text; absent in a DELETE.
    pub object: Option<&'a str>,
    /// The object as it is stored, as JSON text; absent in a CREATE.
    pub old_object: Option<&'a str>,
    /// Whether this is a dry run: nothing will be stored.
    pub dry_run: bool,
    /// The options of the request, as JSON text.
    pub options: Option<&'a str>,
    /// Why the objects are not here although the write has some: it was too large
    /// to be kept, or cannot be read.
    pub unreadable: Option<String>,
    /// The review, where its objects were not looked into when it was decoded.
    pub(super) unread: Option<&'a [u8]>,
    /// The outlines of `object` and `oldObject`, once somebody has asked for them.
    pub(super) outlines: [OnceLock<Outline>; 2],
}

/// An authenticated identity.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct User<'a> {
    /// The user's name.
    #[serde(borrow, default, rename = "username")]
    pub name: Cow<'a, str>,
    /// The groups that the user is in.
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    pub groups: Vec<CowStr<'a>>,
}

/// A string that is borrowed from the request's body where that is possible.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct CowStr<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// What is written to: the kind, its plural in URLs, and the subresource if any.
#[derive(Clone, Debug, Default)]
pub struct Resource<'a> {
    /// The API group; empty for the core group.
    pub group: Cow<'a, str>,
    /// The version of the objects in this review.
    pub version: Cow<'a, str>,
    /// The kind of the objects in this review: `Scale` for a `scale` subresource.
    pub kind: Cow<'a, str>,
    /// The plural in URLs: `deployments`.
    pub plural: Cow<'a, str>,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: Cow<'a, str>,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opens a stream: exec, attach, port-forward, proxy.
    Connect,
    /// Creates an object, or posts to a subresource such as `eviction`.
    Create,
    /// Deletes an object.
    Delete,
    /// Changes an object.
    Update,
}

// === impl User ===

impl User<'_> {
    /// Whether the user is in `group`.
    pub fn is_in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own.0 == group)
    }

    /// The namespace and name of the service account, where the user is one: by
    /// name *and* groups, since other authenticators can grant such a name alone
    /// (`k8s.io/apiserver/pkg/authentication/serviceaccount`).
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        let is_of_namespace = |group: &CowStr<'_>| group.0.strip_prefix("system:serviceaccounts:") == Some(namespace);
        let has_groups = self.is_in_group("system:serviceaccounts") && self.groups.iter().any(is_of_namespace);
        has_groups.then_some((namespace, name))
    }
}

// === impl Resource ===

impl<'a> Resource<'a> {
    /// Made of what a review says of kind and resource, each with its version.
    pub(super) fn of(
        group: Cow<'a, str>,
        [of_kind, of_resource]: [Cow<'a, str>; 2],
        kind: Cow<'a, str>,
        plural: Cow<'a, str>,
        subresource: Cow<'a, str>,
    ) -> Self {
        // The kind of a subresource can have another version (autoscaling/v1 Scale);
        // the version of the object is the resource's.
        let version = if subresource.is_empty() { of_kind } else { of_resource };
        Self { group, version, kind, plural, subresource }
    }
}

// === impl Operation ===

impl Operation {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Update => "UPDATE",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A list for which Go may write `null`: then an empty one.
fn null_as_empty<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Vec<CowStr<'a>>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_is_known_by_its_name_and_its_groups() {
        let name = "system:serviceaccount:prod:deployer";
        for (name, groups, expected) in [
            (name, vec!["system:serviceaccounts", "system:serviceaccounts:prod"], Some(("prod", "deployer"))),
            (name, vec!["system:serviceaccounts", "system:serviceaccounts:other"], None),
            (name, vec!["system:serviceaccounts:prod"], None),
            (name, vec![], None),
            ("alice", vec!["system:serviceaccounts", "system:serviceaccounts:prod"], None),
        ] {
            let groups = groups.into_iter().map(|group| CowStr(group.into())).collect();
            assert_eq!(User { name: name.into(), groups }.service_account(), expected);
        }
    }
}
