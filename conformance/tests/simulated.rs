//! The suite on the simulated machine, in several configurations and under every adversary.

use conformance::{Failure, Report, Summary, run};
use dma_api::{Error, Snooping};
use sim::{Adversary, Config, SimMachine};

#[derive(Default)]
struct Failures(Vec<(&'static str, Failure)>);

impl Report for Failures {
    fn check(&mut self, name: &'static str, outcome: Result<(), Failure>) {
        self.0.extend(outcome.err().map(|failure| (name, failure)));
    }
}

#[test]
fn every_simulated_machine_conforms() {
    for (line, granule, fills_speculatively) in [
        (64, 64, true),
        (32, 128, true),
        (16, 16, false),
        (64, 2048, true),
    ] {
        for adversary in Adversary::all(3) {
            for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
                let config = Config {
                    line,
                    granule,
                    fills_speculatively,
                    cached_len: 128 << 10,
                    uncached_len: 16 << 10,
                    unit: granule as u64,
                    adversary: adversary.clone(),
                    ..Config::default()
                };
                let machine = SimMachine::new(config).unwrap();
                let mut failures = Failures::default();
                let summary = run(&machine, snooping, &mut failures);

                assert_eq!(
                    failures.0,
                    [],
                    "{line} {granule} {adversary:?} {snooping:?}"
                );
                assert_eq!(
                    summary,
                    Summary {
                        passed: 19,
                        failed: 0
                    }
                );
            }
        }
    }
}

#[test]
fn a_machine_without_coherent_memory_fails_just_that_check() {
    let config = Config {
        cached_len: 128 << 10,
        uncached_len: 0,
        ..Config::default()
    };
    let machine = SimMachine::new(config).unwrap();
    let mut failures = Failures::default();
    let summary = run(&machine, Snooping::DoesNotSnoop, &mut failures);

    let refusal = Failure::Refused(Error::NeverFits {
        len: 256,
        capacity: 0,
    });
    assert_eq!(
        failures.0,
        [("coherent_memory_is_private_until_published", refusal)]
    );
    assert_eq!(
        summary,
        Summary {
            passed: 18,
            failed: 1
        }
    );
}
