//! The conformance suite on this board, for every kind of device it can have.

use conformance::{Failure, Report};
use dma_api::{Machine, Snooping};

use super::{blind, board, calls, console, counted::Lines, verdict::Verdict};

/// Prints each outcome and counts it.
#[derive(Default)]
struct Printed {
    passed: usize,
    failed: usize,
}

impl Report for Printed {
    fn check(&mut self, name: &'static str, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                console::line(format_args!("CHECK {name} ok"));
            }
            Err(failure) => {
                self.failed += 1;
                console::line(format_args!("CHECK {name} FAILED {failure}"));
            }
        }
    }
}

/// Runs what the board runs, and counts.
pub(crate) fn run() -> Verdict {
    let mut report = Printed::default();
    board::conform(&mut report);

    let Printed { passed, failed } = report;
    console::line(format_args!("CHECKS {passed} passed, {failed} failed"));
    if failed == 0 && passed > 0 {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}

/// Runs the suite for devices that do not snoop, which must have lines maintained, and for devices that do, which are
/// none of a machine whose devices do not see what the caches hold.
///
/// `lines` are those of the machine, now.
pub(crate) fn both_kinds<M: Machine>(
    machine: &'static M,
    lines: impl Fn() -> Lines,
    report: &mut impl Report,
) {
    conformance::run(machine, Snooping::DoesNotSnoop, report);
    report.check("lines_are_maintained", maintained(lines()));
    if calls::is_started() {
        let blind = blind::devices_see_what_was_cleaned(machine);
        report.check("devices_see_what_was_cleaned", blind);
    } else {
        conformance::run(machine, Snooping::Snoops, report);
    }
}

/// Whether lines were maintained at all, for devices that do not snoop.
fn maintained(lines: Lines) -> Result<(), Failure> {
    match lines.total() {
        0 => Err(Failure::Differs {
            what: "lines maintained",
            found: 0,
            expected: 1,
        }),
        _ => Ok(()),
    }
}
