//! Which pages there are, and which of them a block is.

use super::{entry::PageEntry, zone::Table};
use crate::{
    addr::{PhysAddr, PhysRange},
    error::Error,
    limits::Alignment,
};

/// Which pages there are: what never changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) memory: PhysRange,
    pub(crate) page: Alignment,
    /// Binary logarithm of `page`.
    pub(super) shift: u32,
    pub(crate) pages: u32,
}

/// Pages of one block, which is nobody's for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) first: u32,
    pub(crate) pages: u32,
}

impl Claimed {
    /// Each of them.
    pub(crate) fn numbers(self) -> core::ops::Range<u32> {
        self.first..self.first.wrapping_add(self.pages)
    }
}

impl Frame {
    /// The block that these addresses are, if it is one, which from now on is nobody's: `give` must follow.
    ///
    /// Others may take and give meanwhile.
    #[inline]
    pub(crate) fn claim(&self, entries: &[PageEntry], block: PhysRange) -> Result<Claimed, Error> {
        let claimed = self.find(block)?;
        let entry = Table(entries).at(claimed.first);
        if entry.claim(claimed.pages) {
            return Ok(claimed);
        }
        Err(not_allocated(block))
    }

    /// The pages of these addresses, if they are whole pages of this memory.
    #[inline(always)]
    pub(super) fn find(&self, block: PhysRange) -> Result<Claimed, Error> {
        let offset = block.start().get().wrapping_sub(self.memory.start().get());
        let (first, pages) = (offset >> self.shift, block.len_bytes() >> self.shift);
        let whole = (offset | block.len_bytes()) & self.page.mask() == 0;
        let count = u64::from(self.pages);
        if first < count && pages <= count.wrapping_sub(first) && whole && pages != 0 {
            return Ok(Claimed {
                first: narrow(first),
                pages: narrow(pages),
            });
        }
        Err(if self.memory.contains(block) {
            not_allocated(block)
        } else {
            foreign(block)
        })
    }

    pub(crate) fn range(&self, first: u32, pages: u32) -> PhysRange {
        let start = self.memory.start().get().wrapping_add(self.bytes(first));
        let len = self.bytes(pages);
        PhysRange::between(start, start.wrapping_add(len.wrapping_sub(1)))
    }

    /// The number of the page at an address of this memory.
    pub(crate) fn page_of(&self, addr: PhysAddr) -> u32 {
        let offset = addr.get().wrapping_sub(self.memory.start().get());
        narrow(offset >> self.shift)
    }

    /// How many bytes so many pages have.
    #[inline]
    pub(crate) fn bytes(&self, pages: u32) -> u64 {
        u64::from(pages) << self.shift
    }

    /// Why these pages are no block.
    #[cold]
    pub(super) fn not_pages(&self, first: u32, pages: u32) -> Error {
        let phys = self.memory.start().get().wrapping_add(self.bytes(first));
        let len = size(self.bytes(pages));
        let end = u64::from(first).wrapping_add(u64::from(pages));
        if end <= u64::from(self.pages) {
            return Error::NotAllocated { phys, len };
        }
        Error::ForeignBlock { phys, len }
    }
}

/// A number of pages, or of an entry, as the books have it.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "callers have compared it with how many there are"
)]
pub(super) const fn narrow(number: u64) -> u32 {
    number as u32
}

/// As much of a length as a `usize` holds.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cold]
pub(super) fn not_allocated(block: PhysRange) -> Error {
    let (phys, len) = (block.start().get(), size(block.len_bytes()));
    Error::NotAllocated { phys, len }
}

#[cold]
fn foreign(block: PhysRange) -> Error {
    let (phys, len) = (block.start().get(), size(block.len_bytes()));
    Error::ForeignBlock { phys, len }
}
