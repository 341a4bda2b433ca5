//! All checks, in order.

use dma_api::{Device, Limits, Machine, Snooping};

use crate::{
    constraints, direction, ownership, pools, ranges,
    report::{Outcome, Report},
};

/// How many checks passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Checks that found what they should.
    pub passed: usize,
    /// Checks that did not.
    pub failed: usize,
}

/// Runs every check on a machine, for a device that snoops or does not, and reports each.
///
/// Nothing else may use the machine meanwhile. A machine that declares no coherent memory passes the check of it.
pub fn run<M: Machine + Clone>(
    machine: M,
    snooping: Snooping,
    report: &mut impl Report,
) -> Summary {
    let mut summary = Summary::default();
    let mut note = |name, outcome: Outcome| {
        let count = match outcome {
            Ok(()) => &mut summary.passed,
            Err(_) => &mut summary.failed,
        };
        *count = count.saturating_add(1);
        report.check(name, outcome);
    };

    let device = match Device::new(machine, Limits::UNLIMITED, snooping) {
        Ok(device) => device,
        Err(error) => {
            note("a_device_can_be_made", Err(error.into()));
            return summary;
        }
    };
    let before = device.machine().ledger().counts();
    for (name, check) in checks::<M>() {
        note(name, check(&device));
    }
    let after = device.machine().ledger().counts();
    let balance = crate::report::equal("ledger", u64::from(before == after), 1);
    note("the_ledger_is_as_it_was_before", balance);
    summary
}

type Check<M> = (&'static str, fn(&Device<M>) -> Outcome);

macro_rules! named {
    ($($group:ident::$check:ident),+ $(,)?) => { [$((stringify!($check), $group::$check)),+] };
}

fn checks<M: Machine + Clone>() -> [Check<M>; 18] {
    named![
        ranges::buffers_start_on_a_granule_and_are_zero,
        ranges::the_device_address_leads_back_to_the_bytes,
        ranges::a_neighbour_keeps_its_bytes,
        ranges::a_buffer_splits_between_granules_only,
        ownership::a_dropped_buffer_of_the_device_waits_in_quarantine,
        ownership::the_proof_of_another_device_releases_nothing,
        ownership::coherent_memory_is_private_until_published,
        direction::bytes_survive_a_transfer_that_writes_nothing,
        direction::a_sent_buffer_still_holds_what_was_sent,
        direction::a_short_transfer_counts_only_what_was_written,
        direction::values_are_read_back_from_any_offset,
        constraints::every_limit_of_a_device_is_met,
        constraints::a_buffer_ends_below_the_highest_address,
        constraints::a_device_that_reaches_no_memory_is_refused,
        constraints::impossible_lengths_are_refused,
        constraints::memory_is_lent_in_place_only_with_whole_granules,
        pools::buffers_do_not_overlap,
        pools::memory_is_exhausted_and_comes_back,
    ]
}
