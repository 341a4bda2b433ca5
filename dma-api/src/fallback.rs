//! Allocators composed of allocators, each asked in its turn.
#![expect(
    unsafe_code,
    reason = "the promises of an allocator are kept by others"
)]

use core::fmt;

use crate::{
    error::{Error, Refused},
    limits::Request,
    memory::{Block, DmaAllocator},
};

/// Allocators in the order in which they are asked: a device's own memory first, say, then its node's, then
/// everybody's.
///
/// A request goes to the first that meets it, so that memory which few devices reach is spared by coming last: a request
/// without limits is met by the others before. A block goes back to whom it came from. One allocator alone behaves as
/// without the order, and none has no memory.
///
/// What can be asked at once from several threads or interrupt handlers is what all the allocators allow; there is
/// nothing else that is shared. A request or a block costs at most one call of each. An order is an allocator, and
/// may be part of another one.
///
/// ```
/// use dma_api::{BitmapPool, DmaAllocator, SearchOrder};
///
/// static CAMERA: BitmapPool<16> = BitmapPool::new();
/// static ABOVE_4_GIB: BitmapPool<1024> = BitmapPool::new();
/// static BELOW_4_GIB: BitmapPool<256> = BitmapPool::new();
///
/// static MEMORY: SearchOrder<'static> = SearchOrder::new(&[&CAMERA, &ABOVE_4_GIB, &BELOW_4_GIB]);
/// ```
///
/// Where all are of one type, that is named and nothing is called through a table:
/// ```
/// # use dma_api::{BitmapPool, SearchOrder};
/// static ZONES: [BitmapPool<16>; 2] = [const { BitmapPool::new() }; 2];
/// static MEMORY: SearchOrder<'static, BitmapPool<16>> = SearchOrder::new(&ZONES);
/// ```
pub struct SearchOrder<'a, A = &'a (dyn DmaAllocator + Sync)> {
    members: &'a [A],
}

impl<'a, A: DmaAllocator> SearchOrder<'a, A> {
    /// `members` in that order.
    #[must_use]
    pub const fn new(members: &'a [A]) -> Self {
        Self { members }
    }
}

// SAFETY: blocks are those of the members, which keep the promises; each refuses what is not its own.
unsafe impl<A: DmaAllocator> DmaAllocator for SearchOrder<'_, A> {
    /// Memory for `request` from the first that has some.
    ///
    /// # Errors
    /// [`Error::Exhausted`] if anyone says so, with the longest free run of those that do; else whatever one says that is
    /// not [`Error::NeverFits`]; that, with the bytes of all together, if all say it or there is nobody to ask.
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        allocate(self.members, request, A::allocate)
    }

    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        // SAFETY: the caller's promise.
        let dirty = |member: &A, request: &Request| unsafe { member.allocate_dirty(request) };
        allocate(self.members, request, dirty)
    }

    /// Gives the block back to whom it came from.
    ///
    /// # Errors
    /// What the first says to whom the block is not foreign; [`Error::ForeignBlock`] if it is to all.
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        free(self.members, block)
    }
}

impl<A> fmt::Debug for SearchOrder<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchOrder")
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

/// Allocators of which each CPU asks another one first, so that two do not wait for one another's locks.
///
/// A request that its CPU's allocator does not meet goes to the next, around the end, until one does: no memory is out of
/// reach of a CPU. So does a block that is given back: on the CPU that it was allocated on, it is its first one's.
///
/// Errors are those of a [`SearchOrder`] that begins there.
///
/// ```
/// use core::sync::atomic::{AtomicUsize, Ordering};
/// use dma_api::{BitmapPool, PerCpu};
///
/// static POOLS: [BitmapPool<16>; 4] = [const { BitmapPool::new() }; 4];
/// static MEMORY: PerCpu<'static, BitmapPool<16>> = PerCpu::new(&POOLS, this_cpu);
///
/// /// The affinity bits of the core's own register, in a kernel.
/// fn this_cpu() -> usize {
/// #   0
/// }
/// ```
pub struct PerCpu<'a, A = &'a (dyn DmaAllocator + Sync)> {
    members: &'a [A],
    this_cpu: fn() -> usize,
}

impl<'a, A: DmaAllocator> PerCpu<'a, A> {
    /// `members`, of which the one with the index `this_cpu()`, modulo their number, is asked first.
    ///
    /// `this_cpu` is called once for each request and each block given back, wherever those are made. What it returns
    /// decides over nothing but the order: if the thread moves to another CPU meanwhile, that costs time at most.
    #[must_use]
    pub const fn new(members: &'a [A], this_cpu: fn() -> usize) -> Self {
        Self { members, this_cpu }
    }

    /// The members from this CPU's on, around the end.
    fn order(&self) -> impl Iterator<Item = &'a A> {
        let first = (self.this_cpu)().checked_rem(self.members.len());
        let (before, from) = self.members.split_at(first.unwrap_or(0));
        from.iter().chain(before)
    }
}

// SAFETY: as for `SearchOrder`.
unsafe impl<A: DmaAllocator> DmaAllocator for PerCpu<'_, A> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        allocate(self.order(), request, A::allocate)
    }

    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        // SAFETY: the caller's promise.
        let dirty = |member: &A, request: &Request| unsafe { member.allocate_dirty(request) };
        allocate(self.order(), request, dirty)
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        free(self.order(), block)
    }
}

impl<A> fmt::Debug for PerCpu<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpu")
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

/// Memory from the first of `members` that has some, which is asked with `ask`.
fn allocate<'m, A: DmaAllocator + 'm>(
    members: impl IntoIterator<Item = &'m A>,
    request: &Request,
    ask: impl Fn(&A, &Request) -> Result<Block, Error>,
) -> Result<Block, Error> {
    let mut said = None;
    for member in members {
        match ask(member, request) {
            Ok(block) => return Ok(block),
            Err(error) => said = Some(said.map_or(error, |before| stronger(before, error))),
        }
    }
    Err(said.unwrap_or(Error::NeverFits {
        len: request.len.get(),
        capacity: 0,
    }))
}

/// Which of two refusals says more to whoever asks again; of two of a kind the first, with both their numbers.
fn stronger(before: Error, error: Error) -> Error {
    match (before, error) {
        (
            Error::Exhausted { len, largest_free },
            Error::Exhausted {
                largest_free: other,
                ..
            },
        ) => Error::Exhausted {
            len,
            largest_free: largest_free.max(other),
        },
        (
            Error::NeverFits { len, capacity },
            Error::NeverFits {
                capacity: other, ..
            },
        ) => Error::NeverFits {
            len,
            capacity: capacity.saturating_add(other),
        },
        (_, Error::Exhausted { .. }) | (Error::NeverFits { .. }, _) => error,
        _ => before,
    }
}

/// Gives the block to that one of `members` whose it is.
///
/// One that has the address and not the block does not end the search: memory that it handed out may be another's to
/// hand out in parts.
fn free<'m, A: DmaAllocator + 'm>(
    members: impl IntoIterator<Item = &'m A>,
    block: Block,
) -> Result<(), Refused<Block>> {
    let mut said = None;
    let mut block = block;
    for member in members {
        match member.free(block) {
            Ok(()) => return Ok(()),
            Err(refused) => {
                block = refused.value;
                let foreign = matches!(refused.error, Error::ForeignBlock { .. });
                said = said.or((!foreign).then_some(refused.error));
            }
        }
    }
    let foreign = Error::ForeignBlock {
        phys: block.phys().start().get(),
        len: block.len_bytes(),
    };
    Err(Refused::new(said.unwrap_or(foreign), block))
}
