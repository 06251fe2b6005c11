//! What a server's revision is now, and bringing its commit into a repository.

use std::sync::Arc;

use git2::{AutotagOption, Direction, FetchOptions, ObjectType, Oid, ProxyOptions, RemoteCallbacks, Repository};

use super::budget::FetchBudget;
use super::error::FetchError;

/// A reference that the server tells of.
struct Head {
    name: String,
    id: Oid,
}

/// Where the revision was found.
#[derive(Debug, PartialEq)]
enum Found {
    /// A reference, and the commit behind it where the server tells that too.
    Name(String, Oid, Option<Oid>),
    /// A commit that no reference names.
    Commit(Oid),
}

/// Looks at `address` and brings the commit of `revision` into `git` where it is not there yet.
pub(super) fn bring(
    git: &Repository,
    address: &str,
    revision: &str,
    bounds: &Arc<FetchBudget>,
) -> Result<Oid, FetchError> {
    let failed = |action| move |reason| FetchError::Git { action, reason };
    // A commit never changes: what is here needs no server.
    if let Some(id) = commit_id(revision).filter(|id| git.find_commit(*id).is_ok()) {
        return Ok(id);
    }
    let mut remote = git.remote_anonymous(address).map_err(failed("prepare a connection"))?;
    // Never libgit2's own search for a proxy: that is told by the environment alone, see `connect`.
    let connected = remote.connect_auth(Direction::Fetch, Some(callbacks(bounds)), Some(ProxyOptions::new()));
    let mut connection = connected.map_err(|error| cause(bounds, "connect", error))?;
    let heads = connection.list().map_err(|error| cause(bounds, "list the references", error))?;
    let heads: Vec<_> = heads.iter().map(|head| Head { name: head.name().to_owned(), id: head.oid() }).collect();
    let found = find(&heads, revision)?;

    let mut bring = |specs: &[String]| {
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks(bounds)).download_tags(AutotagOption::None).update_fetchhead(false);
        connection.remote().download(specs, Some(&mut options))
    };
    match found {
        Found::Name(_, _, Some(commit)) if git.find_commit(commit).is_ok() => Ok(commit),
        Found::Name(name, id, _) => {
            bring(&[format!("{name}:{BROUGHT}")]).map_err(|error| cause(bounds, "fetch", error))?;
            peel(git, id, revision)
        }
        Found::Commit(id) => {
            let one = bring(&[format!("{id}:{BROUGHT}")]);
            // Not every server gives what no reference names; it may still be behind one.
            if one.is_err() || git.find_commit(id).is_err() {
                if let Some(fault) = bounds.fault().filter(|fault| !matches!(fault, FetchError::Server { .. })) {
                    return Err(fault);
                }
                bounds.check()?;
                return Err(FetchError::Revision { reason: String::new() });
            }
            peel(git, id, revision)
        }
    }
}

/// Brings all branches and tags, and looks for a commit among what they hold.
pub(super) fn bring_all(
    git: &Repository,
    address: &str,
    id: Oid,
    bounds: &Arc<FetchBudget>,
) -> Result<Oid, FetchError> {
    let mut remote = git.remote_anonymous(address).map_err(|reason| FetchError::Git { action: "prepare", reason })?;
    let connected = remote.connect_auth(Direction::Fetch, Some(callbacks(bounds)), Some(ProxyOptions::new()));
    let mut connection = connected.map_err(|error| cause(bounds, "connect", error))?;
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks(bounds)).download_tags(AutotagOption::None).update_fetchhead(false);
    let specs = ["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"];
    connection.remote().download(&specs, Some(&mut options)).map_err(|error| cause(bounds, "fetch", error))?;
    match git.find_commit(id) {
        Ok(_) => Ok(id),
        Err(_) => Err(FetchError::Revision { reason: format!("there is no commit {id} in any branch or tag") }),
    }
}

/// A commit written in full.
pub(super) fn commit_id(revision: &str) -> Option<Oid> {
    (revision.len() == FULL_ID).then(|| Oid::from_str(revision).ok()).flatten()
}

fn find(heads: &[Head], revision: &str) -> Result<Found, FetchError> {
    let missing = |reason| Err(FetchError::Revision { reason });
    if heads.is_empty() {
        return missing("the repository is empty: it has no branch yet".to_owned());
    }
    let named = |name: &str| heads.iter().find(|head| head.name == name);
    if let Some(id) = commit_id(revision) {
        let by_id = heads.iter().find(|head| head.id == id && !head.name.ends_with(PEELED));
        return Ok(by_id.map_or(Found::Commit(id), |head| Found::Name(head.name.clone(), id, None)));
    }
    // A branch before a tag, as `git clone --branch` has it: branches are what
    // is guarded, and a tag of the same name must not take one's place.
    let candidates = match revision {
        "HEAD" => vec![revision.to_owned()],
        _ if revision.starts_with("refs/") => vec![revision.to_owned()],
        _ => vec![format!("refs/heads/{revision}"), format!("refs/tags/{revision}"), format!("refs/{revision}")],
    };
    let Some(head) = candidates.iter().find_map(|name| named(name)) else {
        return missing(match revision {
            "HEAD" => "the repository has no default branch; name one in revision".to_owned(),
            _ => format!(
                "there is no branch or tag `{revision}` (any more); a commit is written with all its {FULL_ID} digits"
            ),
        });
    };
    // A branch is its commit; a tag may be an object of its own, whose commit is told beside it.
    let peeled = named(&format!("{}{PEELED}", head.name)).unwrap_or(head);
    Ok(Found::Name(head.name.clone(), head.id, Some(peeled.id)))
}

fn peel(git: &Repository, id: Oid, revision: &str) -> Result<Oid, FetchError> {
    let object =
        git.find_object(id, None).map_err(|reason| FetchError::Git { action: "find what was fetched", reason })?;
    match object.peel(ObjectType::Commit) {
        Ok(commit) => Ok(commit.id()),
        Err(_) => Err(FetchError::Revision { reason: format!("`{revision}` is no commit and leads to none") }),
    }
}

fn callbacks(bounds: &Arc<FetchBudget>) -> RemoteCallbacks<'static> {
    let mut callbacks = RemoteCallbacks::new();
    let progress = bounds.clone();
    callbacks.transfer_progress(move |done| {
        let limit = progress.limits.bytes;
        let checked = match u64::try_from(done.received_bytes()) {
            Ok(bytes) if bytes <= limit => progress.check(),
            _ => Err(FetchError::TooLarge { limit }),
        };
        checked.map_err(|fault| progress.stop(fault)).is_ok()
    });
    let sideband = bounds.clone();
    callbacks.sideband_progress(move |_| sideband.check().map_err(|fault| sideband.stop(fault)).is_ok());
    callbacks
}

/// Why libgit2 failed: what the transport or a callback has told before it, or its own words.
fn cause(bounds: &FetchBudget, action: &'static str, reason: git2::Error) -> FetchError {
    bounds.fault().unwrap_or(FetchError::Git { action, reason })
}

/// Asked for, and never written: the mirror keeps references of its own.
const BROUGHT: &str = "refs/driftwall/brought";
const FULL_ID: usize = 40;
const PEELED: &str = "^{}";

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> Oid {
        Oid::from_str(&digit.to_string().repeat(40)).unwrap()
    }

    fn heads(names: &[(&str, char)]) -> Vec<Head> {
        names.iter().map(|(name, digit)| Head { name: (*name).to_owned(), id: id(*digit) }).collect()
    }

    #[test]
    fn a_revision_is_found_by_all_its_names() {
        let heads = heads(&[
            ("HEAD", 'a'),
            ("refs/heads/main", 'a'),
            ("refs/heads/v1", 'b'),
            ("refs/heads/team/x", 'c'),
            ("refs/pull/7/head", 'd'),
            ("refs/tags/v1", 'e'),
            ("refs/tags/v2", 'e'),
            ("refs/tags/v2^{}", 'f'),
        ]);
        for (revision, name, at, commit) in [
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
            let found = find(&heads, revision).unwrap();
            assert_eq!(found, Found::Name(name.to_owned(), id(at), Some(id(commit))), "{revision}");
        }
        assert_eq!(find(&heads, &"b".repeat(40)).unwrap(), Found::Name("refs/heads/v1".to_owned(), id('b'), None));
        assert_eq!(find(&heads, &"9".repeat(40)).unwrap(), Found::Commit(id('9')));
        for revision in ["gone", "refs/heads/gone", "abc1234", ""] {
            assert!(matches!(find(&heads, revision), Err(FetchError::Revision { .. })), "{revision}");
        }
        assert!(find(&[], "HEAD").unwrap_err().to_string().contains("empty"));
    }
}
