//! Bits in words.

use core::ops::Range;

/// Bits of a word.
pub(crate) const BITS_PER_WORD: usize = u32::BITS as usize;

/// The word of a bit, and its mask in there.
pub(crate) const fn locate(bit: usize) -> (usize, u32) {
    (bit / BITS_PER_WORD, 1 << (bit % BITS_PER_WORD))
}

/// The bits of a word that lie in the range.
pub(crate) fn part(word: usize, range: &Range<usize>) -> u32 {
    let base = word.saturating_mul(BITS_PER_WORD);
    below(range.end.saturating_sub(base)) & !below(range.start.saturating_sub(base))
}

/// So many bits of a word, or all.
fn below(bits: usize) -> u32 {
    let bits = u32::try_from(bits).unwrap_or(u32::MAX);
    1_u32
        .checked_shl(bits)
        .map_or(u32::MAX, |bit| bit.wrapping_sub(1))
}
