//! The references by which a mirror records commits: the newest of each revision,
//! and the last that each source could read.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use git2::{Oid, Repository};

use super::super::budget::FetchBudget;
use super::super::mirror_folder::{io_error, short_hash};
use super::super::objects::{ReadError, verify_complete, write_shallow};

/// The mirror's own references and their commits.
pub(super) fn references(git: &Repository) -> Result<HashMap<String, Oid>, git2::Error> {
    let mut found = HashMap::new();
    for reference in git.references_glob(&format!("{REFERENCE_PREFIX}*"))? {
        let reference = reference?;
        if let (Ok(name), Some(commit)) = (reference.name(), reference.target()) {
            found.insert(name.to_owned(), commit);
        }
    }
    Ok(found)
}

/// Reads all commits that are recorded, with all their files.
pub(super) fn verify_all(
    git: &Repository,
    recorded: &HashMap<String, Oid>,
    budget: &FetchBudget,
) -> Result<(), ReadError> {
    let mut verified = None;
    for commit in recorded.values() {
        verify_complete(git, *commit, verified, budget)?;
        verified = Some(*commit);
    }
    Ok(())
}

/// Moves references to commits that are there with all their files.
pub(super) fn record_in(folder: &Path, git: &Repository, moved: &[(String, Oid)]) -> Result<(), ReadError> {
    let mut commits: HashSet<Oid> = references(git).map_err(ReadError::Damaged)?.into_values().collect();
    commits.extend(moved.iter().map(|(_, commit)| commit));
    // First, so that nobody ever looks for the parents of a commit that a reference names.
    write_shallow(folder, &commits).map_err(io_error("write", &folder.join("shallow")))?;
    for (name, commit) in moved {
        git.reference(name, *commit, true, "").map_err(ReadError::Damaged)?;
    }
    Ok(())
}

/// The name of the reference that records a revision's newest commit.
pub(super) fn newest_reference(revision: &str) -> String {
    format!("{REFERENCE_PREFIX}{}", short_hash(revision))
}

/// The name of the reference that records the last commit that a source could read.
pub(super) fn good_reference(source: &str, revision: &str) -> String {
    format!("{REFERENCE_PREFIX}good/{}", short_hash(&format!("{source}\0{revision}")))
}

/// Where driftwall's own references are.
const REFERENCE_PREFIX: &str = "refs/driftwall/";
