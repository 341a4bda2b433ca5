//! The algorithm of Linux's DMA pool, this workspace's pools, and what zeroing alone costs.
#![expect(
    unsafe_code,
    reason = "free objects are linked, and pools are given memory and blocks back"
)]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use anyhow::{Result, anyhow};
use dma_api::{
    Alignment, BitmapPool, Block, DmaAllocator, ObjectLayout, ObjectPool, PhysAddr, Request,
    Reserve,
};

use crate::mapping::Mapping;
use crate::objects::fixed::{Objects, REGION, at, offset, region};
use crate::peer::{Books, PAGE, Row};

/// Words of a bitmap with a bit for each page of the region.
const WORDS: usize = 4;

/// What objects and chunks are aligned to.
const LINE: u64 = 64;

/// The algorithm of Linux's DMA pool: a stack of the free objects, in the objects.
#[derive(Debug)]
pub struct DmaPool {
    free: Option<NonNull<u8>>,
    mapping: Mapping,
}

impl Objects for DmaPool {
    const ROW: Row = Row {
        name: "dmapool",
        package: None,
        books: Books::InBand,
        note: "the algorithm of Linux's DMA pool, written for this comparison; without its lock",
    };

    fn new(bytes: usize) -> Result<Self> {
        let mapping = region()?;
        let mut pool = Self {
            free: None,
            mapping,
        };
        for offset in (0..REGION).step_by(bytes).rev() {
            pool.give(offset as u32, bytes);
        }
        Ok(pool)
    }

    #[inline]
    fn take(&mut self, _bytes: usize) -> Option<u32> {
        let object = self.free?;
        // SAFETY: a free object begins with a link, which `give` wrote.
        self.free = unsafe { object.cast().read() };
        Some(offset(&self.mapping, object))
    }

    #[inline]
    fn give(&mut self, offset: u32, _bytes: usize) {
        let object = at(&self.mapping, offset);
        // SAFETY: the object is at least as long and as aligned as a link, and nobody uses it any more.
        unsafe { object.cast().write(self.free) };
        self.free = Some(object);
    }

    fn memory(&self) -> Option<NonNull<[u8]>> {
        Some(self.mapping.bytes())
    }
}

/// One of this workspace's allocators of equal blocks.
pub trait Equal: DmaAllocator + Sized {
    /// What the tables say of it.
    const ROW: Row;

    /// With its memory from that allocator.
    ///
    /// # Errors
    /// It cannot have it.
    fn over(source: BitmapPool<WORDS>, layout: ObjectLayout) -> Result<Self, dma_api::Error>;
}

impl Equal for ObjectPool<BitmapPool<WORDS>, 64> {
    const ROW: Row = Row {
        name: "ours",
        package: None,
        books: Books::Side,
        note: "`dma_api::ObjectPool` through `DmaAllocator`: each call locks, checks all arguments, and zeroes the object",
    };

    fn over(source: BitmapPool<WORDS>, layout: ObjectLayout) -> Result<Self, dma_api::Error> {
        Ok(Self::new(source, layout))
    }
}

impl Equal for Reserve<BitmapPool<WORDS>, 256> {
    const ROW: Row = Row {
        name: "ours-reserve",
        package: None,
        books: Books::Side,
        note: "`dma_api::Reserve`, the same without a lock",
    };

    fn over(source: BitmapPool<WORDS>, layout: ObjectLayout) -> Result<Self, dma_api::Error> {
        let blocks = REGION / layout.block_len();
        let reserve = Self::new(source, layout);
        reserve.fill(blocks)?;
        Ok(reserve)
    }
}

/// One of them, with its memory.
#[derive(Debug)]
pub struct Ours<E> {
    pool: Box<E>,
    mapping: Mapping,
}

impl<E: Equal> Objects for Ours<E> {
    const ROW: Row = E::ROW;

    fn new(bytes: usize) -> Result<Self> {
        let why = |error: dma_api::Error| anyhow!("{error}");
        let mapping = region()?;
        let pages = BitmapPool::new();
        let page = Alignment::new(PAGE as u64).map_err(why)?;
        // SAFETY: the mapping is the pool's alone and lives as long as it.
        unsafe { pages.adopt(mapping.start(), PhysAddr::new(0), REGION, page) }.map_err(why)?;
        let line = Alignment::new(LINE).map_err(why)?;
        let layout = ObjectLayout::new(bytes, line).map_err(why)?;
        let pool = Box::new(E::over(pages, layout).map_err(why)?);
        Ok(Self { pool, mapping })
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> Option<u32> {
        let mut request = Request::anywhere(NonZeroUsize::new(bytes)?);
        request.alignment = Alignment::new(LINE).ok()?;
        let block = self.pool.allocate(&request).ok()?;
        Some(block.phys().start().get() as u32)
    }

    #[inline]
    fn give(&mut self, offset: u32, bytes: usize) {
        let memory = NonNull::slice_from_raw_parts(at(&self.mapping, offset), bytes);
        // SAFETY: this is the block that was taken; it was dropped, which leaks it.
        let block = unsafe { Block::new(memory, PhysAddr::new(u64::from(offset))) };
        let freed = block.map(|block| self.pool.free(block));
        assert!(matches!(freed, Ok(Ok(()))), "{freed:?}");
    }

    fn memory(&self) -> Option<NonNull<[u8]>> {
        Some(self.mapping.bytes())
    }
}

/// Hands out the whole region in turn, and zeroes it as ours do: what that costs by itself.
#[derive(Debug)]
pub struct Zeroing {
    next: usize,
    mapping: Mapping,
}

impl Objects for Zeroing {
    const ROW: Row = Row {
        name: "zeroing",
        package: None,
        books: Books::None,
        note: "no allocator: what it costs to zero each object that is handed out, which of the others only ours do",
    };

    fn new(_bytes: usize) -> Result<Self> {
        let mapping = region()?;
        Ok(Self { next: 0, mapping })
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> Option<u32> {
        let offset = self.next as u32;
        self.next = (self.next + bytes) % REGION;
        // SAFETY: the object lies in the region, since its length divides that.
        unsafe { at(&self.mapping, offset).write_bytes(0, bytes) };
        Some(offset)
    }

    #[inline]
    fn give(&mut self, _offset: u32, _bytes: usize) {}

    fn memory(&self) -> Option<NonNull<[u8]>> {
        Some(self.mapping.bytes())
    }
}
