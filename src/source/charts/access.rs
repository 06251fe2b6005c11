//! How charts are had that other files name: which credentials a repository gets,
//! and what is used while it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::dependencies::{Dependency, DependencyOrigin};
use super::error::ChartError;
use super::repository::{ChartRepository, ChartRequest};
use super::store::{ChartStore, ResolvedChart};
use crate::source::remote::Credentials;

/// Where charts are kept, and what repositories ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartAccess {
    /// The charts on this disk.
    pub store: ChartStore,
    /// The credentials that are configured.
    pub credentials: Vec<RepositoryCredentials>,
}

/// Credentials for all repositories whose address begins with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryCredentials {
    /// What their address begins with.
    pub prefix: ChartRepository,
    /// What their server asks for.
    pub credentials: Credentials,
}

/// A dependency that is there.
#[derive(Clone, Debug)]
pub struct FetchedDependency {
    /// Its version and content.
    pub chart: ResolvedChart,
    /// Why it may not be the newest: its repository is away.
    pub away: Option<String>,
}

impl ChartAccess {
    /// The credentials of the longest prefix of a repository's address.
    pub fn credentials_for(&self, repository: &ChartRepository) -> Option<&Credentials> {
        let fitting = self.credentials.iter().filter(|configured| repository.begins_with(&configured.prefix));
        fitting.max_by_key(|configured| configured.prefix.to_string().len()).map(|configured| &configured.credentials)
    }

    /// Fetches dependencies that are not there; those in folders have none. Where a repository is away,
    /// what a range meant last is used.
    ///
    /// # Errors
    ///
    /// One is not there, and cannot be fetched.
    pub fn fetch(
        &self,
        dependencies: &[&Dependency],
        cancel: &Arc<AtomicBool>,
    ) -> Result<Vec<Option<FetchedDependency>>, ChartError> {
        let mut requests = Vec::new();
        for dependency in dependencies {
            requests.push(self.request(dependency)?);
        }
        let asked: Vec<_> = requests.iter().flatten().cloned().collect();
        let mut resolved = self.store.resolve_all(&asked, cancel).into_iter();
        let mut fetched = Vec::new();
        for request in requests {
            fetched.push(match (request, &mut resolved) {
                (None, _) => None,
                (Some(request), resolved) => match resolved.next() {
                    Some(Ok(chart)) => Some(FetchedDependency { chart, away: None }),
                    Some(Err(error)) => Some(self.last(&request, error, cancel)?),
                    None => None,
                },
            });
        }
        Ok(fetched)
    }

    /// What a request meant last, where its repository is away.
    fn last(
        &self,
        request: &ChartRequest,
        error: ChartError,
        cancel: &AtomicBool,
    ) -> Result<FetchedDependency, ChartError> {
        let is_away = matches!(error, ChartError::Fetch { .. }) && !cancel.load(Ordering::Relaxed);
        match self.store.last_resolved(request).filter(|_| is_away) {
            Some(chart) => {
                let away = format!("{error}; version {}, which was fetched before, is rendered", chart.version);
                Ok(FetchedDependency { chart, away: Some(away) })
            }
            None => Err(error),
        }
    }

    /// What is to be asked for, with the credentials of its repository; `None` for a chart in a folder.
    fn request(&self, dependency: &Dependency) -> Result<Option<ChartRequest>, ChartError> {
        let Dependency { name, range, from } = dependency;
        let DependencyOrigin::Repository(repository) = from else { return Ok(None) };
        let credentials = self.credentials_for(repository);
        // Whoever may write to Git must not make driftwall ask any server of the network: what
        // is in a cluster and answers everybody speaks http.
        if !repository.is_tls() && credentials.is_none() {
            let (chart, url) = (format!("{name} {range}"), repository.to_string());
            return Err(ChartError::NotAllowed { chart, url });
        }
        Ok(Some(ChartRequest {
            repository: repository.clone(),
            name: name.clone(),
            range: range.clone(),
            credentials: credentials.cloned().unwrap_or_default(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_which_credentials_a_server_gets() {
        let at = |prefix: &str, file: &str| RepositoryCredentials {
            prefix: ChartRepository::parse(prefix).unwrap(),
            credentials: Credentials { token: Some(file.into()), ..Credentials::default() },
        };
        let access = ChartAccess {
            store: ChartStore::new("/nowhere".as_ref()),
            credentials: vec![
                at("https://charts.example", "all"),
                at("https://charts.example/team-a/", "a"),
                at("oci://registry.example:5000", "oci"),
                at("oci://registry.example:5000/team-b", "b"),
            ],
        };
        for (repository, expected) in [
            ("https://charts.example", Some("all")),
            ("https://charts.example/team-a", Some("a")),
            ("https://charts.example/team-a/x", Some("a")),
            ("https://charts.example/team-ab", Some("all")),
            ("https://charts.example:8443/team-a", None),
            ("http://charts.example/team-a", None),
            ("https://charts.example.evil.example/", None),
            ("https://charts.example/team-a/../team-c", Some("all")),
            ("oci://registry.example:5000/team-b/charts", Some("b")),
            ("oci://registry.example:5000", Some("oci")),
            ("oci://registry.example/team-b", None),
            ("oci://charts.example/team-a", None),
        ] {
            let repository = ChartRepository::parse(repository).unwrap();
            let token = access.credentials_for(&repository).and_then(|credentials| credentials.token.as_deref());
            assert_eq!(token.and_then(|file| file.to_str()), expected, "{repository}");
        }
    }
}
