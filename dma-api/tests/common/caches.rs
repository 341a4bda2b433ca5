//! Caches for memory of the host that no device accesses.

use core::ptr::NonNull;

use dma_api::{DmaSync, Geometry, LineRange};

/// Caches of 64-byte lines that nobody looks behind, and that any number of threads may use.
#[derive(Debug)]
pub(crate) struct NoCaches;

// SAFETY: no device accesses the test's memory.
unsafe impl DmaSync for NoCaches {
    fn geometry(&self) -> Geometry {
        Geometry::new(64, 64).unwrap()
    }
    fn clean(&self, _: LineRange<'_>) {}
    unsafe fn invalidate(&self, _: LineRange<'_>) {}
    fn clean_and_invalidate(&self, _: LineRange<'_>) {}
    fn complete(&self) {}
    fn before_doorbell(&self, _: NonNull<u8>) {}
    fn after_completion(&self, _: NonNull<u8>) {}
}
