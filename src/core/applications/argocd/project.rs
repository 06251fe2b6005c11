//! Argo CD's `AppProject`: what its applications may deploy, and the accounts as which syncs write
//! (`argoproj/argo-cd`, `pkg/apis/application/v1alpha1/app_project_types.go` and `types.go`).

use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

use super::super::application::Account;
use super::super::fields::{identity, items, text, texts};
use super::settings::ApplicationNamespaces;
use crate::desired::ObjectKey;

/// A project, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub struct ArgocdProject {
    accounts: Vec<DestinationAccount>,
    /// From where its applications are taken, beside Argo CD's own namespace.
    source_namespaces: ApplicationNamespaces,
    destinations: Vec<ProjectDestination>,
    /// Kinds without a namespace: none, where there is no list.
    cluster_kinds: Vec<KindPattern>,
    cluster_kinds_denied: Vec<KindPattern>,
    /// Kinds with a namespace: all, where there is no list.
    namespaced_kinds: Option<Vec<KindPattern>>,
    namespaced_kinds_denied: Vec<KindPattern>,
    /// What of it cannot be read.
    pub(super) notes: Vec<String>,
}

/// The account for what is deployed to these clusters and namespaces.
#[derive(Clone, Debug)]
struct DestinationAccount {
    server: GlobMatcher,
    namespace: GlobMatcher,
    /// `NAME`, or `NAMESPACE:NAME`.
    account: String,
}

/// Clusters, by address or name, and namespaces.
#[derive(Clone, Debug)]
struct ProjectDestination {
    server: Negatable,
    name: Negatable,
    namespace: Negatable,
}

/// A glob; with a `!` before it, what it matches is denied.
#[derive(Clone, Debug)]
struct Negatable {
    glob: Option<GlobMatcher>,
    is_denied: bool,
}

/// Globs of group and kind, and of a name, where one is given.
#[derive(Clone, Debug)]
struct KindPattern {
    group: GlobMatcher,
    kind: GlobMatcher,
    name: Option<GlobMatcher>,
}

/// Reads a project: its namespace and name, and what is in it.
pub fn parse_project(object: &Value) -> Option<((String, String), ArgocdProject)> {
    let identity = identity(object)?;
    let mut project = ArgocdProject {
        source_namespaces: ApplicationNamespaces::of_list(&texts(object, "/spec/sourceNamespaces")),
        ..ArgocdProject::default()
    };
    for entry in items(object, "/spec/destinationServiceAccounts") {
        let (server, namespace) = (text(entry, "/server"), text(entry, "/namespace"));
        let account = text(entry, "/defaultServiceAccount");
        match (glob(&server), glob(&namespace)) {
            (Some(server), Some(namespace)) => {
                project.accounts.push(DestinationAccount { server, namespace, account });
            }
            _ => project
                .notes
                .push(format!("project {}: the account {account} is for a pattern that cannot be read", identity.1)),
        }
    }
    for entry in items(object, "/spec/destinations") {
        project.destinations.push(ProjectDestination {
            server: Negatable::of(&text(entry, "/server")),
            name: Negatable::of(&text(entry, "/name")),
            namespace: Negatable::of(&text(entry, "/namespace")),
        });
    }
    let kinds = |pointer: &str| items(object, pointer).iter().filter_map(KindPattern::of).collect::<Vec<_>>();
    project.cluster_kinds = kinds("/spec/clusterResourceWhitelist");
    project.cluster_kinds_denied = kinds("/spec/clusterResourceBlacklist");
    project.namespaced_kinds_denied = kinds("/spec/namespaceResourceBlacklist");
    let allowed = object.pointer("/spec/namespaceResourceWhitelist").filter(|list| list.is_array());
    project.namespaced_kinds = allowed.map(|_| kinds("/spec/namespaceResourceWhitelist"));
    Some((identity, project))
}

/// Here, `*` does not end at a `/` (`argoproj/argo-cd`, `util/glob`).
fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(false).build().ok().map(|glob| glob.compile_matcher())
}

impl Negatable {
    fn of(pattern: &str) -> Self {
        let (pattern, is_denied) = pattern.strip_prefix('!').map_or((pattern, false), |rest| (rest, true));
        Self { glob: glob(pattern), is_denied }
    }

    fn allows(&self, name: &str) -> bool {
        !name.is_empty() && self.glob.as_ref().is_some_and(|glob| glob.is_match(name)) != self.is_denied
    }
}

impl KindPattern {
    fn of(entry: &Value) -> Option<Self> {
        let name = Some(text(entry, "/name")).filter(|name| !name.is_empty());
        let name = match name {
            Some(name) => Some(glob(&name)?),
            None => None,
        };
        Some(Self { group: glob(&text(entry, "/group"))?, kind: glob(&text(entry, "/kind"))?, name })
    }

    fn matches(&self, key: ObjectKey<'_>) -> bool {
        self.group.is_match(key.group)
            && self.kind.is_match(key.kind)
            && self.name.as_ref().is_none_or(|name| name.is_match(key.name))
    }
}

impl ArgocdProject {
    /// Whether applications of this namespace may be in the project; those of Argo CD's own always may.
    pub(in super::super) fn takes_from(&self, namespace: &str, argocd_namespace: &str) -> bool {
        namespace == argocd_namespace || self.source_namespaces.contain(namespace)
    }

    /// Whether an application of the project may deploy the object to a cluster of these addresses and names.
    pub(super) fn permits(&self, key: ObjectKey<'_>, cluster: &[String]) -> bool {
        let is_in = |patterns: &[KindPattern]| patterns.iter().any(|pattern| pattern.matches(key));
        if key.namespace.is_empty() {
            return is_in(&self.cluster_kinds) && !is_in(&self.cluster_kinds_denied);
        }
        self.namespaced_kinds.as_deref().is_none_or(is_in)
            && !is_in(&self.namespaced_kinds_denied)
            && self.permits_destination(key.namespace, cluster)
    }

    /// One entry that matches permits it, unless one with a `!` denies it (`isDestinationMatched`).
    fn permits_destination(&self, namespace: &str, cluster: &[String]) -> bool {
        let mut is_permitted = false;
        for ProjectDestination { server, name, namespace: namespaces } in &self.destinations {
            let [by_server, by_name] =
                [server, name].map(|pattern| cluster.iter().any(|cluster| pattern.allows(cluster)));
            let is_namespace = namespaces.allows(namespace);
            if (by_server || by_name) && is_namespace {
                is_permitted = true;
            } else if (!by_name && name.is_denied)
                || (!by_server && server.is_denied)
                || (!is_namespace && namespaces.is_denied)
            {
                return false;
            }
        }
        is_permitted
    }

    /// The account as which an application is synced: that of the first entry that matches
    /// (`argoproj/argo-cd`, `util/settings/impersonation.go`).
    pub(super) fn account_for(&self, server: &str, namespace: &str) -> Option<Account> {
        let is_for = |entry: &&DestinationAccount| entry.server.is_match(server) && entry.namespace.is_match(namespace);
        let entry = self.accounts.iter().find(is_for)?;
        let (namespace, name) = entry.account.split_once(':').unwrap_or((namespace, &entry.account));
        (!name.is_empty()).then(|| Account { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_project_says_what_may_be_deployed() {
        let cluster = ["https://kubernetes.default.svc".to_owned(), "in-cluster".to_owned()];
        let here = "https://kubernetes.default.svc";
        let key = |group, kind, namespace| ObjectKey { group, kind, namespace, name: "x" };
        let deployment = |namespace| key("apps", "Deployment", namespace);
        let role = key("rbac.authorization.k8s.io", "ClusterRole", "");
        for (spec, key, permitted) in [
            (json!({}), deployment("prod"), false),
            (json!({"destinations": [{"server": "*", "namespace": "*"}]}), deployment("prod"), true),
            (json!({"destinations": [{"server": here, "namespace": "team-*"}]}), deployment("team-a"), true),
            (json!({"destinations": [{"server": here, "namespace": "team-*"}]}), deployment("prod"), false),
            (json!({"destinations": [{"name": "in-cluster", "namespace": "prod"}]}), deployment("prod"), true),
            (json!({"destinations": [{"server": "https://other", "namespace": "*"}]}), deployment("prod"), false),
            (
                json!({"destinations": [{"server": "*", "namespace": "!kube-*"}, {"server": "*", "namespace": "*"}]}),
                deployment("kube-system"),
                false,
            ),
            (
                json!({"destinations": [{"server": "*", "namespace": "!kube-*"}, {"server": "*", "namespace": "*"}]}),
                deployment("prod"),
                true,
            ),
            (json!({"destinations": [{"server": "*", "namespace": "*"}]}), role, false),
            (json!({"clusterResourceWhitelist": [{"group": "*", "kind": "*"}]}), role, true),
            (
                json!({"clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
                    "clusterResourceBlacklist": [{"group": "rbac.*", "kind": "ClusterRole"}]}),
                role,
                false,
            ),
            (
                json!({"clusterResourceWhitelist": [{"group": "*", "kind": "ClusterRole", "name": "team-*"}]}),
                role,
                false,
            ),
            (
                json!({"destinations": [{"server": "*", "namespace": "*"}], "namespaceResourceWhitelist": []}),
                deployment("prod"),
                false,
            ),
            (
                json!({"destinations": [{"server": "*", "namespace": "*"}],
                    "namespaceResourceBlacklist": [{"group": "apps", "kind": "*"}]}),
                deployment("prod"),
                false,
            ),
        ] {
            let object = json!({"metadata": {"namespace": "argocd", "name": "p"}, "spec": spec});
            let (_, project) = parse_project(&object).unwrap();
            assert_eq!(project.permits(key, &cluster), permitted, "{spec} {key}");
        }
    }

    #[test]
    fn the_first_entry_that_matches_names_the_account() {
        let (_, project) = parse_project(&json!({
            "metadata": {"namespace": "argocd", "name": "p"},
            "spec": {"destinationServiceAccounts": [
                {"server": "https://kubernetes.default.svc", "namespace": "team-*", "defaultServiceAccount": "deployer"},
                {"server": "*", "namespace": "shared", "defaultServiceAccount": "ops:syncer"},
                {"server": "*", "namespace": "*", "defaultServiceAccount": ""},
            ]},
        }))
        .unwrap();
        for (server, namespace, expected) in [
            ("https://kubernetes.default.svc", "team-a", Some(("team-a", "deployer"))),
            ("https://elsewhere", "team-a", None),
            ("https://elsewhere", "shared", Some(("ops", "syncer"))),
        ] {
            let account = project.account_for(server, namespace);
            let account = account.as_ref().map(|account| (&*account.namespace, &*account.name));
            assert_eq!(account, expected, "{server} {namespace}");
        }
    }
}
