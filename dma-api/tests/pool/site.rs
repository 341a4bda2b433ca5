//! A pool of small pages with memory of the host.

use core::{num::NonZeroUsize, ptr::NonNull, slice};

use dma_api::pages::{MAX_ZONES, PageEntry, entries};
use dma_api::pool::Run;
use dma_api::{Alignment, Block, DmaAllocator, Error, PhysAddr, PhysRange, Pool, Request};

use crate::model::ram::Ram;

/// Bytes of a page.
pub(crate) const PAGE: usize = 64;

/// Physical address of the first page of most pools.
pub(crate) const BASE: u64 = 0x8_0000;

pub(crate) type AnyPool = Pool<&'static mut [PageEntry]>;

/// A pool, and the memory it has.
pub(crate) struct Site {
    pub(crate) pool: AnyPool,
    pub(crate) base: u64,
    ram: Ram,
}

pub(crate) fn alignment(bytes: usize) -> Alignment {
    Alignment::new(bytes as u64).unwrap()
}

pub(crate) fn request(pages: usize) -> Request {
    Request::anywhere(NonZeroUsize::new(pages * PAGE).unwrap())
}

/// Exactly these pages of a pool at [`BASE`].
pub(crate) fn request_at(first: usize, pages: usize) -> Request {
    let place = range(first, pages);
    Request {
        lowest: place.start(),
        highest: place.last(),
        ..request(pages)
    }
}

/// The addresses of these pages of a pool at [`BASE`].
pub(crate) fn range(first: usize, pages: usize) -> PhysRange {
    let start = PhysAddr::new(BASE + (first * PAGE) as u64);
    PhysRange::new(start, (pages * PAGE) as u64).unwrap()
}

pub(crate) fn new_entries(pages: usize, zones: usize) -> &'static mut [PageEntry] {
    let fresh = (0..entries(pages, zones)).map(|_| PageEntry::new());
    Box::leak(fresh.collect())
}

impl Site {
    /// Pages from `base` on, in zones that end in front of the pages `cuts`. The memory holds bytes that are not zero.
    pub(crate) fn at(base: u64, pages: usize, cuts: &[usize]) -> Self {
        Self::adopted(base, pages, cuts, false)
    }

    pub(crate) fn new(pages: usize, cuts: &[usize]) -> Self {
        Self::at(BASE, pages, cuts)
    }

    /// The same with memory that is zero, and that the pool knows to be.
    pub(crate) fn zeroed(pages: usize, cuts: &[usize]) -> Self {
        Self::adopted(BASE, pages, cuts, true)
    }

    fn adopted(base: u64, pages: usize, cuts: &[usize], zeroed: bool) -> Self {
        let ram = Ram::new(pages * PAGE, 4096);
        let pool = Pool::with_entries(new_entries(pages, MAX_ZONES));
        let limit = |cut: &usize| PhysAddr::new(base + (cut * PAGE) as u64 - 1);
        let limits: Vec<_> = cuts.iter().map(limit).collect();
        let (start, phys, len) = (ram.start, PhysAddr::new(base), pages * PAGE);
        let page = alignment(PAGE);
        if zeroed {
            // SAFETY: the memory is this site's.
            unsafe { start.write_bytes(0, len) };
            // SAFETY: the memory is the pool's alone for as long as the site exists, and zero.
            unsafe { pool.adopt_zeroed(start, phys, len, page, &limits) }.unwrap();
        } else {
            // SAFETY: as above.
            unsafe { pool.adopt(start, phys, len, page, &limits) }.unwrap();
        }
        Self { pool, base, ram }
    }

    /// Where the CPU sees physical memory of the pool.
    pub(crate) fn cpu(&self, phys: PhysAddr) -> NonNull<u8> {
        let offset = usize::try_from(phys.get() - self.base).unwrap();
        // SAFETY: tests stay inside the pool.
        unsafe { self.ram.start.add(offset) }
    }

    /// Fills memory that is nobody's else with a value.
    pub(crate) fn soil(&self, place: PhysRange, value: u8) {
        let len = usize::try_from(place.len_bytes()).unwrap();
        // SAFETY: the memory is the caller's.
        unsafe { self.cpu(place.start()).write_bytes(value, len) };
    }

    /// A block, whose CPU and physical addresses are those of the same memory.
    pub(crate) fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.pool.allocate(request).inspect(|block| {
            self.check(block);
            assert!(
                bytes(block).iter().all(|byte| *byte == 0),
                "a new block is zero"
            );
        })
    }

    pub(crate) fn check(&self, block: &Block) {
        let memory = block.memory().cast::<u8>();
        assert_eq!(memory, self.cpu(block.phys().start()));
        assert_eq!(block.phys().len_bytes(), block.len_bytes() as u64);
    }

    /// The numbers of a place's pages.
    pub(crate) fn pages(&self, place: PhysRange) -> core::ops::Range<usize> {
        let first = usize::try_from(place.start().get() - self.base).unwrap() / PAGE;
        first..first + usize::try_from(place.len_bytes()).unwrap() / PAGE
    }

    pub(crate) fn free(&self, block: Block) {
        let freed = self.pool.free(block).map_err(|refused| refused.error);
        assert_eq!(freed, Ok(()));
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        self.pool.runs().collect()
    }

    pub(crate) fn free_pages(&self) -> usize {
        usize::try_from(self.pool.counts().free).unwrap() / PAGE
    }
}

pub(crate) fn bytes(block: &Block) -> &[u8] {
    let memory = block.memory();
    // SAFETY: the block has its memory for itself, and it is initialised.
    unsafe { slice::from_raw_parts(memory.cast().as_ptr(), memory.len()) }
}
