//! Bits in words, and the search for clear ones, a word at a time.

use core::ops::Range;

/// Bits in a word.
pub(super) const BITS: usize = u64::BITS as usize;

/// A row of bits. Those behind its end read as 0 and cannot be set.
pub(super) struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Bits<WORDS> {
    pub(super) const CLEAR: Self = Self([0; WORDS]);

    pub(super) fn get(&self, bit: usize) -> bool {
        let (word, mask) = locate(bit);
        self.0.get(word).is_some_and(|word| word & mask != 0)
    }

    pub(super) fn set(&mut self, bit: usize, value: bool) {
        let (word, mask) = locate(bit);
        if let Some(word) = self.0.get_mut(word) {
            *word = if value { *word | mask } else { *word & !mask };
        }
    }

    /// Sets all bits from `first` to `last`, both included, a word at a time.
    pub(super) fn set_all(&mut self, first: usize, last: usize, value: bool) {
        let (first_word, first_mask) = locate(first);
        let (last_word, last_mask) = locate(last);
        let (from_first, up_to_last) = (
            first_mask.wrapping_neg(),
            last_mask | last_mask.wrapping_sub(1),
        );
        for (index, word) in self.0.iter_mut().enumerate().skip(first_word) {
            if index > last_word {
                break;
            }
            let mut mask = u64::MAX;
            if index == first_word {
                mask &= from_first;
            }
            if index == last_word {
                mask &= up_to_last;
            }
            *word = if value { *word | mask } else { *word & !mask };
        }
    }

    /// The first bit of that value from `from` on and below `end`, a word at a time.
    pub(super) fn next(&self, from: usize, end: usize, value: bool) -> Option<usize> {
        let invert = if value { 0 } else { u64::MAX };
        let mut from = from;
        while from < end {
            let (word, mask) = locate(from);
            let candidates = (self.0.get(word)? ^ invert) & mask.wrapping_neg();
            let base = word.saturating_mul(BITS);
            if candidates != 0 {
                let bit = base.saturating_add(candidates.trailing_zeros() as usize);
                return (bit < end).then_some(bit);
            }
            from = base.saturating_add(BITS);
        }
        None
    }

    /// The words that have the first `bits` bits.
    pub(super) fn words(&self, bits: usize) -> Words<'_> {
        Words(self.0.get(..bits.div_ceil(BITS)).unwrap_or(&self.0))
    }
}

/// Words that are searched for runs of clear bits. All of their bits count.
#[derive(Clone, Copy)]
pub(super) struct Words<'a>(&'a [u64]);

impl Words<'_> {
    /// How many bits are clear.
    pub(super) fn count(self) -> usize {
        let clear = self.0.iter().map(|word| word.count_zeros() as usize);
        clear.sum()
    }

    /// The lowest bit in `range` with which `count` clear bits begin, at most [`BITS`], and that is one of `allowed`.
    ///
    /// * `allowed`: of the word that begins with this bit, those at which a run may begin. It is asked only about words
    ///   in which one does.
    ///
    /// A word takes at most 6 steps of doubling, and one call of `allowed`.
    pub(super) fn find_short(
        self,
        range: Range<usize>,
        count: usize,
        allowed: impl Fn(usize) -> u64,
    ) -> Option<usize> {
        let (first_word, first) = locate(range.start);
        let (last_word, last) = locate(range.end.checked_sub(1)?);
        let mut rest = self.0.get(first_word..)?.iter().peekable();
        let mut index = first_word;
        while let Some(&word) = rest.next() {
            let following = rest.peek().map_or(0, |word| !**word);
            let mut found = beginnings(!word, following, count);
            if index == first_word {
                found &= first.wrapping_neg();
            }
            if index == last_word {
                found &= last | last.wrapping_sub(1);
            }
            if found != 0 {
                let base = index.saturating_mul(BITS);
                found &= allowed(base);
                if found != 0 {
                    return Some(base.saturating_add(found.trailing_zeros() as usize));
                }
            }
            if index >= last_word {
                return None;
            }
            index = index.saturating_add(1);
        }
        None
    }

    /// The first that `place` finds in a run of at least `count` clear bits, more than [`BITS`]; the runs in ascending
    /// order, and of the first of them no bit in a word before that of `from`.
    ///
    /// A word takes one step, and a run of that length one call of `place`.
    pub(super) fn find_long<T>(
        self,
        from: usize,
        count: usize,
        place: impl Fn(Range<usize>) -> Option<T>,
    ) -> Option<T> {
        self.across(from, |run| {
            if run.len() < count {
                return None;
            }
            place(run)
        })
    }

    /// Length of the longest run of clear bits.
    ///
    /// A word takes one step and at most 6 of doubling, and all of them together at most [`BITS`] times 6 more.
    pub(super) fn longest(self) -> usize {
        let mut longest = 0_usize;
        self.across::<()>(0, |run| {
            longest = longest.max(run.len());
            None
        });
        // What is left are runs inside a word; each time one is longer than all before, those get harder to find.
        for word in self.0 {
            while longest < BITS && beginnings(!word, 0, longest.saturating_add(1)) != 0 {
                longest = longest.saturating_add(1);
            }
        }
        longest
    }

    /// Shows `visit` the runs of clear bits that are longer than a word or have the first or last bit of one, in
    /// ascending order, from the word of `from` on and until it returns something.
    fn across<T>(self, from: usize, mut visit: impl FnMut(Range<usize>) -> Option<T>) -> Option<T> {
        let mut base = (from / BITS).saturating_mul(BITS);
        // Where the run begins that goes on until `base`.
        let mut start = base;
        for word in self.0.get(from / BITS..)? {
            let clear = !word;
            let next = base.saturating_add(BITS);
            if clear != u64::MAX {
                let end = base.saturating_add(clear.trailing_ones() as usize);
                if start < end
                    && let Some(found) = visit(start..end)
                {
                    return Some(found);
                }
                start = next.saturating_sub(clear.leading_ones() as usize);
            }
            base = next;
        }
        if start < base {
            visit(start..base)
        } else {
            None
        }
    }
}

/// The bits of `word` with which `count` set bits begin, at most [`BITS`], which may go on in `following`.
///
/// In each step a bit that says that so many follow becomes one for up to twice as many.
fn beginnings(word: u64, following: u64, count: usize) -> u64 {
    let mut runs = u128::from(following) << BITS | u128::from(word);
    let mut known = 1_usize;
    while known < count && runs != 0 {
        let step = known.min(count.saturating_sub(known));
        runs &= runs >> step;
        known = known.saturating_add(step);
    }
    low(runs)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
const fn low(runs: u128) -> u64 {
    runs as u64
}

/// The word of a bit, and its mask in there.
const fn locate(bit: usize) -> (usize, u64) {
    (bit / BITS, 1 << (bit % BITS))
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test calculates, and panics"
)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    /// Numbers that are the same in each run: the top bits of a multiplicative sequence.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            self.0 >> 32
        }

        /// Runs of ones and zeros of every length up to more than two words.
        fn bits<const WORDS: usize>(&mut self) -> Bits<WORDS> {
            let mut bits = Bits::CLEAR;
            let most = [3, 9, 40, 80, 200][self.below(5)];
            let mut at = 0;
            while at < WORDS * BITS {
                let (clear, set) = (self.below(most), 1 + self.below(most.min(9)));
                bits.set_all(at + clear, at + clear + set - 1, true);
                at += clear + set;
            }
            bits
        }

        fn below(&mut self, end: usize) -> usize {
            usize::try_from(self.next()).unwrap() % end
        }
    }

    /// The runs of clear bits, one bit at a time.
    fn runs<const WORDS: usize>(bits: &Bits<WORDS>) -> Vec<Range<usize>> {
        let mut runs = Vec::<Range<usize>>::new();
        for bit in (0..WORDS * BITS).filter(|bit| !bits.get(*bit)) {
            match runs.last_mut() {
                Some(run) if run.end == bit => run.end += 1,
                _ => runs.push(bit..bit + 1),
            }
        }
        runs
    }

    #[test]
    fn a_search_by_words_finds_what_looking_at_each_bit_finds() {
        let mut numbers = Numbers(1);
        for _ in 0..4000 {
            let bits = numbers.bits::<4>();
            let (all, words) = (runs(&bits), bits.words(4 * BITS));
            let longest = all.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
            assert_eq!(words.longest(), longest);
            assert_eq!(words.count(), all.iter().map(ExactSizeIterator::len).sum());

            let count = 1 + numbers.below(BITS);
            let (one, two) = (numbers.below(4 * BITS + 1), numbers.below(4 * BITS + 1));
            let range = one.min(two)..one.max(two);
            let pattern = [u64::MAX, 1, 0x8080_8080_8080_8080, numbers.next() << 16];
            let pattern = pattern[numbers.below(4)];
            let allowed = |bit: usize| pattern.rotate_left(u32::try_from(bit / BITS).unwrap());
            let may = |bit: &usize| allowed(bit / BITS * BITS) >> (bit % BITS) & 1 == 1;
            let begins = |bit: &usize| {
                let whole = |run: &Range<usize>| run.start <= *bit && bit + count <= run.end;
                may(bit) && all.iter().any(whole)
            };
            assert_eq!(
                words.find_short(range.clone(), count, allowed),
                range.clone().find(begins),
                "{range:?} {count} {pattern:#x} {all:?}"
            );

            let (from, count) = (one.min(4 * BITS - 1), BITS + 1 + numbers.below(90));
            let rest = all
                .iter()
                .map(|run| run.start.max(from / BITS * BITS)..run.end);
            let long = |run: &Range<usize>| run.start + count <= run.end;
            let wanted = numbers.below(2);
            let place = |run: Range<usize>| (run.start % 2 == wanted).then_some(run);
            let expected = rest.filter(long).find_map(place);
            assert_eq!(words.find_long(from, count, place), expected);
        }
    }

    #[test]
    fn a_run_of_every_length_is_found_at_every_place() {
        for count in 1..=BITS {
            for start in 0..2 * BITS {
                let mut bits = Bits::<3>::CLEAR;
                bits.set_all(0, 3 * BITS - 1, true);
                bits.set_all(start, start + count - 1, false);
                let words = bits.words(3 * BITS);
                let find = |count| words.find_short(0..3 * BITS, count, |_| u64::MAX);

                assert_eq!(find(count), Some(start));
                assert_eq!(words.longest(), count);
                if count < BITS {
                    assert_eq!(find(count + 1), None);
                }
            }
        }
    }

    #[test]
    fn no_bit_is_found_where_there_is_none() {
        let words = Bits::<1>::CLEAR;
        let words = words.words(0);

        assert_eq!(words.find_short(0..64, 1, |_| u64::MAX), None);
        assert_eq!(words.find_short(64..65, 1, |_| u64::MAX), None);
        assert_eq!(words.find_long(0, 65, Some), None);
        assert_eq!((words.longest(), words.count()), (0, 0));
        let all = Bits::<1>::CLEAR;
        assert_eq!(all.words(64).find_short(9..9, 1, |_| u64::MAX), None);
    }
}
