//! Free memory whose lines are dirty with what somebody else stored there.
#![expect(
    unsafe_code,
    reason = "an allocator's promises are those of the one inside"
)]

use core::ptr::NonNull;

use dma_api::{Block, DmaAllocator, Error, Refused, Request};

use crate::image::{board, calls};

/// An allocator whose memory, once it was given back, has dirty lines. What it hands out is zeroed by stores, and these
/// are stores that the monitor sees: see "What it does not show" in [`shadow`](super).
#[derive(Debug)]
pub(crate) struct Soiled<A>(A);

impl<A: DmaAllocator> Soiled<A> {
    pub(crate) const fn new(allocator: A) -> Self {
        Self(allocator)
    }
}

// SAFETY: all methods are those of the allocator inside; what happens to memory while it is free is of no concern.
unsafe impl<A: DmaAllocator> DmaAllocator for Soiled<A> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.0.allocate(request)
    }

    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        // SAFETY: the caller's promise.
        unsafe { self.0.allocate_dirty(request) }
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let memory = block.memory();
        self.0.free(block)?;
        soil(memory);
        Ok(())
    }
}

/// The call: make the lines of the window that hold these bytes dirty. Virtual address, and number of bytes.
pub(super) const SOIL: usize = 5;

/// Makes the lines of free memory dirty, if the monitor has begun.
///
/// # Panics
///
/// If the memory is not the window's.
pub(crate) fn soil(memory: NonNull<[u8]>) {
    if calls::is_started() {
        let address = memory.cast::<u8>().addr().get();
        let [status, _] = board::hypercall([SOIL, address, memory.len(), 0]);
        assert_eq!(status, calls::DONE, "{memory:?} is not in the window");
    }
}
