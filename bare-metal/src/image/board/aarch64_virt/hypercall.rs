//! EL1's way to the monitor at EL2.
#![expect(
    unsafe_code,
    reason = "the HVC instruction, and other translation tables"
)]

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use super::mmu;
use crate::image::calls::{Answer, REFUSED};

/// Whether EL2 is the image's, and the monitor there.
static MONITOR: AtomicBool = AtomicBool::new(false);

/// For the boot code, which knows.
pub(super) fn there_is_a_monitor() {
    MONITOR.store(true, Ordering::Relaxed);
}

/// From here on the cached window leads to the monitor's copy. To be called once, before the window is used.
pub(crate) fn shadow_window() {
    // SAFETY: nothing is linked into the window, and its pool does not exist yet.
    unsafe { mmu::shadow_window() };
}

/// A call of the monitor, refused if there is none.
pub(crate) fn hypercall(call: [usize; 4]) -> Answer {
    if !MONITOR.load(Ordering::Relaxed) {
        return [REFUSED, 0];
    }
    let [number, first, second, third] = call;
    let (status, value);
    // SAFETY: the monitor changes no register but these two, and no memory that Rust knows of but what the caller says
    // a device owns: no `nomem`.
    unsafe {
        asm!(
            "hvc #0",
            inlateout("x0") number => status,
            inlateout("x1") first => value,
            in("x2") second,
            in("x3") third,
            options(nostack),
        );
    }
    [status, value]
}
