//! Argo CD's `AppProject`: the accounts as which syncs write
//! (`argoproj/argo-cd`, `pkg/apis/application/v1alpha1/types.go`, `ApplicationDestinationServiceAccount`).

use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

use super::super::application::Account;
use super::super::fields::{identity, items, text};

/// A project, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub struct ArgocdProject {
    accounts: Vec<DestinationAccount>,
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

/// Reads a project: its namespace and name, and what is in it.
pub fn parse_project(object: &Value) -> Option<((String, String), ArgocdProject)> {
    let identity = identity(object)?;
    let mut project = ArgocdProject::default();
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
    Some((identity, project))
}

/// Here, `*` does not end at a `/` (`argoproj/argo-cd`, `util/glob`).
fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(false).build().ok().map(|glob| glob.compile_matcher())
}

impl ArgocdProject {
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
