//! EL2's timer, whose interrupts EL1 neither sees nor masks.
#![expect(unsafe_code, reason = "system registers")]

use core::arch::asm;

use crate::image::board::arm_virt::{gic, ticks};

/// The EL2 physical timer counts down from here, in nanoseconds, and then interrupts.
pub(super) fn set(nanos: u32) {
    let frequency: u64;
    // SAFETY: reads a register that does not change.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack)) };
    // SAFETY: a register of EL2's own timer, which sets the time and takes back the interrupt.
    unsafe {
        asm!("msr cnthp_tval_el2, {}", in(reg) ticks(nanos, frequency as u32), options(nomem, nostack))
    };
}

/// Lets the timer interrupt for the first time.
pub(super) fn start(nanos: u32) {
    set(nanos);
    // SAFETY: ENABLE, without IMASK.
    unsafe { asm!("msr cnthp_ctl_el2, {}", in(reg) 1_u64, options(nomem, nostack)) };
    gic::enable();
}
