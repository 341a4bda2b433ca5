//! The same blocks in ever larger regions: what a call costs must not grow with the memory.

use std::time::Duration;

use crate::churn::{ANYWHERE, Churn};
use crate::lane::Entry;
use crate::script::Script;
use crate::sizes::Sizes;
use crate::timing::{self, Timed};
use crate::workloads::{Effort, TURNOVERS};

/// Names and pages of the regions.
pub const REGIONS: [(&str, u32); 4] = [
    ("16MiB", 4 << 10),
    ("256MiB", 64 << 10),
    ("4GiB", 1 << 20),
    ("64GiB", 16 << 20),
];

/// Pages that are requested at any time: half of the smallest region.
const LIVE: u32 = 2 << 10;

/// Light-tailed churn in a region of that many pages, the same calls for each.
#[must_use]
pub fn run(entries: &[Entry], pages: u32, effort: Effort, budget: Duration) -> Vec<Option<Timed>> {
    let mut churn = Churn::new(21, Sizes::AnyLight, ANYWHERE, LIVE);
    let mut ops = churn.age(TURNOVERS);
    let ageing = ops.len();
    ops.extend((0..effort.calls * effort.rounds * 3 / 2).map(|_| churn.next_op()));
    timing::run(
        entries,
        &Script::ongoing(pages, ops, ageing, effort.calls),
        budget,
    )
}
