//! Hyp mode's timer, whose interrupts SVC mode neither sees nor masks.
#![expect(unsafe_code, reason = "system registers")]

use core::arch::asm;

use super::clock;
use crate::image::board::arm_virt::{gic, ticks};

/// The Hyp mode physical timer counts down from here, in nanoseconds, and then interrupts.
pub(super) fn set(nanos: u32) {
    // The monitor's times are fractions of a second, and the register has room for 34 of them.
    let ticks = ticks(nanos, clock::frequency()) as u32;
    // SAFETY: CNTHP_TVAL, a register of Hyp mode's own timer, which sets the time and takes back the interrupt.
    unsafe { asm!("mcr p15, 4, {}, c14, c2, 0", in(reg) ticks, options(nomem, nostack)) };
}

/// Lets the timer interrupt for the first time.
pub(super) fn start(nanos: u32) {
    set(nanos);
    // SAFETY: CNTHP_CTL: ENABLE, without IMASK.
    unsafe { asm!("mcr p15, 4, {}, c14, c2, 1", in(reg) 1, options(nomem, nostack)) };
    gic::enable();
}
