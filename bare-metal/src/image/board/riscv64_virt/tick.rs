//! M-mode's timer, whose interrupts S-mode neither sees nor masks.
#![expect(
    unsafe_code,
    reason = "a control and status register, and device registers"
)]

use core::arch::asm;
use core::ptr;

/// The core-local interruptor's registers of hart 0 (QEMU's hw/riscv/virt.c: VIRT_CLINT; include/hw/intc/riscv_aclint.h):
/// the time at which to interrupt, and the time.
const MTIMECMP: usize = 0x0200_4000;
const MTIME: usize = 0x0200_bff8;

/// Nanoseconds in a tick of `mtime`: QEMU's board has 10 MHz.
const NANOS_PER_TICK: u32 = 100;

/// `mie.MTIE` (privileged specification 3.1.9). In S-mode, interrupts of M-mode are always enabled (3.1.6.1).
const MTIE: u64 = 1 << 7;

/// Lets the timer interrupt for the first time, in so many nanoseconds.
pub(super) fn start(nanos: u32) {
    set(nanos);
    // SAFETY: an interrupt that M-mode's handler knows.
    unsafe { asm!("csrs mie, {}", in(reg) MTIE, options(nomem, nostack)) };
}

/// Takes back the interrupt, and lets the timer interrupt again in so many nanoseconds.
pub(super) fn set(nanos: u32) {
    let (now, at) = (
        ptr::with_exposed_provenance::<u64>(MTIME),
        ptr::with_exposed_provenance_mut::<u64>(MTIMECMP),
    );
    // SAFETY: a register at its physical address, in M-mode, which has all of them.
    let now = unsafe { now.read_volatile() };
    // SAFETY: as above.
    unsafe { at.write_volatile(now + u64::from(nanos / NANOS_PER_TICK)) };
}
