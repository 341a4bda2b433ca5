//! `buddy_system_allocator`'s frame allocator: powers of two, with a set of free blocks per length.

use core::alloc::Layout;

use anyhow::Result;
use buddy_system_allocator::FrameAllocator;

use crate::peer::{Books, Peer, Row, Size};

/// As published.
pub struct BuddyFrames(FrameAllocator<25>);

impl Peer for BuddyFrames {
    const ROW: Row = Row {
        name: "buddy-frames",
        package: Some("buddy_system_allocator"),
        books: Books::Side,
        note: "`buddy_system_allocator::FrameAllocator`; its books are on the heap and grow",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let mut frames = FrameAllocator::new();
        frames.add_frame(0, pages as usize);
        Ok(Self(frames))
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        let page = if size.align == 1 {
            self.0.alloc(size.pages as usize)
        } else {
            self.0.alloc_aligned(layout(size)?)
        };
        Some(page? as u32)
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        match layout(size) {
            Some(layout) if size.align > 1 => self.0.dealloc_aligned(page as usize, layout),
            _ => self.0.dealloc(page as usize, size.pages as usize),
        }
    }
}

/// The unit of these layouts is the page.
fn layout(size: Size) -> Option<Layout> {
    Layout::from_size_align(size.pages as usize, size.align as usize).ok()
}
