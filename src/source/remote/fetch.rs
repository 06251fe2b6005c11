//! Finds out which commits revisions name on a server, and fetches them into a
//! repository: each commit with its files, without what came before it.

use std::collections::BTreeSet;
use std::sync::Arc;

use git2::{
    AutotagOption, Direction, ErrorClass, ErrorCode, FetchOptions, ObjectType, Oid, ProxyOptions, Remote,
    RemoteCallbacks, RemoteConnection, Repository,
};

use super::budget::FetchBudget;
use super::context::TRANSPORT_URL;
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
    /// A reference and its commit.
    Ref { name: String, commit: Oid },
}

/// What became of a revision.
pub(super) enum Fetched {
    /// Its commit is in the repository.
    Commit(Oid),
    /// There is no such revision.
    Missing(FetchError),
    /// The server does not send this commit alone. It is behind the reference `name`, or, for `None`, behind any.
    OnlyWithHistory { commit: Oid, name: Option<String> },
}

/// Asks the server for `revisions`, fetches the commits that are not in `git` yet,
/// and returns what became of each, in their order.
pub(super) fn fetch_revisions(
    git: &Repository,
    revisions: &[String],
    budget: &Arc<FetchBudget>,
) -> Result<Vec<Fetched>, FetchError> {
    // A commit never changes: one that is here needs no server.
    let here = |revision: &String| parse_commit_id(revision).filter(|id| git.find_commit(*id).is_ok());
    if let Some(commits) = revisions.iter().map(here).collect::<Option<Vec<_>>>() {
        return Ok(commits.into_iter().map(Fetched::Commit).collect());
    }
    let mut remote = anonymous_remote(git)?;
    let mut connection = connect(&mut remote, budget)?;
    let refs = connection.list().map_err(|error| failure(budget, "list the references", error))?;
    let refs: Vec<_> = refs.iter().map(|entry| RemoteRef { name: entry.name().to_owned(), id: entry.oid() }).collect();
    let mut targets = Vec::new();
    let mut refspecs = BTreeSet::new();
    for revision in revisions {
        let target = resolve(&refs, revision);
        if let Ok(RevisionTarget::Ref { name, commit }) = &target
            && git.find_commit(*commit).is_err()
        {
            refspecs.insert(format!("{name}:{FETCHED_REFS}{name}"));
        }
        targets.push(target);
    }
    let mut is_shallow_refused = false;
    if !refspecs.is_empty() {
        let refspecs: Vec<_> = refspecs.iter().map(String::as_str).collect();
        match download(&mut connection, &refspecs, Depth::One, budget) {
            Ok(()) => {}
            Err(error) if is_about_shallow(&error) => is_shallow_refused = true,
            Err(error) => return Err(failure(budget, "fetch", error)),
        }
    }
    // One connection sends one pack.
    drop(connection);
    let mut fetched = Vec::new();
    for (target, revision) in targets.into_iter().zip(revisions) {
        fetched.push(match target {
            Err(error) => Fetched::Missing(error),
            Ok(RevisionTarget::Commit(id)) => fetch_by_id(git, id, revision, budget)?,
            Ok(RevisionTarget::Ref { name, commit }) if is_shallow_refused && git.find_commit(commit).is_err() => {
                Fetched::OnlyWithHistory { commit, name: Some(name) }
            }
            Ok(RevisionTarget::Ref { commit, .. }) => peel_to_commit(git, commit, revision)?,
        });
    }
    Ok(fetched)
}

/// Fetches a commit that no reference names. Not every server sends one.
fn fetch_by_id(git: &Repository, id: Oid, revision: &str, budget: &Arc<FetchBudget>) -> Result<Fetched, FetchError> {
    if git.find_commit(id).is_err() {
        let mut remote = anonymous_remote(git)?;
        let mut connection = connect(&mut remote, budget)?;
        let refspec = format!("{id}:{FETCHED_REFS}{id}");
        let downloaded = download(&mut connection, &[&refspec], Depth::One, budget);
        if downloaded.is_err() || git.find_commit(id).is_err() {
            return match budget.take_error() {
                // The server refuses, or libgit2 sees from what it offers that it would.
                Some(FetchError::Server { .. }) | None => {
                    budget.check()?;
                    Ok(Fetched::OnlyWithHistory { commit: id, name: None })
                }
                Some(error) => Err(error),
            };
        }
    }
    peel_to_commit(git, id, revision)
}

/// Fetches the whole history of a reference, or of all branches and tags, into a repository that is used for
/// nothing else.
pub(super) fn fetch_history(git: &Repository, name: Option<&str>, budget: &Arc<FetchBudget>) -> Result<(), FetchError> {
    let mut remote = anonymous_remote(git)?;
    let mut connection = connect(&mut remote, budget)?;
    let refspecs = match name {
        Some(name) => vec![format!("{name}:{FETCHED_REFS}{name}")],
        None => ["heads", "tags"].map(|kind| format!("refs/{kind}/*:{FETCHED_REFS}{kind}/*")).to_vec(),
    };
    let refspecs: Vec<_> = refspecs.iter().map(String::as_str).collect();
    download(&mut connection, &refspecs, Depth::Whole, budget).map_err(|error| failure(budget, "fetch", error))
}

fn anonymous_remote(git: &Repository) -> Result<Remote<'_>, FetchError> {
    git.remote_anonymous(TRANSPORT_URL).map_err(|reason| FetchError::Git { action: "prepare a connection", reason })
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

/// How much of the history is fetched.
#[derive(Clone, Copy)]
enum Depth {
    One,
    Whole,
}

fn download(
    connection: &mut RemoteConnection<'_, '_, '_>,
    refspecs: &[&str],
    depth: Depth,
    budget: &Arc<FetchBudget>,
) -> Result<(), git2::Error> {
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks(budget)).download_tags(AutotagOption::None).update_fetchhead(false);
    options.depth(match depth {
        Depth::One => 1,
        // libgit2's word for no limit.
        Depth::Whole => 0,
    });
    connection.remote().download(refspecs, Some(&mut options))
}

/// Whether libgit2 fails because the server cannot send a commit without its history.
fn is_about_shallow(error: &git2::Error) -> bool {
    error.class() == ErrorClass::Net && error.code() == ErrorCode::Invalid
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
            Some(entry) => target_of(refs, entry),
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
    Ok(target_of(refs, found))
}

/// A reference and its commit: a branch is its commit; a tag may be an object of
/// its own, whose commit the server lists beside it.
fn target_of(refs: &[RemoteRef], entry: &RemoteRef) -> RevisionTarget {
    let peeled = format!("{}{PEELED_SUFFIX}", entry.name);
    let commit = refs.iter().find(|other| other.name == peeled).unwrap_or(entry).id;
    RevisionTarget::Ref { name: entry.name.clone(), commit }
}

fn peel_to_commit(git: &Repository, id: Oid, revision: &str) -> Result<Fetched, FetchError> {
    let object =
        git.find_object(id, None).map_err(|reason| FetchError::Git { action: "find what was fetched", reason })?;
    Ok(match object.peel(ObjectType::Commit) {
        Ok(commit) => Fetched::Commit(commit.id()),
        Err(_) => {
            Fetched::Missing(FetchError::Revision { reason: format!("`{revision}` is no commit and leads to none") })
        }
    })
}

/// Callbacks by which libgit2 stops soon after the budget is spent.
fn callbacks(budget: &Arc<FetchBudget>) -> RemoteCallbacks<'static> {
    let mut callbacks = RemoteCallbacks::new();
    let progress = budget.clone();
    callbacks.transfer_progress(move |done| {
        progress.check_pack(done.received_bytes()).map_err(|error| progress.record_error(error)).is_ok()
    });
    let sideband = budget.clone();
    callbacks.sideband_progress(move |_| sideband.check().map_err(|error| sideband.record_error(error)).is_ok());
    callbacks
}

/// Why libgit2 failed: the error that the transport or a callback recorded, or else its own.
fn failure(budget: &FetchBudget, action: &'static str, reason: git2::Error) -> FetchError {
    budget.take_error().unwrap_or(FetchError::Git { action, reason })
}

/// The refspecs' targets; `download` does not write them: the mirror keeps references of its own.
const FETCHED_REFS: &str = "refs/driftwall/fetched/";
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

    fn target(name: &str, commit: Oid) -> RevisionTarget {
        RevisionTarget::Ref { name: name.to_owned(), commit }
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
        for (revision, name, commit) in [
            ("HEAD", "HEAD", 'a'),
            ("main", "refs/heads/main", 'a'),
            ("refs/heads/main", "refs/heads/main", 'a'),
            ("heads/main", "refs/heads/main", 'a'),
            ("team/x", "refs/heads/team/x", 'c'),
            ("v1", "refs/heads/v1", 'b'),
            ("tags/v1", "refs/tags/v1", 'e'),
            ("v2", "refs/tags/v2", 'f'),
            ("refs/pull/7/head", "refs/pull/7/head", 'd'),
        ] {
            assert_eq!(resolve(&refs, revision).unwrap(), target(name, id(commit)), "{revision}");
        }
        assert_eq!(resolve(&refs, &"b".repeat(40)).unwrap(), target("refs/heads/v1", id('b')));
        // The first of the references that are the tag's own object.
        assert_eq!(resolve(&refs, &"e".repeat(40)).unwrap(), target("refs/tags/v1", id('e')));
        assert_eq!(resolve(&refs, &"9".repeat(40)).unwrap(), RevisionTarget::Commit(id('9')));
        for revision in ["gone", "refs/heads/gone", "abc1234", ""] {
            assert!(matches!(resolve(&refs, revision), Err(FetchError::Revision { .. })), "{revision}");
        }
        assert!(resolve(&[], "HEAD").unwrap_err().to_string().contains("empty"));
    }
}
