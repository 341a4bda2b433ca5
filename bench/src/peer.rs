//! What is measured: an allocator of the pages of one region.

use anyhow::Result;

/// Bytes in a page.
pub const PAGE: usize = 4096;

/// What a block is asked for, and given back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many pages, at least 1.
    pub pages: u32,
    /// What the first page's number is a multiple of: a power of two, in pages.
    pub align: u32,
}

impl Size {
    /// That many pages, wherever.
    #[must_use]
    pub const fn pages(pages: u32) -> Self {
        Self { pages, align: 1 }
    }

    /// What an allocator needs that rounds to powers of two and aligns blocks to their length, in pages.
    #[must_use]
    pub fn power_of_two(self) -> u32 {
        self.pages.next_power_of_two().max(self.align)
    }
}

/// Where an allocator keeps its books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Books {
    /// Outside the memory it hands out.
    Side,
    /// In the memory it hands out, where a device could write.
    InBand,
    /// It has none, for it allocates nothing.
    None,
}

/// What the tables say of an allocator.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// A short name, which `--only` takes.
    pub name: &'static str,
    /// The published package it is of.
    pub package: Option<&'static str>,
    /// Where its books are.
    pub books: Books,
    /// What has to be known to read its figures.
    pub note: &'static str,
}

/// An allocator of the pages of one region, which are numbers from 0 on.
pub trait Peer: Sized {
    /// What the tables say of it.
    const ROW: Row;

    /// A region of that many pages, all of them free. The first of them is aligned to 4 MiB.
    ///
    /// * `limits`: below which pages blocks will have to lie, for allocators that want to know beforehand; ascending.
    ///
    /// # Errors
    /// The allocator cannot have a region of that length, or there is no such address space.
    fn new(pages: u32, limits: &[u32]) -> Result<Self>;

    /// Allocates, and says the block's first page.
    fn take(&mut self, size: Size) -> Option<u32>;

    /// Allocates a block that lies below that page as a whole.
    ///
    /// Unless the allocator has a way to ask for this, it takes what it gets and gives it back if it lies too high.
    fn take_below(&mut self, size: Size, limit: u32) -> Option<u32> {
        let page = self.take(size)?;
        if page + size.pages <= limit {
            return Some(page);
        }
        self.give(page, size);
        None
    }

    /// Frees a block with the size it was taken with.
    fn give(&mut self, page: u32, size: Size);

    /// Puts the memory it hands out, of which there is little, out of the caches.
    fn chill(&self) {}

    /// Bytes of its books that are not on the heap, less what is on the heap and is the harness's.
    fn uncounted_bytes(&self) -> isize {
        0
    }
}

/// Takes and gives nothing: what the harness itself costs.
#[derive(Debug)]
pub struct Nothing(u32);

impl Peer for Nothing {
    const ROW: Row = Row {
        name: "harness",
        package: None,
        books: Books::None,
        note: "no allocator: what the harness itself costs, which is in every other figure too",
    };

    fn new(_pages: u32, _limits: &[u32]) -> Result<Self> {
        Ok(Self(0))
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        self.0 = self.0.wrapping_add(size.pages);
        Some(self.0 & 0x7fff_ffff)
    }

    #[inline]
    fn take_below(&mut self, size: Size, _limit: u32) -> Option<u32> {
        self.take(size)
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        self.0 = self.0.wrapping_sub(size.pages) ^ page;
    }
}
