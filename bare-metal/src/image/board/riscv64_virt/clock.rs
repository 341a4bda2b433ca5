//! Time since reset, from the `time` register.
#![expect(unsafe_code, reason = "the counter is a control and status register")]

use core::arch::asm;

/// Ticks of `time` in a microsecond: QEMU's board has 10 MHz.
const TICKS_PER_MICRO: u64 = 10;

/// Microseconds on a clock that never goes back.
pub(crate) fn now_micros() -> u64 {
    let ticks: u64;
    // SAFETY: reads a register that the boot code opened to S-mode (mcounteren.TM). No `nomem`, so that the
    // compiler keeps it where it is.
    unsafe { asm!("rdtime {}", out(reg) ticks, options(nostack, preserves_flags)) };
    ticks / TICKS_PER_MICRO
}
