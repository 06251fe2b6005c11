//! Finds out which commit a revision names on a server, and fetches it into a
//! repository.

use std::sync::Arc;

use git2::{
    AutotagOption, Direction, FetchOptions, ObjectType, Oid, ProxyOptions, Remote, RemoteCallbacks, RemoteConnection,
    Repository,
};

use super::budget::FetchBudget;
use super::error::FetchError;

/// A reference that the server lists.
struct RemoteRef {
    name: String,
    id: Oid,
}

/// What a revision names on the server.
#[derive(Debug, PartialEq)]
enum RevisionTarget {
    /// A commit that no reference names.
    Commit(Oid),
    /// A reference, and its commit where the server lists that too.
    Ref { name: String, id: Oid, commit: Option<Oid> },
}

/// Asks the server at `address` for `revision`, fetches its commit into `git` if it is not there yet, and returns it.
pub(super) fn fetch_revision(
    git: &Repository,
    address: &str,
    revision: &str,
    budget: &Arc<FetchBudget>,
) -> Result<Oid, FetchError> {
    // A commit never changes: one that is here needs no server.
    if let Some(id) = parse_commit_id(revision).filter(|id| git.find_commit(*id).is_ok()) {
        return Ok(id);
    }
    let mut remote = anonymous_remote(git, address)?;
    let mut connection = connect(&mut remote, budget)?;
    let refs = connection.list().map_err(|error| failure(budget, "list the references", error))?;
    let refs: Vec<_> = refs.iter().map(|entry| RemoteRef { name: entry.name().to_owned(), id: entry.oid() }).collect();
    match resolve(&refs, revision)? {
        RevisionTarget::Ref { commit: Some(commit), .. } if git.find_commit(commit).is_ok() => Ok(commit),
        RevisionTarget::Ref { name, id, .. } => {
            let refspec = format!("{name}:{FETCHED_REF}");
            download(&mut connection, &[&refspec], budget).map_err(|error| failure(budget, "fetch", error))?;
            peel_to_commit(git, id, revision)
        }
        RevisionTarget::Commit(id) => {
            let refspec = format!("{id}:{FETCHED_REF}");
            let downloaded = download(&mut connection, &[&refspec], budget);
            // Not every server sends a commit that no reference names; it may still be behind one.
            if downloaded.is_err() || git.find_commit(id).is_err() {
                return Err(match budget.take_error() {
                    Some(FetchError::Server { .. }) | None => {
                        budget.check()?;
                        FetchError::Revision { reason: format!("the server does not send the commit {id} by its id") }
                    }
                    Some(error) => error,
                });
            }
            peel_to_commit(git, id, revision)
        }
    }
}

/// Fetches all branches and tags, and finds a commit among what they hold.
pub(super) fn fetch_all_refs(
    git: &Repository,
    address: &str,
    id: Oid,
    budget: &Arc<FetchBudget>,
) -> Result<Oid, FetchError> {
    let mut remote = anonymous_remote(git, address)?;
    let mut connection = connect(&mut remote, budget)?;
    let refspecs = ["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"];
    download(&mut connection, &refspecs, budget).map_err(|error| failure(budget, "fetch", error))?;
    match git.find_commit(id) {
        Ok(_) => Ok(id),
        Err(_) => Err(FetchError::Revision { reason: format!("there is no commit {id} in any branch or tag") }),
    }
}

fn anonymous_remote<'r>(git: &'r Repository, address: &str) -> Result<Remote<'r>, FetchError> {
    git.remote_anonymous(address).map_err(|reason| FetchError::Git { action: "prepare a connection", reason })
}

fn connect<'r, 'b>(
    remote: &'b mut Remote<'r>,
    budget: &Arc<FetchBudget>,
) -> Result<RemoteConnection<'r, 'b, 'static>, FetchError> {
    // Without libgit2's own search for a proxy: the environment alone names one, see `connect`.
    let proxy = ProxyOptions::new();
    let connected = remote.connect_auth(Direction::Fetch, Some(callbacks(budget)), Some(proxy));
    connected.map_err(|error| failure(budget, "connect", error))
}

fn download(
    connection: &mut RemoteConnection<'_, '_, '_>,
    refspecs: &[&str],
    budget: &Arc<FetchBudget>,
) -> Result<(), git2::Error> {
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks(budget)).download_tags(AutotagOption::None).update_fetchhead(false);
    connection.remote().download(refspecs, Some(&mut options))
}

/// A commit's id written in full.
pub(super) fn parse_commit_id(revision: &str) -> Option<Oid> {
    if revision.len() == COMMIT_ID_LENGTH { Oid::from_str(revision).ok() } else { None }
}

fn resolve(refs: &[RemoteRef], revision: &str) -> Result<RevisionTarget, FetchError> {
    if refs.is_empty() {
        return Err(FetchError::Revision { reason: "the repository is empty: it has no branch yet".to_owned() });
    }
    if let Some(id) = parse_commit_id(revision) {
        let by_id = refs.iter().find(|entry| entry.id == id && !entry.name.ends_with(PEELED_SUFFIX));
        return Ok(match by_id {
            Some(entry) => RevisionTarget::Ref { name: entry.name.clone(), id, commit: None },
            None => RevisionTarget::Commit(id),
        });
    }
    // A branch before a tag, as in `git clone --branch`: branches are what is
    // protected, and a tag of the same name must not replace one.
    let candidates = match revision {
        "HEAD" => vec![revision.to_owned()],
        _ if revision.starts_with("refs/") => vec![revision.to_owned()],
        _ => vec![format!("refs/heads/{revision}"), format!("refs/tags/{revision}"), format!("refs/{revision}")],
    };
    let by_name = |name: &str| refs.iter().find(|entry| entry.name == name);
    let Some(found) = candidates.iter().find_map(|name| by_name(name)) else {
        let reason = if revision == "HEAD" {
            "the repository has no default branch; name one in revision".to_owned()
        } else {
            format!(
                "there is no branch or tag `{revision}` (any more); write a commit with all its {COMMIT_ID_LENGTH} \
                 digits"
            )
        };
        return Err(FetchError::Revision { reason });
    };
    // A branch is its commit; a tag may be an object of its own, whose commit the server lists beside it.
    let peeled = by_name(&format!("{}{PEELED_SUFFIX}", found.name)).unwrap_or(found);
    Ok(RevisionTarget::Ref { name: found.name.clone(), id: found.id, commit: Some(peeled.id) })
}

fn peel_to_commit(git: &Repository, id: Oid, revision: &str) -> Result<Oid, FetchError> {
    let object =
        git.find_object(id, None).map_err(|reason| FetchError::Git { action: "find what was fetched", reason })?;
    match object.peel(ObjectType::Commit) {
        Ok(commit) => Ok(commit.id()),
        Err(_) => Err(FetchError::Revision { reason: format!("`{revision}` is no commit and leads to none") }),
    }
}

/// Callbacks by which libgit2 stops soon after the budget is spent.
fn callbacks(budget: &Arc<FetchBudget>) -> RemoteCallbacks<'static> {
    let mut callbacks = RemoteCallbacks::new();
    let progress = budget.clone();
    callbacks.transfer_progress(move |done| {
        let limit = progress.limits.bytes;
        let checked = match u64::try_from(done.received_bytes()) {
            Ok(bytes) if bytes <= limit => progress.check(),
            _ => Err(FetchError::TooLarge { limit }),
        };
        checked.map_err(|error| progress.record_error(error)).is_ok()
    });
    let sideband = budget.clone();
    callbacks.sideband_progress(move |_| sideband.check().map_err(|error| sideband.record_error(error)).is_ok());
    callbacks
}

/// Why libgit2 failed: the error that the transport or a callback recorded, or else its own.
fn failure(budget: &FetchBudget, action: &'static str, reason: git2::Error) -> FetchError {
    budget.take_error().unwrap_or(FetchError::Git { action, reason })
}

/// The refspec's target; `download` does not write it: the mirror keeps references of its own.
const FETCHED_REF: &str = "refs/driftwall/fetched";
const COMMIT_ID_LENGTH: usize = 40;
/// What the server puts behind a tag's name for the commit of that tag.
const PEELED_SUFFIX: &str = "^{}";

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> Oid {
        Oid::from_str(&digit.to_string().repeat(40)).unwrap()
    }

    fn refs(names: &[(&str, char)]) -> Vec<RemoteRef> {
        names.iter().map(|(name, digit)| RemoteRef { name: (*name).to_owned(), id: id(*digit) }).collect()
    }

    fn target(name: &str, id: Oid, commit: Option<Oid>) -> RevisionTarget {
        RevisionTarget::Ref { name: name.to_owned(), id, commit }
    }

    #[test]
    fn a_revision_is_resolved_by_branch_tag_reference_or_commit_id() {
        let refs = refs(&[
            ("HEAD", 'a'),
            ("refs/heads/main", 'a'),
            ("refs/heads/v1", 'b'),
            ("refs/heads/team/x", 'c'),
            ("refs/pull/7/head", 'd'),
            ("refs/tags/v1", 'e'),
            ("refs/tags/v2", 'e'),
            ("refs/tags/v2^{}", 'f'),
        ]);
        for (revision, name, object, commit) in [
            ("HEAD", "HEAD", 'a', 'a'),
            ("main", "refs/heads/main", 'a', 'a'),
            ("refs/heads/main", "refs/heads/main", 'a', 'a'),
            ("heads/main", "refs/heads/main", 'a', 'a'),
            ("team/x", "refs/heads/team/x", 'c', 'c'),
            ("v1", "refs/heads/v1", 'b', 'b'),
            ("tags/v1", "refs/tags/v1", 'e', 'e'),
            ("v2", "refs/tags/v2", 'e', 'f'),
            ("refs/pull/7/head", "refs/pull/7/head", 'd', 'd'),
        ] {
            assert_eq!(resolve(&refs, revision).unwrap(), target(name, id(object), Some(id(commit))), "{revision}");
        }
        assert_eq!(resolve(&refs, &"b".repeat(40)).unwrap(), target("refs/heads/v1", id('b'), None));
        assert_eq!(resolve(&refs, &"9".repeat(40)).unwrap(), RevisionTarget::Commit(id('9')));
        for revision in ["gone", "refs/heads/gone", "abc1234", ""] {
            assert!(matches!(resolve(&refs, revision), Err(FetchError::Revision { .. })), "{revision}");
        }
        assert!(resolve(&[], "HEAD").unwrap_err().to_string().contains("empty"));
    }
}
