//! What the books know of one page, and how it is written down.

use core::fmt;

use crate::{
    atomic::{AtomicU32, Ordering::Relaxed},
    lock::exchange::exchange,
};

/// What the books of a [`Pool`](crate::Pool) keep for one page: 8 bytes, outside of the page.
///
/// They hold nothing that is of use without the pool. A new one says that the page is the pool's own.
//
// The two words are atomic so that a block can be claimed without the pool's lock; under the lock they are ordinary
// memory. Of a free run the first page holds the links of its list, the second its length, and the last its length
// too; whatever lies between says `INSIDE`.
pub struct PageEntry {
    /// A [`Mark`] in the highest four bits, and a number below.
    state: AtomicU32,
    /// For the first page of a free run the page before it in its list, for the second the run's length. For the first
    /// page of a block that is given back while the books are locked the next such block.
    other: AtomicU32,
}

impl PageEntry {
    /// The entry of a page that no pool has yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
            other: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        State(self.state.load(Relaxed))
    }

    #[inline]
    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state.0, Relaxed);
    }

    /// Makes the first page of a block of `pages` that is handed out one that is being given back. Of all who try, at
    /// the same time or later, one succeeds.
    #[inline]
    pub(crate) fn claim(&self, pages: u32) -> bool {
        let (taken, returned) = (
            State::new(State::TAKEN, pages),
            State::new(State::RETURNED, pages),
        );
        exchange(&self.state, taken.0, returned.0)
    }

    #[inline]
    pub(crate) fn other(&self) -> u32 {
        self.other.load(Relaxed)
    }

    #[inline]
    pub(crate) fn set_other(&self, value: u32) {
        self.other.store(value, Relaxed);
    }
}

impl Default for PageEntry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PageEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageEntry({:?}, {})", self.state(), self.other())
    }
}

/// What is said of a page, with a number of up to 28 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u32);

/// Bits of the number in a [`State`].
pub(super) const NUMBER_BITS: u32 = 28;

impl State {
    /// Neither the first nor the last page of a free run, nor the first of a block.
    pub(crate) const INSIDE: Self = Self(0);

    /// First page of a free run of one page; the number is the next page of its list.
    pub(crate) const SINGLE: u32 = 2;
    /// First page of a longer free run; the number is the next page of its list.
    pub(crate) const FIRST: u32 = 1;
    /// Last page of a longer free run; the number is its length.
    pub(crate) const LAST: u32 = 3;
    /// First page of a block that is handed out; the number is its length.
    pub(crate) const TAKEN: u32 = 4;
    /// First page of a block that is being given back; the number is its length.
    pub(crate) const RETURNED: u32 = 5;

    /// A page that is lent to the OS.
    pub(crate) const LENT: u32 = 6;
    /// A page that is being taken back from the OS, or is free and is to be in one block with such pages.
    pub(crate) const HELD: u32 = 7;

    #[inline]
    pub(crate) const fn new(mark: u32, number: u32) -> Self {
        Self(mark << NUMBER_BITS | number)
    }

    #[inline]
    pub(crate) const fn mark(self) -> u32 {
        self.0 >> NUMBER_BITS
    }

    /// Whether it is the first page of a free run.
    #[inline]
    pub(crate) const fn begins_free(self) -> bool {
        matches!(self.mark(), Self::SINGLE | Self::FIRST)
    }

    /// Whether it is the last page of a free run.
    #[inline]
    pub(crate) const fn ends_free(self) -> bool {
        matches!(self.mark(), Self::SINGLE | Self::LAST)
    }

    #[inline]
    pub(crate) const fn number(self) -> u32 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.mark() {
            0 => "Inside",
            Self::SINGLE => "Single",
            Self::FIRST => "First",
            Self::LAST => "Last",
            Self::TAKEN => "Taken",
            Self::RETURNED => "Returned",
            Self::LENT => "Lent",
            Self::HELD => "Held",
            _ => "Unknown",
        };
        write!(f, "{name}({})", self.number())
    }
}
