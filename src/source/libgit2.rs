//! Settings that libgit2 has for the whole process, and the modes of tree entries.

use std::sync::Once;

use super::remote;

/// The mode of a folder.
pub(super) const FOLDER_MODE: i32 = 0o040_000;
/// The mode of a symbolic link.
pub(super) const LINK_MODE: i32 = 0o120_000;
/// The mode of a submodule.
pub(super) const SUBMODULE_MODE: i32 = 0o160_000;

/// Makes libgit2 fit for a server, once: repositories come from volumes that
/// belong to other users, and no `gitconfig` of the machine may have an effect.
#[allow(
    unsafe_code,
    reason = "libgit2's options are global and must be set before any other use, which `Once` ensures"
)]
pub(super) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use git2::ConfigLevel::{Global, ProgramData, System, XDG};
        // SAFETY: no other thread is inside libgit2 yet; every use of it in this program calls this function first.
        unsafe {
            // Both fail only without memory, and then opening a repository reports it.
            let _ = git2::opts::set_verify_owner_validation(false);
            for level in [ProgramData, System, XDG, Global] {
                let _ = git2::opts::set_search_path(level, "");
            }
            // The same: fetching then fails with an unknown URL scheme.
            let _ = remote::register_transport();
        }
    });
}
