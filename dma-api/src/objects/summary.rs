//! A set of numbers below `N` whose lowest is found at once.

/// Bits of a word.
const BITS: usize = u64::BITS as usize;

/// A set of numbers below `N`: words with a bit for each, behind them words with a bit for each of those that is not 0,
/// and so on up to one word. All of them together are at most `N`.
#[derive(Debug)]
pub(super) struct Summary<const N: usize>([u64; N]);

impl<const N: usize> Summary<N> {
    /// The empty set.
    pub(super) const fn new() -> Self {
        Self([0; N])
    }

    /// The lowest number that is not below `from`. Takes two looks per level: there are three for 65,535 numbers.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let (mut base, mut words, mut index) = (0_usize, N.div_ceil(BITS), from);
        let mut below = [0; LEVELS];
        for depth in 0..LEVELS {
            *below.get_mut(depth)? = base;
            let word = index / BITS;
            if word < words {
                let masked = self.word(base, word) & (u64::MAX << (index % BITS));
                if masked != 0 {
                    let found = number(word, masked);
                    return self.descend(below.get(..depth)?, found);
                }
            }
            if words <= 1 {
                return None;
            }
            (base, words, index) = (
                base.saturating_add(words),
                words.div_ceil(BITS),
                word.saturating_add(1),
            );
        }
        None
    }

    /// The lowest number below a bit of a higher level.
    fn descend(&self, levels: &[usize], found: usize) -> Option<usize> {
        let mut found = found;
        for base in levels.iter().rev() {
            found = number(found, self.word(*base, found));
        }
        Some(found)
    }

    /// Puts a number in or takes it out.
    pub(super) fn set(&mut self, number: usize, there: bool) {
        let (mut base, mut words, mut index, mut there) =
            (0_usize, N.div_ceil(BITS), number, there);
        for _ in 0..LEVELS {
            let (word, mask) = (index / BITS, 1_u64 << (index % BITS));
            let Some(bits) = self.0.get_mut(base.saturating_add(word)) else {
                return;
            };
            *bits = if there { *bits | mask } else { *bits & !mask };
            there = *bits != 0;
            if words <= 1 {
                return;
            }
            (base, words, index) = (base.saturating_add(words), words.div_ceil(BITS), word);
        }
    }

    fn word(&self, base: usize, word: usize) -> u64 {
        let word = self.0.get(base.saturating_add(word));
        word.copied().unwrap_or(0)
    }
}

/// Levels that 2^18 numbers have.
const LEVELS: usize = 3;

/// The number of a word's lowest bit.
const fn number(word: usize, bits: u64) -> usize {
    word.saturating_mul(BITS)
        .saturating_add(bits.trailing_zeros() as usize)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test panics")]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;

    use super::*;

    fn agrees<const N: usize>(steps: usize) {
        let (mut summary, mut model) = (Summary::<N>::new(), BTreeSet::new());
        let mut random = 0x9e37_79b9_u64;
        for step in 0..steps {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = usize::try_from(random >> 33).unwrap() % N;
            let there = (random >> 32) & 1 == 0 || step < 4;
            summary.set(number, there);
            if there {
                model.insert(number);
            } else {
                model.remove(&number);
            }
            for from in [0, number, number + 1, N - 1, N, N + 64] {
                let expected = model.range(from..).next().copied();
                assert_eq!(
                    summary.next(from),
                    expected,
                    "{N}: from {from} in {model:?}"
                );
            }
        }
    }

    #[test]
    fn a_summary_finds_what_looking_at_every_number_finds() {
        agrees::<1>(50);
        agrees::<2>(100);
        agrees::<63>(500);
        agrees::<64>(500);
        agrees::<65>(500);
        agrees::<200>(2_000);
        agrees::<4096>(2_000);
        agrees::<4097>(2_000);
        agrees::<20_000>(300);
    }

    #[test]
    fn each_number_is_found_alone() {
        let mut summary = Summary::<4100>::new();
        for number in 0..4100_usize {
            summary.set(number, true);
            assert_eq!(summary.next(0), Some(number));
            assert_eq!(summary.next(number + 1), None);
            summary.set(number, false);
            assert_eq!(summary.next(0), None);
        }
    }
}
