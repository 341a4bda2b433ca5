//! Calls timed one by one: the slowest, and how requests below a limit compare with others.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lane::Entry;
use crate::script::{Call, Op, Script};
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
    /// The median of the requests without a limit.
    pub free_request: Option<f64>,
    /// The median of the requests below a limit.
    pub limited_request: Option<f64>,
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
    Ok(summary(ops, &fastest, clock()))
}

fn summary(ops: &[Op], nanos: &[u64], clock: f64) -> Option<Each> {
    let share = |share: f64, of: &dyn Fn(Call) -> bool| {
        let chosen = ops.iter().zip(nanos).filter(|(op, _)| of(op.call));
        let mut sorted: Vec<f64> = chosen.map(|(_, nanos)| *nanos as f64).collect();
        sorted.sort_by(f64::total_cmp);
        at(&sorted, share).map(|nanos| (nanos - clock).max(0.0))
    };
    let any = |_: Call| true;
    Some(Each {
        median: share(0.5, &any)?,
        percentile99: share(0.99, &any)?,
        worst: share(1.0, &any)?,
        free_request: share(0.5, &|call| call == Call::Take),
        limited_request: share(0.5, &|call| matches!(call, Call::TakeBelow(_))),
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
    use crate::peer::Size;

    #[test]
    fn the_clock_is_subtracted_and_requests_are_told_apart() {
        let op = |call| Op {
            slot: 0,
            size: Size::pages(1),
            call,
        };
        let ops = [Call::Take, Call::TakeBelow(4), Call::Give, Call::Take].map(op);

        let each = summary(&ops, &[30, 50, 25, 40], 10.0);

        let expected = Each {
            median: 25.0,
            percentile99: 39.7,
            worst: 40.0,
            free_request: Some(25.0),
            limited_request: Some(40.0),
        };
        let mut each = each.unwrap();
        each.percentile99 = (each.percentile99 * 10.0).round() / 10.0;
        assert_eq!(each, expected);
    }
}
