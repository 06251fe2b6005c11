//! Git LFS: a repository has a pointer where the content is kept elsewhere.

/// The most bytes that a pointer has.
/// Source: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>
pub(super) const MAX_POINTER_BYTES: usize = 1024;

/// What a pointer begins with; the second is that of the first releases.
const STARTS: [&[u8]; 2] = [b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/"];

/// Whether a file's content is a pointer to content in Git LFS.
pub(super) fn is_pointer(content: &[u8]) -> bool {
    content.len() < MAX_POINTER_BYTES && STARTS.iter().any(|start| content.starts_with(start))
}
