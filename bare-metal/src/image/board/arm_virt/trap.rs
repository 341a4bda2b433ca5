//! Every exception is one that nobody expected: it is printed and ends the image.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::image::console;
use crate::image::verdict::Verdict;

/// Prints what happened and ends the image.
pub(crate) fn end(what: fmt::Arguments<'_>) -> ! {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.load(Ordering::Relaxed) {
        // Printing or ending the image is what failed: the host sees a time-out.
        loop {
            core::hint::spin_loop();
        }
    }
    TAKEN.store(true, Ordering::Relaxed);
    console::line(format_args!("TRAP {what}"));
    Verdict::Trap.exit()
}
