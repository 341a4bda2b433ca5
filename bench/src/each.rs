//! Calls timed one by one, for the slowest of them.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lane::Entry;
use crate::script::Script;
use crate::stats::at;
use crate::timing::aged;

/// How often the same calls are made of a new region. Of each call the fastest time counts, so that what an interrupt
/// or a neighbour took is not the allocator's.
const REPLAYS: usize = 7;

/// What single calls of one peer took in nanoseconds, less what the clock takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Each {
    /// Half of the calls took less.
    pub median: f64,
    /// 99 of 100 calls did not take more.
    pub percentile99: f64,
    /// None took more.
    pub worst: f64,
}

/// Times the first round of a workload.
///
/// # Errors
/// The peer cannot have such a region, or takes longer than the budget to age it.
pub fn measure(entry: &Entry, script: &Script, budget: Duration) -> Result<Option<Each>> {
    let Some(round) = script.rounds.first() else {
        return Ok(None);
    };
    let ops = &script.ops[round.timed.clone()];
    let mut fastest = vec![u64::MAX; ops.len()];
    for _ in 0..REPLAYS {
        let mut lane = aged(entry, script, budget)?;
        lane.run(&script.ops[round.warming.clone()]);
        for (op, fastest) in ops.iter().zip(&mut fastest) {
            let started = Instant::now();
            lane.run(core::slice::from_ref(op));
            *fastest = (*fastest).min(started.elapsed().as_nanos() as u64);
        }
    }
    Ok(summary(&fastest, clock()))
}

fn summary(nanos: &[u64], clock: f64) -> Option<Each> {
    let mut sorted: Vec<f64> = nanos.iter().map(|&nanos| nanos as f64).collect();
    sorted.sort_by(f64::total_cmp);
    let share = |share| at(&sorted, share).map(|nanos| (nanos - clock).max(0.0));
    Some(Each {
        median: share(0.5)?,
        percentile99: share(0.99)?,
        worst: share(1.0)?,
    })
}

/// What it takes to read the clock twice, in nanoseconds.
fn clock() -> f64 {
    let mut nanos: Vec<f64> = (0..1001)
        .map(|_| Instant::now().elapsed().as_nanos() as f64)
        .collect();
    nanos.sort_by(f64::total_cmp);
    at(&nanos, 0.5).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_takes_is_subtracted() {
        let nanos: Vec<u64> = (5..=105).rev().collect();

        let each = summary(&nanos, 10.0);

        let expected = Each {
            median: 45.0,
            percentile99: 94.0,
            worst: 95.0,
        };
        assert_eq!(each, Some(expected));
        assert_eq!(summary(&[1], 10.0).map(|each| each.worst), Some(0.0));
        assert_eq!(summary(&[], 10.0), None);
    }
}
