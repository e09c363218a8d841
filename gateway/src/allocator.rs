//! Gives large buffers back to the system as soon as they are freed.
//!
//! The gateway allocates and frees megabytes at a time, on many threads: batches, blobs, slivers. glibc begins by mapping
//! such buffers one by one, but each one that is freed raises its threshold, up to 32 MiB, and from then on they
//! come from heaps that fragment. Measured while 2 GiB were uploaded by ten connections: 450 MiB resident, against
//! 150 MiB with the threshold held where it is set here, at the same speed. Another allocator (mimalloc) did not help.

#![allow(unsafe_code)] // One call into the C library that has no safe form.

/// Buffers of at least this many bytes are mapped and unmapped one by one. Far above what is allocated often, and no
/// larger than the buffers that matter: batches of 1 MiB and slivers of some 100 KiB.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: libc::c_int = 512 * 1024;

/// Sets the threshold. To be called before any thread is started. Other C libraries map large buffers anyway.
pub fn return_large_buffers() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` is called while this is the only thread, and with a parameter and value that glibc documents.
    // It changes nothing about memory that is allocated already.
    let accepted = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES) };
    #[cfg(target_env = "gnu")]
    assert_eq!(accepted, 1, "glibc accepts every threshold up to 32 MiB");
}
