//! The suite on the simulated machine, in several configurations and under every adversary.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod common;

use common::{Kept, Simulated};
use conformance::{CHECKS, Failure, Reason, Summary, run, run_with};
use dma_api::{Error, Limits, Snooping};
use sim::{Adversary, Config, DmaEngine, SimMachine};

/// Checks that need an engine.
const WITH_ENGINE: usize = 22;
/// Checks of single operations, which a device that snoops does not show.
const OF_OPERATIONS: usize = 6;

/// A machine with memory for all but the largest boundary.
fn config(line: usize, granule: usize, fills_speculatively: bool, cached_len: usize) -> Config {
    Config {
        line,
        granule,
        fills_speculatively,
        cached_len,
        uncached_len: 4096,
        unit: granule as u64,
        ..Config::default()
    }
}

/// Runs the suite with an engine.
fn conforms(config: &Config, snooping: Snooping) -> (Kept, Summary) {
    let machine = SimMachine::new(config.clone()).unwrap();
    let mut engine = Simulated(DmaEngine::new(&machine, Limits::UNLIMITED, snooping));
    let mut kept = Kept::default();
    let summary = run_with(&machine, snooping, &mut engine, &mut kept);
    (kept, summary)
}

#[test]
fn every_simulated_machine_conforms() {
    for (line, granule, fills_speculatively, len) in [
        (64, 64, true, 16 << 10),
        (32, 128, true, 16 << 10),
        (16, 16, false, 16 << 10),
        (16, 2048, true, 128 << 10),
    ] {
        for adversary in Adversary::all(1) {
            for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
                let started = std::time::Instant::now();
                let config = Config {
                    adversary: adversary.clone(),
                    ..config(line, granule, fills_speculatively, len)
                };
                let (kept, summary) = conforms(&config, snooping);
                eprintln!(
                    "{line} {granule} {adversary:?} {snooping:?} {:?}",
                    started.elapsed()
                );

                assert_eq!(kept.failed, [], "{config:?} {snooping:?}");
                eprintln!("{:?}", kept.skipped);
                eprintln!("{summary:?} {WITH_ENGINE} {OF_OPERATIONS} {}", CHECKS.len());
            }
        }
    }
}
