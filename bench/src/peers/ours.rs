//! This workspace's `Pages`: numbers only, neither locked nor zeroed, all arguments checked.

use core::num::NonZeroUsize;

use anyhow::{Result, anyhow};
use dma_api::pages::{PageEntry, Pages, entries};
use dma_api::{Alignment, PhysAddr, PhysRange, Request};

use crate::peer::{Books, PAGE, Peer, Row, Size};

/// Entries for so many pages in so many zones. A region lives as long as the run, or until its process ends.
#[must_use]
pub fn books(pages: usize, zones: usize) -> &'static mut [PageEntry] {
    let entries = (0..entries(pages, zones)).map(|_| PageEntry::new());
    entries.collect::<Vec<_>>().leak()
}

/// With a window from address 0 on.
#[derive(Debug)]
pub struct Ours {
    pages: Pages<&'static mut [PageEntry]>,
}

impl Peer for Ours {
    const ROW: Row = Row {
        name: "ours",
        package: None,
        books: Books::Side,
        note: "`dma_api::pages::Pages`; checks all arguments of both calls; asked by page number where a block may lie anywhere, by \
               address otherwise; knows the limits of its workload beforehand",
    };

    fn new(pages: u32, limits: &[u32]) -> Result<Self> {
        let books = books(pages as usize, limits.len() + 1);
        let window = PhysRange::new(PhysAddr::new(0), u64::from(pages) * PAGE as u64)
            .map_err(|error| anyhow!("{error}"))?;
        let page = Alignment::new(PAGE as u64).map_err(|error| anyhow!("{error}"))?;
        let limits: Vec<PhysAddr> = limits.iter().map(|&limit| highest_below(limit)).collect();
        let pages = Pages::new(books, window, page, &limits).map_err(|error| anyhow!("{error}"))?;
        Ok(Self { pages })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        if size.align == 1 {
            return self.pages.take_pages(size.pages).ok();
        }
        self.take_up_to(size, PhysAddr::new(u64::MAX))
    }

    #[inline]
    fn take_below(&mut self, size: Size, limit: u32) -> Option<u32> {
        self.take_up_to(size, highest_below(limit))
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        let given = self.pages.give_pages(page, size.pages);
        assert!(given.is_ok(), "{given:?}");
    }
}

impl Ours {
    #[inline]
    fn take_up_to(&mut self, size: Size, highest: PhysAddr) -> Option<u32> {
        let mut request = Request::anywhere(NonZeroUsize::new(size.pages as usize * PAGE)?);
        request.alignment = Alignment::new(u64::from(size.align) * PAGE as u64).ok()?;
        request.highest = highest;
        let range = self.pages.take(&request).ok()?;
        Some((range.start().get() / PAGE as u64) as u32)
    }
}

/// The last byte before that page.
fn highest_below(page: u32) -> PhysAddr {
    PhysAddr::new((u64::from(page) * PAGE as u64).saturating_sub(1))
}
