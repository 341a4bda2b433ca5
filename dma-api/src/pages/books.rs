//! What the entries of a pool do not say, and which zone answers which request.

use core::num::NonZeroUsize;

use super::{
    MAX_ZONES,
    classes::{self, MOST_PAGES},
    entry::{PageEntry, State},
    zone::{FreeRun, Table, Zone},
};
use crate::{
    addr::{PhysAddr, PhysRange},
    error::Error,
    limits::{Alignment, Request},
};

/// For a request that not every run of its length fits: of how many runs of one class it is seen whether it fits,
/// and of how many in all, before a run is taken that is so long that it fits there anyway.
const FEW: (u32, u32) = (2, 8);

/// How many runs at most are looked at for one request in one zone, unless the owner says otherwise.
pub(super) const PATIENCE: u32 = 64;

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
    /// How many runs at most are looked at for one request in one zone.
    pub(crate) patience: u32,
    /// From the highest to the lowest, `count` of them.
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
    /// In so many pages in a row there is a place for it, unless a boundary or a limit is in the way.
    pub(super) ample: u32,
    /// As many bytes as were asked for.
    pub(super) len: usize,
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
            patience: PATIENCE,
            zones: [const { Zone::EMPTY }; MAX_ZONES],
            count: zones,
        };
        let (mut first, mut heads) = (0, units);
        for zone in books.zones.iter_mut().take(zones).rev() {
            let end = after(first).unwrap_or(units);
            *zone = Zone::new(table, first as u32, end as u32, heads as u32, lists as u32);
            first = end;
            heads = heads.saturating_add(lists);
        }
        Ok(books)
    }

    /// Takes pages that meet the request.
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        entries: &[PageEntry],
        request: &Request,
    ) -> Result<PhysRange, Error> {
        // Rounded up without a carry, since it is not 0.
        let steps = (request.len.get() as u64).wrapping_sub(1) >> self.shift;
        let everywhere =
            request.lowest <= self.memory.start() && request.highest >= self.memory.last();
        if steps < u64::from(self.pages) && everywhere && self.is_easy(request) {
            let pages = (steps as u32).wrapping_add(1);
            if let Some(first) = self.take_high(entries, pages) {
                return Ok(self.range(first, pages));
            }
        }
        let wanted = self.wanted(request);
        let first = self.take_with_care(Table(entries), &wanted)?;
        Ok(self.range(first, wanted.pages))
    }

    /// Takes so many pages wherever they are, and says which is the first.
    #[inline(always)]
    pub(crate) fn take_pages(&mut self, entries: &[PageEntry], pages: u32) -> Result<u32, Error> {
        if pages.wrapping_sub(1) < self.pages
            && let Some(first) = self.take_high(entries, pages)
        {
            return Ok(first);
        }
        self.take_pages_below(entries, pages)
    }

    /// Takes so many pages that the highest zone does not have.
    #[cold]
    #[inline(never)]
    fn take_pages_below(&mut self, entries: &[PageEntry], pages: u32) -> Result<u32, Error> {
        if pages == 0 {
            return Err(Error::ZeroLength);
        }
        let wanted = Wanted {
            pages,
            low: 0,
            high: self.pages,
            ample: pages,
            len: size(u64::from(pages) << self.shift),
            request: None,
        };
        self.take_with_care(Table(entries), &wanted)
    }

    /// Takes so many pages of the highest zone.
    #[inline(always)]
    fn take_high(&mut self, entries: &[PageEntry], pages: u32) -> Option<u32> {
        let [highest, ..] = &mut self.zones;
        let first = highest.take(Table(entries), pages, self.patience)?;
        self.free = self.free.wrapping_sub(pages);
        Some(first)
    }

    /// Takes pages of whichever zone has them.
    #[inline(never)]
    fn take_with_care(&mut self, table: Table<'_>, wanted: &Wanted<'_>) -> Result<u32, Error> {
        for index in 0..self.count {
            let Some(zone) = self.zones.get_mut(index) else {
                break;
            };
            let within = wanted.low <= zone.first && wanted.high >= zone.end;
            let found = if within && wanted.request.is_none() {
                zone.take(table, wanted.pages, self.patience)
            } else {
                self.take_fitting(table, index, wanted)
            };
            if let Some(first) = found {
                self.free = self.free.wrapping_sub(wanted.pages);
                return Ok(first);
            }
        }
        self.take_across(table, wanted)
    }

    /// The block that these addresses are, if it is one, which from now on is nobody's: `give` must follow.
    ///
    /// It may be called while others take and give.
    #[inline]
    pub(crate) fn claim(&self, entries: &[PageEntry], block: PhysRange) -> Result<Claimed, Error> {
        let claimed = self.find(block)?;
        let entry = Table(entries).at(claimed.first);
        if entry.claim(claimed.pages) {
            return Ok(claimed);
        }
        Err(not_allocated(block))
    }

    /// The block of so many pages from that one on, if it is one and nobody else can be at it.
    #[inline(always)]
    pub(crate) fn claim_pages(
        &mut self,
        entries: &[PageEntry],
        first: u32,
        pages: u32,
    ) -> Result<Claimed, Error> {
        if first < self.pages && Table(entries).at(first).state() == State::new(State::TAKEN, pages)
        {
            return Ok(Claimed { first, pages });
        }
        Err(self.not_pages(first, pages))
    }

    #[cold]
    fn not_pages(&self, first: u32, pages: u32) -> Error {
        let offset = u64::from(first) << self.shift;
        let phys = self.memory.start().get().wrapping_add(offset);
        let len = size(u64::from(pages) << self.shift);
        let end = u64::from(first).wrapping_add(u64::from(pages));
        if end <= u64::from(self.pages) {
            return Error::NotAllocated { phys, len };
        }
        Error::ForeignBlock { phys, len }
    }

    /// As [`claim`](Self::claim) when nobody else can be at it.
    #[inline(always)]
    pub(crate) fn claim_alone(
        &mut self,
        entries: &[PageEntry],
        block: PhysRange,
    ) -> Result<Claimed, Error> {
        let claimed = self.find(block)?;
        let state = Table(entries).at(claimed.first).state();
        if state == State::new(State::TAKEN, claimed.pages) {
            return Ok(claimed);
        }
        Err(not_allocated(block))
    }

    /// Frees pages that were claimed.
    #[inline(always)]
    pub(crate) fn give(&mut self, entries: &[PageEntry], claimed: Claimed) {
        let table = Table(entries);
        let Claimed { first, pages } = claimed;
        self.free = self.free.wrapping_add(pages);
        let [highest, ..] = &mut self.zones;
        if first >= highest.first {
            return highest.give(table, first, pages);
        }
        self.give_lower(table, claimed);
    }

    /// Frees pages that do not all lie in the highest zone.
    #[inline(never)]
    fn give_lower(&mut self, table: Table<'_>, claimed: Claimed) {
        let Claimed { first, pages } = claimed;
        let end = first.wrapping_add(pages);
        for zone in self.zones.iter_mut().take(self.count) {
            let (low, high) = (first.max(zone.first), end.min(zone.end));
            if low < high {
                zone.give(table, low, high.wrapping_sub(low));
            }
        }
    }

    /// Whether every run of the length meets the request, but for the lowest and the highest address.
    #[inline(always)]
    fn is_easy(&self, request: &Request) -> bool {
        request.alignment <= self.page
            && request.boundary.is_none()
            && request.alignment.divides(request.bus_offset)
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
    #[inline(always)]
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
            ample: pages,
            len: request.len.get(),
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
        if !self.is_easy(request) {
            wanted.request = Some(request);
            let aligned = request.alignment.max(self.page).get() >> self.shift;
            let ample = u64::from(pages).saturating_add(aligned).saturating_sub(1);
            wanted.ample = ample.min(u64::from(self.pages)) as u32;
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
        let fit = |run: FreeRun| self.fit(run, wanted);
        let (run, at) = zone
            .search_up(table, wanted.pages, FEW, fit)
            .or_else(|| zone.search_up(table, wanted.ample, FEW, fit))
            .or_else(|| zone.search_down(table, wanted.pages, self.patience, fit))?;
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

    #[inline]
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

/// As much of a length as a `usize` holds.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cold]
fn not_allocated(block: PhysRange) -> Error {
    let (phys, len) = (block.start().get(), size(block.len_bytes()));
    Error::NotAllocated { phys, len }
}

#[cold]
fn foreign(block: PhysRange) -> Error {
    let (phys, len) = (block.start().get(), size(block.len_bytes()));
    Error::ForeignBlock { phys, len }
}
