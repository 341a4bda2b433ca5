//! `buddy-slab-allocator`'s buddy: powers of two, with a record per page at the beginning of the region.
#![expect(unsafe_code, reason = "the allocator is given memory")]

use anyhow::{Result, anyhow, ensure};
use ax_crate_interface::impl_interface;
use buddy_slab_allocator::interface::BuddySlabIf;
use buddy_slab_allocator::{BuddyAllocator, SlabPoolTrait};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::mapping::Mapping;
use crate::peer::{Books, PAGE, Peer, Row, Size};

/// The one limit that it knows, in bytes: 32 address bits.
const ITS_LIMIT: usize = 1 << 32;

/// What is subtracted from an address for the question whether it lies below that limit.
static OFFSET: AtomicUsize = AtomicUsize::new(0);

/// As published.
pub struct BuddySlab {
    buddy: BuddyAllocator<PAGE>,
    first: usize,
    mapping: Mapping,
}

impl Peer for BuddySlab {
    const ROW: Row = Row {
        name: "buddy-slab",
        package: Some("buddy-slab-allocator"),
        books: Books::Side,
        note: "`buddy-slab-allocator`; it knows one limit, 4 GiB, to which the harness moves the one that is asked for",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let records = BuddyAllocator::<PAGE>::required_meta_size(pages as usize * PAGE);
        // One more page has room for what precedes the records.
        let before = (records + PAGE).div_ceil(PAGE) as u32;
        let mapping = Mapping::new(pages + before, before)?;

        let mut buddy = BuddyAllocator::new();
        // SAFETY: the mapping is readable, writable and used for nothing else while the allocator exists.
        let bytes = unsafe { mapping.bytes().as_mut() };
        // SAFETY: as above.
        unsafe { buddy.init(bytes) }.map_err(|error| anyhow!("{error:?}"))?;

        let first = mapping.at(before).addr().get();
        let managed = buddy
            .section(0)
            .map(|section| (section.start, section.total_pages));
        ensure!(
            managed == Some((first, pages as usize)),
            "it manages {managed:?}"
        );
        Ok(Self {
            buddy,
            first,
            mapping,
        })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        let (pages, align) = (size.pages as usize, size.align as usize * PAGE);
        let addr = self.buddy.alloc_pages(pages, align).ok()?;
        Some(((addr - self.first) / PAGE) as u32)
    }

    #[inline]
    fn take_below(&mut self, size: Size, limit: u32) -> Option<u32> {
        // Wraps where the limit lies at a lower address than 4 GiB, and wraps back.
        let limit = self.first + limit as usize * PAGE;
        OFFSET.store(limit.wrapping_sub(ITS_LIMIT), Ordering::Relaxed);
        let (pages, align) = (size.pages as usize, size.align as usize * PAGE);
        let addr = self.buddy.alloc_pages_lowmem(pages, align).ok()?;
        Some(((addr - self.first) / PAGE) as u32)
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        let addr = self.first + page as usize * PAGE;
        self.buddy.dealloc_pages(addr, size.pages as usize);
    }

    fn uncounted_bytes(&self) -> isize {
        (self.first - self.mapping.start().addr().get()).cast_signed()
    }
}

struct Addresses;

#[impl_interface]
impl BuddySlabIf for Addresses {
    fn virt_to_phys(vaddr: usize) -> usize {
        vaddr.wrapping_sub(OFFSET.load(Ordering::Relaxed))
    }

    fn slab_pool() -> &'static dyn SlabPoolTrait {
        unreachable!("only the buddy is used, which has no slabs")
    }
}
