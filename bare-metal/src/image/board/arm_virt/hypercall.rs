//! Whether there is a monitor to be called.
#![expect(unsafe_code, reason = "a call needs a monitor")]

use core::sync::atomic::{AtomicBool, Ordering};

use crate::image::calls::{Answer, REFUSED};

/// Whether the level above the image is the image's, and the monitor there.
static MONITOR: AtomicBool = AtomicBool::new(false);

/// For the boot code, which knows.
pub(crate) fn there_is_a_monitor() {
    MONITOR.store(true, Ordering::Relaxed);
}

/// A call of the monitor, refused if there is none. `hvc` is the instruction, which needs a monitor and no more.
pub(crate) fn hypercall(call: [usize; 4], hvc: unsafe fn([usize; 4]) -> Answer) -> Answer {
    if MONITOR.load(Ordering::Relaxed) {
        // SAFETY: there is one.
        unsafe { hvc(call) }
    } else {
        [REFUSED, 0]
    }
}
