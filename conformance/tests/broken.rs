//! Checks can fail: machines that are wrong in one way each, and the checks that say so.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(unsafe_code, reason = "what is wrong is a promise that is broken")]

mod common;
#[path = "common/wrong.rs"]
mod wrong;

use std::collections::BTreeSet;

use common::{Kept, Simulated};
use conformance::{CHECKS, run_with};
use dma_api::Snooping;
use sim::{Adversary, Config, SimMachine};
use wrong::{Wrong, Wrong::*};

/// A machine, what is wrong with it, and checks that must fail.
struct Case {
    wrong: Wrong,
    config: Config,
    snooping: Snooping,
    caught_by: &'static [&'static str],
}

const SHORT: &str = "a_range_shorter_than_a_line_reaches_both_lines_it_lies_in";
const BEHIND_LINES: &str = "the_byte_behind_whole_lines_is_reached";
const CLEAN: &str = "a_clean_reaches_every_byte_of_its_range";
const INVALIDATE: &str = "an_invalidate_reaches_every_byte_of_its_range_and_no_other_granule";
const BOTH: &str = "a_clean_and_invalidate_reaches_every_byte_of_its_range";
const IN_PLACE: &str = "memory_lent_in_place_is_seen_from_its_first_byte_to_its_last";
const TO_DEVICE: &str = "the_device_sees_what_the_cpu_stored";
const FROM_DEVICE: &str = "the_cpu_sees_what_the_device_wrote";
const BIDIRECTIONAL: &str = "a_request_is_answered_in_its_own_buffer";
const EARLY_END: &str = "a_transfer_that_ends_early_leaves_the_rest_to_the_cpu";
const OVERLONG: &str = "a_device_that_claims_too_much_is_not_believed";
const AGAIN: &str = "a_buffer_is_used_again_and_again";
const FORMER: &str = "nothing_of_a_former_owner_is_seen";
const WAS_DIRTY: &str = "memory_that_was_dirty_is_written_by_the_device";
const NEIGHBOUR: &str = "a_neighbour_keeps_its_bytes";
const NEIGHBOUR_OF_DEVICE: &str = "a_neighbour_is_stored_to_while_the_device_writes";
const PART: &str = "a_part_is_handed_over_alone";
const SURVIVE: &str = "bytes_survive_a_transfer_that_writes_nothing";
const SENT: &str = "a_sent_buffer_still_holds_what_was_sent";
const COUNTS: &str = "a_short_transfer_counts_only_what_was_written";
const VALUES: &str = "values_are_read_back_from_any_offset";
const DOORBELL: &str = "a_doorbell_finds_the_last_byte_that_was_stored";
const DESCRIPTOR: &str = "a_descriptor_leads_to_the_data_it_names";
const COMPLETION: &str = "a_completion_brings_what_was_posted_before_it";
const COHERENT: &str = "coherent_memory_is_seen_by_both_sides";
const COHERENT_FORMER: &str = "coherent_memory_keeps_nothing_of_a_cached_owner";
const COHERENT_PRIVATE: &str = "coherent_memory_is_private_until_published";
const RING: &str = "a_ring_in_coherent_memory_goes_round";
const ZERO: &str = "buffers_start_on_a_granule_and_are_zero";
const LEADS_BACK: &str = "the_device_address_leads_back_to_the_bytes";
const SPLIT: &str = "a_buffer_splits_between_granules_only";
const OVERLAP: &str = "buffers_do_not_overlap";
const LENT_OVERLAP: &str = "lent_buffers_have_no_address_in_common";
const HOLES: &str = "holes_are_filled_again";
const TAKEN_BACK: &str = "a_block_is_taken_back_once_and_whole";
const DROPPED_BLOCK: &str = "a_block_that_is_dropped_is_not_handed_out_again";
const EXHAUSTED: &str = "memory_is_exhausted_and_comes_back";
const LIMITS: &str = "every_limit_of_a_device_is_met";
const ALIGNMENTS: &str = "large_alignments_are_met";
const BOUNDARY_4K: &str = "no_buffer_crosses_a_multiple_of_4_kib";
const BOUNDARY_64K: &str = "no_buffer_crosses_a_multiple_of_64_kib";
const LOWEST: &str = "a_buffer_starts_above_the_lowest_address";
const LAST_BYTE: &str = "the_last_byte_may_lie_on_the_highest_address_and_not_above";
const HIGHEST: &str = "a_buffer_ends_below_the_highest_address";
const IMPOSSIBLE: &str = "impossible_lengths_are_refused";
const QUARANTINE: &str = "a_dropped_buffer_of_the_device_waits_in_quarantine";
const PROOF: &str = "the_proof_of_another_device_releases_nothing";
const LISTED: &str = "what_a_device_may_still_use_is_listed";
const LOAN: &str = "a_loan_is_seen_by_the_device_wherever_it_lies";
const LOAN_BESIDE: &str = "a_loan_is_written_by_the_device_and_its_neighbours_are_not";
const BOUNCES: &str = "a_loan_out_of_reach_bounces";
const SLOTS: &str = "a_bounce_pool_is_exhausted_and_comes_back";
const FORMER_LOAN: &str = "nothing_of_a_former_loan_is_seen";
const PAGE: &str = "a_bounced_loan_keeps_its_offset_in_the_page";
const SEGMENTS: &str = "a_loan_is_cut_into_the_segments_a_device_takes";
const LIST: &str = "a_list_of_buffers_is_one_transfer";
const LEDGER: &str = "the_ledger_is_as_it_was_before";

/// Every case. Lines are 64 bytes, and filled speculatively, unless the case says otherwise.
fn cases() -> Vec<Case> {
    let plain = Config::default();
    let roomy = Config {
        cached_len: 256 << 10,
        ..plain.clone()
    };
    let on_access = Config {
        fills_speculatively: false,
        ..plain.clone()
    };
    let hoarding = Config {
        adversary: Adversary::Hoarding,
        ..plain.clone()
    };
    let large_granule = Config {
        granule: 128,
        adversary: Adversary::seeded(1),
        ..plain.clone()
    };
    let case = |wrong, config: &Config, caught_by| Case {
        wrong,
        config: config.clone(),
        snooping: Snooping::DoesNotSnoop,
        caught_by,
    };
    let wrong = |wrong, caught_by| case(wrong, &plain, caught_by);
    let snooped = |wrong, caught_by| Case {
        snooping: Snooping::Snoops,
        ..case(wrong, &plain, caught_by)
    };

    vec![
        wrong(
            CleanDoesNothing,
            &[
                CLEAN, TO_DEVICE, SURVIVE, COUNTS, VALUES, FORMER, SPLIT, IN_PLACE, LOAN, PAGE,
            ],
        ),
        wrong(CleanDiscards, &[CLEAN, TO_DEVICE, SENT]),
        wrong(
            CleanMissesTheLastLine,
            &[CLEAN, TO_DEVICE, EARLY_END, AGAIN, LOAN, FORMER_LOAN],
        ),
        wrong(
            InvalidateDoesNothing,
            &[
                INVALIDATE,
                FROM_DEVICE,
                BIDIRECTIONAL,
                OVERLONG,
                PART,
                AGAIN,
            ],
        ),
        wrong(
            InvalidateOnlyCleans,
            &[INVALIDATE, FROM_DEVICE, BOUNCES, FORMER_LOAN],
        ),
        wrong(
            InvalidateMissesTheLastLine,
            &[INVALIDATE, FROM_DEVICE, LIST],
        ),
        wrong(
            InvalidateTakesOneLineMore,
            &[
                INVALIDATE,
                NEIGHBOUR,
                NEIGHBOUR_OF_DEVICE,
                PART,
                LOAN_BESIDE,
            ],
        ),
        wrong(CleanAndInvalidateDoesNothing, &[BOTH]),
        case(
            CleanAndInvalidateDoesNothing,
            &on_access,
            &[BOTH, FROM_DEVICE, WAS_DIRTY],
        ),
        case(
            CleanAndInvalidateOnlyCleans,
            &on_access,
            &[BOTH, FROM_DEVICE],
        ),
        wrong(CleanAndInvalidateTakesOneLineMore, &[BOTH]),
        wrong(
            LoopsRoundTheStartAndKeepTheLength,
            &[SHORT, CLEAN, INVALIDATE, BOTH, IN_PLACE, LOAN],
        ),
        wrong(
            LoopsCountALineInWords,
            &[BEHIND_LINES, CLEAN, INVALIDATE, BOTH, IN_PLACE],
        ),
        wrong(LoopsStepByTwoLines, &[CLEAN, INVALIDATE, BOTH, TO_DEVICE]),
        wrong(
            NothingIsWaitedFor,
            &[CLEAN, INVALIDATE, TO_DEVICE, FROM_DEVICE],
        ),
        wrong(
            NoBarrierBeforeTheDoorbell,
            // What was cleaned, and waited for, has left the store buffer.
            &[COHERENT, RING],
        ),
        wrong(NoBarrierAfterTheCompletion, &[COMPLETION, FROM_DEVICE]),
        snooped(
            NoBarrierBeforeTheDoorbell,
            &[DOORBELL, DESCRIPTOR, COHERENT, RING, TO_DEVICE],
        ),
        snooped(
            NoBarrierAfterTheCompletion,
            &[FROM_DEVICE, WAS_DIRTY, BOUNCES],
        ),
        case(
            TheGranuleIsUnderstated,
            &large_granule,
            &[NEIGHBOUR_OF_DEVICE, LOAN_BESIDE],
        ),
        case(
            LinesAreSaidToStayAway,
            &hoarding,
            &[FROM_DEVICE, BIDIRECTIONAL],
        ),
        wrong(
            BlocksAreHandedOutTwice,
            &[OVERLAP, LENT_OVERLAP, QUARANTINE, DROPPED_BLOCK, LEDGER],
        ),
        wrong(BlocksAreNotZeroed, &[ZERO, FORMER, OVERLAP, HOLES]),
        wrong(BlocksBeginBesideAGranule, &[ZERO]),
        snooped(BlocksBeginBesideAGranule, &[LIMITS, SLOTS, PAGE]),
        wrong(TheLowestAddressIsIgnored, &[LOWEST]),
        wrong(TheHighestAddressIsIgnored, &[LAST_BYTE]),
        case(TheAlignmentIsIgnored, &roomy, &[LIMITS, ALIGNMENTS, PAGE]),
        case(
            TheBoundaryIsIgnored,
            &roomy,
            &[LIMITS, BOUNDARY_4K, BOUNDARY_64K],
        ),
        wrong(BlocksAreShorterThanTheRequest, &[ZERO, LEADS_BACK]),
        wrong(BlocksAreNeverFree, &[EXHAUSTED, TAKEN_BACK, HIGHEST, SLOTS]),
        wrong(EveryBlockIsTakenBack, &[TAKEN_BACK]),
        wrong(WhatFitsLaterNeverFits, &[EXHAUSTED]),
        wrong(WhatNeverFitsFitsLater, &[IMPOSSIBLE]),
        wrong(
            TheBusHasAnotherOffset,
            &[TO_DEVICE, FROM_DEVICE, COHERENT, RING],
        ),
        snooped(TheDirectMapIsShifted, &[LEADS_BACK, SEGMENTS, LIST]),
        wrong(CoherentMemoryIsCached, &[COHERENT, COHERENT_FORMER, RING]),
        wrong(
            CoherentMemoryIsNotZeroed,
            &[COHERENT_PRIVATE, COHERENT_FORMER],
        ),
        wrong(
            TheLedgerHasNoSlots,
            &[QUARANTINE, PROOF, LISTED, SPLIT, COHERENT_PRIVATE, LEDGER],
        ),
    ]
}

/// The checks that fail on a machine.
fn failing(config: &Config, wrong: Wrong, snooping: Snooping) -> BTreeSet<&'static str> {
    // The suite is to see for itself.
    let config = &Config {
        judges: false,
        records: false,
        ..config.clone()
    };
    let real = SimMachine::new(config.clone()).unwrap();
    let machine = wrong::machine(&real, config, wrong);
    let mut engine = Simulated::new(&real, snooping);
    let mut kept = Kept::default();
    run_with(&machine, snooping, &mut engine, &mut kept);
    kept.failed.into_iter().map(|(name, _)| name).collect()
}

/// Checks that no machine can fail: they are about the library alone, for the word size it is built for. The largest
/// boundary needs more memory than is simulated here, and a device that cannot be made another machine: `machines.rs` has
/// both.
const OTHERWISE: [&str; 6] = [
    "a_range_of_no_bytes_is_refused",
    "a_range_does_not_go_on_behind_the_last_address",
    "a_device_that_reaches_no_memory_is_refused",
    "addresses_behind_a_window_are_refused",
    "no_buffer_crosses_a_multiple_of_16_mib",
    "a_device_can_be_made",
];

#[test]
fn each_thing_that_is_wrong_is_caught_and_each_check_catches_something() {
    let mut caught = BTreeSet::new();
    for case in cases() {
        let failed = failing(&case.config, case.wrong, case.snooping);
        for name in case.caught_by {
            assert!(
                failed.contains(name),
                "{:?}, {:?}: {name} passed, and these failed: {failed:?}",
                case.wrong,
                case.snooping
            );
        }
        caught.extend(failed);
    }
    let never = CHECKS.iter().map(|check| check.name);
    let never: BTreeSet<_> = never.filter(|name| !caught.contains(name)).collect();
    assert_eq!(never, OTHERWISE.into());
}

#[test]
fn what_a_failed_check_leaves_behind_fails_no_other() {
    let config = Config::default();
    let failed = failing(&config, CoherentMemoryIsCached, Snooping::DoesNotSnoop);

    assert_eq!(failed, [COHERENT, COHERENT_FORMER, RING].into());
}

#[test]
fn with_nothing_wrong_nothing_fails_nor_if_every_operation_writes_back_and_discards() {
    for fills_speculatively in [true, false] {
        for snooping in [Snooping::DoesNotSnoop, Snooping::Snoops] {
            for wrong in [Nothing, OperationsAreUpgraded] {
                let config = Config {
                    fills_speculatively,
                    ..Config::default()
                };
                assert_eq!(
                    failing(&config, wrong, snooping),
                    BTreeSet::new(),
                    "{wrong:?}"
                );
            }
        }
    }
}

#[test]
fn a_device_that_is_said_to_snoop_and_does_not_is_caught() {
    let real = SimMachine::new(Config {
        judges: false,
        ..Config::default()
    })
    .unwrap();
    let mut engine = Simulated::new(&real, Snooping::DoesNotSnoop);
    let mut kept = Kept::default();
    run_with(&real, Snooping::Snoops, &mut engine, &mut kept);
    let failed: BTreeSet<_> = kept.failed.into_iter().map(|(name, _)| name).collect();
    assert!(
        failed.contains(TO_DEVICE) && failed.contains(FROM_DEVICE),
        "{failed:?}"
    );
}
