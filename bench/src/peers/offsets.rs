//! `offset-allocator`: a table of nodes with lists per length, after Sebastian Aaltonen.

use anyhow::{Result, ensure};
use offset_allocator::{Allocation, Allocator};

use crate::peer::{Books, Peer, Row, Size};

/// The most blocks it is made for, as its own default has it.
const MOST_BLOCKS: u32 = 128 * 1024;

/// As published, with its handles kept by page.
pub struct Offsets {
    allocator: Allocator<u32>,
    handles: Vec<Option<Allocation<u32>>>,
}

impl Peer for Offsets {
    const ROW: Row = Row {
        name: "offset-allocator",
        package: Some("offset-allocator"),
        books: Books::Side,
        note: "it has no alignment: aligned requests take as many more pages as they may need; its handles are kept in a \
               table of the harness, which is not counted as its metadata",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        ensure!(pages > 0, "no pages");
        Ok(Self {
            allocator: Allocator::with_max_allocs(pages, pages.saturating_add(2).min(MOST_BLOCKS)),
            handles: vec![None; pages as usize],
        })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        let handle = self.allocator.allocate(size.pages + size.align - 1)?;
        let page = (handle.offset + size.align - 1) & !(size.align - 1);
        self.handles[page as usize] = Some(handle);
        Some(page)
    }

    #[inline]
    fn give(&mut self, page: u32, _size: Size) {
        if let Some(handle) = self.handles[page as usize].take() {
            self.allocator.free(handle);
        }
    }

    fn uncounted_bytes(&self) -> isize {
        -size_of_val(self.handles.as_slice()).cast_signed()
    }
}
