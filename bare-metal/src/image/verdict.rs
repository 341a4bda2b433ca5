//! How an image ends: one line that says so and one exit code that agrees with it.

use core::panic::PanicInfo;

use super::{board, console};

/// The ways to end. Every code is odd, because the x86 exit device can give no other, and none is 0 or 1
/// for success, because resets, power-offs and triple faults give those by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything that the command line asked for was done and found right.
    Pass = 33,
    /// A check failed; a line before says which.
    Fail = 3,
    /// The image waited in vain; a line before says how that is known.
    TimeOut = 5,
    /// The image panicked.
    Panic = 101,
    /// The processor took an exception nobody expected.
    Trap = 103,
}

impl Verdict {
    /// Prints the closing line and ends the emulator with this verdict's code.
    pub(crate) fn exit(self) -> ! {
        console::line(format_args!("VERDICT {self:?}"));
        board::exit(self as u8)
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    console::line(format_args!("PANIC {info}"));
    Verdict::Panic.exit()
}
