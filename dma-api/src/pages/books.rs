//! What the entries of a pool do not say, and which zone answers which request.

use core::num::NonZeroUsize;

use super::{
    MAX_ZONES,
    classes::{self, MOST_PAGES},
    entry::{PageEntry, State},
    frame::{Claimed, Frame, narrow, not_allocated, size},
    zone::{FreeRun, Table, Zone},
};
use crate::{
    addr::{PhysAddr, PhysRange},
    error::Error,
    limits::{AlignedPages, Alignment, Request},
};

/// For a request that not every run of its length fits: of how many runs of one class it is seen whether it fits,
/// and of how many in all, before a run is taken that is so long that it fits there anyway.
const FEW: (u32, u32) = (8, 128);

/// How many runs at most are looked at for one request in one zone, unless the owner says otherwise.
pub(super) const PATIENCE: u32 = 64;

/// The books of the pages of one memory, but for the entries.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) frame: Frame,
    /// Pages that are free.
    free: u32,
    /// The fewest that ever were.
    fewest_free: u32,
    /// Pages that are lent to the OS.
    pub(super) lent: u32,
    /// How many runs at most are looked at for one request in one zone.
    pub(crate) patience: u32,
    /// From the highest to the lowest, `count` of them.
    pub(super) zones: [Zone; MAX_ZONES],
    pub(super) count: usize,
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
    /// The pages it may begin with, if that is not every one and depends on nothing but its alignment.
    aligned: Option<AlignedPages>,
    /// The request, if there is more to it than all of the above.
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

        // They may be those of a pool that is no more. New ones are not stored to.
        let used = |entry: &&PageEntry| entry.state() != State::INSIDE;
        for entry in entries.iter().take(units).filter(used) {
            entry.set_state(State::INSIDE);
        }
        let table = Table(entries);
        let mut books = Self {
            frame: Frame {
                memory,
                page,
                shift,
                pages,
            },
            free: pages,
            fewest_free: pages,
            lent: 0,
            patience: PATIENCE,
            zones: [const { Zone::EMPTY }; MAX_ZONES],
            count: zones,
        };
        let (mut first, mut heads) = (0, units);
        for zone in books.zones.iter_mut().take(zones).rev() {
            let end = after(first).unwrap_or(units);
            *zone = Zone::new(
                table,
                narrow(first as u64),
                narrow(end as u64),
                narrow(heads as u64),
                narrow(lists as u64),
            );
            first = end;
            heads = heads.saturating_add(lists);
        }
        Ok(books)
    }

    /// Takes pages that meet the request, and says where they are.
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        entries: &[PageEntry],
        request: &Request,
    ) -> Result<PhysRange, Error> {
        let Claimed { first, pages } = self.take_block(entries, request)?;
        Ok(self.frame.range(first, pages))
    }

    /// Takes pages that meet the request.
    #[inline(always)]
    pub(crate) fn take_block(
        &mut self,
        entries: &[PageEntry],
        request: &Request,
    ) -> Result<Claimed, Error> {
        // Rounded up without a carry, since it is not 0.
        let steps = (request.len.get() as u64).wrapping_sub(1) >> self.frame.shift;
        let everywhere = request.lowest <= self.frame.memory.start()
            && request.highest >= self.frame.memory.last();
        if steps < u64::from(self.frame.pages) && everywhere && self.is_easy(request) {
            let pages = narrow(steps).wrapping_add(1);
            if let Some(first) = self.take_high(entries, pages) {
                return Ok(Claimed { first, pages });
            }
        }
        let wanted = self.wanted(request);
        let (first, pages) = (self.take_with_care(Table(entries), &wanted)?, wanted.pages);
        Ok(Claimed { first, pages })
    }

    /// Takes so many pages wherever they are, and says which is the first.
    #[inline(always)]
    pub(crate) fn take_pages(&mut self, entries: &[PageEntry], pages: u32) -> Result<u32, Error> {
        if pages.wrapping_sub(1) < self.frame.pages
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
        let len = size(self.frame.bytes(pages));
        let pages = pages.min(self.frame.pages.wrapping_add(1));
        let wanted = self.wanted_anywhere(pages, len);
        self.take_with_care(Table(entries), &wanted)
    }

    /// So many pages, for `len` bytes, wherever they are.
    #[inline]
    const fn wanted_anywhere(&self, pages: u32, len: usize) -> Wanted<'static> {
        Wanted {
            pages,
            low: 0,
            high: self.frame.pages,
            ample: pages,
            len,
            aligned: None,
            request: None,
        }
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

    /// The block of so many pages from that one on, if it is one and nobody else can be at it.
    #[inline(always)]
    pub(crate) fn claim_pages(
        &mut self,
        entries: &[PageEntry],
        first: u32,
        pages: u32,
    ) -> Result<Claimed, Error> {
        // No pages are no block's, so if there are that many behind it the first is one.
        if u64::from(first).wrapping_add(u64::from(pages)) <= u64::from(self.frame.pages)
            && Table(entries).at(first).state() == State::new(State::TAKEN, pages)
        {
            return Ok(Claimed { first, pages });
        }
        Err(self.frame.not_pages(first, pages))
    }

    /// As [`claim`](Frame::claim) when nobody else can be at it.
    #[inline(always)]
    pub(crate) fn claim_alone(
        &mut self,
        entries: &[PageEntry],
        block: PhysRange,
    ) -> Result<Claimed, Error> {
        let claimed = self.frame.find(block)?;
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

    /// Writes into the entries of a claimed block which one was given back before it.
    pub(crate) fn return_to(entries: &[PageEntry], block: Claimed, next: u32) {
        Table(entries).at(block.first).set_other(next);
    }

    /// The claimed block that begins with that page, and the one that was given back before it.
    pub(crate) fn returned(entries: &[PageEntry], first: u32) -> (Claimed, u32) {
        let entry = Table(entries).at(first);
        let pages = entry.state().number();
        (Claimed { first, pages }, entry.other())
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
        request.alignment <= self.frame.page
            && request.boundary.is_none()
            && request.alignment.divides(request.bus_offset)
    }

    /// Somebody has these pages from now on. Says the first of them that somebody may have had before; those in front of it
    /// nobody had.
    pub(crate) fn touch(&mut self, block: Claimed) -> u32 {
        let end = block.first.wrapping_add(block.pages);
        let mut had = block.first;
        for zone in self.zones.iter_mut().take(self.count) {
            let (low, high) = (block.first.max(zone.first), end.min(zone.end));
            if low < high {
                had = zone.touch(low, high);
            }
            if low == block.first && high == end {
                return had;
            }
        }
        // In several zones: which of them it is in front of is not worth knowing.
        block.first
    }

    /// Notes how few pages are free.
    #[inline]
    pub(crate) fn note_use(&mut self) {
        self.fewest_free = self.fewest_free.min(self.free);
    }

    /// Free bytes.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.frame.bytes(self.free)
    }

    /// The most bytes that ever were not free.
    pub(crate) fn high_water(&self) -> u64 {
        let most = self.frame.pages.wrapping_sub(self.fewest_free);
        self.frame.bytes(most)
    }

    /// Bytes that are lent to the OS.
    pub(crate) fn lent_bytes(&self) -> u64 {
        self.frame.bytes(self.lent)
    }

    /// What the request comes to in pages; more than there are if it is longer than the memory.
    #[inline]
    pub(super) fn wanted<'r>(&self, request: &'r Request) -> Wanted<'r> {
        let len = request.len.get() as u64;
        // Rounded up without a carry, since it is not 0.
        let pages = (len.wrapping_sub(1) >> self.frame.shift).wrapping_add(1);
        let pages = narrow(pages.min(u64::from(self.frame.pages).wrapping_add(1)));
        let start = self.frame.memory.start().get();
        let mut wanted: Wanted<'r> = self.wanted_anywhere(pages, request.len.get());
        if request.lowest.get() > start {
            let below = request.lowest.get().wrapping_sub(start);
            let page = (below.wrapping_sub(1) >> self.frame.shift).wrapping_add(1);
            wanted.low = narrow(page.min(u64::from(self.frame.pages)));
        }
        if request.highest < self.frame.memory.last() {
            let up_to = request.highest.get().checked_sub(start);
            let page = up_to.map_or(0, |up_to| up_to.wrapping_add(1) >> self.frame.shift);
            wanted.high = narrow(page);
        }
        if !self.is_easy(request) {
            wanted.request = Some(request);
            wanted.aligned = request.aligned_pages(self.frame.memory.start(), self.frame.page);
            let aligned = request.alignment.max(self.frame.page).get() >> self.frame.shift;
            let ample = u64::from(pages).saturating_add(aligned).saturating_sub(1);
            wanted.ample = narrow(ample.min(u64::from(self.frame.pages)));
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
        let highest = high.checked_sub(wanted.pages).filter(|at| *at >= low)?;
        if let Some(aligned) = wanted.aligned {
            return aligned.highest(low, highest);
        }
        let Some(request) = wanted.request else {
            return Some(highest);
        };
        let free = self.frame.range(low, high.wrapping_sub(low));
        let rounded = self.rounded(request)?;
        let found = rounded.last_fit(free, self.frame.page)?;
        Some(self.frame.page_of(found))
    }

    /// The request for whole pages.
    pub(super) fn rounded(&self, request: &Request) -> Option<Request> {
        let len: NonZeroUsize = self.frame.page.round_up(request.len).ok()?;
        Some(Request { len, ..*request })
    }

    /// Takes pages out of a free run of one zone.
    #[inline]
    pub(super) fn carve(&mut self, table: Table<'_>, run: FreeRun, at: u32, pages: u32) {
        let mut zones = self.zones.iter_mut().take(self.count);
        if let Some(zone) = zones.find(|zone| zone.first <= at) {
            zone.carve(table, run, at, pages);
            self.free = self.free.wrapping_sub(pages);
        }
    }

    /// So many pages fewer are free.
    pub(super) fn count_taken(&mut self, pages: u32) {
        self.free = self.free.wrapping_sub(pages);
    }
}
