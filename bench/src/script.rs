//! Calls that are decided beforehand, so that they are the same for every peer and cost nothing to choose.

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
    /// How many slots the calls need.
    pub slots: usize,
    /// All calls, in order.
    pub ops: Vec<Op>,
    /// Those that come first and are not measured.
    pub ageing: Range<usize>,
    /// Before which call the blocks, all of one size, change their slots so that they are in the order of their pages.
    pub sorted_before: Option<usize>,
    /// Those that are measured, a round each. Rounds that leave the region as they found it may be the same.
    pub rounds: Vec<Range<usize>>,
}

impl Script {
    /// Calls that leave a region as they found it, so that every round is the same.
    #[must_use]
    pub fn repeated(pages: u32, ageing: Vec<Op>, round: &[Op], rounds: usize) -> Self {
        let start = ageing.len();
        let mut ops = ageing;
        ops.extend_from_slice(round);
        let end = ops.len();
        let slots = ops.iter().map(|op| op.slot + 1).max().unwrap_or(0);
        Self {
            pages,
            slots: slots as usize,
            ops,
            ageing: 0..start,
            sorted_before: None,
            rounds: vec![start..end; rounds],
        }
    }

    /// Calls that go on: after the first `ageing`, each round is the next `length` of them.
    #[must_use]
    pub fn ongoing(pages: u32, ops: Vec<Op>, ageing: usize, length: usize) -> Self {
        let rounds = (ops.len() - ageing) / length;
        let slots = ops.iter().map(|op| op.slot + 1).max().unwrap_or(0);
        Self {
            pages,
            slots: slots as usize,
            ops,
            ageing: 0..ageing,
            sorted_before: None,
            rounds: (0..rounds)
                .map(|round| ageing + round * length..ageing + (round + 1) * length)
                .collect(),
        }
    }
}
