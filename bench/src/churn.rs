//! Blocks that come and go at random, while the pages asked for stay at one occupancy.

use fastrand::Rng;

use crate::peer::Size;
use crate::script::{Call, Op};
use crate::sizes::Sizes;

/// Who asks: one kind of request among others.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// How often it is the one that asks, beside the others' weights.
    pub weight: u32,
    /// Below which page its blocks have to lie.
    pub below: Option<u32>,
}

/// Requests come from one kind of asker, whose blocks may lie anywhere.
pub const ANYWHERE: &[Asker] = &[Asker {
    weight: 1,
    below: None,
}];

/// A stream of calls that keeps about `target` pages requested.
///
/// A request that a peer refuses counts as if it had been met, so that the calls are the same for all peers.
#[derive(Debug)]
pub struct Churn<'a> {
    rng: Rng,
    sizes: Sizes,
    askers: &'a [Asker],
    target: u32,
    live: Vec<(u32, Size)>,
    live_pages: u32,
    unused_slots: Vec<u32>,
    taken_pages: u64,
}

impl<'a> Churn<'a> {
    /// Nothing is taken yet.
    #[must_use]
    pub fn new(seed: u64, sizes: Sizes, askers: &'a [Asker], target: u32) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            sizes,
            askers,
            target,
            live: Vec::new(),
            live_pages: 0,
            unused_slots: Vec::new(),
            taken_pages: 0,
        }
    }

    /// Calls until every page that is requested at the end has been asked for `turnovers` times over, on average.
    pub fn age(&mut self, turnovers: u32) -> Vec<Op> {
        let enough = u64::from(self.target) * u64::from(turnovers);
        let mut ops = Vec::new();
        while self.taken_pages < enough {
            ops.push(self.next_op());
        }
        ops
    }

    /// The next call.
    pub fn next_op(&mut self) -> Op {
        let size = self.sizes.next(&mut self.rng);
        if self.live_pages + size.pages <= self.target {
            self.take(size)
        } else {
            self.give()
        }
    }

    /// Calls that give back whatever is taken.
    pub fn finish(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        while !self.live.is_empty() {
            ops.push(self.give());
        }
        ops
    }

    /// The pages that are requested now.
    #[must_use]
    pub const fn live_pages(&self) -> u32 {
        self.live_pages
    }

    fn take(&mut self, size: Size) -> Op {
        let slot = self.unused_slots.pop().unwrap_or(self.live.len() as u32);
        self.live.push((slot, size));
        self.live_pages += size.pages;
        self.taken_pages += u64::from(size.pages);
        let call = self.below().map_or(Call::Take, Call::TakeBelow);
        Op { slot, size, call }
    }

    fn give(&mut self) -> Op {
        let (slot, size) = self.live.swap_remove(self.rng.usize(0..self.live.len()));
        self.unused_slots.push(slot);
        self.live_pages -= size.pages;
        Op {
            slot,
            size,
            call: Call::Give,
        }
    }

    fn below(&mut self) -> Option<u32> {
        let all: u32 = self.askers.iter().map(|asker| asker.weight).sum();
        let mut chosen = self.rng.u32(0..all);
        for asker in self.askers {
            if chosen < asker.weight {
                return asker.below;
            }
            chosen -= asker.weight;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const TARGET: u32 = 3_600;

    fn churn(seed: u64) -> Churn<'static> {
        Churn::new(seed, Sizes::AnyHeavy, ANYWHERE, TARGET)
    }

    #[test]
    fn one_seed_gives_one_stream_and_another_gives_another() {
        let stream = |seed| churn(seed).age(3);

        assert_eq!(stream(1), stream(1));
        assert_ne!(stream(1), stream(2));
    }

    #[test]
    fn after_ageing_the_occupancy_is_reached_and_kept() {
        let mut churn = churn(3);
        churn.age(3);

        for _ in 0..10_000 {
            churn.next_op();
            let live = churn.live_pages();
            assert!((TARGET - 512..=TARGET).contains(&live), "{live}");
        }
    }

    #[test]
    fn what_is_given_was_taken_with_that_size_and_no_slot_holds_two_blocks() {
        let mut held = HashMap::new();
        for op in churn(4).age(5) {
            match op.call {
                Call::Give => assert_eq!(held.remove(&op.slot), Some(op.size)),
                _ => assert_eq!(held.insert(op.slot, op.size), None),
            }
        }

        let pages: u32 = held.values().map(|size| size.pages).sum();
        assert!((TARGET - 512..=TARGET).contains(&pages), "{pages}");
    }

    #[test]
    fn askers_ask_as_often_as_their_weight_says() {
        let askers = [
            Asker {
                weight: 3,
                below: None,
            },
            Asker {
                weight: 1,
                below: Some(9),
            },
        ];
        let ops = Churn::new(5, Sizes::One, &askers, TARGET).age(4);

        let count = |call| ops.iter().filter(|op| op.call == call).count();
        let share = count(Call::TakeBelow(9)) as f64 / count(Call::Take) as f64;
        assert!((0.31..0.36).contains(&share), "{share}");
    }
}
