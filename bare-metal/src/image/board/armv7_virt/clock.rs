//! Time since reset, from the generic timer.
#![expect(unsafe_code, reason = "the counter is a system register")]

use core::arch::asm;

use crate::image::board::arm_virt::micros;

/// Microseconds on a clock that never goes back.
pub(crate) fn now_micros() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads CNTVCT, which PL1 may always read. ISB: a read may otherwise be done ahead of what is before it (Arm
    // ARM, DDI 0406, B8.1, "The virtual counter"). No `nomem`, so the compiler too keeps it where it is.
    unsafe {
        asm!(
            "isb",
            "mrrc p15, 1, {low}, {high}, c14",
            low = out(reg) low,
            high = out(reg) high,
            options(nostack, preserves_flags),
        );
    }

    micros(
        u64::from(high) << 32 | u64::from(low),
        u64::from(frequency()),
    )
}

/// Ticks per second.
pub(super) fn frequency() -> u32 {
    let frequency;
    // SAFETY: reads CNTFRQ, which does not change.
    unsafe {
        asm!(
            "mrc p15, 0, {}, c14, c0, 0",
            out(reg) frequency,
            options(nomem, nostack, preserves_flags),
        );
    }
    frequency
}
