//! EL2's timer, whose interrupts EL1 neither sees nor masks.
#![expect(unsafe_code, reason = "system registers and device registers")]

use core::arch::asm;
use core::ptr;

/// The GICv2 distributor and CPU interface (QEMU's hw/arm/virt.c: VIRT_GIC_DIST, VIRT_GIC_CPU).
const DISTRIBUTOR: usize = 0x0800_0000;
const INTERFACE: usize = 0x0801_0000;

/// Registers, by their names in "GIC Architecture Specification" version 2 (IHI 0048), 4.3 and 4.4.
const GICD_CTLR: usize = DISTRIBUTOR;
const GICD_ISENABLER0: usize = DISTRIBUTOR + 0x100;
const GICC_CTLR: usize = INTERFACE;
const GICC_PMR: usize = INTERFACE + 4;
const GICC_IAR: usize = INTERFACE + 0xc;
const GICC_EOIR: usize = INTERFACE + 0x10;

/// The interrupt of the EL2 physical timer (hw/arm/virt.c: ARCH_TIMER_NS_EL2_IRQ is PPI 10, hence 16 + 10).
const TIMER: u32 = 26;

/// The EL2 physical timer counts down from here, in nanoseconds, and then interrupts.
fn set(nanos: u32) {
    let frequency: u64;
    // SAFETY: reads a register that does not change.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack)) };
    let ticks = u64::from(nanos) * frequency / 1_000_000_000;
    // SAFETY: a register of EL2's own timer, which sets the time and takes back the interrupt.
    unsafe { asm!("msr cnthp_tval_el2, {}", in(reg) ticks, options(nomem, nostack)) };
}

/// Lets the timer interrupt for the first time.
pub(super) fn start(nanos: u32) {
    set(nanos);
    // SAFETY: ENABLE, without IMASK.
    unsafe { asm!("msr cnthp_ctl_el2, {}", in(reg) 1_u64, options(nomem, nostack)) };
    write(GICC_PMR, 0xff);
    write(GICC_CTLR, 1);
    write(GICD_ISENABLER0, 1 << TIMER);
    write(GICD_CTLR, 1);
}

/// Answers an interrupt: if it is the timer's, `next` says in how many nanoseconds the next one is due.
pub(super) fn interrupted(next: impl FnOnce() -> u32) {
    let acknowledged = read(GICC_IAR);
    if acknowledged & 0x3ff == TIMER {
        set(next());
        write(GICC_EOIR, acknowledged);
    }
}

fn write(register: usize, value: u32) {
    let register = ptr::with_exposed_provenance_mut::<u32>(register);
    // SAFETY: one of the registers above, at EL2, whose addresses are physical.
    unsafe { register.write_volatile(value) };
}

fn read(register: usize) -> u32 {
    let register = ptr::with_exposed_provenance::<u32>(register);
    // SAFETY: as above.
    unsafe { register.read_volatile() }
}
