//! Objects that come and go, in the two orders that are measured.

use fastrand::Rng;

use crate::objects::fixed::REGION;
use crate::peer::Size;
use crate::script::{Call, Op};

/// Objects that are taken, and then as many given back, before the caches are looked at again.
pub const BATCH: usize = 32;

/// Batch after batch: [`BATCH`] objects are taken, and as many of those that have been there for longer are given back,
/// chosen at random. A sixteenth of the region is taken at the beginning, and so it stays.
#[derive(Debug)]
pub struct Batches {
    rng: Rng,
    live: Vec<u32>,
    unused: Vec<u32>,
}

impl Batches {
    /// Of objects of that many bytes.
    #[must_use]
    pub fn new(seed: u64, bytes: usize) -> Self {
        let slots = (REGION / bytes / 2) as u32;
        Self {
            rng: Rng::with_seed(seed),
            live: Vec::new(),
            unused: (0..slots).rev().collect(),
        }
    }

    /// Takes what stays.
    pub fn begin(&mut self) -> Vec<Op> {
        let stays = self.unused.len() / 8;
        (0..stays.max(BATCH)).filter_map(|_| self.take()).collect()
    }

    /// A batch.
    pub fn next_batch(&mut self) -> Vec<Op> {
        let mut old = core::mem::take(&mut self.live);
        let mut ops: Vec<Op> = (0..BATCH).filter_map(|_| self.take()).collect();
        self.rng.shuffle(&mut old);
        for _ in 0..ops.len() {
            let Some(slot) = old.pop() else { break };
            self.unused.push(slot);
            ops.push(op(slot, Call::Give));
        }
        self.live.append(&mut old);
        ops
    }

    /// Gives everything back.
    pub fn finish(&mut self) -> Vec<Op> {
        let live = core::mem::take(&mut self.live);
        live.into_iter().map(|slot| op(slot, Call::Give)).collect()
    }

    fn take(&mut self) -> Option<Op> {
        let slot = self.unused.pop()?;
        self.live.push(slot);
        Some(op(slot, Call::Take))
    }
}

const fn op(slot: u32, call: Call) -> Op {
    Op {
        slot,
        size: Size::pages(1),
        call,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_batch_takes_and_then_gives_as_many_that_were_there_before() {
        for bytes in [64, 2048] {
            let mut batches = Batches::new(1, bytes);
            let mut live: BTreeSet<u32> = batches.begin().iter().map(|op| op.slot).collect();
            let stays = live.len();
            assert!(stays >= BATCH);

            for _ in 0..50 {
                let old = live.clone();
                let ops = batches.next_batch();
                let (takes, gives) = ops.split_at(BATCH);
                assert!(
                    takes
                        .iter()
                        .all(|op| op.call == Call::Take && live.insert(op.slot))
                );
                assert!(
                    gives
                        .iter()
                        .all(|op| op.call == Call::Give && old.contains(&op.slot))
                );
                assert!(gives.iter().all(|op| live.remove(&op.slot)));
                assert_eq!(live.len(), stays);
            }
            assert!(batches.finish().iter().all(|op| live.remove(&op.slot)));
            assert!(live.is_empty());
        }
    }
}
