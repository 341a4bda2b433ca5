//! Time since reset, from the generic timer.
#![expect(unsafe_code, reason = "the counter is a system register")]

use core::arch::asm;

use crate::image::board::arm_virt::micros;

/// Microseconds on a clock that never goes back.
pub(crate) fn now_micros() -> u64 {
    let ticks: u64;
    // SAFETY: reads a register that EL1 may always read. ISB: a read may otherwise be done ahead of what is
    // before it (Arm ARM, DDI 0487, part D, "CNTVCT_EL0"). No `nomem`, so
    // the compiler too keeps it where it is.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nostack, preserves_flags)) };

    let frequency: u64;
    // SAFETY: reads a register that does not change.
    unsafe {
        asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags))
    };

    micros(ticks, frequency)
}
