//! What the entries of a pool do not say, and which zone answers which request.

use core::num::NonZeroUsize;

use super::{
    MAX_ZONES,
    classes::{self, MOST_PAGES},
    entry::PageEntry,
    zone::{FreeRun, Table, Zone},
};
use crate::{
    addr::{PhysAddr, PhysRange},
    error::Error,
    limits::{Alignment, Request},
};

/// Of how many runs of each class it is seen whether a request fits that cannot be had just anywhere, before others are
/// looked at.
const EACH: usize = 2;

/// The books of the pages of one memory, but for the entries.
#[derive(Debug)]
pub(crate) struct Books {
    pub(super) memory: PhysRange,
    pub(super) page: Alignment,
    /// Binary logarithm of `page`.
    pub(super) shift: u32,
    pub(super) pages: u32,
    /// Pages that are free.
    free: u32,
    /// From the lowest to the highest, `count` of them.
    pub(super) zones: [Zone; MAX_ZONES],
    pub(super) count: usize,
}

/// Pages of one block, which is nobody's for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) first: u32,
    pub(crate) pages: u32,
}

/// A request in pages.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'r> {
    pub(super) pages: u32,
    /// It lies at or above this page,
    pub(super) low: u32,
    /// and below this one.
    pub(super) high: u32,
    /// The request, if there is more to it.
    pub(super) request: Option<&'r Request>,
}

impl Books {
    /// Books of `memory`, all of it free, in zones that end behind each of the `limits`.
    pub(crate) fn new(
        entries: &[PageEntry],
        memory: PhysRange,
        page: Alignment,
        limits: &[PhysAddr],
    ) -> Result<Self, Error> {
        let shift = page.get().trailing_zeros();
        for addr in [memory.start().get(), memory.len_bytes()] {
            if !page.divides(addr) {
                let alignment = page.get();
                return Err(Error::Misaligned { addr, alignment });
            }
        }
        let units = usize::try_from(memory.len_bytes() >> shift).unwrap_or(usize::MAX);
        let cut = |limit: &PhysAddr| {
            let below = limit.get().checked_sub(memory.start().get())?;
            let place = usize::try_from(below.saturating_add(1) >> shift).ok()?;
            (place > 0 && place < units).then_some(place)
        };
        let after = |last: usize| limits.iter().filter_map(cut).filter(|at| *at > last).min();
        let count = core::iter::successors(after(0), |last| after(*last)).count();
        let zones = count.saturating_add(1);
        if zones > MAX_ZONES {
            let most = MAX_ZONES;
            return Err(Error::TooManyZones { zones, most });
        }
        let lists = classes::lists(units);
        let heads = lists.saturating_mul(zones);
        let capacity = entries.len().saturating_sub(heads).min(MOST_PAGES as usize);
        let pages = u32::try_from(units).unwrap_or(u32::MAX);
        if units > capacity {
            return Err(Error::PoolTooLarge { units, capacity });
        }

        let table = Table(entries);
        let mut books = Self {
            memory,
            page,
            shift,
            pages,
            free: pages,
            zones: [const { Zone::EMPTY }; MAX_ZONES],
            count: zones,
        };
        let (mut first, mut heads) = (0, units);
        for zone in books.zones.iter_mut().take(zones) {
            let end = after(first).unwrap_or(units);
            *zone = Zone::new(table, first as u32, end as u32, heads as u32, lists as u32);
            first = end;
            heads = heads.saturating_add(lists);
        }
        Ok(books)
    }

    /// Takes pages that meet the request.
    #[inline]
    pub(crate) fn take(
        &mut self,
        entries: &[PageEntry],
        request: &Request,
    ) -> Result<PhysRange, Error> {
        let table = Table(entries);
        let wanted = self.wanted(request);
        for index in (0..self.count).rev() {
            let Some(zone) = self.zones.get_mut(index) else {
                break;
            };
            let within = wanted.low <= zone.first && wanted.high >= zone.end;
            let found = if within && wanted.request.is_none() {
                zone.take(table, wanted.pages)
            } else {
                self.take_fitting(table, index, &wanted)
            };
            if let Some(first) = found {
                self.free = self.free.wrapping_sub(wanted.pages);
                return Ok(self.range(first, wanted.pages));
            }
        }
        self.take_across(table, request, &wanted)
    }

    /// The block that these addresses are, if it is one, which from now on is nobody's: `give` must follow.
    #[inline]
    pub(crate) fn claim(&self, entries: &[PageEntry], block: PhysRange) -> Result<Claimed, Error> {
        let claimed = self.find(block)?;
        let entry = Table(entries).at(claimed.first);
        if entry.claim(claimed.pages) {
            return Ok(claimed);
        }
        Err(not_allocated(block))
    }

    /// Frees pages that were claimed.
    #[inline]
    pub(crate) fn give(&mut self, entries: &[PageEntry], claimed: Claimed) {
        let table = Table(entries);
        let Claimed { first, pages } = claimed;
        self.free = self.free.wrapping_add(pages);
        let end = first.wrapping_add(pages);
        for zone in self.zones.iter_mut().take(self.count).rev() {
            let (low, high) = (first.max(zone.first), end.min(zone.end));
            if low < high {
                zone.give(table, low, high.wrapping_sub(low));
            }
        }
    }

    /// Free bytes.
    pub(crate) fn free_bytes(&self) -> u64 {
        u64::from(self.free) << self.shift
    }

    /// All bytes.
    pub(crate) fn memory(&self) -> PhysRange {
        self.memory
    }

    /// The pages of these addresses, if they are whole pages of this memory.
    #[inline]
    fn find(&self, block: PhysRange) -> Result<Claimed, Error> {
        let offset = block.start().get().wrapping_sub(self.memory.start().get());
        let (first, pages) = (offset >> self.shift, block.len_bytes() >> self.shift);
        let whole = (offset | block.len_bytes()) & self.page.mask() == 0;
        let count = u64::from(self.pages);
        if first < count && pages <= count.wrapping_sub(first) && whole && pages != 0 {
            return Ok(Claimed {
                first: first as u32,
                pages: pages as u32,
            });
        }
        Err(if self.memory.contains(block) {
            not_allocated(block)
        } else {
            foreign(block)
        })
    }

    /// What the request comes to in pages; more than there are if it is longer than the memory.
    #[inline]
    fn wanted<'r>(&self, request: &'r Request) -> Wanted<'r> {
        let len = request.len.get() as u64;
        // Rounded up without a carry, since it is not 0.
        let pages = (len.wrapping_sub(1) >> self.shift).wrapping_add(1);
        let pages = pages.min(u64::from(u32::MAX)) as u32;
        let start = self.memory.start().get();
        let mut wanted = Wanted {
            pages,
            low: 0,
            high: self.pages,
            request: None,
        };
        if request.lowest.get() > start {
            let below = request.lowest.get().wrapping_sub(start);
            let page = (below.wrapping_sub(1) >> self.shift).wrapping_add(1);
            wanted.low = page.min(u64::from(self.pages)) as u32;
        }
        if request.highest < self.memory.last() {
            let up_to = request.highest.get().checked_sub(start);
            let page = up_to.map_or(0, |up_to| up_to.wrapping_add(1) >> self.shift);
            wanted.high = page as u32;
        }
        let easy = request.alignment <= self.page
            && request.boundary.is_none()
            && request.alignment.divides(request.bus_offset);
        if !easy {
            wanted.request = Some(request);
        }
        wanted
    }

    /// Takes pages of a zone that not every run of that length fits, or that only some of the zone is allowed for.
    ///
    /// A few runs of each length are looked at first, then each that is long enough.
    #[inline(never)]
    fn take_fitting(&mut self, table: Table<'_>, index: usize, wanted: &Wanted<'_>) -> Option<u32> {
        let zone = self.zones.get(index)?;
        if wanted.low >= zone.end || wanted.high <= zone.first {
            return None;
        }
        let fits = |run: FreeRun| self.fit(run, wanted).map(|at| (run, at));
        let (run, at) = zone
            .search(table, wanted.pages, EACH)
            .find_map(fits)
            .or_else(|| zone.search(table, wanted.pages, usize::MAX).find_map(fits))?;
        let zone = self.zones.get_mut(index)?;
        zone.carve(table, run, at, wanted.pages);
        Some(at)
    }

    /// The highest place in a free run where the request fits.
    pub(super) fn fit(&self, run: FreeRun, wanted: &Wanted<'_>) -> Option<u32> {
        let low = run.first.max(wanted.low);
        let high = run.first.wrapping_add(run.pages).min(wanted.high);
        let room = high.checked_sub(low)?.checked_sub(wanted.pages)?;
        let Some(request) = wanted.request else {
            return Some(low.wrapping_add(room));
        };
        let free = self.range(low, high.wrapping_sub(low));
        let rounded = self.rounded(request)?;
        let found = rounded.last_fit(free, self.page)?;
        let offset = found.get().wrapping_sub(self.memory.start().get());
        Some((offset >> self.shift) as u32)
    }

    /// The request for whole pages.
    pub(super) fn rounded(&self, request: &Request) -> Option<Request> {
        let len: NonZeroUsize = self.page.round_up(request.len).ok()?;
        Some(Request { len, ..*request })
    }

    pub(super) fn range(&self, first: u32, pages: u32) -> PhysRange {
        let start = self
            .memory
            .start()
            .get()
            .wrapping_add(u64::from(first) << self.shift);
        let len = u64::from(pages) << self.shift;
        PhysRange::between(start, start.wrapping_add(len.wrapping_sub(1)))
    }

    /// So many pages fewer are free.
    pub(super) fn count_taken(&mut self, pages: u32) {
        self.free = self.free.wrapping_sub(pages);
    }
}

fn not_allocated(block: PhysRange) -> Error {
    let len = usize::try_from(block.len_bytes()).unwrap_or(usize::MAX);
    Error::NotAllocated {
        phys: block.start().get(),
        len,
    }
}

fn foreign(block: PhysRange) -> Error {
    let len = usize::try_from(block.len_bytes()).unwrap_or(usize::MAX);
    Error::ForeignBlock {
        phys: block.start().get(),
        len,
    }
}
