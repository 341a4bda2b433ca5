//! Blocks set aside for those who cannot wait: interrupt handlers, and whoever must not fail.
#![expect(unsafe_code, reason = "the reserve hands out what it was given")]

use core::{num::NonZeroUsize, ptr::NonNull};

use crate::{
    addr::PhysAddr,
    error::{Error, Refused},
    layout::ObjectLayout,
    limits::Request,
    lock::{
        bits::{BITS_PER_WORD, Bits},
        once::Once,
    },
    memory::{Block, DmaAllocator},
};

/// Blocks that one word of a [`Reserve`] accounts for.
pub const BLOCKS_PER_WORD: usize = BITS_PER_WORD;

/// Up to `WORDS` × [`BLOCKS_PER_WORD`] blocks of one length, taken from another allocator once, at boot.
///
/// It is an allocator itself, for use inside interrupt handlers and before and after everything else. Taking a block and
/// giving it back wait for nobody where the processor has a compare-and-swap, and elsewhere take a critical section as long
/// as the look at `WORDS` words: at most one look at each word and one more for each bit of it that somebody else takes or
/// gives at that very moment. The block is zeroed afterwards.
///
/// It meets the same requests as an [`ObjectPool`](crate::ObjectPool) of the same layout. All of its blocks lie in one
/// piece of memory; the length of the layout's chunks is of no consequence.
///
/// Dropping the reserve gives the memory back, unless a block is out: then all of it is leaked.
///
/// ```
/// use dma_api::{Alignment, ObjectLayout, BitmapPool, Reserve, known};
///
/// static MEMORY: BitmapPool<32> = BitmapPool::new();
///
/// /// 64 packets, for the interrupt handler.
/// static PACKETS: Reserve<&BitmapPool<32>, 2> =
///     Reserve::new(&MEMORY, known(ObjectLayout::new(1536, known(Alignment::new(64)))));
///
/// # fn boot() -> Result<(), dma_api::Error> {
/// PACKETS.fill(64)
/// # }
/// ```
#[derive(Debug)]
pub struct Reserve<A: DmaAllocator, const WORDS: usize> {
    source: A,
    layout: ObjectLayout,
    region: Once<Region>,
    /// Invariant: the bits of free blocks, and no bit of a block that there is not.
    free: Bits<WORDS>,
}

/// The memory of a reserve.
#[derive(Debug)]
struct Region {
    /// Invariant: as long as the span of so many blocks, and where the layout's blocks begin.
    memory: Block,
    blocks: u32,
}

// SAFETY: what is shared is addresses; the memory is handed out block by block.
unsafe impl Sync for Region {}

impl<A: DmaAllocator, const WORDS: usize> Reserve<A, WORDS> {
    /// A reserve without blocks: until [`fill`](Self::fill) takes some from `source`, no request fits.
    #[must_use]
    pub const fn new(source: A, layout: ObjectLayout) -> Self {
        Self {
            source,
            layout,
            region: Once::new(),
            free: Bits::new(),
        }
    }

    /// Takes memory for so many blocks, once.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; [`Error::PoolTooLarge`] if `WORDS` are too few, or the blocks take 4 GiB and more;
    /// [`Error::PoolInUse`] if it was filled before; those of the source, after which it may be tried again.
    pub fn fill(&self, blocks: usize) -> Result<(), Error> {
        let capacity = WORDS.saturating_mul(BLOCKS_PER_WORD);
        let too_large = Error::PoolTooLarge {
            units: blocks,
            capacity,
        };
        let count = u32::try_from(blocks).map_err(|_| too_large)?;
        if blocks > capacity {
            return Err(too_large);
        }
        if blocks == 0 {
            return Err(Error::ZeroLength);
        }
        let span = u32::try_from(self.layout.span(count)).map_err(|_| too_large)?;
        let request = self.request(span).ok_or(too_large)?;

        self.region.put(|| {
            let memory = self.source.allocate(&request)?;
            Ok(Region {
                memory,
                blocks: count,
            })
        })?;
        for block in 0..blocks {
            self.free.give(block);
        }
        Ok(())
    }

    /// What its blocks are like.
    #[must_use]
    pub const fn layout(&self) -> &ObjectLayout {
        &self.layout
    }

    /// Blocks it has, free or not.
    pub fn blocks(&self) -> usize {
        self.region.get().map_or(0, |region| region.blocks as usize)
    }

    /// Blocks that are free, as far as one look at each word can tell.
    pub fn free_blocks(&self) -> usize {
        self.free.count()
    }

    /// What memory of that length is asked for with.
    fn request(&self, span: u32) -> Option<Request> {
        let natural = self.layout.natural();
        let (alignment, boundary) = match self.layout.kept_boundary() {
            // The blocks are laid between the boundaries.
            Some(boundary) if u64::from(span) > boundary.get() => (boundary, None),
            boundary => (natural, boundary),
        };
        let len = NonZeroUsize::new(usize::try_from(span).ok()?)?;
        Some(self.layout.memory(len, alignment, boundary, None))
    }

    fn take(&self, request: &Request) -> Result<(NonNull<[u8]>, PhysAddr), Error> {
        let len = request.len.get();
        let never = Error::NeverFits {
            len,
            capacity: self.blocks().saturating_mul(self.layout.block_len()),
        };
        let region = self.region.get().ok_or(never)?;
        let phys = region.memory.phys().start();
        let reached = self.layout.within(phys, region.blocks, request);
        if !self.layout.admits(request) || reached.is_empty() {
            return Err(never);
        }
        let wanted = reached.start as usize..reached.end as usize;
        let Some(index) = self.free.take(&wanted) else {
            let free = self.free_blocks() > 0;
            return Err(Error::Exhausted {
                len,
                largest_free: if free { self.layout.block_len() } else { 0 },
            });
        };

        let offset = self
            .layout
            .offset_of(u32::try_from(index).map_err(|_| never)?);
        let start = region.memory.memory().cast::<u8>();
        // SAFETY: only blocks of the region have bits that are set, and all of them lie inside of it.
        let start = unsafe { start.add(offset as usize) };
        let memory = NonNull::slice_from_raw_parts(start, self.layout.block_len());
        Ok((
            memory,
            PhysAddr::new(phys.get().wrapping_add(u64::from(offset))),
        ))
    }

    fn give_back(&self, block: &Block) -> Result<(), Error> {
        let (phys, len) = (block.phys().start().get(), block.len_bytes());
        let foreign = Error::ForeignBlock { phys, len };
        let region = self.region.get().ok_or(foreign)?;
        let whole = region.memory.phys();
        if !whole.contains(block.phys()) {
            return Err(foreign);
        }
        let offset = phys.wrapping_sub(whole.start().get());
        let offset = u32::try_from(offset).map_err(|_| foreign)?;
        let cpu = region.memory.memory().cast::<u8>().addr().get();
        if block.memory().cast::<u8>().addr().get() != cpu.wrapping_add(offset as usize) {
            return Err(foreign);
        }
        let index = self.layout.index_of(offset);
        let index = index.filter(|index| *index < region.blocks && len == self.layout.block_len());
        match index {
            Some(index) if self.free.give(index as usize) => Ok(()),
            _ => Err(Error::NotAllocated { phys, len }),
        }
    }
}

// SAFETY: a block is a part of the region that the source handed out, whose bit was this call's to take (`Bits::take`); the
// layout admits the request, so that every block between its addresses meets it; it is zeroed whole. All that the reserve
// relies on is in itself (S10). For granules it is as with an `ObjectPool`.
unsafe impl<A: DmaAllocator, const WORDS: usize> DmaAllocator for Reserve<A, WORDS> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let (memory, phys) = self.take(request)?;

        // SAFETY: the block is part of the region, and nobody else was given it.
        unsafe { memory.cast::<u8>().write_bytes(0, memory.len()) };
        // SAFETY: as above; it is initialised, and `take` returned matching addresses.
        unsafe { Block::new(memory, phys) }
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let returned = self.give_back(&block);
        returned.map_err(|error| Refused::new(error, block))
    }
}

impl<A: DmaAllocator, const WORDS: usize> Drop for Reserve<A, WORDS> {
    fn drop(&mut self) {
        let free = self.free.count();
        if let Some(region) = self.region.take()
            && free == region.blocks as usize
        {
            // What the source refuses is leaked.
            let _ = self.source.free(region.memory);
        }
    }
}
