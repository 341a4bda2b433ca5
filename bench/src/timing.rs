//! The rounds of a workload, interleaved over the peers.

use core::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::lane::{Entry, Lane, Missed};
use crate::script::{Call, Op, Script};
use crate::stats::Spread;

/// A peer's figures for one workload.
#[derive(Clone, Debug)]
pub struct Timed {
    /// Nanoseconds per call, a round each.
    pub nanos: Vec<f64>,
    /// Calls over all rounds that are measured.
    pub calls: Calls,
}

impl Timed {
    /// Nanoseconds per call.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(&self.nanos)
    }

    /// How many times as long as the other it took, round by round.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> Option<Spread> {
        let ratios: Vec<f64> = self
            .nanos
            .iter()
            .zip(&other.nanos)
            .map(|(own, other)| own / other)
            .collect();
        Spread::of(&ratios)
    }
}

/// What was asked, and how often in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Requests without a limit.
    pub takes: u32,
    /// Requests below a limit.
    pub limited: u32,
    /// What did not come about.
    pub missed: Missed,
}

impl Calls {
    /// Counts calls and what did not come about of them.
    pub fn add(&mut self, ops: &[Op], missed: Missed) {
        for op in ops {
            match op.call {
                Call::Take => self.takes += 1,
                Call::TakeBelow(_) => self.limited += 1,
                Call::Give => {}
            }
        }
        self.missed = self.missed.and(missed);
    }

    /// The refused share of all requests.
    #[must_use]
    pub fn refused_share(&self) -> f64 {
        let refused = self.missed.refused + self.missed.limited_refused;
        f64::from(refused) / f64::from(self.takes + self.limited)
    }

    /// The share of the requests below a limit that was met.
    #[must_use]
    pub fn limited_success(&self) -> f64 {
        1.0 - f64::from(self.missed.limited_refused) / f64::from(self.limited)
    }
}

/// Calls between two looks at the clock.
const CHUNK: usize = 1024;

/// Makes calls that are not measured, and says how many did not come about; nothing if they take longer than the budget.
pub fn run_within(lane: &mut dyn Lane, ops: &[Op], budget: Duration) -> Option<Missed> {
    let started = Instant::now();
    let mut missed = Missed::default();
    for chunk in ops.chunks(CHUNK) {
        missed = missed.and(lane.run(chunk));
        if started.elapsed() > budget {
            return None;
        }
    }
    Some(missed)
}

/// A peer whose region has been aged.
///
/// # Errors
/// The peer cannot have such a region, or takes longer than the budget.
pub fn aged(entry: &Entry, script: &Script, budget: Duration) -> Result<Box<dyn Lane>> {
    let mut lane = entry.lane(script.pages, script.slots, &script.limits)?;
    let (before, after) = match script.sorted_before {
        Some(place) => (script.ageing.start..place, place..script.ageing.end),
        None => (script.ageing.clone(), 0..0),
    };
    run_within(lane.as_mut(), &script.ops[before], budget).context("too slow")?;
    if script.sorted_before.is_some() {
        lane.sort();
    }
    run_within(lane.as_mut(), &script.ops[after], budget).context("too slow")?;
    Ok(lane)
}

/// Runs a workload; who cannot have such a region or takes longer than the budget to age it has no figures.
#[must_use]
pub fn run(entries: &[Entry], script: &Script, budget: Duration) -> Vec<Option<Timed>> {
    let mut lanes: Vec<Option<Box<dyn Lane>>> = entries
        .iter()
        .map(|entry| aged(entry, script, budget).ok())
        .collect();
    let mut all: Vec<Option<Timed>> = lanes
        .iter()
        .map(|lane| {
            lane.is_some().then(|| Timed {
                nanos: Vec::new(),
                calls: Calls::default(),
            })
        })
        .collect();

    for round in &script.rounds {
        let ops = &script.ops[round.timed.clone()];
        for (lane, timed) in lanes.iter_mut().zip(&mut all) {
            let (Some(lane), Some(timed)) = (lane, timed) else {
                continue;
            };
            lane.run(&script.ops[round.warming.clone()]);
            let started = Instant::now();
            let missed = measured(lane.as_mut(), ops);
            let nanos = started.elapsed().as_nanos() as f64;
            let calls = ops.len() as u32 - missed.skipped;
            timed.nanos.push(nanos / f64::from(calls));
            timed.calls.add(ops, missed);
        }
    }
    all
}

/// Makes the calls that are measured. Instructions are counted inside of this function, by its name.
#[inline(never)]
pub fn measured(lane: &mut dyn Lane, ops: &[Op]) -> Missed {
    black_box(lane.run(black_box(ops)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::buddy_frames::BuddyFrames;
    use crate::peers::buddy_slab::BuddySlab;
    use crate::peers::cma::Cma;
    use crate::peers::offsets::Offsets;
    use crate::workloads::{self, Effort};

    #[test]
    fn on_a_checkerboard_every_request_for_two_pages_is_refused() {
        let effort = Effort {
            rounds: 2,
            calls: 1024,
        };
        let script = workloads::named(&["chkFail".to_owned()]).unwrap()[0].script(4096, effort);
        let entries = [
            Entry::of::<Cma>(),
            Entry::of::<Offsets>(),
            Entry::of::<BuddySlab>(),
            Entry::of::<BuddyFrames>(),
        ];

        for timed in run(&entries, &script, Duration::MAX) {
            let timed = timed.unwrap();
            assert_eq!(timed.nanos.len(), 2);
            assert_eq!((timed.calls.takes, timed.calls.missed.refused), (32, 32));
            assert_eq!(timed.calls.refused_share(), 1.0);
        }
    }

    #[test]
    fn who_is_too_slow_to_age_has_no_figures() {
        let effort = Effort {
            rounds: 1,
            calls: 64,
        };
        let script = workloads::named(&["anyL90".to_owned()]).unwrap()[0].script(4096, effort);

        let all = run(&[Entry::of::<Cma>()], &script, Duration::ZERO);

        assert!(all[0].is_none());
    }

    #[test]
    fn a_ratio_is_of_the_same_rounds() {
        let timed = |nanos: &[f64]| Timed {
            nanos: nanos.to_vec(),
            calls: Calls::default(),
        };

        let ratio = timed(&[4.0, 30.0, 2.0]).ratio(&timed(&[2.0, 10.0, 4.0]));

        assert_eq!(ratio.map(|ratio| ratio.median), Some(2.0));
    }
}
