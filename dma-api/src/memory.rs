//! Physically contiguous memory, and whoever hands it out.
#![expect(unsafe_code, reason = "a block is the right to use its memory")]

use core::ptr::NonNull;

use crate::{
    addr::{PhysAddr, PhysRange},
    cache::LineRange,
    error::{Error, Refused},
    limits::Request,
};

/// Memory that an allocator has handed out: the right to use it, and what is given back by value.
///
/// Dropping a block without giving it back leaks it; nothing becomes unsound.
#[derive(Debug)]
#[must_use = "dropping a block leaks its memory"]
pub struct Block {
    /// Invariant: not empty, valid for reads and writes, initialised, and used by nobody else while the block exists.
    memory: NonNull<[u8]>,
    /// Invariant: as long as `memory`.
    phys: PhysRange,
}

impl Block {
    /// A block that an allocator hands out.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; [`Error::RangeWraps`] for the physical addresses.
    ///
    /// # Safety
    /// While the block exists `memory` is valid for reads and writes, initialised, physically contiguous from
    /// `phys` on, and nobody else uses it. Its pointer is derived from one that is used for nothing else.
    pub const unsafe fn new(memory: NonNull<[u8]>, phys: PhysAddr) -> Result<Self, Error> {
        match PhysRange::new(phys, memory.len() as u64) {
            Ok(phys) => Ok(Self { memory, phys }),
            Err(error) => Err(error),
        }
    }

    /// Where the CPU sees the memory.
    #[must_use]
    pub const fn memory(&self) -> NonNull<[u8]> {
        self.memory
    }

    /// Where it physically lies.
    #[must_use]
    pub const fn phys(&self) -> PhysRange {
        self.phys
    }

    /// Length in bytes, at least 1.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.memory.len()
    }

    /// The bytes as maintenance takes them.
    pub(crate) const fn lines(&self) -> LineRange<'_> {
        // SAFETY: the invariants of both fields.
        unsafe { LineRange::new_unchecked(self.memory.cast(), self.phys) }
    }
}

// SAFETY: a block is the only user of its memory, which is accessible to every thread.
unsafe impl Send for Block {}

/// Hands out physically contiguous memory: a pool of this crate, or the page allocator of an OS.
///
/// # Implementation safety
/// * A block that [`allocate`](Self::allocate) returns meets the [`Block::new`] contract until it is given back, is
///   at least as long as the request and meets each of its limits ([`Request::first_fit`] decides).
/// * Every byte of it is zero, those behind the requested length too. Those of
///   [`allocate_dirty`](Self::allocate_dirty) are initialised, and may have any value; all else is promised of it as well.
/// * [`free`](Self::free) refuses every block that this very allocator has not handed out or that it has back already;
///   CPU address, physical address and length must all match. It is a safe method: anybody may call it with any block.
/// * Nothing that the allocator relies on is stored inside memory it has handed out.
/// * If devices of the machine do not snoop, blocks are cacheable memory, and start and end at multiples of the
///   write-back granule, by CPU and by physical address, whenever the request's length and alignment are multiples of it.
///
/// # Example
/// A page allocator of an operating system:
/// ```
/// # use core::ptr::NonNull;
/// # use dma_api::{Alignment, Block, DmaAllocator, Error, PhysAddr, Refused, Request};
/// # struct Frames;
/// # impl Frames {
/// #     fn zeroed(&self, _: usize, _: &Request) -> Option<(NonNull<u8>, u64)> { None }
/// #     fn total(&self) -> usize { 1 << 20 }
/// #     fn give_back(&self, _: u64, _: usize) -> bool { false }
/// # }
/// struct Pages(Frames);
///
/// // SAFETY: `zeroed` returns free, contiguous, zeroed, cached page frames within the request's limits, and keeps
/// // its books elsewhere.
/// unsafe impl DmaAllocator for Pages {
///     fn allocate(&self, request: &Request) -> Result<Block, Error> {
///         let len = Alignment::new(4096)?.round_up(request.len)?.get();
///         let room = request.highest.get().saturating_sub(request.lowest.get());
///         if len > self.0.total() || (len as u64) - 1 > room {
///             return Err(Error::NeverFits { len, capacity: self.0.total() });
///         }
///         let refused = Error::Exhausted { len, largest_free: 0 };
///         let (start, phys) = self.0.zeroed(len / 4096, request).ok_or(refused)?;
///         // SAFETY: the frames were free and are now this block's.
///         unsafe { Block::new(NonNull::slice_from_raw_parts(start, len), PhysAddr::new(phys)) }
///     }
///
///     fn free(&self, block: Block) -> Result<(), Refused<Block>> {
///         let (phys, len) = (block.phys().start().get(), block.len_bytes());
///         if self.0.give_back(phys, len / 4096) {
///             return Ok(());
///         }
///         Err(Refused::new(Error::ForeignBlock { phys, len }, block))
///     }
/// }
/// ```
pub unsafe trait DmaAllocator {
    /// Memory for `request`, all zero.
    ///
    /// # Errors
    /// [`Error::NeverFits`] if the request's limits can never be met by this memory, [`Error::Exhausted`] if only
    /// not now.
    fn allocate(&self, request: &Request) -> Result<Block, Error>;

    /// As [`allocate`](Self::allocate), but the memory may hold what earlier owners left in it: for whoever overwrites all of
    /// it anyway. What is taken like this is given back as any other block.
    ///
    /// An allocator that has no such memory, or does not know the difference, calls [`allocate`](Self::allocate), as this does
    /// unless it is overridden. One that is made of others passes it on.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    ///
    /// # Safety
    /// No byte of the block is read by anybody, CPU or device, before it was overwritten: those behind the requested length
    /// are part of it. What they hold is an earlier owner's, whom nobody has asked. It also need not be the same at two looks:
    /// a device that does not snoop may have had the memory last, and been proved quiet, so that lines older than what it wrote
    /// are still cached.
    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        self.allocate(request)
    }

    /// Takes back what [`allocate`](Self::allocate) returned, whole.
    ///
    /// # Errors
    /// [`Error::ForeignBlock`] or [`Error::NotAllocated`], with the block; then nothing was changed.
    fn free(&self, block: Block) -> Result<(), Refused<Block>>;
}

// SAFETY: all methods are those of the allocator behind the reference.
unsafe impl<A: DmaAllocator + ?Sized> DmaAllocator for &A {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        (**self).allocate(request)
    }
    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        // SAFETY: the caller's promise.
        unsafe { (**self).allocate_dirty(request) }
    }
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        (**self).free(block)
    }
}
