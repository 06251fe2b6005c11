//! How large a repository may be.

/// The largest file that is read, in bytes: several times what etcd would store.
pub(super) const MAX_FILE_BYTES: usize = 32 << 20;
/// The most files that a source may have.
pub(super) const MAX_FILES: usize = 200_000;
/// In how many places of a source the same files may be, beyond the first of each.
/// Some trees in each other make billions of files of few bytes, and a file that is
/// there twice declares nothing that it does not declare once.
pub(super) const MAX_REPEATED_FILES: usize = 20_000;
/// The most memory that what a source declares may take, in bytes: that of 150,000
/// ordinary objects.
pub(super) const MAX_DECLARED_BYTES: usize = 256 << 20;
/// The most folders that a source may have.
pub(super) const MAX_FOLDERS: usize = 200_000;
/// The most entries of folders that are looked at, whatever they are: files that a
/// source leaves out cost time too.
pub(super) const MAX_ENTRIES: usize = 5_000_000;
/// The deepest nesting of folders; a deeper tree is taken for an attack.
pub(super) const MAX_FOLDER_DEPTH: usize = 100;
