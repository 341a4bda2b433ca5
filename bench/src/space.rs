//! The workloads that take memory rather than time: what can still be had.

use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;

use crate::churn::{ANYWHERE, Churn};
use crate::lane::{Entry, Lane};
use crate::peer::Size;
use crate::script::{Call, Op};
use crate::sizes::Sizes;
use crate::timing::{Calls, run_within};
use crate::workloads::{TURNOVERS, percent};

/// The occupancies at which requests are refused, in percent.
pub const FAIL_AT: [u32; 4] = [50, 75, 90, 95];

/// The occupancies at which blocks of 2 MiB are looked for, in percent.
pub const LARGE_AT: [u32; 3] = [25, 50, 75];

/// 2 MiB on their boundary.
const LARGE: Size = Size {
    pages: 512,
    align: 512,
};

/// The share of heavy-tailed requests that is refused at that requested occupancy, after ageing.
///
/// # Errors
/// The peer cannot have such a region, or takes longer than the budget to age it.
pub fn refused_at(entry: &Entry, pages: u32, occupancy: u32, budget: Duration) -> Result<f64> {
    let mut churn = Churn::new(11, Sizes::AnyHeavy, ANYWHERE, percent(pages, occupancy));
    let mut lane = entry.lane(pages, pages as usize, &[])?;
    run_within(lane.as_mut(), &churn.age(TURNOVERS), budget).context("too slow")?;

    let ops = churn.age(2 * TURNOVERS);
    let mut calls = Calls::default();
    calls.add(&ops, lane.run(&ops));
    Ok(calls.refused_share())
}

/// The share of the pages that heavy-tailed requests have got when the first is refused.
///
/// # Errors
/// The peer cannot have such a region.
pub fn fill(entry: &Entry, pages: u32) -> Result<f64> {
    let mut lane = entry.lane(pages, pages as usize, &[])?;
    let mut rng = Rng::with_seed(12);
    let mut used = 0;
    for slot in 0..pages {
        let size = Sizes::AnyHeavy.next(&mut rng);
        if !had(lane.as_mut(), slot, size) {
            break;
        }
        used += size.pages;
    }
    Ok(f64::from(used) / f64::from(pages))
}

/// How many blocks of 2 MiB can be had after light-tailed churn at that occupancy, beside how many the pages that are
/// not requested would make.
///
/// # Errors
/// The peer cannot have such a region, or takes longer than the budget to age it.
pub fn large_at(entry: &Entry, pages: u32, occupancy: u32, budget: Duration) -> Result<f64> {
    let mut churn = Churn::new(13, Sizes::AnyLight, ANYWHERE, percent(pages, occupancy));
    let mut lane = entry.lane(pages, pages as usize + 1, &[])?;
    run_within(lane.as_mut(), &churn.age(TURNOVERS), budget).context("too slow")?;

    let ideal = (pages - churn.live_pages()) / LARGE.pages;
    let got = (0..ideal)
        .take_while(|_| had(lane.as_mut(), pages, LARGE))
        .count();
    Ok(got as f64 / f64::from(ideal))
}

fn had(lane: &mut dyn Lane, slot: u32, size: Size) -> bool {
    let call = Call::Take;
    lane.run(&[Op { slot, size, call }]).refused == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Nothing;
    use crate::peers::cma::Cma;

    #[test]
    fn who_refuses_nothing_has_everything_and_a_first_fit_most_of_it() {
        let nothing = Entry::of::<Nothing>();
        let cma = Entry::of::<Cma>();

        assert_eq!(refused_at(&nothing, 8192, 95, Duration::MAX).unwrap(), 0.0);
        assert_eq!(large_at(&nothing, 8192, 75, Duration::MAX).unwrap(), 1.0);
        let refused = refused_at(&cma, 8192, 95, Duration::MAX).unwrap();
        assert!((0.005..0.2).contains(&refused), "{refused}");
        let filled = fill(&cma, 8192).unwrap();
        assert!((0.9..=1.0).contains(&filled), "{filled}");
        let large = large_at(&cma, 8192, 25, Duration::MAX).unwrap();
        assert!((0.7..=1.0).contains(&large), "{large}");
    }
}
