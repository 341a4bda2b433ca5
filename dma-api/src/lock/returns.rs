//! What is given back while somebody else is at the books: a list to which anybody adds without waiting.

use super::exchange::exchange;
use crate::atomic::{AtomicU32, Ordering};

/// The link behind the last number of a list. It is 0, so that books that are empty lie in memory that is zero at first.
pub(crate) const END: u32 = 0;

/// The number that a link leads to, if the list goes on.
pub(crate) const fn linked(link: u32) -> Option<u32> {
    link.checked_sub(1)
}

/// A list of numbers below `u32::MAX`, each of which has a word for a link that is its giver's until it is in the list.
#[derive(Debug)]
pub(crate) struct Returns {
    newest: AtomicU32,
}

impl Returns {
    /// With the link to the first number of a list, or [`END`].
    pub(crate) const fn new(newest: AtomicU32) -> Self {
        Self { newest }
    }

    /// Adds a number, after `store` has stored its link. Does not wait.
    pub(crate) fn push(&self, number: u32, store: impl Fn(u32)) {
        loop {
            let newest = self.newest.load(Ordering::Relaxed);
            store(newest);
            // What was stored before is seen by whoever takes the list.
            if exchange(&self.newest, newest, number.wrapping_add(1)) {
                return;
            }
        }
    }

    /// Takes all numbers; returns the link to the first, or [`END`].
    #[inline]
    pub(crate) fn take_all(&self) -> u32 {
        loop {
            let newest = self.newest.load(Ordering::Relaxed);
            if newest == END || exchange(&self.newest, newest, END) {
                return newest;
            }
        }
    }
}
