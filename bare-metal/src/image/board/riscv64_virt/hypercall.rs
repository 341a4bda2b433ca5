//! S-mode's way to the monitor in M-mode.
#![expect(unsafe_code, reason = "the ECALL instruction, and other page tables")]

use core::arch::asm;

use super::mmu;
use crate::image::calls::Answer;

/// From here on the window leads to the monitor's copy. To be called once, before the window is used.
pub(crate) fn shadow_window() {
    // SAFETY: nothing is linked into the window, and its pool does not exist yet.
    unsafe { mmu::shadow_window() };
}

/// A call of the monitor.
pub(crate) fn hypercall(call: [usize; 4]) -> Answer {
    let [number, first, second, third] = call;
    let (status, value);
    // SAFETY: the monitor changes no register but these two, and no memory that Rust knows of but what the caller says
    // a device owns: no `nomem`.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") number => status,
            inlateout("a1") first => value,
            in("a2") second,
            in("a3") third,
            options(nostack),
        );
    }
    [status, value]
}
