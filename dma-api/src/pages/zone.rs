//! The free runs of one zone: lists by length, and what taking and giving does to them.

use super::{
    classes::{CLASSES, class_of, class_of_at_least},
    entry::{PageEntry, State},
};

/// Words with a bit for each class.
const WORDS: usize = CLASSES.div_ceil(u64::BITS) as usize;

/// The entries of all pages, and behind them the heads of the lists: one for each class of each zone.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(pub(crate) &'a [PageEntry]);

impl<'a> Table<'a> {
    /// The entry of a page or of a list's head.
    #[inline(always)]
    pub(crate) fn at(self, index: u32) -> &'a PageEntry {
        match self.0.get(index as usize) {
            Some(entry) => entry,
            None => broken(),
        }
    }
}

/// An index that is no entry's came out of the entries themselves.
#[cold]
#[inline(never)]
fn broken() -> ! {
    panic!("the books of a pool were written to by somebody else")
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
        heads: 0,
        filled: [0; WORDS],
    };

    /// All pages of `first..end`, free, with the heads of its `classes` lists at `heads`.
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
            heads,
            filled: [0; WORDS],
        };
        zone.link(table, first, end.wrapping_sub(first));
        zone
    }

    /// Takes the highest pages of a run that has at least so many. Takes constant time, but for requests of more than
    /// 16 pages when no run is clearly long enough: then each run that is nearly so is looked at.
    #[inline]
    pub(crate) fn take(&mut self, table: Table<'_>, pages: u32) -> Option<u32> {
        let class = self.filled_from(class_of_at_least(pages));
        let (run, class) = match class {
            Some(class) => (self.front(table, class), class),
            None => {
                let class = self.filled_from(class_of(pages))?;
                let run = self.runs(table, class).find(|run| run.pages >= pages)?;
                (run, class)
            }
        };
        let rest = run.pages.wrapping_sub(pages);
        self.shrink(table, run, class, rest);
        let at = run.first.wrapping_add(rest);
        table.at(at).set_state(State::new(State::TAKEN, pages));
        Some(at)
    }

    /// Takes the pages `at..at + pages` out of a free run that holds them.
    pub(crate) fn carve(&mut self, table: Table<'_>, run: FreeRun, at: u32, pages: u32) {
        let front = at.wrapping_sub(run.first);
        let behind = at.wrapping_add(pages);
        let back = run.first.wrapping_add(run.pages).wrapping_sub(behind);
        self.shrink(table, run, class_of(run.pages), front);
        if back != 0 {
            self.link(table, behind, back);
        }
        table.at(at).set_state(State::new(State::TAKEN, pages));
    }

    /// Frees pages that are nobody's, and joins them with the free runs before and behind. Takes constant time.
    #[inline]
    pub(crate) fn give(&mut self, table: Table<'_>, first: u32, pages: u32) {
        let end = first.wrapping_add(pages);
        table.at(first).set_state(State::INSIDE);

        let mut after = 0;
        if end != self.end {
            let state = table.at(end).state();
            if state.mark() == State::SINGLE || state.mark() == State::FIRST {
                after = length(table, end, state);
                self.unlink(table, end, state);
                table.at(end).set_state(State::INSIDE);
            }
        }
        let mut before = 0;
        if first != self.first {
            let state = table.at(first.wrapping_sub(1)).state();
            before = match state.mark() {
                State::SINGLE => 1,
                State::LAST => state.number(),
                _ => 0,
            };
        }
        let whole = before.wrapping_add(pages).wrapping_add(after);
        let start = first.wrapping_sub(before);
        if before != 0 {
            let class = class_of(whole);
            if class_of(before) == class {
                table.at(first.wrapping_sub(1)).set_state(State::INSIDE);
                return set_length(table, start, whole);
            }
            self.unlink(table, start, table.at(start).state());
            table.at(first.wrapping_sub(1)).set_state(State::INSIDE);
        }
        self.link(table, start, whole);
    }

    /// The run with the smallest class from `class` on, and each other run of that class and the next ones, at most
    /// `each` of a class.
    pub(crate) fn search<'t>(
        &self,
        table: Table<'t>,
        pages: u32,
        each: usize,
    ) -> impl Iterator<Item = FreeRun> + use<'_, 't> {
        let mut class = class_of(pages);
        let mut classes = core::iter::from_fn(move || {
            let found = self.filled_from(class)?;
            class = found.wrapping_add(1);
            Some(found)
        });
        core::iter::from_fn(move || classes.next())
            .flat_map(move |class| self.runs(table, class).take(each))
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

    /// The free run that ends with the zone, if that is where `end` is, or else begins with it.
    pub(crate) fn run_at_edge(&self, table: Table<'_>, end: u32) -> FreeRun {
        if end == self.end {
            let pages = self.free_before_end(table);
            let first = end.wrapping_sub(pages);
            return FreeRun { first, pages };
        }
        FreeRun {
            first: self.first,
            pages: self.free_from_start(table),
        }
    }

    /// Pages of the longest free run.
    pub(crate) fn longest(&self, table: Table<'_>) -> u32 {
        let highest = self
            .filled
            .iter()
            .enumerate()
            .rev()
            .find(|(_, word)| **word != 0);
        let Some((index, word)) = highest else {
            return 0;
        };
        let class = (index as u32)
            .wrapping_mul(u64::BITS)
            .wrapping_add(word.ilog2());
        self.runs(table, class)
            .map(|run| run.pages)
            .max()
            .unwrap_or(0)
    }

    /// The free runs of a class.
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
        let base = (word as u32).wrapping_mul(u64::BITS);
        Some(base.wrapping_add(bits.trailing_zeros()))
    }

    /// A run keeps its lowest `rest` pages; the others are no free run's any more.
    #[inline(always)]
    fn shrink(&mut self, table: Table<'_>, run: FreeRun, class: u32, rest: u32) {
        let last = run.first.wrapping_add(run.pages).wrapping_sub(1);
        if rest != 0 && class_of(rest) == class {
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
        let class = class_of(pages);
        let (head, mark) = (self.heads.wrapping_add(class), mark_of(class));
        let next = table.at(head).state().number();
        table.at(head).set_state(State::new(mark, first));
        table.at(next).set_other(first);
        let entry = table.at(first);
        entry.set_state(State::new(mark, next));
        entry.set_other(head);
        if pages != 1 {
            set_length(table, first, pages);
        }
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
fn length(table: Table<'_>, first: u32, state: State) -> u32 {
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
