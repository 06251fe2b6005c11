//! Kinds as the API server itself describes them: for those that no
//! CustomResourceDefinition tells of, or whose definition may not be read. Only the
//! documents of the one group are asked for; all of them together are what makes a
//! small pod run out of memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::discovery::{Resource, get};
use super::{Definition, LookupCache};
use crate::cluster::api_error::{ApiError, found};
use driftwall_core::diff::CustomResource;

/// What `/openapi/v3` says: where each group version is described.
#[derive(Deserialize)]
struct Index {
    paths: BTreeMap<String, Document>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// It has the hash of the content in it.
    #[serde(rename = "serverRelativeURL")]
    url: String,
}

impl LookupCache {
    /// Reads what the API server describes of a kind; what has not changed is not
    /// read again. `None` where it describes nothing, as those before 1.24 do.
    pub(super) async fn described(
        &self,
        resource: &Resource,
        before: Option<&Definition>,
    ) -> Result<Option<Definition>, ApiError> {
        let Resource { group, kind, plural, namespaced, .. } = resource;
        let index: Option<Index> = found(self.client.request(get("/openapi/v3")?).await)?;
        let prefix = format!("apis/{group}/");
        let paths = index.into_iter().flat_map(|index| index.paths);
        let of_group = paths.filter_map(|(path, Document { url })| {
            let version = path.strip_prefix(&prefix).filter(|version| !version.contains('/'))?;
            url.starts_with("/openapi/v3/").then(|| (version.to_owned(), url))
        });
        let of_group: Vec<_> = of_group.collect();
        let version: String = of_group.iter().flat_map(|(_, url)| [url, " "]).collect();
        if let Some(before) = before.filter(|before| before.version == version) {
            return Ok(Some(before.clone()));
        }
        let mut documents = Vec::new();
        for (version, url) in of_group {
            let document: Option<Value> = found(self.client.request(get(&url)?).await)?;
            documents.extend(document.map(|document| (version, document)));
        }
        let custom = CustomResource::from_openapi(group, kind, plural, *namespaced, &documents)?;
        Ok(custom.map(|custom| Definition { version, custom: Arc::new(custom) }))
    }
}
