//! Calls that are decided beforehand, so that they are the same for every peer and cost nothing to choose.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::peer::Size;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Which block: what is taken is kept in this slot, what is given comes from it.
    pub slot: u32,
    /// Its size.
    pub size: Size,
    /// What is done.
    pub call: Call,
}

/// What is done with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It is allocated, anywhere.
    Take,
    /// It is allocated, and lies below this page.
    TakeBelow(u32),
    /// It is freed, if it could be had.
    Give,
}

/// What a workload does to a region.
#[derive(Clone, Debug)]
pub struct Script {
    /// Pages in the region.
    pub pages: u32,
    /// Below which pages blocks will have to lie, ascending.
    pub limits: Vec<u32>,
    /// How many slots the calls need.
    pub slots: usize,
    /// All calls, in order.
    pub ops: Vec<Op>,
    /// Those that come first and are not measured.
    pub ageing: Range<usize>,
    /// Before which call the blocks, all of one size, change their slots so that they are in the order of their pages.
    pub sorted_before: Option<usize>,
    /// Those that are measured. Rounds that leave the region as they found it may be the same.
    pub rounds: Vec<Round>,
}

/// One round over all peers: between two of its rounds, a peer's books have left the caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Calls that come first and are not timed.
    pub warming: Range<usize>,
    /// Calls that are.
    pub timed: Range<usize>,
}

impl Script {
    /// Calls that leave a region as they found it, so that every round is the same.
    #[must_use]
    pub fn repeated(pages: u32, ageing: Vec<Op>, round: &[Op], rounds: usize) -> Self {
        let start = ageing.len();
        let mut ops = ageing;
        ops.extend_from_slice(round);
        let all = start..ops.len();
        let round = Round {
            warming: all.clone(),
            timed: all,
        };
        Self {
            pages,
            limits: limits(&ops),
            slots: slots(&ops),
            ops,
            ageing: 0..start,
            sorted_before: None,
            rounds: vec![round; rounds],
        }
    }

    /// Calls that go on: after the first `ageing`, each round is half of `length` to warm, and then `length`.
    #[must_use]
    pub fn ongoing(pages: u32, ops: Vec<Op>, ageing: usize, length: usize) -> Self {
        let warming = length / 2;
        let all = warming + length;
        let rounds = (ops.len() - ageing) / all;
        let round = |start: usize| Round {
            warming: start..start + warming,
            timed: start + warming..start + all,
        };
        Self {
            pages,
            limits: limits(&ops),
            slots: slots(&ops),
            ops,
            ageing: 0..ageing,
            sorted_before: None,
            rounds: (0..rounds).map(|at| round(ageing + at * all)).collect(),
        }
    }
}

fn limits(ops: &[Op]) -> Vec<u32> {
    let limits: BTreeSet<u32> = ops
        .iter()
        .filter_map(|op| match op.call {
            Call::TakeBelow(limit) => Some(limit),
            _ => None,
        })
        .collect();
    limits.into_iter().collect()
}

fn slots(ops: &[Op]) -> usize {
    let last = ops.iter().map(|op| op.slot as usize).max();
    last.map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ops(slots: Range<u32>) -> Vec<Op> {
        let op = |slot| Op {
            slot,
            size: Size::pages(1),
            call: Call::Take,
        };
        slots.map(op).collect()
    }

    #[test]
    fn ongoing_rounds_follow_each_other_and_leave_out_no_call() {
        let script = Script::ongoing(9, ops(0..40), 10, 10);

        let round = |start| Round {
            warming: start..start + 5,
            timed: start + 5..start + 15,
        };
        assert_eq!(script.ageing, 0..10);
        assert_eq!(script.rounds, [round(10), round(25)]);
        assert_eq!(script.slots, 40);
    }

    #[test]
    fn repeated_rounds_are_the_same_calls_behind_the_ageing() {
        let script = Script::repeated(9, ops(0..3), &ops(3..5), 2);

        let round = Round {
            warming: 3..5,
            timed: 3..5,
        };
        assert_eq!(script.rounds, [round.clone(), round]);
        assert_eq!((script.ageing, script.slots), (0..3, 5));
    }

    #[test]
    fn limits_are_those_of_the_calls_each_once_and_ascending() {
        let mut calls = ops(0..5);
        for (op, limit) in calls.iter_mut().zip([9, 3, 9]) {
            op.call = Call::TakeBelow(limit);
        }

        assert_eq!(Script::ongoing(16, calls.clone(), 2, 2).limits, [3, 9]);
        assert_eq!(Script::repeated(16, calls, &[], 1).limits, [3, 9]);
    }
}
