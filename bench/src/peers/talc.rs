//! `talc`: bins of free blocks, with tags and links in the blocks.
#![expect(
    unsafe_code,
    reason = "the allocator is given memory, and pointers back"
)]

use core::alloc::Layout;

use anyhow::{Context, Result};
use talc::DefaultBinning;
use talc::base::Talc;
use talc::source::Manual;

use crate::mapping::Mapping;
use crate::peer::{Books, PAGE, Peer, Row, Size};

/// As published.
pub struct InBandTalc {
    talc: Talc<Manual, DefaultBinning>,
    mapping: Mapping,
}

impl Peer for InBandTalc {
    const ROW: Row = Row {
        name: "talc",
        package: Some("talc"),
        books: Books::InBand,
        note: "a tag behind each block, which costs a page where blocks are whole pages",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let mapping = Mapping::new(pages, 0)?;
        let mut talc = Talc::new(Manual);
        // SAFETY: the mapping is the allocator's alone and lives as long as it.
        unsafe { talc.claim(mapping.start().as_ptr(), mapping.len_bytes()) }
            .context("too little memory")?;
        Ok(Self { talc, mapping })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        // SAFETY: the layout is not of length 0.
        let pointer = unsafe { self.talc.allocate(layout(size)?) }?;
        Some(self.mapping.page_at(pointer))
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        let pointer = self.mapping.at(page).as_ptr();
        if let Some(layout) = layout(size) {
            // SAFETY: the harness gives back what it took, with the size it took it with.
            unsafe { self.talc.deallocate(pointer, layout) };
        }
    }
}

fn layout(size: Size) -> Option<Layout> {
    Layout::from_size_align(size.pages as usize * PAGE, size.align as usize * PAGE).ok()
}
