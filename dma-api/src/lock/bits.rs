//! Which of many equal things are free, a bit each. Here it is chosen how the bits are shared: in atomic words, or in a
//! critical section where the processor has no compare-and-swap.

#[cfg(target_has_atomic = "32")]
mod atomic_bits;

mod words;

#[cfg(target_has_atomic = "32")]
pub(crate) use atomic_bits::AtomicBits as Bits;
#[cfg(not(target_has_atomic = "32"))]
pub(crate) use locked_bits::LockedBits as Bits;
pub(crate) use words::BITS_PER_WORD;

#[cfg(target_has_atomic = "32")]
impl<const WORDS: usize> Bits<WORDS> {
    /// No bit is set.
    pub(crate) const fn new() -> Self {
        Self::from_words([const { crate::atomic::AtomicU32::new(0) }; WORDS])
    }
}

#[cfg(any(test, not(target_has_atomic = "32")))]
mod locked_bits {
    use core::ops::Range;

    use super::words::{locate, part};
    use crate::lock::Locked;

    /// A set of small numbers, in a critical section.
    #[derive(Debug)]
    pub(crate) struct LockedBits<const WORDS: usize>(Locked<[u32; WORDS]>);

    impl<const WORDS: usize> LockedBits<WORDS> {
        /// No bit is set.
        pub(crate) const fn new() -> Self {
            Self(Locked::new([0; WORDS]))
        }

        /// Takes the lowest bit of `range` that is set out of the set.
        pub(crate) fn take(&self, range: &Range<usize>) -> Option<usize> {
            self.0.with(|words| {
                words.iter_mut().enumerate().find_map(|(index, word)| {
                    let set = *word & part(index, range);
                    let lowest = set & set.wrapping_neg();
                    *word &= !lowest;
                    let bit = index.saturating_mul(super::BITS_PER_WORD);
                    (lowest != 0).then(|| bit.saturating_add(lowest.trailing_zeros() as usize))
                })
            })
        }

        /// Puts a bit into the set. Says `false` if it is there already, or if there is no such bit.
        pub(crate) fn give(&self, bit: usize) -> bool {
            let (word, mask) = locate(bit);
            self.0.with(|words| match words.get_mut(word) {
                Some(word) if *word & mask == 0 => {
                    *word |= mask;
                    true
                }
                _ => false,
            })
        }

        /// How many bits are set.
        pub(crate) fn count(&self) -> usize {
            self.0
                .with(|words| words.iter().map(|word| word.count_ones() as usize).sum())
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::{Bits, locked_bits::LockedBits};

    /// The same for both kinds.
    macro_rules! for_both {
        (|$bits:ident| $body:block) => {{
            {
                let $bits = Bits::<3>::new();
                $body
            }
            {
                let $bits = LockedBits::<3>::new();
                $body
            }
        }};
    }

    #[test]
    fn what_was_given_is_taken_once_and_the_lowest_first() {
        for_both!(|bits| {
            assert_eq!(bits.take(&(0..96)), None);
            for bit in [95, 31, 0, 64, 32] {
                assert!(bits.give(bit), "{bit}");
            }
            assert_eq!(bits.count(), 5);

            let taken: Vec<_> = core::iter::from_fn(|| bits.take(&(0..96))).collect();

            assert_eq!(taken, [0, 31, 32, 64, 95]);
            assert_eq!(bits.count(), 0);
        });
    }

    #[test]
    fn what_is_there_cannot_be_given_nor_what_there_is_no_place_for() {
        for_both!(|bits| {
            assert!(bits.give(33));
            assert!(!bits.give(33));
            assert!(!bits.give(96));
            assert!(!bits.give(usize::MAX));
            assert_eq!(bits.count(), 1);
        });
    }

    #[test]
    fn only_what_lies_in_the_range_is_taken() {
        let cases = [
            (0..1, Some(0)),
            (0..1, None),
            (31..33, Some(31)),
            (31..33, Some(32)),
            (31..33, None),
            (5..5, None),
            (63..64, Some(63)),
            (64..65, Some(64)),
            (95..200, Some(95)),
            (95..200, None),
            (200..300, None),
        ];
        for_both!(|bits| {
            for bit in 0..96 {
                assert!(bits.give(bit));
            }
            for (range, expected) in &cases {
                assert_eq!(bits.take(range), *expected, "{range:?}");
            }
            assert_eq!(bits.count(), 90);
        });
    }
}
