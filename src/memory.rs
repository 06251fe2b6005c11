//! Memory that is freed goes back to the system.
//!
//! A review can be some 18 MiB, and takes several times that while it is compared. musl's allocator, with which the
//! image is built, gives all of it back at once. glibc's does not by default: it has an arena for each thread, and a
//! large block that is freed raises the size from which blocks are mapped by themselves, so that later ones stay.
//! Seen with pairs of the largest reviews: 154 MiB over idle at most, and 99 MiB of it for good; with these settings
//! 50 and 7 MiB, with musl 47 and 4. mimalloc came to 79 and 28, jemalloc to 92 and 50, or 55 and 8 if it is told to
//! hurry: no better, for more to build. Nor are they faster by more than a tenth.

/// Makes glibc's allocator give memory back. Must be called before there are other threads.
pub fn give_back_what_is_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Threads share these: with one for each, each keeps its own largest review.
        const ARENAS: libc::c_int = 2;
        /// From this size on a block is a mapping of its own, and what is free at the end of the heap is given back.
        /// glibc's own beginning; setting it keeps it there.
        const THRESHOLD: libc::c_int = 128 * 1024;
        for (parameter, value) in
            [(libc::M_ARENA_MAX, ARENAS), (libc::M_MMAP_THRESHOLD, THRESHOLD), (libc::M_TRIM_THRESHOLD, THRESHOLD)]
        {
            #[expect(unsafe_code, reason = "glibc has no other way; it takes any value, and there is one thread")]
            // SAFETY: mallopt changes settings of the allocator only, and no other thread allocates meanwhile.
            unsafe {
                libc::mallopt(parameter, value);
            }
        }
    }
}
