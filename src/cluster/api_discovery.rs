//! What the API server serves: its version, and all API versions with their kinds.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Client;

use super::api_error::{ApiError, with_timeout};
use super::context::ClusterContext;

/// What the API server serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiDiscovery {
    /// The Kubernetes version, such as `v1.33.1`; what follows the three numbers is
    /// kept only where it is a semantic version.
    pub version: String,
    /// Each API version alone, and with each of its kinds: `apps/v1`, `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
}

/// Answers come in milliseconds; the start waits for them.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most names that are kept. A cluster with a thousand definitions has 3,000.
const MAX_NAMES: usize = 20_000;

impl ApiDiscovery {
    /// Asks the API server; `None` after a warning, where it does not say.
    pub async fn read(cluster: &ClusterContext) -> Option<Self> {
        match Self::ask(&cluster.client).await {
            Ok(discovery) => Some(discovery),
            Err(error) => {
                tracing::warn!(%error, "API versions of the cluster unknown: charts are rendered for Helm's own");
                None
            }
        }
    }

    async fn ask(client: &Client) -> Result<Self, ApiError> {
        let info = with_timeout(TIMEOUT, client.apiserver_version()).await?;
        let Some(version) = semantic_version(&info.git_version) else {
            return Err(ApiError::Unreachable(format!("its version is `{}`", info.git_version.escape_debug())));
        };
        // Since Kubernetes 1.26 two requests tell it all.
        let names = match with_timeout(TIMEOUT, aggregated(client)).await {
            // An older server answers with its own lists, in which nothing is found.
            Ok(names) if !names.is_empty() => names,
            Err(ApiError::Timeout) => return Err(ApiError::Timeout),
            Ok(_) | Err(_) => with_timeout(TIMEOUT, one_by_one(client)).await?,
        };
        Ok(Self { version, api_versions: names.into_iter().take(MAX_NAMES).collect() })
    }
}

async fn aggregated(client: &Client) -> Result<BTreeSet<String>, kube::Error> {
    let core = client.list_core_api_versions_aggregated().await?;
    let groups = client.list_api_groups_aggregated().await?;
    let mut names = BTreeSet::new();
    for group in core.items.into_iter().chain(groups.items) {
        let group_name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        for version in group.versions {
            let api_version = api_version(&group_name, version.version.as_deref().unwrap_or_default());
            for resource in version.resources {
                let kind = resource.response_kind.and_then(|kind| kind.kind).unwrap_or_default();
                if !kind.is_empty() {
                    names.insert(format!("{api_version}/{kind}"));
                }
            }
            names.insert(api_version);
        }
    }
    Ok(names)
}

async fn one_by_one(client: &Client) -> Result<BTreeSet<String>, kube::Error> {
    let mut names = BTreeSet::new();
    let core = client.list_core_api_resources("v1").await?;
    let mut lists = vec![("v1".to_owned(), core)];
    for group in client.list_api_groups().await?.groups {
        for version in group.versions {
            let api_version = version.group_version;
            names.insert(api_version.clone());
            // Served by another program, which may be away.
            if let Ok(list) = client.list_api_group_resources(&api_version).await {
                lists.push((api_version, list));
            }
        }
    }
    for (api_version, list) in lists {
        let kinds = list.resources.into_iter().filter(|resource| !resource.name.contains('/'));
        names.extend(kinds.map(|resource| format!("{api_version}/{}", resource.kind)));
        names.insert(api_version);
    }
    Ok(names)
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The version as Helm accepts it; `None` where it does not begin with three numbers.
fn semantic_version(git_version: &str) -> Option<String> {
    let text = git_version.strip_prefix('v').unwrap_or(git_version);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let parts: Vec<_> = numbers.split('.').collect();
    if parts.len() != 3 || parts.iter().any(|part| part.parse::<u32>().is_err()) {
        return None;
    }
    let is_identifier = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let has_leading_zero =
        |part: &str| part.len() > 1 && part.starts_with('0') && part.chars().all(|c| c.is_ascii_digit());
    let (pre_release, build) = match rest.split_once('+') {
        Some((pre_release, build)) => (pre_release, Some(build)),
        None => (rest, None),
    };
    let is_valid = match pre_release.strip_prefix('-') {
        Some(pre_release) => pre_release.split('.').all(|part| is_identifier(part) && !has_leading_zero(part)),
        None => pre_release.is_empty(),
    } && build.is_none_or(|build| build.split('.').all(is_identifier));
    Some(format!("v{numbers}{}", if is_valid { rest } else { "" }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::testing::api_server::ApiServer;

    #[test]
    fn a_version_is_one_that_helm_accepts() {
        for (version, expected) in [
            ("v1.33.1", Some("v1.33.1")),
            ("1.33.1", Some("v1.33.1")),
            ("v1.33.4-gke.1234000", Some("v1.33.4-gke.1234000")),
            ("v1.33.5-eks-113cf36", Some("v1.33.5-eks-113cf36")),
            ("v1.33.4+k3s1", Some("v1.33.4+k3s1")),
            ("v1.33.4-rc.1+rke2r1", Some("v1.33.4-rc.1+rke2r1")),
            ("v1.33.4-rc.01", Some("v1.33.4")),
            ("v1.33.4 dirty", Some("v1.33.4")),
            ("v1.33.4+a+b", Some("v1.33.4")),
            ("v1.33", None),
            ("v1.33.", None),
            ("", None),
        ] {
            assert_eq!(semantic_version(version).as_deref(), expected, "{version}");
        }
    }

    #[tokio::test]
    async fn aggregated_and_older_discovery_say_the_same() {
        let names = ["apps/v1", "apps/v1/Deployment", "example.org/v1", "example.org/v1/Task", "v1", "v1/Pod"];
        let version = json!({"major": "1", "minor": "33", "gitVersion": "v1.33.1", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
        let resource = |kind: &str| json!({"resource": "x", "responseKind": {"kind": kind}, "scope": "Namespaced"});
        let group = |name: &str, kind: &str| json!({"metadata": {"name": name}, "versions": [{"version": "v1", "resources": [resource(kind)]}]});
        let aggregated = ApiServer::default();
        aggregated.put("/version", version.clone());
        aggregated.put("/api", json!({"items": [group("", "Pod")]}));
        aggregated.put("/apis", json!({"items": [group("apps", "Deployment"), group("example.org", "Task")]}));
        let found = ApiDiscovery::read(&aggregated.context("a")).await.unwrap();
        assert_eq!((found.version.as_str(), found.api_versions), ("v1.33.1", names.map(str::to_owned).to_vec()));

        let older = ApiServer::default();
        older.put("/version", version);
        let list = |api_version: &str, kind: &str| {
            json!({"groupVersion": api_version, "resources": [
                {"name": "things", "singularName": "", "namespaced": true, "kind": kind, "verbs": []},
                {"name": "things/status", "singularName": "", "namespaced": true, "kind": "Other", "verbs": []}]})
        };
        let group =
            |name: &str| json!({"name": name, "versions": [{"groupVersion": format!("{name}/v1"), "version": "v1"}]});
        older.put("/api/v1", list("v1", "Pod"));
        older.put("/apis", json!({"groups": [group("apps"), group("example.org")]}));
        older.put("/apis/apps/v1", list("apps/v1", "Deployment"));
        older.put("/apis/example.org/v1", list("example.org/v1", "Task"));
        let found = ApiDiscovery::read(&older.context("a")).await.unwrap();
        assert_eq!(found.api_versions, names);

        older.set_away(true);
        assert_eq!(ApiDiscovery::read(&older.context("a")).await, None);
    }
}
