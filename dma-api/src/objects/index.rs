//! Which chunk lies at an address.

/// Chunks by the number of their place: a hash table of twice as many slots as there can be chunks, searched from a key's
/// home on up to the first empty slot.
///
/// However the keys lie, a search looks at one slot and a half on the average (a test of 1,000 keys says: below two, and at most sixteen for any one). It never looks at more slots than there are chunks, and one that is empty.
#[derive(Debug)]
pub(super) struct Index<const N: usize> {
    /// The chunk's number and one more; 0 is an empty slot.
    slots: [[u16; 2]; N],
}

impl<const N: usize> Index<N> {
    pub(super) const fn new() -> Self {
        Self { slots: [[0; 2]; N] }
    }

    /// The chunk of that key, if there is one.
    ///
    /// * `key_of`: the key of a chunk that is in the table.
    pub(super) fn find(&self, key: u64, key_of: impl Fn(u16) -> u64) -> Option<u16> {
        let slot = self.slot_of(key, key_of)?;
        self.chunk_at(slot)
    }

    /// Puts in a chunk whose key is not there. What is nearer to its home makes room for what is farther from it, so that
    /// nothing is very far.
    pub(super) fn insert(&mut self, chunk: u16, key: u64, key_of: impl Fn(u16) -> u64) {
        let (mut chunk, mut slot) = (chunk, home::<N>(key));
        let mut steps = 0;
        while let Some(other) = self.chunk_at(slot) {
            let others = distance::<N>(home::<N>(key_of(other)), slot);
            if others < steps {
                self.put(slot, chunk.saturating_add(1));
                (chunk, steps) = (other, others);
            }
            (slot, steps) = (after::<N>(slot), steps.saturating_add(1));
        }
        self.put(slot, chunk.saturating_add(1));
    }

    /// Takes a chunk out, and moves those up that it stood in the way of.
    pub(super) fn remove(&mut self, key: u64, key_of: impl Fn(u16) -> u64) {
        let Some(mut hole) = self.slot_of(key, &key_of) else {
            return;
        };
        let mut slot = after::<N>(hole);
        while let Some(chunk) = self.chunk_at(slot) {
            // It may go where the hole is unless its home lies behind the hole.
            let home = home::<N>(key_of(chunk));
            if distance::<N>(home, slot) >= distance::<N>(hole, slot) {
                self.put(hole, chunk.saturating_add(1));
                hole = slot;
            }
            slot = after::<N>(slot);
        }
        self.put(hole, 0);
    }

    fn slot_of(&self, key: u64, key_of: impl Fn(u16) -> u64) -> Option<usize> {
        let mut slot = home::<N>(key);
        // At most half of the slots are taken, so that there is an empty one.
        loop {
            if key_of(self.chunk_at(slot)?) == key {
                return Some(slot);
            }
            slot = after::<N>(slot);
        }
    }

    fn chunk_at(&self, slot: usize) -> Option<u16> {
        let entry = self.slots.as_flattened().get(slot)?;
        entry.checked_sub(1)
    }

    fn put(&mut self, slot: usize, entry: u16) {
        if let Some(place) = self.slots.as_flattened_mut().get_mut(slot) {
            *place = entry;
        }
    }
}

/// Where a key belongs. Every bit of the key has a say in it.
const fn home<const N: usize>(key: u64) -> usize {
    let once = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let spread = (once ^ (once >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32;
    (spread.wrapping_mul(slots::<N>() as u64) >> 32) as usize
}

const fn slots<const N: usize>() -> usize {
    N.saturating_mul(2)
}

const fn after<const N: usize>(slot: usize) -> usize {
    let next = slot.wrapping_add(1);
    if next == slots::<N>() { 0 } else { next }
}

/// Steps from one slot to another.
const fn distance<const N: usize>(from: usize, to: usize) -> usize {
    let steps = to.wrapping_sub(from);
    if to >= from {
        steps
    } else {
        steps.wrapping_add(slots::<N>())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{collections::BTreeMap, vec::Vec};

    use super::*;

    const N: usize = 12;

    #[test]
    fn the_index_finds_what_a_map_finds() {
        let mut random = 7_u64;
        let mut index = Index::<N>::new();
        let mut keys = [u64::MAX; N];
        let mut model = BTreeMap::new();
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // So few keys that many share a home.
            let key = random >> 59;
            if let Some(chunk) = model.remove(&key) {
                index.remove(key, |chunk| keys[usize::from(chunk)]);
                keys[usize::from(chunk)] = u64::MAX;
            } else if let Some(place) = keys.iter().position(|key| *key == u64::MAX) {
                let chunk = u16::try_from(place).unwrap();
                keys[place] = key;
                index.insert(chunk, key, |chunk| keys[usize::from(chunk)]);
                model.insert(key, chunk);
            }
            for key in 0..32 {
                let found = index.find(key, |chunk| keys[usize::from(chunk)]);
                assert_eq!(found, model.get(&key).copied(), "{key} in {model:?}");
            }
        }
    }

    #[test]
    fn chunks_at_any_even_distance_are_found_in_one_look_or_two_on_the_average() {
        const MANY: usize = 1000;
        for step in 1..=64 {
            let mut index = Index::<MANY>::new();
            let keys: Vec<u64> = (0..1000).map(|key| 0x8_0000 + key * step).collect();
            for (chunk, key) in (0..).zip(&keys) {
                index.insert(chunk, *key, |chunk| keys[usize::from(chunk)]);
            }
            let looks = |key: &u64| {
                let slot = index.slot_of(*key, |chunk| keys[usize::from(chunk)]);
                distance::<MANY>(home::<MANY>(*key), slot.unwrap()) + 1
            };

            let (sum, most) = (
                keys.iter().map(looks).sum::<usize>(),
                keys.iter().map(looks).max(),
            );

            assert!(
                sum < 2 * MANY && most <= Some(16),
                "step {step}: {sum}, {most:?}"
            );
        }
    }
}
