//! S-mode's way to the monitor in M-mode.
#![expect(unsafe_code, reason = "the ECALL instruction, and other page tables")]

use core::arch::asm;

use super::mmu;
use crate::image::shadow::calls::{self, Answer, NoMonitor, Start};

/// From here on, devices do not see what the caches hold. To be called once, before the window is used.
///
/// # Errors
///
/// None: M-mode is always there.
pub(crate) fn start_monitor(start: Start) -> Result<(), NoMonitor> {
    calls::start(start);
    // SAFETY: nothing is linked into the window, and its pool does not exist yet.
    unsafe { mmu::shadow_window() };
    Ok(())
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
