//! The conformance suite on this board, for every kind of device it can have.

use conformance::{Check, Engine, Failure, Outcome, Report, equal};
use dma_api::{Machine, Snooping};

use super::{
    blind, board, bus_master::BusMaster, calls, console, counted::Lines, verdict::Verdict,
};

/// Prints each outcome and counts it.
#[derive(Default)]
struct Printed {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report for Printed {
    fn check(&mut self, check: Check, outcome: Outcome) {
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                console::line(format_args!("CHECK {check} ok"));
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                console::line(format_args!("CHECK {check} skipped: {reason}"));
            }
            Outcome::Failed(failure) => {
                self.failed += 1;
                console::line(format_args!("CHECK {check} FAILED {failure}"));
            }
        }
    }
}

/// Runs what the board runs, and counts.
pub(crate) fn run() -> Verdict {
    let mut report = Printed::default();
    board::conform(&mut report);

    let Printed {
        passed,
        failed,
        skipped,
    } = report;
    console::line(format_args!(
        "CHECKS {passed} passed, {failed} failed, {skipped} skipped"
    ));
    if failed == 0 && passed > 0 {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}

/// Runs the suite for devices that do not snoop, which must have lines maintained, and for devices that do, which are
/// none of a machine whose devices do not see what the caches hold.
///
/// * `lines`: those of the machine, now;
/// * `engine`: what looks at memory besides the CPU, if the board has something. An emulator without caches shows the same to
///   both kinds.
pub(crate) fn both_kinds<M: Machine>(
    machine: &'static M,
    lines: impl Fn() -> Lines,
    mut engine: Option<&mut (dyn Engine + 'static)>,
    report: &mut impl Report,
) {
    if calls::is_started() {
        suite(
            machine,
            Snooping::DoesNotSnoop,
            Some(&mut BusMaster),
            report,
        );
        let blind = blind::devices_see_what_was_cleaned(machine);
        report.check(
            Check::of_the_board("devices_see_what_was_cleaned"),
            blind.into(),
        );
    } else {
        let engine = engine.as_deref_mut();
        suite(machine, Snooping::DoesNotSnoop, engine, report);
    }
    report.check(
        Check::of_the_board("lines_are_maintained"),
        maintained(lines()).into(),
    );
    if !calls::is_started() {
        suite(machine, Snooping::Snoops, engine, report);
    }
}

fn suite<M: Machine>(
    machine: &'static M,
    snooping: Snooping,
    engine: Option<&mut (dyn Engine + 'static)>,
    report: &mut impl Report,
) {
    match engine {
        Some(engine) => conformance::run_with(machine, snooping, engine, report),
        None => conformance::run(machine, snooping, report),
    };
}

/// Whether lines were maintained at all, for devices that do not snoop.
fn maintained(lines: Lines) -> Result<(), Failure> {
    equal("lines maintained", u64::from(lines.total() > 0), 1)
}
