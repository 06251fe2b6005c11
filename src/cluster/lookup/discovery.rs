//! The kinds of one API group, as the API server tells them.

use axum::http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};
use kube::Client;

use crate::cluster::api_error::{ApiError, found};

/// The kinds of a group.
#[derive(Debug)]
pub(in crate::cluster) struct Group(Vec<Resource>);

/// A kind, and where its objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cluster) struct Resource {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(in crate::cluster) plural: String,
    pub(super) namespaced: bool,
}

impl Group {
    /// Asks for a group; one that is not there has no kinds.
    pub(in crate::cluster) async fn read(client: &Client, group: &str) -> Result<Self, ApiError> {
        let mut kinds = Self(Vec::new());
        if group.is_empty() {
            kinds.take(group, "v1", client.list_core_api_resources("v1").await?);
            return Ok(kinds);
        }
        if !is_group(group) {
            return Ok(kinds);
        }
        let about: Option<APIGroup> = found(client.request(get(&format!("/apis/{group}"))?).await)?;
        let Some(about) = about else { return Ok(kinds) };
        // The one that the server prefers comes first, and what it has counts.
        let preferred = about.preferred_version.map(|preferred| preferred.version);
        let others = about.versions.into_iter().map(|other| other.version);
        let others = others.filter(|other| Some(other) != preferred.as_ref()).collect::<Vec<_>>();
        for version in preferred.into_iter().chain(others) {
            let list = found(client.list_api_group_resources(&format!("{group}/{version}")).await)?;
            if let Some(list) = list {
                kinds.take(group, &version, list);
            }
        }
        Ok(kinds)
    }

    fn take(&mut self, group: &str, version: &str, list: APIResourceList) {
        for resource in list.resources {
            if !resource.name.contains('/') && self.by_kind(&resource.kind).is_none() {
                self.0.push(Resource {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    kind: resource.kind,
                    plural: resource.name,
                    namespaced: resource.namespaced,
                });
            }
        }
    }

    pub(in crate::cluster) fn by_kind(&self, kind: &str) -> Option<&Resource> {
        self.0.iter().find(|resource| resource.kind == kind)
    }

    pub(super) fn by_plural(&self, plural: &str) -> Option<&Resource> {
        self.0.iter().find(|resource| resource.plural == plural)
    }
}

impl Resource {
    /// The path of an object; `None` where there can be none of that name.
    pub(super) fn path(&self, namespace: &str, name: &str) -> Option<String> {
        let Self { group, version, plural, namespaced, .. } = self;
        if !is_segment(name) || (*namespaced && !is_segment(namespace)) {
            return None;
        }
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let inside = if *namespaced { format!("/namespaces/{namespace}") } else { String::new() };
        Some(format!("{root}{inside}/{plural}/{name}"))
    }
}

/// A request for an object.
pub(super) fn get(path: &str) -> Result<Request<Vec<u8>>, ApiError> {
    request(path, "application/json")
}

/// A request for an object's metadata.
pub(super) fn get_metadata(path: &str) -> Result<Request<Vec<u8>>, ApiError> {
    request(path, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
}

fn request(path: &str, accept: &str) -> Result<Request<Vec<u8>>, ApiError> {
    let request = Request::get(path).header("accept", accept).body(Vec::new());
    request.map_err(|error| ApiError::Unreachable(error.to_string()))
}

/// Whether a group's name is one: it comes from owner references, which anybody writes.
fn is_group(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.split('.').all(|label| !label.is_empty() && label.chars().all(is_allowed))
}

/// Whether a name can stand in a path as it is.
fn is_segment(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:@!$&'()*+,;=".contains(c);
    !matches!(text, "" | "." | "..") && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_object_and_nowhere_else() {
        let of = |group: &str, namespaced| Resource {
            group: group.into(),
            version: "v1".into(),
            kind: "Thing".into(),
            plural: "things".into(),
            namespaced,
        };
        assert_eq!(of("", true).path("prod", "a").unwrap(), "/api/v1/namespaces/prod/things/a");
        assert_eq!(of("a.b", true).path("prod", "a").unwrap(), "/apis/a.b/v1/namespaces/prod/things/a");
        assert_eq!(of("a.b", false).path("prod", "system:a").unwrap(), "/apis/a.b/v1/things/system:a");
        for name in ["", ".", "..", "a/b", "../../secrets/x", "a?b", "a%2fb", "a#b", "a b", "ä"] {
            assert_eq!(of("a.b", true).path("prod", name), None, "{name}");
        }
        assert!(["apps", "rbac.authorization.k8s.io"].into_iter().all(is_group));
        assert!(!["", ".", "..", "a..b", "a/b", "A", "a?b", "a%2e"].into_iter().any(is_group));
    }
}
