//! Where memory comes from that a device and the CPU use at once, on a machine whose devices do not snoop.
#![expect(unsafe_code, reason = "aliases of memory are promised by their makers")]

use core::ptr::NonNull;

use crate::{
    error::{Error, Refused},
    handover,
    limits::Request,
    map::Region,
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
/// cache holds a line of it. [`free`](Self::free) refuses what [`allocate`](Self::allocate) has not handed out.
pub unsafe trait CoherentSource {
    /// Coherent memory for `request`, all zero. Its length and alignment are multiples of the write-back granule.
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
    /// Coherent memory from `allocator`.
    ///
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
/// Memory comes from the part of the machine's ordinary allocator that the alias shows; its lines leave the caches before
/// the alias is used.
#[derive(Clone, Copy, Debug)]
pub struct UncachedAlias {
    cached: Region,
    /// Invariant: the bytes of `cached` are mapped from here on, too.
    uncached: NonNull<u8>,
}

impl UncachedAlias {
    /// The alias of `cached` that begins at `uncached`.
    ///
    /// * `cached`: memory as it is cached;
    /// * `uncached`: where the same bytes begin, uncached.
    ///
    /// # Safety
    /// For as long as the value exists both map the same physical memory; accesses through `uncached` bypass every
    /// cache; and the architecture allows the two mappings side by side if a line is cleaned and invalidated before
    /// the uncached one is used.
    #[must_use]
    pub const unsafe fn new(cached: Region, uncached: NonNull<u8>) -> Self {
        Self { cached, uncached }
    }

    /// The same request, for memory that the alias shows.
    fn narrow(&self, request: &Request) -> Result<Request, Error> {
        let shown = self.cached.phys();
        let lowest = request.lowest.max(shown.start());
        let highest = request.highest.min(shown.last());
        if lowest > highest {
            let capacity = usize::try_from(shown.len_bytes()).unwrap_or(usize::MAX);
            return Err(Error::NeverFits {
                len: request.len.get(),
                capacity,
            });
        }
        Ok(Request {
            lowest,
            highest,
            ..*request
        })
    }

    /// The same block through the mapping that begins at `to` instead of the one that begins at `from`.
    fn rebase(
        &self,
        block: Block,
        from: NonNull<u8>,
        to: NonNull<u8>,
    ) -> Result<Block, Refused<Block>> {
        let (phys, len) = (block.phys(), block.len_bytes());
        let first = self.cached.phys().start().get();
        let offset = usize::try_from(phys.start().get().wrapping_sub(first)).unwrap_or(usize::MAX);
        let here = from.as_ptr().wrapping_add(offset);
        let there = NonNull::new(to.as_ptr().wrapping_add(offset));
        let is_here = here == block.memory().cast().as_ptr() && self.cached.phys().contains(phys);
        let Some(start) = there.filter(|_| is_here) else {
            return Err(Refused::new(
                Error::ForeignBlock {
                    phys: phys.start().get(),
                    len,
                },
                block,
            ));
        };

        let memory = NonNull::slice_from_raw_parts(start, len);
        // SAFETY: the same memory, which the consumed block had for itself.
        unsafe { Block::new(memory, phys.start()) }.map_err(|error| Refused::new(error, block))
    }
}

// SAFETY: the value is addresses; the memory is the allocator's business.
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
        let block = memory.allocate(&self.narrow(request)?)?;
        handover::leave_caches(sync, block.lines());
        match self.rebase(block, self.cached.cpu(), self.uncached) {
            Ok(uncached) => Ok(uncached),
            // An allocator that does not keep to the request: it gets its block back, or the block is lost.
            Err(refused) => Err(memory
                .free(refused.value)
                .err()
                .map_or(refused.error, |twice| twice.error)),
        }
    }

    fn free<A: DmaAllocator, S: DmaSync>(
        &self,
        memory: &A,
        sync: &S,
        block: Block,
    ) -> Result<(), Refused<Block>> {
        // Stores through the alias must have reached memory before anybody uses the cached address.
        sync.before_doorbell(block.memory().cast());
        let cached = self.rebase(block, self.uncached, self.cached.cpu())?;
        memory.free(cached).map_err(|refused| {
            match self.rebase(refused.value, self.cached.cpu(), self.uncached) {
                Ok(block) | Err(Refused { value: block, .. }) => Refused::new(refused.error, block),
            }
        })
    }
}
