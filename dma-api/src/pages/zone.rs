//! The free runs of one zone: lists by length, and what taking and giving does to them.
#![expect(
    unsafe_code,
    reason = "indices into the books are not checked again and again"
)]

#[cfg(test)]
mod audit;

use super::{
    classes::{CLASSES, EXACT, are_alike, class_of},
    entry::{PageEntry, State},
    frame::narrow,
};

/// Words with a bit for each class.
const WORDS: usize = CLASSES.div_ceil(u64::BITS) as usize;

/// The entries of all pages, and behind them the heads of the lists: one for each class of each zone.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(pub(crate) &'a [PageEntry]);

impl<'a> Table<'a> {
    /// The entry of a page, or of a list's head.
    #[inline(always)]
    pub(crate) fn at(self, index: u32) -> &'a PageEntry {
        #[cfg(test)]
        super::bounds::touch();
        debug_assert!((index as usize) < self.0.len(), "{index}");
        // SAFETY: an index is a page's number that was compared with how many there are, or was read from an entry.
        // Nobody but the books writes to entries (S10), which their owner gave away, and they write such numbers only.
        unsafe { self.0.get_unchecked(index as usize) }
    }
}

/// A run of free pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreeRun {
    pub(crate) first: u32,
    pub(crate) pages: u32,
}

/// Pages that are never joined with those of another zone while they are free.
#[derive(Debug)]
pub(crate) struct Zone {
    /// Its first page.
    pub(crate) first: u32,
    /// The page behind its last.
    pub(crate) end: u32,
    /// The page behind those that nobody ever had, which are its lowest.
    untouched: u32,
    /// Where the heads of its lists are.
    heads: u32,
    /// A bit for each class that has runs.
    filled: [u64; WORDS],
}

impl Zone {
    /// Without a page.
    pub(crate) const EMPTY: Self = Self {
        first: 0,
        end: 0,
        untouched: 0,
        heads: 0,
        filled: [0; WORDS],
    };

    /// All pages of `first..end`, free, with the heads of its `lists` lists at `heads`.
    pub(crate) fn new(table: Table<'_>, first: u32, end: u32, heads: u32, lists: u32) -> Self {
        for class in 0..lists {
            let head = heads.wrapping_add(class);
            let entry = table.at(head);
            entry.set_state(State::new(mark_of(class), head));
            entry.set_other(head);
        }
        let mut zone = Self {
            first,
            end,
            untouched: end,
            heads,
            filled: [0; WORDS],
        };
        zone.link(table, first, end.wrapping_sub(first));
        zone
    }

    /// Takes the highest pages of a run that has at least so many, if there is one. For up to 16 pages it takes constant
    /// time, and for more as long as one run in the list of the length that is asked for is long enough, or any
    /// list of greater lengths is not empty; or else up to `patience` runs of that one list are looked at.
    #[inline(always)]
    pub(crate) fn take(&mut self, table: Table<'_>, pages: u32, patience: u32) -> Option<u32> {
        let run = if pages <= EXACT {
            self.front(table, self.filled_from(pages.wrapping_sub(1))?)
        } else {
            self.find_long(table, pages, patience)?
        };
        let rest = run.pages.wrapping_sub(pages);
        self.shrink(table, run, rest);
        let at = run.first.wrapping_add(rest);
        table.at(at).set_state(State::new(State::TAKEN, pages));
        Some(at)
    }

    /// A run of at least so many pages, more than [`EXACT`].
    #[inline]
    fn find_long(&self, table: Table<'_>, pages: u32, patience: u32) -> Option<FreeRun> {
        let tight = class_of(pages);
        let class = self.filled_from(tight)?;
        let front = self.front(table, class);
        if front.pages >= pages {
            return Some(front);
        }
        if let Some(class) = self.filled_from(tight.wrapping_add(1)) {
            return Some(self.front(table, class));
        }
        let mut runs = self.runs(table, tight).take(patience as usize);
        runs.find(|run| run.pages >= pages)
    }

    /// Takes the pages `at..at + pages` out of a free run that holds them.
    #[inline]
    pub(crate) fn carve(&mut self, table: Table<'_>, run: FreeRun, at: u32, pages: u32) {
        let front = at.wrapping_sub(run.first);
        let behind = at.wrapping_add(pages);
        let back = run.first.wrapping_add(run.pages).wrapping_sub(behind);
        self.shrink(table, run, front);
        if back != 0 {
            self.link(table, behind, back);
        }
        table.at(at).set_state(State::new(State::TAKEN, pages));
    }

    /// Frees pages that are nobody's, and joins them with the free runs before and behind. Takes constant time.
    #[inline(always)]
    pub(crate) fn give(&mut self, table: Table<'_>, first: u32, pages: u32) {
        let end = first.wrapping_add(pages);
        let mut whole = pages;
        if end != self.end {
            let state = table.at(end).state();
            if state.begins_free() {
                whole = whole.wrapping_add(length(table, end, state));
                self.unlink(table, end, state);
                table.at(end).set_state(State::INSIDE);
            }
        }
        if first != self.first {
            let state = table.at(first.wrapping_sub(1)).state();
            if state.ends_free() {
                let before = if state.mark() == State::SINGLE {
                    1
                } else {
                    state.number()
                };
                let start = first.wrapping_sub(before);
                whole = whole.wrapping_add(before);
                table.at(first).set_state(State::INSIDE);
                if before > EXACT && are_alike(before, whole) {
                    table.at(first.wrapping_sub(1)).set_state(State::INSIDE);
                    return set_length(table, start, whole);
                }
                self.unlink(table, start, table.at(start).state());
                table.at(first.wrapping_sub(1)).set_state(State::INSIDE);
                return self.link(table, start, whole);
            }
        }
        self.link(table, first, whole);
    }

    /// The first of a few runs of at least `pages`, the shortest ones, that `fit` says a place in: up to `each` of a class, and
    /// up to `all`.
    #[inline]
    pub(crate) fn search_up(
        &self,
        table: Table<'_>,
        pages: u32,
        (each, all): (u32, u32),
        fit: impl Fn(FreeRun) -> Option<u32>,
    ) -> Option<(FreeRun, u32)> {
        let (mut class, mut left) = (class_of(pages), all);
        while let Some(found) = self.filled_from(class).filter(|_| left != 0) {
            let mut left_of_class = each.min(left);
            left = left.wrapping_sub(left_of_class);
            let place = self.search_class(table, found, &mut left_of_class, &fit);
            if place.is_some() {
                return place;
            }
            left = left.wrapping_add(left_of_class);
            class = found.wrapping_add(1);
        }
        None
    }

    /// The first of up to `all` runs of at least `pages`, the longest ones, that `fit` says a place in.
    pub(crate) fn search_down(
        &self,
        table: Table<'_>,
        pages: u32,
        all: u32,
        fit: impl Fn(FreeRun) -> Option<u32>,
    ) -> Option<(FreeRun, u32)> {
        let (lowest, mut left) = (class_of(pages), all);
        let mut class = self.filled_below(CLASSES);
        while let Some(found) = class.filter(|class| *class >= lowest && left != 0) {
            let place = self.search_class(table, found, &mut left, &fit);
            if place.is_some() {
                return place;
            }
            class = self.filled_below(found);
        }
        None
    }

    /// The first of up to `left` runs of a class that `fit` says a place in.
    #[inline]
    fn search_class(
        &self,
        table: Table<'_>,
        class: u32,
        left: &mut u32,
        fit: &impl Fn(FreeRun) -> Option<u32>,
    ) -> Option<(FreeRun, u32)> {
        for run in self.runs(table, class).take(*left as usize) {
            *left = left.wrapping_sub(1);
            if let Some(at) = fit(run) {
                return Some((run, at));
            }
        }
        None
    }

    /// Somebody has the pages `first..end` of this zone from now on; says the first of them that somebody had before.
    pub(crate) fn touch(&mut self, first: u32, end: u32) -> u32 {
        let had = self.untouched.clamp(first, end);
        self.untouched = self.untouched.min(first);
        had
    }

    /// All pages, free or not.
    pub(crate) fn pages(&self) -> u32 {
        self.end.wrapping_sub(self.first)
    }

    /// Free pages in front of its end.
    pub(crate) fn free_before_end(&self, table: Table<'_>) -> u32 {
        let state = table.at(self.end.wrapping_sub(1)).state();
        match state.mark() {
            State::SINGLE => 1,
            State::LAST => state.number(),
            _ => 0,
        }
    }

    /// Free pages that begin with its first.
    pub(crate) fn free_from_start(&self, table: Table<'_>) -> u32 {
        let state = table.at(self.first).state();
        match state.mark() {
            State::SINGLE | State::FIRST => length(table, self.first, state),
            _ => 0,
        }
    }

    /// The free run that ends with the zone, if page `low` is in it, or else the one that begins with the zone.
    pub(crate) fn run_at_edge(&self, table: Table<'_>, low: u32) -> FreeRun {
        let pages = self.free_before_end(table);
        let first = self.end.wrapping_sub(pages);
        if first <= low {
            return FreeRun { first, pages };
        }
        FreeRun {
            first: self.first,
            pages: self.free_from_start(table),
        }
    }

    /// Pages of the longest free run of up to `all` in the last list that has any.
    pub(crate) fn longest(&self, table: Table<'_>, all: u32) -> u32 {
        match self.filled_below(CLASSES) {
            None => 0,
            Some(class) if class < EXACT => class.wrapping_add(1),
            Some(class) => {
                let runs = self.runs(table, class).take(all as usize);
                runs.map(|run| run.pages).max().unwrap_or(0)
            }
        }
    }

    /// The free runs of a class.
    #[inline]
    fn runs<'t>(&self, table: Table<'t>, class: u32) -> impl Iterator<Item = FreeRun> + use<'t> {
        let head = self.heads.wrapping_add(class);
        let mut first = head;
        core::iter::from_fn(move || {
            first = table.at(first).state().number();
            (first != head).then(|| FreeRun {
                first,
                pages: length(table, first, table.at(first).state()),
            })
        })
    }

    /// The first run of a class that has one.
    #[inline(always)]
    fn front(&self, table: Table<'_>, class: u32) -> FreeRun {
        let head = table.at(self.heads.wrapping_add(class)).state();
        let first = head.number();
        FreeRun {
            first,
            pages: length(table, first, head),
        }
    }

    /// The lowest class from `class` on that has a run.
    #[inline(always)]
    fn filled_from(&self, class: u32) -> Option<u32> {
        let mut word = (class / u64::BITS) as usize;
        let mut bits = self.filled.get(word)? & (u64::MAX << (class % u64::BITS));
        while bits == 0 {
            word = word.wrapping_add(1);
            bits = *self.filled.get(word)?;
        }
        let base = narrow(word as u64).wrapping_mul(u64::BITS);
        Some(base.wrapping_add(bits.trailing_zeros()))
    }

    /// The highest class below `class` that has a run.
    #[inline]
    fn filled_below(&self, class: u32) -> Option<u32> {
        let (mut word, bit) = ((class / u64::BITS) as usize, class % u64::BITS);
        let mut bits = self
            .filled
            .get(word)
            .map_or(0, |bits| bits & !(u64::MAX << bit));
        while bits == 0 {
            word = word.checked_sub(1)?;
            bits = *self.filled.get(word)?;
        }
        let base = narrow(word as u64).wrapping_mul(u64::BITS);
        Some(base.wrapping_add(bits.ilog2()))
    }

    /// A run keeps its lowest `rest` pages; the others are no free run's any more.
    #[inline(always)]
    fn shrink(&mut self, table: Table<'_>, run: FreeRun, rest: u32) {
        let last = run.first.wrapping_add(run.pages).wrapping_sub(1);
        if rest > EXACT && are_alike(rest, run.pages) {
            table.at(last).set_state(State::INSIDE);
            return set_length(table, run.first, rest);
        }
        self.unlink(table, run.first, table.at(run.first).state());
        table.at(last).set_state(State::INSIDE);
        if rest != 0 {
            self.link(table, run.first, rest);
        }
    }

    /// Makes a free run of pages that are in none.
    #[inline(always)]
    fn link(&mut self, table: Table<'_>, first: u32, pages: u32) {
        if pages == 1 {
            return self.link_in(table, first, 0, State::SINGLE);
        }
        set_length(table, first, pages);
        self.link_in(table, first, class_of(pages), State::FIRST);
    }

    /// Puts a run in front of the others of its class.
    #[inline(always)]
    fn link_in(&mut self, table: Table<'_>, first: u32, class: u32, mark: u32) {
        let head = self.heads.wrapping_add(class);
        let (front, entry) = (table.at(head), table.at(first));
        let next = front.state();
        entry.set_state(next);
        entry.set_other(head);
        table.at(next.number()).set_other(first);
        front.set_state(State::new(mark, first));
        if let Some(word) = self.filled.get_mut((class / u64::BITS) as usize) {
            *word |= 1 << (class % u64::BITS);
        }
    }

    /// Takes a run out of its list. What its entries say is left as it is.
    #[inline(always)]
    fn unlink(&mut self, table: Table<'_>, first: u32, state: State) {
        let (previous, next) = (table.at(first).other(), state.number());
        table.at(previous).set_state(State::new(state.mark(), next));
        table.at(next).set_other(previous);
        if previous == next {
            // Only its head is left in the list.
            let class = previous.wrapping_sub(self.heads);
            if let Some(word) = self.filled.get_mut((class / u64::BITS) as usize) {
                *word &= !(1 << (class % u64::BITS));
            }
        }
    }
}

/// The mark of the first page of a run of that class, and of the head of its list.
#[inline(always)]
const fn mark_of(class: u32) -> u32 {
    if class == 0 {
        State::SINGLE
    } else {
        State::FIRST
    }
}

/// Pages of the free run whose first page, or whose list's head, says `state`.
#[inline(always)]
pub(super) fn length(table: Table<'_>, first: u32, state: State) -> u32 {
    if state.mark() == State::SINGLE {
        1
    } else {
        table.at(first.wrapping_add(1)).other()
    }
}

/// Writes down the length, at least 2, of a free run.
#[inline(always)]
fn set_length(table: Table<'_>, first: u32, pages: u32) {
    table.at(first.wrapping_add(1)).set_other(pages);
    let last = first.wrapping_add(pages).wrapping_sub(1);
    table.at(last).set_state(State::new(State::LAST, pages));
}
