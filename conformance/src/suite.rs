//! All checks, in order, and the ways to run them.
#![expect(unsafe_code, reason = "what a failed check leaves behind is released")]

use dma_api::{Device, Limits, Machine, Snooping};

use crate::{
    constraints, direction,
    engine::Engine,
    lines, loans, ordering, ownership, pools, ranges,
    report::{Check, Outcome, Reason, Report, Run, equal},
    transfers,
};

/// How many checks passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Checks that found what they should.
    pub passed: usize,
    /// Checks that did not.
    pub failed: usize,
    /// Checks that could not be run, each with its [`Reason`].
    pub skipped: usize,
}

/// Runs every check that needs nothing but the machine, for a device that snoops or does not; the others are reported as
/// [skipped](Reason::NoEngine).
///
/// Nothing else may use the machine meanwhile.
pub fn run<M: Machine + Clone>(
    machine: M,
    snooping: Snooping,
    report: &mut impl Report,
) -> Summary {
    play(machine, snooping, None, report)
}

/// Runs every check, with a second observer of memory.
///
/// * `snooping`: what the engine's accesses really do.
///
/// Nothing else may use the machine or the engine meanwhile.
pub fn run_with<M: Machine + Clone>(
    machine: M,
    snooping: Snooping,
    engine: &mut dyn Engine,
    report: &mut impl Report,
) -> Summary {
    play(machine, snooping, Some(engine), report)
}

fn play<M: Machine + Clone>(
    machine: M,
    snooping: Snooping,
    mut engine: Option<&mut dyn Engine>,
    report: &mut impl Report,
) -> Summary {
    let mut summary = Summary::default();
    let mut note = |check, outcome: Outcome| {
        let count = match outcome {
            Outcome::Passed => &mut summary.passed,
            Outcome::Skipped(_) => &mut summary.skipped,
            Outcome::Failed(_) => &mut summary.failed,
        };
        *count = count.saturating_add(1);
        report.check(check, outcome);
    };

    let device = match Device::new(machine, Limits::UNLIMITED, snooping) {
        Ok(device) => device,
        Err(error) => {
            note(DEVICE, Outcome::Failed(error.into()));
            return summary;
        }
    };
    note(DEVICE, Outcome::Passed);
    let before = device.machine().ledger().counts();
    for (check, body) in bodies::<M>() {
        let run = match (body, engine.as_deref_mut()) {
            (Body::Machine(body), _) => body(&device),
            (Body::Engine(_), None) => Err(Reason::NoEngine.into()),
            (Body::Engine(body), Some(engine)) => body(&device, engine),
        };
        if run.is_err() {
            // The next check is not to find what this one left: it is about something else.
            if let Some(engine) = engine.as_deref_mut() {
                engine.settle();
            }
            // SAFETY: the engine has settled, does nothing by itself, and no other device was told an address.
            unsafe { device.assert_quiet() }.release_quarantine();
        }
        note(check, run.into());
    }
    let after = device.machine().ledger().counts();
    note(
        LEDGER,
        equal("ledger", u64::from(before == after), 1).into(),
    );
    summary
}

/// A check on a device, alone or with an engine that stands for it.
enum Body<M> {
    Machine(fn(&Device<M>) -> Run),
    Engine(fn(&Device<M>, &mut dyn Engine) -> Run),
}

const DEVICE: Check = Check {
    name: "a_device_can_be_made",
    scenarios: &["I13"],
};

const LEDGER: Check = Check {
    name: "the_ledger_is_as_it_was_before",
    scenarios: &["E7", "I12"],
};

macro_rules! checks {
    ($($needs:ident $group:ident::$check:ident: $($id:ident),+;)+) => {
        const BODIES: usize = [$(stringify!($check)),+].len();

        /// Every check, in the order in which they are run.
        pub const CHECKS: [Check; BODIES + 2] = [
            DEVICE,
            $(Check { name: stringify!($check), scenarios: &[$(stringify!($id)),+] },)+
            LEDGER,
        ];

        fn bodies<M: Machine + Clone>() -> impl Iterator<Item = (Check, Body<M>)> {
            let bodies = [$(Body::$needs($group::$check)),+];
            CHECKS.into_iter().skip(1).zip(bodies)
        }
    };
}

checks! {
    Machine ranges::a_range_of_no_bytes_is_refused: A1, I1;
    Machine ranges::a_range_does_not_go_on_behind_the_last_address: A5;
    Machine ranges::buffers_start_on_a_granule_and_are_zero: A7, I10;
    Machine ranges::the_device_address_leads_back_to_the_bytes: D4;
    Machine ranges::a_neighbour_keeps_its_bytes: C9, C10;
    Machine ranges::a_buffer_splits_between_granules_only: D12, I2;
    Engine lines::one_byte_is_a_range: A2;
    Engine lines::a_range_shorter_than_a_line_reaches_both_lines_it_lies_in: A3;
    Engine lines::the_byte_behind_whole_lines_is_reached: A4;
    Engine lines::a_clean_reaches_every_byte_of_its_range: A9, G2, H2;
    Engine lines::an_invalidate_reaches_every_byte_of_its_range_and_no_other_granule: A7, A9, G2, H1;
    Engine lines::a_clean_and_invalidate_reaches_every_byte_of_its_range: A9, G2;
    Engine lines::memory_lent_in_place_is_seen_from_its_first_byte_to_its_last: A9, C1;
    Machine lines::memory_is_lent_in_place_only_with_whole_granules: C11, I10;
    Machine ownership::a_dropped_buffer_of_the_device_waits_in_quarantine: B6, I5;
    Machine ownership::the_proof_of_another_device_releases_nothing: B6;
    Machine ownership::what_a_device_may_still_use_is_listed: B7, I12;
    Machine ownership::coherent_memory_is_private_until_published: B6;
    Machine direction::bytes_survive_a_transfer_that_writes_nothing: C5, C6;
    Machine direction::a_sent_buffer_still_holds_what_was_sent: C1;
    Machine direction::a_short_transfer_counts_only_what_was_written: C5;
    Machine direction::values_are_read_back_from_any_offset: I2;
    Engine transfers::the_device_sees_what_the_cpu_stored: C1, G2, I7;
    Engine transfers::the_cpu_sees_what_the_device_wrote: C2, G2, I7;
    Engine transfers::a_request_is_answered_in_its_own_buffer: C3;
    Engine transfers::a_transfer_that_ends_early_leaves_the_rest_to_the_cpu: C5, C6;
    Engine transfers::a_device_that_claims_too_much_is_not_believed: C5;
    Engine transfers::nothing_of_a_former_owner_is_seen: C7;
    Engine transfers::memory_that_was_dirty_is_written_by_the_device: E4;
    Engine transfers::a_buffer_is_used_again_and_again: C8;
    Engine transfers::a_neighbour_is_stored_to_while_the_device_writes: A7, C9, C10;
    Engine transfers::a_part_is_handed_over_alone: E5;
    Engine ordering::a_doorbell_finds_the_last_byte_that_was_stored: F1, F5;
    Engine ordering::a_descriptor_leads_to_the_data_it_names: F4, F5;
    Engine ordering::a_completion_brings_what_was_posted_before_it: F2, F5;
    Engine ordering::coherent_memory_is_seen_by_both_sides: F3, F5;
    Engine ordering::coherent_memory_keeps_nothing_of_a_cached_owner: E4, G5;
    Engine ordering::a_ring_in_coherent_memory_goes_round: C8, F2;
    Machine constraints::every_limit_of_a_device_is_met: D5, D6;
    Machine constraints::large_alignments_are_met: D5;
    Machine constraints::no_buffer_crosses_a_multiple_of_4_kib: D6;
    Machine constraints::no_buffer_crosses_a_multiple_of_64_kib: D6;
    Machine constraints::no_buffer_crosses_a_multiple_of_16_mib: D6;
    Machine constraints::every_mask_is_met_or_refused: D1;
    Machine constraints::a_buffer_ends_below_the_highest_address: D1;
    Machine constraints::the_last_byte_may_lie_on_the_highest_address_and_not_above: D1;
    Machine constraints::a_buffer_starts_above_the_lowest_address: D2;
    Machine constraints::a_device_that_reaches_no_memory_is_refused: D3;
    Machine constraints::addresses_behind_a_window_are_refused: D3, D4;
    Machine constraints::limits_that_meet_are_the_stricter_of_each: D11;
    Machine constraints::impossible_lengths_are_refused: A6, D7, I6;
    Machine pools::buffers_do_not_overlap: B2, I3;
    Machine pools::lent_buffers_have_no_address_in_common: B2, I3;
    Machine pools::holes_are_filled_again: E3;
    Machine pools::a_block_is_taken_back_once_and_whole: B3, B8;
    Machine pools::a_block_that_is_dropped_is_not_handed_out_again: B9;
    Machine pools::memory_is_exhausted_and_comes_back: E1;
    Engine loans::a_loan_is_seen_by_the_device_wherever_it_lies: C1;
    Engine loans::a_loan_is_written_by_the_device_and_its_neighbours_are_not: C5, C9, C10, C11;
    Engine loans::a_loan_out_of_reach_bounces: D1, D2;
    Machine loans::a_bounce_pool_is_exhausted_and_comes_back: E1, E2;
    Engine loans::nothing_of_a_former_loan_is_seen: C6, C7;
    Machine loans::a_bounced_loan_keeps_its_offset_in_the_page: D10;
    Machine loans::a_loan_is_cut_into_the_segments_a_device_takes: D6, D7, D8;
    Engine loans::a_list_of_buffers_is_one_transfer: D9;
}
