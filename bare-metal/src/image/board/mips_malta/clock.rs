//! Time is CP0 Count at its rate under QEMU 7.2, extended to 64 bits by whoever asks.
#![expect(unsafe_code, reason = "reads CP0 Count")]

use core::{
    arch::asm,
    sync::atomic::{AtomicU32, Ordering},
};

/// QEMU 7.2 runs Count at half the processor's 320 MHz and rounds the 6.25 ns down (measured: 10 s are 10.0 s of the
/// host's clock). Another emulator or a real board needs another number: nothing on the board states it.
const NANOS_PER_TICK: u64 = 6;

/// What Count was when last read.
static LAST: AtomicU32 = AtomicU32::new(0);
/// How often Count has gone past its end.
static WRAPS: AtomicU32 = AtomicU32::new(0);

/// Microseconds since reset, right as long as it is called at least once in every 25 seconds (Count turns in 25.7).
pub(crate) fn now_micros() -> u64 {
    // One processor with interrupts off: nobody comes between these accesses.
    let count = count();
    if count < LAST.load(Ordering::Relaxed) {
        WRAPS.store(WRAPS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    LAST.store(count, Ordering::Relaxed);

    let ticks = u64::from(WRAPS.load(Ordering::Relaxed)) << 32 | u64::from(count);
    ticks * NANOS_PER_TICK / 1000
}

/// CP0 register 9, select 0 (MIPS32 PRA, MD00090, "Count Register").
fn count() -> u32 {
    let count;
    // SAFETY: reading Count has no effect. `noat` because the operand may be `$1`.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "mfc0 {count}, $9",
            ".set pop",
            count = out(reg) count,
            options(nomem, nostack, preserves_flags),
        );
    }
    count
}
