//! The suite on the simulated machine, in several configurations and under every adversary.

use conformance::{Failure, Report, Summary, run};
use dma_api::{
    Checked, Error, Snooping,
    check::{Finding, Kind},
};
use sim::{Adversary, Config, SimMachine};

#[derive(Default)]
struct Failures(Vec<(&'static str, Failure)>);

impl Report for Failures {
    fn check(&mut self, name: &'static str, outcome: Result<(), Failure>) {
        self.0.extend(outcome.err().map(|failure| (name, failure)));
    }
}

/// Several kinds of machine, under every adversary.
fn machines() -> impl Iterator<Item = SimMachine> {
    let kinds = [
        (64, 64, true),
        (32, 128, true),
        (16, 16, false),
        (64, 2048, true),
    ];
    kinds
        .into_iter()
        .flat_map(|(line, granule, fills_speculatively)| {
            Adversary::all(3).map(move |adversary| {
                let config = Config {
                    line,
                    granule,
                    fills_speculatively,
                    cached_len: 128 << 10,
                    uncached_len: 16 << 10,
                    unit: granule as u64,
                    adversary,
                    ..Config::default()
                };
                SimMachine::new(config).expect("a machine")
            })
        })
}

const ALL_PASS: Summary = Summary {
    passed: 19,
    failed: 0,
};

#[test]
fn every_simulated_machine_conforms() {
    for machine in machines() {
        for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
            let mut failures = Failures::default();
            let summary = run(&machine, snooping, &mut failures);

            assert_eq!(failures.0, [], "{snooping:?} {machine:?}");
            assert_eq!(summary, ALL_PASS);
        }
    }
}

fn print(finding: &Finding) {
    eprintln!("{finding}");
}

#[test]
fn a_checked_machine_conforms_and_finds_no_mistake_that_is_not_on_purpose() {
    for machine in machines() {
        for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
            let checked = Checked::<_, 32, _>::new(&machine, print).with_sums();
            let mut failures = Failures::default();
            let summary = run(&checked, snooping, &mut failures);

            assert_eq!(failures.0, [], "{snooping:?} {machine:?}");
            assert_eq!(summary, ALL_PASS);
            // The suite claims too many bytes on purpose, which the library refuses.
            let counts = checked.counts();
            let on_purpose = counts.of(Kind::Overlong);
            assert_eq!((counts.findings(), on_purpose), (1, 1));
            let left = (
                counts.followed,
                counts.buffers_not_followed,
                counts.blocks_not_followed,
            );
            assert_eq!(left, (0, 0, 0));
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
