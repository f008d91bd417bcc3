//! The bounds of a program's heap.
//!
//! Left alone, glibc gives each thread a heap of its own, and once a large piece
//! was freed keeps pieces of that size in it: an answer of a megabyte, written
//! once, stays in memory for ever, and once more for each thread that ever
//! wrote one. These programs hold large pieces for milliseconds.

#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "settings of the C library's allocator")
)]

/// Pieces of this size and more are the system's again as soon as they are
/// freed, bytes.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 * 1024;

/// So many heaps for all threads, and large pieces beside them. To be called
/// before there are threads.
pub fn bound(heaps: u8) {
    #[cfg(not(target_env = "gnu"))]
    let _ = heaps;
    #[cfg(target_env = "gnu")]
    for (setting, value) in [
        (libc::M_ARENA_MAX, libc::c_int::from(heaps)),
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TRIM_THRESHOLD, LARGE),
    ] {
        // SAFETY: takes numbers. A setting that is refused leaves the default,
        // which costs memory and nothing else.
        let _ = unsafe { libc::mallopt(setting, value) };
    }
}

/// Hands freed memory back to the system: what is loaded once takes tens of
/// megabytes for a moment. The allocator gives all back when this is the main
/// thread (1 MB stays), and less when it is another (10 MB stay).
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, and frees only what nothing points to.
    unsafe {
        libc::malloc_trim(0);
    }
}
