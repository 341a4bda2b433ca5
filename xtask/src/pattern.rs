//! The bytes an image writes to the scratch disk, known to the image and to the host alike.

/// What the scratch disk holds before a run, and after it where the image was not to write.
pub(crate) const UNTOUCHED: u8 = 0xA5;

/// The 64-bit word at an 8-byte index: what the generator `splitmix64` gives from the state `index`.
///
/// No two indices give the same word, so a sector at the wrong place is found.
pub(crate) const fn word(index: u64) -> u64 {
    let mut word = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// The first byte of a scratch disk that is not as it must be after `written` bytes were written.
pub(crate) fn first_wrong(disk: &[u8], written: usize) -> Option<usize> {
    let (pattern, rest) = disk.split_at(written.min(disk.len()));
    for (index, chunk) in (0..).zip(pattern.chunks(8)) {
        let expected = word(index).to_le_bytes();
        if let Some(at) = chunk
            .iter()
            .zip(expected)
            .position(|(&found, expected)| found != expected)
        {
            let before = usize::try_from(index).expect("an index into the disk");
            return Some(before * 8 + at);
        }
    }
    rest.iter()
        .position(|&byte| byte != UNTOUCHED)
        .map(|at| pattern.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(written: usize, untouched: usize) -> Vec<u8> {
        let mut disk: Vec<u8> = (0..)
            .flat_map(|index| word(index).to_le_bytes())
            .take(written)
            .collect();
        disk.resize(written + untouched, UNTOUCHED);
        disk
    }

    #[test]
    fn the_words_are_those_of_splitmix64() {
        // The first output of the generator seeded with 0, as its authors' implementation gives it.
        assert_eq!(word(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn every_wrong_byte_is_found_where_it_is() {
        let right = disk(29, 7);
        assert_eq!(first_wrong(&right, 29), None);

        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert_eq!(first_wrong(&wrong, 29), Some(at));
        }
    }

    #[test]
    fn a_byte_too_many_or_too_few_is_wrong() {
        assert_eq!(first_wrong(&disk(17, 8), 16), Some(16));
        assert_eq!(first_wrong(&disk(16, 8), 17), Some(16));
    }
}
