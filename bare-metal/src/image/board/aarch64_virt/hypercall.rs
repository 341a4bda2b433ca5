//! EL1's way to the monitor at EL2.
#![expect(
    unsafe_code,
    reason = "the HVC instruction, and other translation tables"
)]

use core::arch::asm;

use super::mmu;
use crate::image::board::arm_virt;
use crate::image::calls::Answer;

/// From here on the cached window leads to the monitor's copy. To be called once, before the window is used.
pub(crate) fn shadow_window() {
    // SAFETY: nothing is linked into the window, and its pool does not exist yet.
    unsafe { mmu::shadow_window() };
}

/// A call of the monitor, refused if there is none.
pub(crate) fn hypercall(call: [usize; 4]) -> Answer {
    arm_virt::hypercall(call, hvc)
}

/// # Safety
///
/// There is a monitor.
unsafe fn hvc([number, first, second, third]: [usize; 4]) -> Answer {
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
