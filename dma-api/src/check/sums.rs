//! Checksums of a buffer's bytes, part by part.
#![expect(unsafe_code, reason = "bytes are read through the buffer's pointer")]

use core::ptr::NonNull;

/// Parts of a buffer that have a sum of their own.
pub(super) const PARTS: usize = 16;

/// The sums of a buffer's parts: sixteenths, rounded up to whole bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    parts: [u32; PARTS],
    len: usize,
}

impl Sums {
    /// Of the bytes as they are now.
    ///
    /// # Safety
    /// `memory` is valid for reads and initialised, and nobody writes to it meanwhile but by mistake.
    pub(super) unsafe fn of(memory: NonNull<[u8]>) -> Self {
        // Fowler, Noll and Vo's hash 1a: each step is reversible, so one changed byte always changes the sum.
        const START: u32 = 0x811c_9dc5;
        const PRIME: u32 = 0x0100_0193;

        let len = memory.len();
        let mut parts = [START; PARTS];
        let mut place = memory.cast::<u8>();
        let mut left = len;
        for sum in &mut parts {
            for _ in 0..part_len(len).min(left) {
                // SAFETY: the caller's promise; `left` more bytes begin here. It is volatile, so that a mistaken store of
                // somebody else's is read as it is or not at all, and no reference exists (S1).
                let byte = unsafe { place.read_volatile() };
                *sum = (*sum ^ u32::from(byte)).wrapping_mul(PRIME);
                // SAFETY: the byte was inside the memory, so this is inside or just behind it.
                place = unsafe { place.add(1) };
            }
            left = left.saturating_sub(part_len(len));
        }
        Self { parts, len }
    }

    /// Offset and length of the parts from the first to the last that begin at `from` or behind it and differ.
    pub(super) fn changed_from(&self, now: &Self, from: usize) -> Option<(usize, usize)> {
        let part = part_len(self.len);
        let differ = |index: &usize| {
            let offset = index.saturating_mul(part);
            offset >= from && self.parts.get(*index) != now.parts.get(*index)
        };
        let (first, last) = ((0..PARTS).find(differ)?, (0..PARTS).rfind(differ)?);
        let start = first.saturating_mul(part);
        let end = last.saturating_add(1).saturating_mul(part).min(self.len);
        Some((start, end.saturating_sub(start)))
    }
}

const fn part_len(len: usize) -> usize {
    len.div_ceil(PARTS)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;

    use super::*;

    fn sums(bytes: &mut [u8]) -> Sums {
        // SAFETY: a slice is valid, and borrowed meanwhile.
        unsafe { Sums::of(NonNull::from(bytes)) }
    }

    #[test]
    fn every_single_changed_byte_is_found_in_its_part() {
        for len in [1, 2, 15, 16, 17, 31, 33, 100, 256] {
            let mut bytes = vec![0x5a; len];
            let before = sums(&mut bytes);
            assert_eq!(before.changed_from(&before, 0), None);
            for index in 0..len {
                bytes[index] ^= 0x80;
                let (first, part) = before.changed_from(&sums(&mut bytes), 0).unwrap();
                assert!((first..first + part).contains(&index), "{index} of {len}");
                assert!(part <= len.div_ceil(16) && first + part <= len);
                bytes[index] ^= 0x80;
            }
        }
    }

    #[test]
    fn only_parts_that_begin_behind_are_compared() {
        let mut bytes = [0; 160];
        let before = sums(&mut bytes);
        bytes[39] = 1;
        bytes[75] = 1;
        let now = sums(&mut bytes);

        assert_eq!(before.changed_from(&now, 0), Some((30, 50)));
        assert_eq!(before.changed_from(&now, 30), Some((30, 50)));
        assert_eq!(before.changed_from(&now, 31), Some((70, 10)));
        assert_eq!(before.changed_from(&now, 71), None);
    }
}
