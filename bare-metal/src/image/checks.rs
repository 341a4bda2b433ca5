//! The conformance suite on this board, for every kind of device it can have.

use conformance::{Failure, Report};
use dma_api::Snooping;

use super::{board, console, verdict::Verdict};

struct Lines;

impl Report for Lines {
    fn check(&mut self, name: &'static str, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => console::line(format_args!("CHECK {name} ok")),
            Err(failure) => console::line(format_args!("CHECK {name} FAILED {failure}")),
        }
    }
}

/// Runs the suite, then what the board has to say of the maintenance it saw.
pub(crate) fn run() -> Verdict {
    let mut summary = conformance::run(board::machine(), board::SNOOPING, &mut Lines);
    let lines = board::machine().lines();
    let expected = board::SNOOPING == Snooping::DoesNotSnoop;
    let maintained = lines.cleaned + lines.invalidated + lines.cleaned_invalidated > 0;
    let outcome = if maintained == expected {
        board::check_maintenance(lines)
    } else {
        Err("lines maintained")
    };
    match outcome {
        Ok(()) => summary.passed += 1,
        Err(_) => summary.failed += 1,
    }
    match outcome {
        Ok(()) => console::line(format_args!("CHECK maintenance_is_what_the_board_saw ok")),
        Err(why) => console::line(format_args!(
            "CHECK maintenance_is_what_the_board_saw FAILED {why}: {lines:?}"
        )),
    }

    console::line(format_args!(
        "CHECKS {} passed, {} failed",
        summary.passed, summary.failed
    ));
    if summary.failed == 0 && summary.passed > 0 {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}
