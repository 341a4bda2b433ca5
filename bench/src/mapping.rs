//! Address space for those peers that keep their books in the memory they hand out.
#![expect(unsafe_code, reason = "pointers into the mapping are computed")]

use core::ptr::NonNull;

use anyhow::{Context, Result};
use memmap2::{MmapMut, MmapOptions};

use crate::peer::PAGE;

/// What the first page is aligned to, in bytes.
pub const ALIGNMENT: usize = 4 << 20;

/// Memory that exists where it is touched.
#[derive(Debug)]
pub struct Mapping {
    /// Invariant: inside `map`, with `pages` pages from there on.
    start: NonNull<u8>,
    pages: usize,
    _map: MmapMut,
}

impl Mapping {
    /// That many pages, of which page number `aligned` lies at a multiple of [`ALIGNMENT`].
    ///
    /// # Errors
    /// The system has no such address space.
    pub fn new(pages: u32, aligned: u32) -> Result<Self> {
        let (pages, before) = (pages as usize, aligned as usize * PAGE);
        let len = pages * PAGE + 2 * ALIGNMENT;
        let mut map = MmapOptions::new()
            .len(len)
            .no_reserve_swap()
            .map_anon()
            .with_context(|| format!("cannot map {len} bytes"))?;

        let base = map.as_mut_ptr();
        let skipped = (base.addr() + before).next_multiple_of(ALIGNMENT) - before - base.addr();
        // SAFETY: `skipped` is less than the alignment, by which the mapping is longer than the pages.
        let start = unsafe { base.add(skipped) };
        Ok(Self {
            start: NonNull::new(start).context("a mapping at address 0")?,
            pages,
            _map: map,
        })
    }

    /// Where the first page is.
    #[must_use]
    pub const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes from there on.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.pages * PAGE
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.start, self.len_bytes())
    }

    /// The page at that address.
    #[must_use]
    pub fn page_at(&self, pointer: NonNull<u8>) -> u32 {
        ((pointer.addr().get() - self.start.addr().get()) / PAGE) as u32
    }

    /// The address of a page.
    ///
    /// # Panics
    /// There is no such page.
    #[must_use]
    pub fn at(&self, page: u32) -> NonNull<u8> {
        assert!(
            (page as usize) < self.pages,
            "page {page} of {}",
            self.pages
        );
        // SAFETY: the page is one of the mapping's, by its invariant.
        unsafe { self.start.add(page as usize * PAGE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_that_is_to_be_aligned_is_and_pages_have_their_numbers() {
        for aligned in [0, 3, 193] {
            let mapping = Mapping::new(300, aligned).unwrap();

            assert_eq!(mapping.at(aligned).addr().get() % ALIGNMENT, 0);
            assert_eq!(mapping.page_at(mapping.at(299)), 299);
            assert_eq!(mapping.page_at(mapping.start()), 0);
            assert_eq!(mapping.bytes().len(), 300 * PAGE);
        }
    }
}
