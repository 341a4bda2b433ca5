//! What is given back while somebody else is at the books: a list to which anybody adds without waiting.

use super::exchange::exchange;
use crate::atomic::{AtomicU32, Ordering};

/// No number: the list ends.
pub(crate) const END: u32 = u32::MAX;

/// A list of numbers, each of which has a word for the next one that is its giver's until it is in the list.
#[derive(Debug)]
pub(crate) struct Returns {
    newest: AtomicU32,
}

impl Returns {
    /// With the first number of a list, or [`END`].
    pub(crate) const fn new(newest: AtomicU32) -> Self {
        Self { newest }
    }

    /// Adds a number, after `link` has stored that the other number follows it. Does not wait.
    pub(crate) fn push(&self, number: u32, link: impl Fn(u32)) {
        loop {
            let newest = self.newest.load(Ordering::Relaxed);
            link(newest);
            // What was stored before is seen by whoever takes the list.
            if exchange(&self.newest, newest, number) {
                return;
            }
        }
    }

    /// Takes all numbers; returns the first, or [`END`].
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
