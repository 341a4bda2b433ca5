//! The books of contiguous memory: which pages are free, found in constant time, without touching one of them.

mod across;
mod books;
#[cfg(test)]
mod bounds;
mod classes;
mod entry;
mod frame;
mod lent;
mod zone;

pub(crate) use books::Books;
pub use entry::PageEntry;
pub(crate) use frame::{Claimed, Frame};
pub use lent::RunState;

use crate::{
    addr::{PhysAddr, PhysRange},
    error::Error,
    limits::{Alignment, Request},
};

/// Most zones that the memory of one pool is divided into.
pub const MAX_ZONES: usize = 4;

// The number of each list's head, too, is written into entries.
const _: () = assert!(
    entries(classes::MOST_PAGES as usize, MAX_ZONES) <= 1 << entry::NUMBER_BITS,
    "entries have numbers that are not too large for an entry"
);

/// Entries that the books of so many pages in so many zones need, 8 bytes each.
///
/// They are one for each page, and one for the head of each list of free runs: 9 lists for 9 pages, then 8 for each
/// further power of two, in each zone.
#[must_use]
pub const fn entries(pages: usize, zones: usize) -> usize {
    pages.saturating_add(classes::lists(pages).saturating_mul(zones))
}

/// Where the entries of a pool's books are: in the pool itself, or in memory that its owner found at boot.
pub trait Entries: sealed::Sealed {
    /// All of them.
    #[doc(hidden)]
    fn entries(&self) -> &[PageEntry];
}

impl<const N: usize> Entries for [PageEntry; N] {
    #[inline(always)]
    fn entries(&self) -> &[PageEntry] {
        self
    }
}

impl Entries for &mut [PageEntry] {
    #[inline(always)]
    fn entries(&self) -> &[PageEntry] {
        self
    }
}

mod sealed {
    /// Whoever holds the entries is the only one who does.
    pub trait Sealed {}

    impl<const N: usize> Sealed for [super::PageEntry; N] {}
    impl Sealed for &mut [super::PageEntry] {}
}

/// Addresses in pages, handed out and taken back: the books of a [`Pool`](crate::Pool) without its memory and its lock.
///
/// For an owner who has a lock already, or whose addresses are not memory: those that an IOMMU gives devices, for example.
///
/// ```
/// use core::num::NonZeroUsize;
/// use dma_api::{Alignment, Error, PhysAddr, PhysRange, Request};
/// use dma_api::pages::{PageEntry, Pages, entries};
///
/// # fn main() -> Result<(), Error> {
/// let books = [const { PageEntry::new() }; entries(1024, 1)];
/// let window = PhysRange::new(PhysAddr::new(0x8000_0000), 4 << 20)?;
/// let mut pages = Pages::new(books, window, Alignment::new(4096)?, &[])?;
///
/// let three = NonZeroUsize::new(3 * 4096).ok_or(Error::ZeroLength)?;
/// let found = pages.take(&Request::anywhere(three))?;
/// assert_eq!(found.len_bytes(), 3 * 4096);
/// pages.give(found)?;
/// assert!(matches!(pages.give(found), Err(Error::NotAllocated { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pages<B> {
    entries: B,
    books: Books,
}

impl<B: Entries> Pages<B> {
    /// All of `window`, free, in pages of `page` bytes.
    ///
    /// * `limits`: the highest addresses of those devices that do not reach everything. Requests that need not lie
    ///   below one of them are served from above it as long as there is room. At most [`MAX_ZONES`] - 1 of them may
    ///   lie inside the window.
    ///
    /// # Errors
    /// [`Error::Misaligned`] if an end of the window is not a multiple of `page`; [`Error::PoolTooLarge`] if there
    /// are fewer than [`entries`] for it, or if it has more than 2^28 - 2^11 pages; [`Error::TooManyZones`].
    pub fn new(
        entries: B,
        window: PhysRange,
        page: Alignment,
        limits: &[PhysAddr],
    ) -> Result<Self, Error> {
        let books = Books::new(entries.entries(), window, page, limits)?;
        Ok(Self { entries, books })
    }

    /// The same, but that up to `runs` free runs are looked at for one request in one zone.
    ///
    /// It is the bound of what a call costs: besides so many, up to 256 runs are looked at that seem to fit, and a refusal looks at
    /// as many again to say how long the longest is. That touches at most 1064 + 6 × `runs` entries in each zone, where
    /// up to 16 pages anywhere that one zone has need 16. A request for up to 16 pages anywhere never needs more than one. One that is
    /// aligned, must not cross a boundary or ends inside a zone is refused when so many of the longest runs do not
    /// fit, and so is one for more than 16 pages when none of so many runs of its class is long enough. By default it is 64;
    /// with `u32::MAX` a request is refused only if no free place meets it.
    #[must_use]
    pub fn with_patience(mut self, runs: u32) -> Self {
        self.books.patience = runs;
        self
    }

    /// Whole pages for `request`, from now on taken.
    ///
    /// # Errors
    /// [`Error::NeverFits`] if no place in the window meets the request, [`Error::Exhausted`] if none does now.
    #[inline(always)]
    pub fn take(&mut self, request: &Request) -> Result<PhysRange, Error> {
        self.books.take(self.entries.entries(), request)
    }

    /// Frees what [`take`](Self::take) returned, whole. Takes constant time: it touches at most 20 entries in each zone.
    ///
    /// # Errors
    /// [`Error::ForeignBlock`] if it does not lie in the window, [`Error::NotAllocated`] if it is not exactly what was
    /// handed out; then nothing was changed.
    #[inline(always)]
    pub fn give(&mut self, pages: PhysRange) -> Result<(), Error> {
        let entries = self.entries.entries();
        let run = self.books.claim_alone(entries, pages)?;
        self.books.give(entries, run);
        Ok(())
    }

    /// As [`take`](Self::take) for so many pages wherever they are; returns the number of the first, counted from the
    /// start of the window.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; as [`take`](Self::take).
    #[inline(always)]
    pub fn take_pages(&mut self, pages: u32) -> Result<u32, Error> {
        self.books.take_pages(self.entries.entries(), pages)
    }

    /// As [`give`](Self::give), for so many pages from the one with the number `first` on.
    ///
    /// # Errors
    /// As [`give`](Self::give).
    #[inline(always)]
    pub fn give_pages(&mut self, first: u32, pages: u32) -> Result<(), Error> {
        let entries = self.entries.entries();
        let claimed = self.books.claim_pages(entries, first, pages)?;
        self.books.give(entries, claimed);
        Ok(())
    }

    /// Free bytes, in however many runs.
    pub fn free_bytes(&self) -> u64 {
        self.books.free_bytes()
    }

    /// Bytes of the longest free run.
    pub fn largest_free(&self) -> u64 {
        self.books.largest_free(self.entries.entries(), u32::MAX)
    }
}
