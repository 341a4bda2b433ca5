//! This workspace's pool that is a bitmap, as a driver has it: locked, checked, and zeroing what it hands out.
#![expect(unsafe_code, reason = "the pool is given memory, and blocks back")]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use anyhow::{Result, anyhow};
use dma_api::{Alignment, BitmapPool, Block, DmaAllocator, PhysAddr, Request};

use crate::mapping::Mapping;
use crate::peer::{Books, PAGE, Peer, Row, Size};

/// Bytes that stand for a page: all of a block is zeroed, which is not what is to be measured.
const UNIT: usize = 16;

/// Words enough for 65,536 pages.
const WORDS: usize = 2048;

/// With units of 16 bytes in place of pages.
#[derive(Debug)]
pub struct OursBitmap {
    pool: Box<BitmapPool<WORDS>>,
    mapping: Mapping,
}

impl Peer for OursBitmap {
    const ROW: Row = Row {
        name: "ours-bitmap",
        package: None,
        books: Books::Side,
        note: "`BitmapPool` through `DmaAllocator`: each call locks, checks all arguments and zeroes; 16 bytes stand for a \
               page, so that little is zeroed",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let len = pages as usize * UNIT;
        let mapping = Mapping::new(len.div_ceil(PAGE) as u32, 0)?;
        let pool = Box::new(BitmapPool::new());
        let unit = Alignment::new(UNIT as u64).map_err(|error| anyhow!("{error}"))?;
        // SAFETY: the mapping is the pool's alone and lives as long as it.
        unsafe { pool.adopt(mapping.start(), PhysAddr::new(0), len, unit) }
            .map_err(|error| anyhow!("{error}"))?;
        Ok(Self { pool, mapping })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        self.take_shared(size)
    }

    #[inline]
    fn take_below(&mut self, size: Size, limit: u32) -> Option<u32> {
        self.take_up_to(size, (u64::from(limit) * UNIT as u64).checked_sub(1)?)
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        self.give_shared(page, size);
    }
}

// SAFETY: nothing but the pool touches the mapping, and the pool may be shared.
unsafe impl Sync for OursBitmap {}

impl OursBitmap {
    /// Allocates, from whichever thread.
    #[inline]
    #[must_use]
    pub fn take_shared(&self, size: Size) -> Option<u32> {
        self.take_up_to(size, u64::MAX)
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
    fn take_up_to(&self, size: Size, highest: u64) -> Option<u32> {
        let mut request = Request::anywhere(NonZeroUsize::new(size.pages as usize * UNIT)?);
        request.alignment = Alignment::new(u64::from(size.align) * UNIT as u64).ok()?;
        request.highest = PhysAddr::new(highest);
        let block = self.pool.allocate(&request).ok()?;
        Some((block.phys().start().get() / UNIT as u64) as u32)
    }
}
