//! Pages that the OS has until a device needs them, and how they are taken back: marked one by one, since any part of them
//! may be.

use super::{
    books::{Books, Wanted},
    entry::{PageEntry, State},
    frame::{Claimed, narrow},
    zone::{FreeRun, Table, length},
};
use crate::{addr::PhysRange, error::Error, limits::Request};

/// What a run of pages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Free.
    Free,
    /// One block that is handed out.
    Block,
    /// Lent to the OS.
    Lent,
    /// Being taken back from the OS.
    Held,
}

/// The number of a page that is held: the OS has not said yet that it does not use it,
const STILL_LENT: u32 = 1;
/// or nobody uses it.
const READY: u32 = 0;

impl Books {
    /// The OS has the pages of this block from now on.
    pub(crate) fn mark_lent(&mut self, entries: &[PageEntry], block: Claimed) {
        for page in block.numbers() {
            Table(entries)
                .at(page)
                .set_state(State::new(State::LENT, 0));
        }
        self.lent = self.lent.wrapping_add(block.pages);
    }

    /// Frees pages that were lent.
    ///
    /// # Errors
    /// [`Error::NotLent`], if one of them is not.
    pub(crate) fn unlend(&mut self, entries: &[PageEntry], range: PhysRange) -> Result<(), Error> {
        let (phys, len) = (range.start().get(), range.len_bytes());
        let refused = Error::NotLent { phys, len };
        let pages = self.frame.find(range).map_err(|_| refused)?;
        let lent = |page| Table(entries).at(page).state().mark() == State::LENT;
        if !pages.numbers().all(lent) {
            return Err(refused);
        }
        self.lent = self.lent.wrapping_sub(pages.pages);
        self.make_free(entries, pages);
        Ok(())
    }

    /// The lowest place for the request, from page `from` on, among pages that are free or lent.
    pub(crate) fn find_lent(
        &self,
        entries: &[PageEntry],
        request: &Request,
        from: u32,
    ) -> Option<Claimed> {
        let wanted = self.wanted(request);
        let mut page: u32 = 0;
        while page < self.frame.pages {
            let mut end = page;
            while let Some((RunState::Free | RunState::Lent, pages)) = self.run_at(entries, end) {
                end = end.wrapping_add(pages);
            }
            if let Some(first) = self.first_fit(page.max(from), end, &wanted) {
                let pages = wanted.pages;
                return Some(Claimed { first, pages });
            }
            let (_, pages) = self.run_at(entries, end)?;
            page = end.wrapping_add(pages);
        }
        None
    }

    /// The lowest place in `low..high` for what is wanted.
    fn first_fit(&self, low: u32, high: u32, wanted: &Wanted<'_>) -> Option<u32> {
        let (low, high) = (low.max(wanted.low), high.min(wanted.high));
        high.checked_sub(low)?.checked_sub(wanted.pages)?;
        let Some(request) = wanted.request else {
            return Some(low);
        };
        let free = self.frame.range(low, high.wrapping_sub(low));
        let found = self.rounded(request)?.first_fit(free, self.frame.page)?;
        Some(self.frame.page_of(found))
    }

    /// What the run is that begins with this page, and how long; `None` behind the last page.
    ///
    /// While others take and give, a page that began a run may be inside of another later: that counts as a block of one page.
    pub(crate) fn run_at(&self, entries: &[PageEntry], page: u32) -> Option<(RunState, u32)> {
        if page >= self.frame.pages {
            return None;
        }
        let table = Table(entries);
        let state = table.at(page).state();
        let alike = || {
            let rest = page..self.frame.pages;
            let same = |next: &u32| table.at(*next).state().mark() == state.mark();
            narrow(rest.take_while(same).count() as u64)
        };
        Some(match state.mark() {
            State::SINGLE | State::FIRST => (RunState::Free, length(table, page, state)),
            State::TAKEN | State::RETURNED => (RunState::Block, state.number()),
            State::LENT => (RunState::Lent, alike()),
            State::HELD => (RunState::Held, alike()),
            _ => (RunState::Block, 1),
        })
    }

    /// Keeps pages that are free or lent from everybody.
    pub(crate) fn hold(&mut self, entries: &[PageEntry], place: Claimed) {
        let table = Table(entries);
        let end = place.first.wrapping_add(place.pages);
        let mut page: u32 = 0;
        while let Some((state, pages)) = self.run_at(entries, page).filter(|_| page < end) {
            let behind = page.wrapping_add(pages);
            let (low, high) = (page.max(place.first), behind.min(end));
            if low < high {
                let number = match state {
                    RunState::Free => {
                        let run = FreeRun { first: page, pages };
                        self.carve(table, run, low, high.wrapping_sub(low));
                        READY
                    }
                    _ => {
                        self.lent = self.lent.wrapping_sub(high.wrapping_sub(low));
                        STILL_LENT
                    }
                };
                for held in low..high {
                    table.at(held).set_state(State::new(State::HELD, number));
                }
            }
            page = behind;
        }
    }

    /// The first pages of a held place, from `from` on, that the OS may still use.
    pub(crate) fn still_lent(entries: &[PageEntry], place: Claimed, from: u32) -> Option<Claimed> {
        let lent = State::new(State::HELD, STILL_LENT);
        let end = place.first.wrapping_add(place.pages);
        let is_lent = |page: &u32| Table(entries).at(*page).state() == lent;
        let first = (from..end).find(is_lent)?;
        let pages = narrow((first..end).take_while(is_lent).count() as u64);
        Some(Claimed { first, pages })
    }

    /// The OS does not use these pages of a held place any more.
    pub(crate) fn make_ready(entries: &[PageEntry], pages: Claimed) {
        for page in pages.numbers() {
            Table(entries)
                .at(page)
                .set_state(State::new(State::HELD, READY));
        }
    }

    /// A held place is a block.
    pub(crate) fn keep(&mut self, entries: &[PageEntry], place: Claimed) {
        let table = Table(entries);
        for page in place.numbers() {
            table.at(page).set_state(State::INSIDE);
        }
        let taken = State::new(State::TAKEN, place.pages);
        table.at(place.first).set_state(taken);
    }

    /// A held place is not to be a block: what the OS still uses is lent again, and the rest is free.
    pub(crate) fn let_go(&mut self, entries: &[PageEntry], place: Claimed) {
        let (mut page, end) = (place.first, place.first.wrapping_add(place.pages));
        while page < end {
            let lent = Self::still_lent(entries, place, page);
            let ready = lent.map_or(end, |lent| lent.first).wrapping_sub(page);
            if ready != 0 {
                let (first, pages) = (page, ready);
                self.make_free(entries, Claimed { first, pages });
            }
            if let Some(lent) = lent {
                self.mark_lent(entries, lent);
            }
            let pages = lent.map_or(0, |lent| lent.pages);
            page = page.wrapping_add(ready).wrapping_add(pages);
        }
    }

    /// Frees pages that were marked one by one.
    fn make_free(&mut self, entries: &[PageEntry], pages: Claimed) {
        for page in pages.numbers() {
            Table(entries).at(page).set_state(State::INSIDE);
        }
        self.give(entries, pages);
    }
}
