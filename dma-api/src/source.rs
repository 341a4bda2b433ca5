//! Where memory comes from that a device and the CPU use at once, on a machine whose devices do not snoop.
#![expect(unsafe_code, reason = "aliases of memory are promised by their makers")]

use core::ptr::NonNull;

use crate::{
    error::{Error, Refused},
    handover,
    limits::Request,
    memory::{Block, DmaAllocator},
    sync::DmaSync,
};

/// A machine's way to memory that is *coherent* for devices that do not snoop.
///
/// A machine declares one. Where it has none the request fails: it is never answered with cached memory.
///
/// # Implementation safety
/// A block from [`allocate`](Self::allocate) keeps the promises of [`DmaAllocator::allocate`], save that the CPU
/// accesses it in such a way that stores reach memory and loads come from it without any cache maintenance; and no
/// cache holds a line of it.
pub unsafe trait CoherentSource {
    /// Coherent memory for `request`, all zero.
    ///
    /// * `memory`, `sync`: the machine's allocator of cached memory and its caches, for sources that build on them.
    ///
    /// # Errors
    /// [`Error::NoCoherentMemory`], or those of the allocator.
    fn allocate<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        request: &Request,
    ) -> Result<Block, Error>;

    /// Takes back what [`allocate`](Self::allocate) returned.
    ///
    /// # Errors
    /// Those of [`DmaAllocator::free`], with the block.
    fn free<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        block: Block,
    ) -> Result<(), Refused<Block>>;
}

/// No coherent memory: every request is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCoherentMemory;

// SAFETY: it hands out nothing.
unsafe impl CoherentSource for NoCoherentMemory {
    fn allocate<A: DmaAllocator, S: DmaSync>(
        &self,
        _memory: &A,
        _sync: &S,
        _request: &Request,
    ) -> Result<Block, Error> {
        Err(Error::NoCoherentMemory)
    }

    fn free<A: DmaAllocator, S: DmaSync>(
        &self,
        _memory: &A,
        _sync: &S,
        block: Block,
    ) -> Result<(), Refused<Block>> {
        Err(Refused::new(Error::NoCoherentMemory, block))
    }
}

/// Memory set aside and mapped uncached, everywhere and for good: by firmware, an MPU region or the OS at boot.
#[derive(Clone, Copy, Debug)]
pub struct UncachedMemory<A>(A);

impl<A: DmaAllocator> UncachedMemory<A> {
    /// # Safety
    /// Every mapping of the allocator's memory is uncached (on Arm: Normal Non-cacheable), for as long as the
    /// value exists, and no cache holds a line of it now.
    pub const unsafe fn new(allocator: A) -> Self {
        Self(allocator)
    }
}

// SAFETY: the memory is uncached by `new`'s contract, and the allocator keeps its own promises.
unsafe impl<A: DmaAllocator> CoherentSource for UncachedMemory<A> {
    fn allocate<Cached: DmaAllocator, S: DmaSync>(
        &self,
        _memory: &Cached,
        _sync: &S,
        request: &Request,
    ) -> Result<Block, Error> {
        self.0.allocate(request)
    }

    fn free<Cached: DmaAllocator, S: DmaSync>(
        &self,
        _memory: &Cached,
        _sync: &S,
        block: Block,
    ) -> Result<(), Refused<Block>> {
        self.0.free(block)
    }
}

/// A second address of the same memory that bypasses the caches: KSEG1 on MIPS, an alias window of a SoC.
///
/// Memory comes from the machine's ordinary allocator; its lines leave the caches before the alias is used.
#[derive(Clone, Copy, Debug)]
pub struct UncachedAlias {
    cached: NonNull<u8>,
    uncached: NonNull<u8>,
    /// Invariant: that many bytes are mapped from both pointers on, the same bytes.
    len: usize,
}

impl UncachedAlias {
    /// * `cached`, `uncached`: two CPU addresses of the same `len` bytes.
    ///
    /// # Safety
    /// For as long as the value exists both map the same physical memory; accesses through `uncached` bypass every
    /// cache; and the architecture allows the two mappings side by side if a line is cleaned and invalidated before
    /// the uncached one is used.
    #[must_use]
    pub const unsafe fn new(cached: NonNull<u8>, uncached: NonNull<u8>, len: usize) -> Self {
        Self {
            cached,
            uncached,
            len,
        }
    }

    /// The same block seen through the mapping that starts at `to` instead of the one that starts at `from`.
    fn rebase(
        &self,
        block: Block,
        from: NonNull<u8>,
        to: NonNull<u8>,
    ) -> Result<Block, Refused<Block>> {
        let (phys, len) = (block.phys().start(), block.len_bytes());
        let start = block.memory().cast::<u8>().addr().get();
        let offset = start.wrapping_sub(from.addr().get());
        let inside = start >= from.addr().get()
            && offset.checked_add(len).is_some_and(|end| end <= self.len);
        if !inside {
            return Err(Refused::new(
                Error::ForeignBlock {
                    phys: phys.get(),
                    len,
                },
                block,
            ));
        }

        // SAFETY: `offset + len` was just checked to lie inside the `len` bytes mapped from `to` on.
        let start = unsafe { to.add(offset) };
        // SAFETY: the same memory, which the consumed block had for itself.
        let rebased = unsafe { Block::new(NonNull::slice_from_raw_parts(start, len), phys) };
        rebased.map_err(|error| Refused::new(error, block))
    }
}

// SAFETY: the value is two addresses; the memory is the allocator's business.
unsafe impl Send for UncachedAlias {}
// SAFETY: as above.
unsafe impl Sync for UncachedAlias {}

// SAFETY: the alias is uncached by `new`'s contract, and the lines leave the caches before it is used.
unsafe impl CoherentSource for UncachedAlias {
    fn allocate<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        request: &Request,
    ) -> Result<Block, Error> {
        let block = memory.allocate(request)?;
        handover::leave_caches(sync, block.lines());
        let uncached = match self.rebase(block, self.cached, self.uncached) {
            Ok(uncached) => uncached,
            Err(refused) => {
                // The allocator's own block: it takes back what it has just handed out.
                memory
                    .free(refused.value)
                    .map_err(|refused| refused.error)?;
                return Err(refused.error);
            }
        };
        Ok(uncached)
    }

    fn free<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        block: Block,
    ) -> Result<(), Refused<Block>> {
        // Stores through the alias must have reached memory before anybody uses the cached address.
        sync.before_doorbell(block.memory().cast());
        memory.free(self.rebase(block, self.uncached, self.cached)?)
    }
}
