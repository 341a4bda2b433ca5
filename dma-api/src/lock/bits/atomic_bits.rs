//! A set of small numbers that any number of threads and interrupt handlers change without waiting for one another.
//!
//! A word is all there is to know of its bits, so that no word that came back to an old value can deceive anybody. A bit
//! belongs to the one whose operation changed it.
//!
//! A model checker compiles this very file with atomics of its own (`tests/loom_bits.rs`).

use core::ops::Range;

use super::words::{BITS_PER_WORD, locate, part};
use crate::atomic::{AtomicU32, Ordering};

/// A set of small numbers, in atomic words.
#[derive(Debug)]
pub(crate) struct AtomicBits<const WORDS: usize>([AtomicU32; WORDS]);

impl<const WORDS: usize> AtomicBits<WORDS> {
    /// The bits that are set in `words`.
    pub(crate) const fn from_words(words: [AtomicU32; WORDS]) -> Self {
        Self(words)
    }

    /// Takes the lowest bit of `range` that is set out of the set. Looks once at each word, and once more at one for each
    /// bit of it that somebody else takes or gives meanwhile; a bit that is given behind its back it may not see.
    pub(crate) fn take(&self, range: &Range<usize>) -> Option<usize> {
        for (index, word) in self.0.iter().enumerate() {
            let wanted = part(index, range);
            if wanted == 0 {
                continue;
            }
            let mut set = word.load(Ordering::Relaxed) & wanted;
            while set != 0 {
                let lowest = set & set.wrapping_neg();
                // What the last owner did to the thing itself was before this.
                let before = word.fetch_and(!lowest, Ordering::Acquire);
                if before & lowest != 0 {
                    let base = index.saturating_mul(BITS_PER_WORD);
                    return Some(base.saturating_add(lowest.trailing_zeros() as usize));
                }
                set = before & wanted;
            }
        }
        None
    }

    /// Puts a bit into the set. Says `false` if it is there already, or if there is no such bit.
    pub(crate) fn give(&self, bit: usize) -> bool {
        let (word, mask) = locate(bit);
        // The next owner comes after whatever was done to the thing before this.
        self.0
            .get(word)
            .is_some_and(|word| word.fetch_or(mask, Ordering::Release) & mask == 0)
    }

    /// How many bits are set.
    pub(crate) fn count(&self) -> usize {
        let ones = |word: &AtomicU32| word.load(Ordering::Relaxed).count_ones() as usize;
        self.0.iter().map(ones).sum()
    }
}
