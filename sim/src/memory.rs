//! The simulated machine's allocators: pools of the library that tell the machine what they hand out and take back.
#![expect(unsafe_code, reason = "allocators promise what `DmaAllocator` demands")]

use std::ptr::NonNull;

use dma_api::{
    Alignment, BitmapPool, Block, CoherentSource, DmaAllocator, DmaSync, Error, NoCoherentMemory,
    PhysAddr, Refused, Request, UncachedAlias,
};

use crate::{live::Shared, steps::Step};

/// Words in a pool's books: memories of up to 16 Ki units.
const WORDS: usize = 256;

/// A pool of a simulated machine's memory.
#[derive(Debug)]
pub struct SimPool {
    pool: BitmapPool<WORDS>,
    shared: Shared,
    phys: PhysAddr,
}

impl SimPool {
    /// A pool of `len` bytes at offset `at` into memory; of none if `len` is 0.
    pub(crate) fn new(
        shared: &Shared,
        base: PhysAddr,
        at: usize,
        len: usize,
        unit: Alignment,
    ) -> Result<Self, Error> {
        let pool = BitmapPool::new();
        if len > 0 {
            let start = shared.lock().views[0].start();
            // SAFETY: the offset is inside the memory.
            let cpu = unsafe { start.add(at) };
            let phys = PhysAddr::new(base.get() + at as u64);
            // SAFETY: the view lives as long as the machine, and nothing else hands out this part of it.
            unsafe { pool.adopt(cpu, phys, len, unit) }?;
        }
        Ok(Self {
            pool,
            shared: shared.clone(),
            phys: base,
        })
    }

    /// Bytes that are free now.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.pool.free_bytes()
    }

    /// The longest free run, in bytes.
    #[must_use]
    pub fn largest_free(&self) -> usize {
        self.pool.largest_free()
    }

    fn offset(&self, block: &Block) -> usize {
        let offset = block.phys().start().get().wrapping_sub(self.phys.get());
        usize::try_from(offset).unwrap_or(usize::MAX)
    }
}

// SAFETY: the blocks are the library's own pool's.
unsafe impl DmaAllocator for SimPool {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let block = self.pool.allocate(request)?;
        let (at, len) = (self.offset(&block), block.len_bytes());
        self.shared.take(Step::Allocate { at, len });
        Ok(block)
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let (at, len) = (self.offset(&block), block.len_bytes());
        self.pool.free(block)?;
        self.shared.take(Step::Free { at, len });
        Ok(())
    }
}

/// Where a simulated machine's coherent memory comes from.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each machine, which has a pool of that size anyway"
)]
pub enum SimCoherent {
    /// Nowhere.
    None(NoCoherentMemory),
    /// Memory behind the cached part that no cache holds.
    Uncached(SimPool),
    /// A second, uncached mapping of the cached part.
    Alias(UncachedAlias),
}

// SAFETY: devices' accesses to uncached memory go past the caches, and so do the CPU's by the alias.
unsafe impl CoherentSource for SimCoherent {
    fn allocate<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        request: &Request,
    ) -> Result<Block, Error> {
        match self {
            Self::None(source) => source.allocate(memory, sync, request),
            Self::Uncached(pool) => pool.allocate(request),
            Self::Alias(alias) => alias.allocate(memory, sync, request),
        }
    }

    fn free<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        block: Block,
    ) -> Result<(), Refused<Block>> {
        match self {
            Self::None(source) => source.free(memory, sync, block),
            Self::Uncached(pool) => pool.free(block),
            Self::Alias(alias) => alias.free(memory, sync, block),
        }
    }
}

/// The first byte of a view at this offset.
pub(crate) fn place(shared: &Shared, view: usize, at: usize) -> NonNull<u8> {
    let start = shared.lock().views[view].start();
    // SAFETY: the callers' offsets are inside the memory.
    unsafe { start.add(at) }
}
