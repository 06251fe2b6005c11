//! Kinds as the API server itself describes them (`/openapi/v3`): for kinds without a
//! CustomResourceDefinition, or whose definition must not be read.
//!
//! Only the documents of one API group are read. All documents together would make a
//! small pod run out of memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::definition::Definition;
use super::discovery::{Resource, get_json};
use super::error::LookupFailure;
use driftwall_core::diff::CustomResource;

/// The answer to `/openapi/v3`: where each group version is described.
#[derive(Deserialize)]
struct Index {
    paths: BTreeMap<String, IndexEntry>,
}

#[derive(Deserialize)]
struct IndexEntry {
    /// It contains the hash of the document.
    #[serde(rename = "serverRelativeURL")]
    url: String,
}

/// Reads what the API server describes of a kind; a description that did not change
/// since `before` is not read again. `None` where nothing is described, as by API
/// servers before 1.24.
pub(super) async fn read_openapi(
    client: &Client,
    Resource { api, is_namespaced }: &Resource,
    before: Option<&Definition>,
) -> Result<Option<Definition>, LookupFailure> {
    let index: Option<Index> = get_json(client, "/openapi/v3").await?;
    let urls = urls_of_group(index, &api.group);
    let version: String = urls.iter().flat_map(|(_, url)| [url, " "]).collect();
    if let Some(before) = before.filter(|before| before.version == version) {
        return Ok(Some(before.clone()));
    }
    let mut documents = Vec::new();
    for (api_version, url) in urls {
        let document: Option<Value> = get_json(client, &url).await?;
        documents.extend(document.map(|document| (api_version, document)));
    }
    let described = CustomResource::from_openapi(&api.group, &api.kind, &api.plural, *is_namespaced, &documents)?;
    Ok(described.map(|custom_resource| Definition { version, custom_resource: Arc::new(custom_resource) }))
}

/// The versions of a group, each with the path of its document.
fn urls_of_group(index: Option<Index>, group: &str) -> Vec<(String, String)> {
    let prefix = format!("apis/{group}/");
    let mut urls = Vec::new();
    for (path, IndexEntry { url }) in index.into_iter().flat_map(|index| index.paths) {
        if let Some(version) = path.strip_prefix(&prefix)
            && !version.contains('/')
            && url.starts_with("/openapi/v3/")
        {
            urls.push((version.to_owned(), url));
        }
    }
    urls
}
