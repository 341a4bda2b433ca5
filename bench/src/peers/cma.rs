//! The algorithm of Linux's contiguous memory allocator: one bitmap, searched from its beginning for the first fit.
//!
//! Find a free bit, round it up to the alignment, look for a taken bit in the wanted range, and begin again behind it.

use anyhow::Result;

use crate::peer::{Books, Peer, Row, Size};

const WORD_BITS: usize = u64::BITS as usize;

/// A bit per page, set where it is taken.
#[derive(Debug)]
pub struct Cma {
    words: Vec<u64>,
    pages: usize,
}

impl Peer for Cma {
    const ROW: Row = Row {
        name: "cma",
        package: None,
        books: Books::Side,
        note: "Linux CMA's algorithm, written for this comparison; without its lock",
    };

    fn new(pages: u32, _limits: &[u32]) -> Result<Self> {
        let pages = pages as usize;
        Ok(Self {
            words: vec![0; pages.div_ceil(WORD_BITS)],
            pages,
        })
    }

    #[inline]
    fn take(&mut self, size: Size) -> Option<u32> {
        self.first_fit(size, self.pages)
    }

    #[inline]
    fn take_below(&mut self, size: Size, limit: u32) -> Option<u32> {
        self.first_fit(size, self.pages.min(limit as usize))
    }

    #[inline]
    fn give(&mut self, page: u32, size: Size) {
        self.fill(page as usize, size.pages as usize, false);
    }
}

impl Cma {
    fn first_fit(&mut self, size: Size, end: usize) -> Option<u32> {
        let (pages, align) = (size.pages as usize, size.align as usize);
        let mut from = 0;
        loop {
            let start = self.next(from, end, false)?.next_multiple_of(align);
            let behind = start + pages;
            if behind > end {
                return None;
            }
            match self.next(start, behind, true) {
                Some(taken) => from = taken + 1,
                None => {
                    self.fill(start, pages, true);
                    return Some(start as u32);
                }
            }
        }
    }

    /// The first bit of that value from `from` on and below `end`.
    fn next(&self, from: usize, end: usize, value: bool) -> Option<usize> {
        if from >= end {
            return None;
        }
        let invert = if value { 0 } else { u64::MAX };
        let mut word = from / WORD_BITS;
        let mut bits = (self.words[word] ^ invert) & (u64::MAX << (from % WORD_BITS));
        while bits == 0 {
            word += 1;
            if word * WORD_BITS >= end {
                return None;
            }
            bits = self.words[word] ^ invert;
        }
        let found = word * WORD_BITS + bits.trailing_zeros() as usize;
        (found < end).then_some(found)
    }

    fn fill(&mut self, start: usize, pages: usize, value: bool) {
        let end = start + pages;
        let mut from = start;
        while from < end {
            let (word, shift) = (from / WORD_BITS, from % WORD_BITS);
            let count = (WORD_BITS - shift).min(end - from);
            let mask = (u64::MAX >> (WORD_BITS - count)) << shift;
            if value {
                self.words[word] |= mask;
            } else {
                self.words[word] &= !mask;
            }
            from += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fit_is_found_behind_what_is_taken_and_on_its_alignment() {
        let mut cma = Cma::new(200, &[]).unwrap();
        let size = |pages, align| Size { pages, align };

        assert_eq!(cma.take(size(60, 1)), Some(0));
        assert_eq!(cma.take(size(10, 1)), Some(60));
        assert_eq!(cma.take(size(4, 64)), Some(128));
        assert_eq!(cma.take(size(58, 1)), Some(70));
        assert_eq!(cma.take(size(69, 1)), None);
        assert_eq!(cma.take_below(size(1, 1), 132), None);
        cma.give(60, size(10, 1));
        assert_eq!(cma.take_below(size(10, 1), 69), None);
        assert_eq!(cma.take_below(size(10, 1), 70), Some(60));
        assert_eq!(cma.take(size(68, 1)), Some(132));
        assert_eq!(cma.take(size(1, 1)), None);
    }
}
