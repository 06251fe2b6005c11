//! Which versions requests mean now. What a repository lists is asked for once,
//! however many charts and ranges are wanted of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::error::ChartError;
use super::repository::{ChartRepository, ChartRequest, Listing, RepositoryClient, Validators};
use super::store::{ChartStore, Record, ResolvedChart};
use crate::source::remote::{FetchError, HttpClient};

/// The most archives that are fetched at once for one repository.
const MAX_FETCHES: usize = 4;

/// Requests, by their indices, that share what their repository lists.
struct Group {
    key: String,
    requests: Vec<usize>,
}

/// The requests for one chart of a repository. Several may mean the same version, so one
/// after another is resolved.
struct Chart {
    key: String,
    /// Their indices, each with that of its group.
    requests: Vec<(usize, usize)>,
}

impl ChartStore {
    /// Asks the repository which version and content a request means now, and
    /// fetches it if it is not there. A version that is written out in full is asked
    /// for once: it does not change.
    ///
    /// # Errors
    ///
    /// The repository failed, or does not have such a chart; `cancel` ends it within a moment.
    pub fn resolve(&self, request: &ChartRequest, cancel: &Arc<AtomicBool>) -> Result<ResolvedChart, ChartError> {
        self.resolve_all(std::slice::from_ref(request), cancel).pop().expect("there is a result for each request")
    }

    /// The same for several requests, in their order: an index, and the tags of a chart in a registry, are asked for once.
    pub fn resolve_all(
        &self,
        requests: &[ChartRequest],
        cancel: &Arc<AtomicBool>,
    ) -> Vec<Result<ResolvedChart, ChartError>> {
        let has_archive = |record: &Record| self.has(&record.resolved.digest);
        let records: Vec<_> = requests.iter().map(|request| self.record(request).filter(has_archive)).collect();
        let (groups, charts) = asked_together(requests, &records);
        let results: Vec<_> = records.iter().map(|_| Mutex::new(None)).collect();
        let answer = |index: usize, result: Result<ResolvedChart, ChartError>| {
            *results[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        };

        let mut listings = Vec::new();
        for Group { requests: members, .. } in &groups {
            match self.list(requests, members, &records, cancel) {
                Ok(listing) => listings.push(Some(listing)),
                Err(error) => {
                    for member in &members[1..] {
                        answer(*member, Err(error.of_chart(requests[*member].to_string())));
                    }
                    answer(members[0], Err(error));
                    listings.push(None);
                }
            }
        }
        let next = AtomicUsize::new(0);
        let resolve_charts = || {
            while let Some(chart) = charts.get(next.fetch_add(1, Ordering::Relaxed)) {
                for (index, group) in &chart.requests {
                    if let Some(listing) = &listings[*group] {
                        answer(*index, self.resolve_by(listing, &requests[*index], records[*index].as_ref(), cancel));
                    }
                }
            }
        };
        if charts.len() <= 1 {
            resolve_charts();
        } else {
            thread::scope(|scope| {
                for _ in 0..charts.len().min(MAX_FETCHES) {
                    scope.spawn(resolve_charts);
                }
            });
        }

        let mut all = Vec::new();
        for (index, result) in results.into_iter().enumerate() {
            let result = result.into_inner().unwrap_or_else(PoisonError::into_inner);
            all.push(match (result, &records[index]) {
                (Some(result), _) => result,
                // It was not asked for.
                (None, Some(Record { resolved, .. })) => {
                    self.touch(&requests[index]);
                    Ok(resolved.clone())
                }
                (None, None) => Err(failed(&requests[index], FetchError::Cancelled)),
            });
        }
        all
    }

    /// Asks for what a group's repository lists.
    fn list(
        &self,
        requests: &[ChartRequest],
        members: &[usize],
        records: &[Option<Record>],
        cancel: &Arc<AtomicBool>,
    ) -> Result<Listing, ChartError> {
        let request = &requests[members[0]];
        // Only what all of them were found by says that nothing has changed for any of them.
        let validators_of = |member: &usize| records[*member].as_ref().map(|record| &record.validators);
        let known = match validators_of(&members[0]) {
            Some(first) if members.iter().all(|member| validators_of(member) == Some(first)) => first.clone(),
            _ => Validators::default(),
        };
        let charts: BTreeSet<_> = members.iter().map(|member| requests[*member].name.as_str()).collect();
        let http = self.client(request, cancel)?;
        RepositoryClient { http: &http, request }.list(&charts, &known)
    }

    /// What a request means, by what its repository lists; fetches it if it is not there.
    fn resolve_by(
        &self,
        listing: &Listing,
        request: &ChartRequest,
        record: Option<&Record>,
        cancel: &Arc<AtomicBool>,
    ) -> Result<ResolvedChart, ChartError> {
        if let (Listing::NotModified, Some(record)) = (listing, record) {
            self.touch(request);
            return Ok(record.resolved.clone());
        }
        let http = self.client(request, cancel)?;
        let client = RepositoryClient { http: &http, request };
        let found = client.find(listing)?;
        let is_same = |record: &&Record| {
            let ResolvedChart { version, digest } = &record.resolved;
            // Where the repository gives no digest, a version stands for its content.
            *version == found.version && found.digest.as_ref().is_none_or(|found| found == digest)
        };
        let resolved = match (record.filter(is_same), &found.digest) {
            (Some(record), _) => record.resolved.clone(),
            (None, Some(digest)) if self.has(digest) => {
                ResolvedChart { version: found.version.clone(), digest: digest.clone() }
            }
            (None, _) => ResolvedChart { version: found.version.clone(), digest: self.fetch(&client, &found)? },
        };
        self.write_record(request, &Record { resolved: resolved.clone(), validators: found.validators });
        Ok(resolved)
    }

    fn client(&self, request: &ChartRequest, cancel: &Arc<AtomicBool>) -> Result<HttpClient, ChartError> {
        HttpClient::new(self.limits, cancel, &request.credentials).map_err(|reason| failed(request, reason))
    }
}

fn failed(request: &ChartRequest, reason: FetchError) -> ChartError {
    ChartError::Fetch { chart: request.to_string(), url: request.repository.to_string(), reason }
}

/// The requests that must be asked for: by what is listed for them together, and by chart.
fn asked_together(requests: &[ChartRequest], records: &[Option<Record>]) -> (Vec<Group>, Vec<Chart>) {
    let (mut groups, mut charts) = (Vec::<Group>::new(), Vec::<Chart>::new());
    for (index, request) in requests.iter().enumerate() {
        let ChartRequest { repository, name, range, credentials } = request;
        let is_exact = range.exact().is_some();
        if is_exact && records[index].is_some() {
            continue;
        }
        // Who asks with other credentials may see something else.
        let repository_key = format!("{}\0{credentials:?}", repository.identity());
        let chart_key = format!("{repository_key}\0{name}");
        let group_key = match repository {
            ChartRepository::Http(_) => repository_key,
            // For a version that is written out in full, no tags are listed.
            ChartRepository::Oci(_) => format!("{chart_key}\0{is_exact}"),
        };
        let known = groups.iter().position(|group| group.key == group_key);
        let group = known.unwrap_or(groups.len());
        if known.is_none() {
            groups.push(Group { key: group_key, requests: Vec::new() });
        }
        groups[group].requests.push(index);
        match charts.iter_mut().find(|chart| chart.key == chart_key) {
            Some(chart) => chart.requests.push((index, group)),
            None => charts.push(Chart { key: chart_key, requests: vec![(index, group)] }),
        }
    }
    (groups, charts)
}
