//! Large buffers that are filled once.
//!
//! The system hands out memory page by page as it is first written to, which can take longer than encoding what is
//! written. Buffers of some MiB ask it for large pages, of which far fewer are needed.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Shorter buffers come from the allocator: a large page has 2 MiB.
const LARGE_BYTES: usize = 4 * 1024 * 1024;

/// A buffer that begins as zeros.
pub(crate) struct Memory(Backing);

enum Backing {
    Heap(Vec<u8>),
    Pages(MmapMut),
}

impl Memory {
    /// `bytes` zeros.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        if bytes >= LARGE_BYTES
            && let Ok(pages) = MmapMut::map_anon(bytes)
        {
            // A system without large pages gives small ones.
            #[cfg(target_os = "linux")]
            let _ = pages.advise(memmap2::Advice::HugePage);
            return Self(Backing::Pages(pages));
        }
        Self(Backing::Heap(vec![0; bytes]))
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Backing::Heap(bytes) => bytes,
            Backing::Pages(pages) => pages,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Backing::Heap(bytes) => bytes,
            Backing::Pages(pages) => pages,
        }
    }
}

/// So that slivers can share it, see [`bytes::Bytes::from_owner`].
impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
