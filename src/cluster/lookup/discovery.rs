//! The kinds of one API group, as the API server lists them.
//!
//! `kube::discovery` is not used, since it lists all groups first: only the one group
//! that is needed is asked for here.

use axum::http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use serde::de::DeserializeOwned;

use crate::cluster::api_error::{ApiError, none_if_not_found};

/// The kinds of a group.
#[derive(Debug)]
pub(in crate::cluster) struct ApiGroup {
    resources: Vec<Resource>,
    /// Kinds, each in every version that has it.
    served: Vec<(String, String)>,
}

/// A kind, and where its objects are.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct Resource {
    pub(in crate::cluster) api: ApiResource,
    pub(super) is_namespaced: bool,
}

impl ApiGroup {
    /// Asks for the kinds of a group; an unknown group has none.
    pub(in crate::cluster) async fn read(client: &Client, group: &str) -> Result<Self, ApiError> {
        let mut kinds = Self { resources: Vec::new(), served: Vec::new() };
        if group.is_empty() {
            kinds.add(group, "v1", client.list_core_api_resources("v1").await?);
            return Ok(kinds);
        }
        if !is_group_name(group) {
            return Ok(kinds);
        }
        let Some(api_group) = get_json::<APIGroup>(client, &format!("/apis/{group}")).await? else {
            return Ok(kinds);
        };
        // The version that the server prefers comes first: of a kind in several versions, the first one counts.
        let preferred = api_group.preferred_version.map(|preferred| preferred.version);
        let mut versions: Vec<_> = api_group.versions.into_iter().map(|version| version.version).collect();
        versions.sort_by_key(|version| Some(version) != preferred.as_ref());
        for version in versions {
            let answer = client.list_api_group_resources(&format!("{group}/{version}")).await;
            if let Some(list) = none_if_not_found(answer)? {
                kinds.add(group, &version, list);
            }
        }
        Ok(kinds)
    }

    fn add(&mut self, group: &str, version: &str, list: APIResourceList) {
        for resource in list.resources {
            if resource.name.contains('/') {
                continue;
            }
            self.served.push((resource.kind.clone(), version.to_owned()));
            if self.by_kind(&resource.kind).is_some() {
                continue;
            }
            let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
            self.resources.push(Resource {
                api: ApiResource {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    api_version,
                    kind: resource.kind,
                    plural: resource.name,
                },
                is_namespaced: resource.namespaced,
            });
        }
    }

    pub(in crate::cluster) fn by_kind(&self, kind: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.api.kind == kind)
    }

    /// The versions in which the API server serves a kind.
    pub(in crate::cluster) fn versions_of(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.served.iter().filter(move |(of, _)| of == kind).map(|(_, version)| &**version)
    }

    pub(super) fn by_plural(&self, plural: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.api.plural == plural)
    }
}

impl Resource {
    pub(super) fn new(api: ApiResource, is_namespaced: bool) -> Self {
        Self { api, is_namespaced }
    }

    /// The API of the objects of this kind in a namespace. `None` where no object can
    /// have this namespace and name: they come from owner references, which anybody
    /// can write, and become parts of a request's path.
    pub(super) fn api_for(&self, client: &Client, namespace: &str, name: &str) -> Option<Api<DynamicObject>> {
        if !is_path_segment(name) {
            return None;
        }
        if !self.is_namespaced {
            return Some(Api::all_with(client.clone(), &self.api));
        }
        is_path_segment(namespace).then(|| Api::namespaced_with(client.clone(), namespace, &self.api))
    }
}

/// Reads a path that `kube` has no API for; `None` where it does not exist.
pub(super) async fn get_json<T: DeserializeOwned>(client: &Client, path: &str) -> Result<Option<T>, ApiError> {
    let request = Request::get(path)
        .header("accept", "application/json")
        .body(Vec::new())
        .map_err(|error| ApiError::Unreachable(error.to_string()))?;
    none_if_not_found(client.request(request).await)
}

/// Whether a group's name is one: it comes from owner references, which anybody can write.
fn is_group_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.split('.').all(|label| !label.is_empty() && label.chars().all(is_allowed))
}

/// Whether a text can be a part of a path as it is.
fn is_path_segment(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:@!$&'()*+,;=".contains(c);
    !matches!(text, "" | "." | "..") && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::api_server::ApiServer;

    fn resource(group: &str, is_namespaced: bool) -> Resource {
        let kind = kube::core::GroupVersionKind::gvk(group, "v1", "Thing");
        Resource { api: ApiResource::from_gvk_with_plural(&kind, "things"), is_namespaced }
    }

    #[tokio::test]
    async fn a_path_leads_to_its_object_and_nowhere_else() {
        let client = ApiServer::default().client();
        for (group, is_namespaced, name, expected) in [
            ("", true, "a", "/api/v1/namespaces/prod/things"),
            ("a.b", true, "a", "/apis/a.b/v1/namespaces/prod/things"),
            ("a.b", false, "system:a", "/apis/a.b/v1/things"),
        ] {
            let api = resource(group, is_namespaced).api_for(&client, "prod", name).unwrap();
            assert_eq!(api.resource_url(), expected);
        }
        for bad in ["", ".", "..", "a/b", "../../secrets/x", "a?b", "a%2fb", "a#b", "a b", "ä"] {
            assert!(resource("a.b", true).api_for(&client, "prod", bad).is_none(), "{bad}");
            assert!(resource("a.b", true).api_for(&client, bad, "a").is_none(), "{bad}");
        }
        assert!(["apps", "rbac.authorization.k8s.io"].into_iter().all(is_group_name));
        assert!(!["", ".", "..", "a..b", "a/b", "A", "a?b", "a%2e"].into_iter().any(is_group_name));
    }
}
