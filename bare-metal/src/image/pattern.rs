//! The bytes written to the scratch disk, and those of a disk that the host has written: each computes them for itself.

/// Fills `bytes`, which begin at byte `offset` of the disk (a multiple of 8), with SplitMix64 words.
pub(crate) fn fill(bytes: &mut [u8], offset: usize) {
    for (index, word) in bytes.chunks_mut(8).enumerate() {
        let value = splitmix64((offset / 8 + index) as u64);
        word.copy_from_slice(&value.to_le_bytes()[..word.len()]);
    }
}

/// The output of SplitMix64 for a state (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
fn splitmix64(state: u64) -> u64 {
    let z = state.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
