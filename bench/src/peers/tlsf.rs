//! `rlsf`: two-level segregated fit, with headers in front of the blocks.
#![expect(
    unsafe_code,
    reason = "the allocator is given memory, and pointers back"
)]

use core::alloc::Layout;
use core::ptr::NonNull;

use anyhow::{Context, Result};
use rlsf::Tlsf;

use crate::mapping::Mapping;
use crate::peer::{Books, PAGE, Peer, Row, Size};

/// As published, with classes up to half of the address space of a 64-bit machine.
#[derive(Debug)]
pub struct InBandTlsf {
    tlsf: Tlsf<'static, u32, u32, 32, 32>,
    mapping: Mapping,
}

impl Peer for InBandTlsf {
    const ROW: Row = Row {
        name: "rlsf",
        package: Some("rlsf"),
        books: Books::InBand,
        note: "a header before each block, which costs a page where blocks are whole pages",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let mapping = Mapping::new(pages, 0)?;
        let mut tlsf = Tlsf::new();
        // SAFETY: the mapping is the allocator's alone and lives as long as it.
        unsafe { tlsf.insert_free_block_ptr(mapping.bytes()) }.context("too little memory")?;
        Ok(Self { tlsf, mapping })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        let pointer = self.tlsf.allocate(layout(size)?)?;
        Some(self.mapping.page_at(pointer))
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        let pointer: NonNull<u8> = self.mapping.at(page);
        // SAFETY: the harness gives back what it took, with the size it took it with.
        unsafe { self.tlsf.deallocate(pointer, size.align as usize * PAGE) };
    }
}

fn layout(size: Size) -> Option<Layout> {
    Layout::from_size_align(size.pages as usize * PAGE, size.align as usize * PAGE).ok()
}
