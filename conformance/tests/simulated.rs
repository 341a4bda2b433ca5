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
        ..Config::default()
    }
}

/// Runs the suite with an engine; nothing may fail, and only these may be skipped.
fn conforms(config: Config, snooping: Snooping, skipped: &[&str]) {
    let said = format!("{config:?} {snooping:?}");
    let machine = SimMachine::new(config).unwrap();
    let mut engine = Simulated(DmaEngine::new(&machine, Limits::UNLIMITED, snooping));
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

/// Runs the suite under every adversary, for a device that snoops and for one that does not.
fn conforms_always(config: &Config, skipped: &[&str]) {
    for adversary in Adversary::all(1) {
        let config = Config {
            adversary,
            ..config.clone()
        };
        conforms(config.clone(), Snooping::DoesNotSnoop, skipped);
        let skipped = [&OF_OPERATIONS, skipped].concat();
        conforms(config, Snooping::Snoops, &skipped);
    }
}

#[test]
fn a_machine_with_one_size_of_line_conforms() {
    let tight = [ROOMY.as_slice(), &ROOMIEST].concat();
    conforms_always(&config(64, 64, true, 16 << 10), &tight);
}

#[test]
fn a_machine_with_larger_granules_conforms() {
    let tight = [ROOMY.as_slice(), &ROOMIEST].concat();
    conforms_always(&config(32, 128, true, 16 << 10), &tight);
    conforms_always(&config(16, 512, true, 48 << 10), &tight);
}

#[test]
fn a_machine_that_fills_lines_on_access_alone_conforms() {
    let tight = [ROOMY.as_slice(), &ROOMIEST].concat();
    conforms_always(&config(16, 16, false, 16 << 10), &tight);
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
    assert_eq!(skipped.count(), 23);
    let others = kept.skipped.iter().filter(|(_, reason)| !without(reason));
    let names: Vec<_> = others.map(|(name, _)| *name).collect();
    assert_eq!(names, ROOMIEST);
    let expected = Summary {
        passed: CHECKS.len() - 24,
        failed: 0,
        skipped: 24,
    };
    assert_eq!(summary, expected);
}

#[test]
fn a_machine_that_declares_coherent_memory_and_has_none_fails_the_checks_of_it() {
    let config = Config {
        uncached_len: 0,
        ..Config::default()
    };
    let machine = SimMachine::new(config).unwrap();
    let mut engine = Simulated(DmaEngine::new(
        &machine,
        Limits::UNLIMITED,
        Snooping::DoesNotSnoop,
    ));
    let mut kept = Kept::default();
    run_with(&machine, Snooping::DoesNotSnoop, &mut engine, &mut kept);

    let refusal = |len| {
        let capacity = 0;
        Failure::Refused(Error::NeverFits { len, capacity })
    };
    assert_eq!(
        kept.failed,
        [
            ("coherent_memory_is_private_until_published", refusal(256)),
            ("coherent_memory_is_seen_by_both_sides", refusal(256)),
            (
                "coherent_memory_keeps_nothing_of_a_cached_owner",
                refusal(512)
            ),
            ("a_ring_in_coherent_memory_goes_round", refusal(256)),
        ]
    );
}

#[test]
fn a_machine_on_which_everything_snoops_conforms_and_has_no_device_that_does_not() {
    let machine = SimMachine::new(Config::default()).unwrap().snooped();
    let engine = DmaEngine::new(&machine.0, Limits::UNLIMITED, Snooping::Snoops);
    let mut kept = Kept::default();
    run_with(
        &machine,
        Snooping::Snoops,
        &mut Simulated(engine),
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
