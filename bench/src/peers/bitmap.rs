//! `bitmap-allocator`: a bitmap in a tree of sixteen branches a level.

use anyhow::{Result, bail};
use bitmap_allocator::{BitAlloc, BitAlloc1M, BitAlloc4K, BitAlloc16M, BitAlloc64K};

use crate::lane::{Entry, Lane, lane};
use crate::peer::{Books, Peer, Row, Size};

/// As published; the capacity is in the type.
#[derive(Debug)]
pub struct Bitmap<B>(Box<B>);

const ROW: Row = Row {
    name: "bitmap-tree",
    package: Some("bitmap-allocator"),
    books: Books::Side,
    note: "`bitmap-allocator`; a search in order of address",
};

/// The entry, which chooses the least capacity that holds the region.
#[must_use]
pub const fn entry() -> Entry {
    Entry::new(ROW, of_capacity)
}

fn of_capacity(pages: u32, slots: usize, limits: &[u32]) -> Result<Box<dyn Lane>> {
    let make = match pages as usize {
        pages if pages <= BitAlloc4K::CAP => lane::<Bitmap<BitAlloc4K>>,
        pages if pages <= BitAlloc64K::CAP => lane::<Bitmap<BitAlloc64K>>,
        pages if pages <= BitAlloc1M::CAP => lane::<Bitmap<BitAlloc1M>>,
        pages if pages <= BitAlloc16M::CAP => lane::<Bitmap<BitAlloc16M>>,
        _ => bail!("{pages} pages are more than its largest tree has"),
    };
    make(pages, slots, limits)
}

impl<B: BitAlloc> Peer for Bitmap<B> {
    const ROW: Row = ROW;

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let mut bits = Box::<B>::default();
        bits.insert(0..pages as usize);
        Ok(Self(bits))
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        let page = if size == Size::pages(1) {
            self.0.alloc()
        } else {
            let align = size.align.trailing_zeros() as usize;
            self.0.alloc_contiguous(None, size.pages as usize, align)
        };
        Some(page? as u32)
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        if size.pages == 1 {
            self.0.dealloc(page as usize);
        } else {
            self.0
                .dealloc_contiguous(page as usize, size.pages as usize);
        }
    }
}
