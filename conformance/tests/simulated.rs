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
use dma_api::{
    Checked, Error, Snooping,
    check::{Finding, Kind},
};
use sim::{Adversary, Config, SimMachine, presets};

/// Checks of single operations, which a device that snoops does not show.
const OF_OPERATIONS: [&str; 6] = [
    "one_byte_is_a_range",
    "a_range_shorter_than_a_line_reaches_both_lines_it_lies_in",
    "the_byte_behind_whole_lines_is_reached",
    "a_clean_reaches_every_byte_of_its_range",
    "an_invalidate_reaches_every_byte_of_its_range_and_no_other_granule",
    "a_clean_and_invalidate_reaches_every_byte_of_its_range",
];

/// Checks for which 16 KiB are too little.
const ROOMY: [&str; 2] = [
    "large_alignments_are_met",
    "no_buffer_crosses_a_multiple_of_64_kib",
];

/// The check for which no simulated memory here is large enough.
const ROOMIEST: [&str; 1] = ["no_buffer_crosses_a_multiple_of_16_mib"];

/// A machine's lines and granules, whether it fills lines speculatively, and its bytes of cached memory.
fn config(line: usize, granule: usize, fills_speculatively: bool, cached_len: usize) -> Config {
    Config {
        line,
        granule,
        fills_speculatively,
        cached_len,
        unit: granule as u64,
        records: false,
        ..Config::default()
    }
}

/// Runs the suite with an engine; nothing may fail, and only these may be skipped.
fn conforms(config: Config, snooping: Snooping, skipped: &[&str]) {
    let said = format!("{config:?} {snooping:?}");
    let machine = SimMachine::new(config).unwrap();
    let mut engine = Simulated::new(&machine, snooping);
    let mut kept = Kept::default();
    let summary = run_with(&machine, snooping, &mut engine, &mut kept);

    assert_eq!(kept.failed, [], "{said}");
    let names = kept.skipped.iter().map(|(name, _)| *name);
    assert!(names.eq(skipped.iter().copied()), "{said} {kept:?}");
    let expected = Summary {
        passed: CHECKS.len() - skipped.len(),
        failed: 0,
        skipped: skipped.len(),
    };
    assert_eq!(summary, expected, "{said}");
}

/// Checks for which the memory of most machines here is too small.
fn tight() -> Vec<&'static str> {
    [ROOMY.as_slice(), &ROOMIEST].concat()
}

/// Runs the suite on a machine of the field under these adversaries, for devices that snoop and for those that do not.
fn conforms_under(config: &Config, adversaries: impl IntoIterator<Item = Adversary>) {
    for adversary in adversaries {
        let config = Config {
            records: false,
            ..config.under(adversary)
        };
        conforms(config.clone(), Snooping::DoesNotSnoop, &tight());
        let skipped = [&OF_OPERATIONS, tight().as_slice()].concat();
        conforms(config, Snooping::Snoops, &skipped);
    }
}

#[test]
fn every_machine_of_the_field_conforms_under_an_adversary_of_its_own() {
    for (seed, config) in (0..).zip(presets::all()) {
        conforms_under(&config, [Adversary::seeded(seed)]);
    }
}

#[test]
fn a_machine_conforms_under_every_adversary() {
    conforms_under(&Config::default(), Adversary::named());
}

#[test]
fn a_machine_with_small_lines_in_large_granules_conforms() {
    let config = config(16, 512, true, 48 << 10);
    conforms(config, Snooping::DoesNotSnoop, &tight());
}

fn print(finding: &Finding) {
    eprintln!("{finding}");
}

#[test]
fn a_checked_machine_conforms_and_finds_no_mistake_that_is_not_on_purpose() {
    for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
        let machine = SimMachine::new(Config::default()).unwrap();
        let checked = Checked::<_, 64, _>::new(&machine, print).with_sums();
        let mut kept = Kept::default();
        run(&checked, snooping, &mut kept);

        assert_eq!(kept.failed, []);
        let counts = checked.counts();
        // The suite claims too many bytes, and gives blocks back that are not, or no longer, the allocator's.
        let on_purpose = [Kind::Overlong, Kind::FreeRefused].map(|kind| counts.of(kind));
        assert_eq!((counts.findings(), on_purpose), (4, [1, 3]));
        let left = (
            counts.followed,
            counts.buffers_not_followed,
            counts.blocks_not_followed,
        );
        assert_eq!(left, (0, 0, 0));
    }
}

#[test]
fn with_more_memory_less_is_skipped() {
    let config = config(64, 64, true, 256 << 10);
    conforms(config, Snooping::DoesNotSnoop, &ROOMIEST);
}

#[test]
fn without_an_engine_the_checks_that_need_one_are_skipped_and_the_others_are_not() {
    let machine = SimMachine::new(config(64, 64, true, 256 << 10)).unwrap();
    let mut kept = Kept::default();
    let summary = run(&machine, Snooping::DoesNotSnoop, &mut kept);

    assert_eq!(kept.failed, []);
    let without = |reason: &Reason| *reason == Reason::NoEngine;
    let skipped = kept.skipped.iter().filter(|(_, reason)| without(reason));
    assert_eq!(skipped.count(), 28);
    let others = kept.skipped.iter().filter(|(_, reason)| !without(reason));
    let names: Vec<_> = others.map(|(name, _)| *name).collect();
    assert_eq!(names, ROOMIEST);
    let expected = Summary {
        passed: CHECKS.len() - 29,
        failed: 0,
        skipped: 29,
    };
    assert_eq!(summary, expected);
}

#[test]
fn a_machine_that_declares_no_coherent_memory_skips_the_checks_of_it() {
    let config = Config {
        uncached_len: 0,
        cached_len: 256 << 10,
        ..Config::default()
    };
    let machine = SimMachine::new(config).unwrap();
    let mut engine = Simulated::new(&machine, Snooping::DoesNotSnoop);
    let mut kept = Kept::default();
    run_with(&machine, Snooping::DoesNotSnoop, &mut engine, &mut kept);

    assert_eq!(kept.failed, []);
    let without = |reason: &Reason| *reason == Reason::NoCoherentMemory;
    let skipped = kept.skipped.iter().filter(|(_, reason)| without(reason));
    let names: Vec<_> = skipped.map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "coherent_memory_is_private_until_published",
            "coherent_memory_is_seen_by_both_sides",
            "coherent_memory_keeps_nothing_of_a_cached_owner",
            "a_ring_in_coherent_memory_goes_round",
        ]
    );
}

#[test]
fn a_machine_on_which_everything_snoops_conforms_and_has_no_device_that_does_not() {
    let machine = SimMachine::new(Config::default()).unwrap().snooped();
    let mut kept = Kept::default();
    run_with(
        &machine,
        Snooping::Snoops,
        &mut Simulated::new(&machine.0, Snooping::Snoops),
        &mut kept,
    );
    assert_eq!(kept.failed, []);

    let mut kept = Kept::default();
    let summary = run(&machine, Snooping::DoesNotSnoop, &mut kept);
    let refusal = Failure::Refused(Error::EverythingSnoops);
    assert_eq!(kept.failed, [("a_device_can_be_made", refusal)]);
    let expected = Summary {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    assert_eq!(summary, expected);
}
