//! `range-alloc`, gfx-rs's: the free ranges in a sorted vector, the best fit taken.

use anyhow::Result;
use range_alloc::RangeAllocator;

use crate::peer::{Books, Peer, Row, Size};

/// As published.
#[derive(Debug)]
pub struct Ranges(RangeAllocator<u32>);

impl Peer for Ranges {
    const ROW: Row = Row {
        name: "range-alloc",
        package: Some("range-alloc"),
        books: Books::Side,
        note: "`range-alloc` of gfx-rs; its books are on the heap and grow",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        Ok(Self(RangeAllocator::new(0..pages)))
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        let range = if size.align == 1 {
            self.0.allocate_range(size.pages)
        } else {
            self.0.allocate_range_aligned(size.pages, size.align)
        };
        Some(range.ok()?.start)
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        self.0.free_range(page..page + size.pages);
    }
}
