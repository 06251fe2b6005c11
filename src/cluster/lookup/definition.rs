//! What defines a custom resource, with the version of it that was read.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use serde_json::Value;

use super::discovery::{Resource, get_json};
use super::error::LookupFailure;
use driftwall_core::diff::CustomResource;

/// A custom resource, as its CustomResourceDefinition or the API server describes it.
#[derive(Clone)]
pub(super) struct Definition {
    /// Tells whether it has changed: the `resourceVersion` of the CustomResourceDefinition,
    /// or the hashes of what the API server describes.
    pub(super) version: String,
    pub(super) custom_resource: Arc<CustomResource>,
}

/// Reads a kind's CustomResourceDefinition; one that did not change since `before` is
/// not read again. `None` where the kind has none.
pub(super) async fn read_crd(
    client: &Client,
    resource: &Resource,
    before: Option<&Definition>,
) -> Result<Option<Definition>, LookupFailure> {
    let name = format!("{}.{}", resource.api.plural, resource.api.group);
    if let Some(before) = before {
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        let current = api.get_metadata(&name).await.ok().and_then(|object| object.metadata.resource_version);
        if current.as_ref() == Some(&before.version) {
            return Ok(Some(before.clone()));
        }
    }
    // As plain JSON: definitions can be large, and `CustomResource` reads no other form.
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    let Some(crd) = get_json::<Value>(client, &path).await? else { return Ok(None) };
    let version = crd["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Definition { version, custom_resource: Arc::new(CustomResource::from_crd(&crd)?) }))
}
