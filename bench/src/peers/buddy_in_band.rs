//! `acid_alloc`'s buddy: bitmaps outside, lists of free blocks in the blocks.
#![expect(
    unsafe_code,
    reason = "the allocator is given memory, and pointers back"
)]

use core::alloc::Layout;
use core::ptr::NonNull;

use acid_alloc::{Buddy, Raw};
use anyhow::{Result, anyhow, ensure};

use crate::mapping::Mapping;
use crate::peer::{Books, PAGE, Peer, Row, Size};

/// The longest block: 1024 pages.
const LONGEST: usize = 4 << 20;

/// From 1024 pages down to one.
const LEVELS: usize = 11;

type Levels = Buddy<LONGEST, LEVELS, Raw>;

/// As published.
#[derive(Debug)]
pub struct InBandBuddy {
    buddy: Levels,
    mapping: Mapping,
    _bitmaps: Vec<u64>,
}

impl Peer for InBandBuddy {
    const ROW: Row = Row {
        name: "acid-buddy",
        package: Some("acid_alloc"),
        books: Books::InBand,
        note: "`acid_alloc::Buddy`; bitmaps outside, lists in the free blocks",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let blocks = pages as usize * PAGE / LONGEST;
        ensure!(
            blocks * LONGEST == pages as usize * PAGE,
            "{pages} pages are not whole blocks of 1024"
        );
        let mapping = Mapping::new(pages, 0)?;
        let books = Levels::metadata_layout(blocks).map_err(|error| anyhow!("{error:?}"))?;
        ensure!(
            books.align() <= align_of::<u64>(),
            "its bitmaps are aligned to {}",
            books.align()
        );
        let mut bitmaps = vec![0_u64; books.size().div_ceil(size_of::<u64>())];

        let metadata = NonNull::from(bitmaps.as_mut_slice()).cast();
        // SAFETY: both are as long and as aligned as it says, used for nothing else, and live as long as it.
        let buddy = unsafe { Levels::new_raw(metadata, mapping.start(), blocks) };
        Ok(Self {
            buddy: buddy.map_err(|error| anyhow!("{error:?}"))?,
            mapping,
            _bitmaps: bitmaps,
        })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        // It refuses what is shorter than its alignment.
        let layout = Layout::from_size_align(size.power_of_two() as usize * PAGE, PAGE).ok()?;
        let block = self.buddy.allocate(layout).ok()?;
        Some(self.mapping.page_at(block.cast()))
    }

    #[inline]
    fn give(&mut self, page: u32, _size: Size) {
        let pointer = self.mapping.at(page);
        // SAFETY: the harness gives back what it took.
        unsafe { self.buddy.deallocate(pointer) };
    }
}
