//! Memory of the host for pools under test, and what is done with blocks of it.

use core::{alloc::Layout, num::NonZeroUsize, ptr::NonNull, slice};
use std::alloc::{alloc, dealloc};

use dma_api::{Block, Request};

/// Memory for one pool, full of bytes that are not zero.
pub(crate) struct Ram {
    pub(crate) start: NonNull<u8>,
    layout: Layout,
}

impl Ram {
    pub(crate) fn new(len: usize, align: usize) -> Self {
        let layout = Layout::from_size_align(len, align).unwrap();
        // SAFETY: no pool has no memory.
        let start = NonNull::new(unsafe { alloc(layout) }).unwrap();
        // SAFETY: it was just allocated with that length.
        unsafe { start.write_bytes(0xee, len) };
        Self { start, layout }
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout; blocks that are left are never used again.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// Checks that a new block is zero, all of it, and fills it with what an owner might leave behind.
pub(crate) fn soil(block: &mut Block) {
    let memory = block.memory().cast::<u8>().as_ptr();
    // SAFETY: the block has its memory for itself.
    let bytes = unsafe { slice::from_raw_parts_mut(memory, block.len_bytes()) };
    assert!(bytes.iter().all(|byte| *byte == 0), "a new block is zero");
    bytes.fill(0xee);
}

pub(crate) fn request(len: usize) -> Request {
    Request::anywhere(NonZeroUsize::new(len).unwrap())
}
