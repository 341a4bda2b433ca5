//! This workspace's pools as a driver has them: locked, checked, and zeroing what they hand out.
#![expect(unsafe_code, reason = "the pools are given memory, and blocks back")]

use core::num::NonZeroUsize;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};
use dma_api::pages::PageEntry;
use dma_api::{Alignment, BitmapPool, Block, DmaAllocator, PerCpu, PhysAddr, Pool, Request};

use crate::mapping::Mapping;
use crate::peer::{Books, PAGE, Peer, Row, Size};
use crate::peers::ours::books;

/// Bytes that stand for a page: all of a block is zeroed, which is not what is to be measured.
const UNIT: usize = 16;

/// Words enough for 65,536 pages.
const WORDS: usize = 2048;

/// One of this workspace's pools.
pub trait Adopting: DmaAllocator + Sized {
    /// What the tables say of it.
    const ROW: Row;

    /// A pool of all of a mapping's first `len` bytes, in units of `unit`, at physical address 0.
    ///
    /// * `limits`: the highest addresses of the devices that will ask.
    ///
    /// # Errors
    /// It cannot have them.
    ///
    /// # Safety
    /// The mapping is as long, used for nothing else, and outlives the pool.
    unsafe fn of(
        mapping: &Mapping,
        len: usize,
        unit: Alignment,
        limits: &[PhysAddr],
    ) -> Result<Self, dma_api::Error>;
}

impl Adopting for Pool<&'static mut [PageEntry]> {
    const ROW: Row = Row {
        name: "ours-locked",
        package: None,
        books: Books::Side,
        note: "`dma_api::Pool` through `DmaAllocator`: the books of `ours` behind its lock, and zeroing; 16 bytes stand for a \
               page, so that little is zeroed",
    };

    unsafe fn of(
        mapping: &Mapping,
        len: usize,
        unit: Alignment,
        limits: &[PhysAddr],
    ) -> Result<Self, dma_api::Error> {
        // SAFETY: the caller promises it.
        unsafe { paged(mapping, 0..len, unit, limits) }
    }
}

/// A pool of a part of a mapping's bytes, at physical addresses from 0 on for the whole of it.
///
/// # Safety
/// The mapping is as long, these bytes are used for nothing else, and it outlives the pool.
unsafe fn paged(
    mapping: &Mapping,
    part: Range<usize>,
    unit: Alignment,
    limits: &[PhysAddr],
) -> Result<Pool<&'static mut [PageEntry]>, dma_api::Error> {
    let pool = Pool::with_entries(books(part.len() / UNIT, limits.len() + 1));
    // SAFETY: the caller promises that the mapping is that long.
    let start = unsafe { mapping.start().add(part.start) };
    let phys = PhysAddr::new(part.start as u64);
    // SAFETY: the caller promises it.
    unsafe { pool.adopt(start, phys, part.len(), unit, limits) }?;
    Ok(pool)
}

impl Adopting for PerCpu<'static, Pool<&'static mut [PageEntry]>> {
    const ROW: Row = Row {
        name: "ours-per-cpu",
        package: None,
        books: Books::Side,
        note: "`dma_api::PerCpu` over two `Pool`s, each with half of the pages, one for each thread",
    };

    unsafe fn of(
        mapping: &Mapping,
        len: usize,
        unit: Alignment,
        _limits: &[PhysAddr],
    ) -> Result<Self, dma_api::Error> {
        let half = len / 2;
        let mut pools = Vec::new();
        for part in [0..half, half..2 * half] {
            // SAFETY: the caller promises it, and the parts do not overlap.
            pools.push(unsafe { paged(mapping, part, unit, &[]) }?);
        }
        Ok(Self::new(pools.leak(), this_thread))
    }
}

/// A number of the thread's own: threads that are started one after the other have numbers in a row.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

impl Adopting for BitmapPool<WORDS> {
    const ROW: Row = Row {
        name: "ours-bitmap",
        package: None,
        books: Books::Side,
        note: "`dma_api::BitmapPool` through `DmaAllocator`: each call locks, checks all arguments and zeroes; 16 bytes stand \
               for a page, so that little is zeroed; here it has 65,536 pages at most",
    };

    unsafe fn of(
        mapping: &Mapping,
        len: usize,
        unit: Alignment,
        _limits: &[PhysAddr],
    ) -> Result<Self, dma_api::Error> {
        let pool = Self::new();
        // SAFETY: the caller promises it.
        unsafe { pool.adopt(mapping.start(), PhysAddr::new(0), len, unit) }?;
        Ok(pool)
    }
}

/// One of them, with its memory. Threads may share it.
#[derive(Debug)]
pub struct Through<A> {
    pool: Box<A>,
    mapping: Mapping,
}

/// The pool whose books are a bitmap.
pub type OursBitmap = Through<BitmapPool<WORDS>>;

/// The pool whose books are pages'.
pub type OursLocked = Through<Pool<&'static mut [PageEntry]>>;

/// Two pools, one for each of two threads.
pub type OursPerCpu = Through<PerCpu<'static, Pool<&'static mut [PageEntry]>>>;

// SAFETY: nothing but the pool touches the mapping, and the pool may be shared.
unsafe impl<A: Sync> Sync for Through<A> {}

impl<A: Adopting> Peer for Through<A> {
    const ROW: Row = A::ROW;

    fn new(pages: u32, limits: &[u32]) -> Result<Self> {
        let len = pages as usize * UNIT;
        let mapping = Mapping::new(len.div_ceil(PAGE) as u32, 0)?;
        let unit = Alignment::new(UNIT as u64).map_err(|error| anyhow!("{error}"))?;
        let limits: Vec<PhysAddr> = limits.iter().map(|&limit| highest_below(limit)).collect();
        // SAFETY: the mapping is the pool's alone, and is dropped after it.
        let pool = unsafe { A::of(&mapping, len, unit, &limits) };
        let pool = Box::new(pool.map_err(|error| anyhow!("{error}"))?);
        Ok(Self { pool, mapping })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        self.take_shared(size)
    }

    #[inline]
    fn take_below(&mut self, size: Size, limit: u32) -> Option<u32> {
        self.take_up_to(size, highest_below(limit))
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        self.give_shared(page, size);
    }
}

impl<A: DmaAllocator> Through<A> {
    /// Allocates, from whichever thread.
    #[inline]
    #[must_use]
    pub fn take_shared(&self, size: Size) -> Option<u32> {
        self.take_up_to(size, PhysAddr::new(u64::MAX))
    }

    /// Frees, from whichever thread.
    ///
    /// # Panics
    /// It is not exactly what was allocated.
    #[inline]
    pub fn give_shared(&self, page: u32, size: Size) {
        let (offset, len) = (page as usize * UNIT, size.pages as usize * UNIT);
        // SAFETY: the mapping is at least as long as the pool's memory.
        let start = unsafe { self.mapping.start().add(offset) };
        let memory = NonNull::slice_from_raw_parts(start, len);
        // SAFETY: this is the block that was taken; it was dropped, which leaks it.
        let block = unsafe { Block::new(memory, PhysAddr::new(offset as u64)) };
        let freed = block.map(|block| self.pool.free(block));
        assert!(matches!(freed, Ok(Ok(()))), "{freed:?}");
    }

    #[inline]
    fn take_up_to(&self, size: Size, highest: PhysAddr) -> Option<u32> {
        let mut request = Request::anywhere(NonZeroUsize::new(size.pages as usize * UNIT)?);
        request.alignment = Alignment::new(u64::from(size.align) * UNIT as u64).ok()?;
        request.highest = highest;
        let block = self.pool.allocate(&request).ok()?;
        Some((block.phys().start().get() / UNIT as u64) as u32)
    }
}

/// The last byte before that page.
fn highest_below(page: u32) -> PhysAddr {
    PhysAddr::new((u64::from(page) * UNIT as u64).saturating_sub(1))
}
