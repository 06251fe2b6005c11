//! Joins the packs of a mirror: each fetch adds one, and most of what old ones have
//! is of no use any more.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use git2::Oid;

use super::super::super::libgit2;
use super::super::budget::FetchBudget;
use super::super::error::FetchError;
use super::super::mirror_folder::remove_pack;
use super::super::objects::{ReadError, pack_of};
use super::Mirror;
use super::references::{good_reference, newest_reference, references};

impl Mirror {
    /// Whether packs have come together, of which most is of no use any more: each fetch adds one.
    pub fn is_untidy(&self) -> bool {
        let packs = self.folder.packs().len();
        let is_large = self.bytes() > self.limits.bytes / 4 * 3;
        packs > self.max_packs.load(Ordering::Relaxed)
            || (is_large && packs > MAX_PACKS_OF_LARGE)
            || (packs > 1 && self.needs_room.load(Ordering::Relaxed))
    }

    /// Joins the packs into one of what is of use: the newest commits of revisions that are followed, and the
    /// last that each source could read. `followed` has the name and revision of each source.
    ///
    /// Syncs and reads go on meanwhile: the old packs go when the new one is there.
    ///
    /// # Errors
    ///
    /// A commit cannot be read, or the disk takes no more; nothing is lost then.
    pub fn tidy(&self, followed: &[(String, String)], cancel: &Arc<AtomicBool>) -> Result<(), FetchError> {
        libgit2::init();
        let budget = FetchBudget::new(self.limits, cancel.clone());
        // After a failure, not at once again.
        let old_packs = self.folder.packs();
        self.max_packs.store(old_packs.len() + MAX_PACKS, Ordering::Relaxed);
        self.join_packs(&old_packs, followed, &budget).map_err(|error| match error {
            ReadError::Stopped(error) => error,
            ReadError::Damaged(reason) => {
                self.suspect();
                self.in_our_words(FetchError::Git { action: "join the packs of the mirror", reason })
            }
        })?;
        self.max_packs.store(MAX_PACKS, Ordering::Relaxed);
        self.bytes.store(self.folder.bytes(), Ordering::Relaxed);
        Ok(())
    }

    fn join_packs(
        &self,
        old_packs: &[PathBuf],
        followed: &[(String, String)],
        budget: &FetchBudget,
    ) -> Result<(), ReadError> {
        let git = self.open().map_err(ReadError::Damaged)?;
        let mut kept_names = HashSet::new();
        for (source, revision) in followed {
            kept_names.extend([newest_reference(revision), good_reference(source, revision)]);
        }
        let kept = |mut references: HashMap<String, Oid>| {
            references.retain(|name, _| kept_names.contains(name));
            references.into_values().collect::<HashSet<_>>()
        };
        let commits = kept(references(&git).map_err(ReadError::Damaged)?);
        let mut pack = pack_of(&git, &commits.iter().copied().collect::<Vec<_>>(), budget)?;
        pack.write(&self.folder.packs_folder(), 0o444).map_err(ReadError::Damaged)?;
        let new_pack = pack.name().map_err(ReadError::Damaged)?.map(|name| format!("pack-{name}"));
        drop(pack);

        let _lock = self.folder.lock(budget)?;
        let _recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        let references = references(&git).map_err(ReadError::Damaged)?;
        if kept(references.clone()) != commits {
            // What was fetched meanwhile may build on what is in the old packs: the next time, then.
            return Ok(());
        }
        for name in references.keys().filter(|name| !kept_names.contains(*name)) {
            git.find_reference(name).and_then(|mut found| found.delete()).map_err(ReadError::Damaged)?;
        }
        self.record(&git, &[])?;
        for pack in old_packs {
            let is_new = pack.file_name().and_then(|name| name.to_str()) == new_pack.as_deref();
            if !is_new {
                remove_pack(pack)?;
            }
        }
        Ok(())
    }
}

/// With more packs than this they are joined: a pack is a file and its index, and most of what an old one has is
/// of no use any more.
pub(super) const MAX_PACKS: usize = 50;
/// The same for a mirror that has nearly reached its limit.
const MAX_PACKS_OF_LARGE: usize = 10;
