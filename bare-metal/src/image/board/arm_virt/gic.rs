//! The monitor's timer interrupt, which the image neither sees nor masks.
#![expect(unsafe_code, reason = "device registers are reached by their address")]

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

/// The interrupt of the hypervisor's physical timer (hw/arm/virt.c: ARCH_TIMER_NS_EL2_IRQ is PPI 10, hence 16 + 10).
const TIMER: u32 = 26;

/// Lets the timer's interrupt through.
pub(crate) fn enable() {
    write(GICC_PMR, 0xff);
    write(GICC_CTLR, 1);
    write(GICD_ISENABLER0, 1 << TIMER);
    write(GICD_CTLR, 1);
}

/// Answers an interrupt: if it is the timer's, `due` sets the timer anew.
pub(crate) fn interrupted(due: impl FnOnce()) {
    let acknowledged = read(GICC_IAR);
    if acknowledged & 0x3ff == TIMER {
        due();
        write(GICC_EOIR, acknowledged);
    }
}

fn write(register: usize, value: u32) {
    let register = ptr::with_exposed_provenance_mut::<u32>(register);
    // SAFETY: one of the registers above, above the image, where addresses are physical.
    unsafe { register.write_volatile(value) };
}

fn read(register: usize) -> u32 {
    let register = ptr::with_exposed_provenance::<u32>(register);
    // SAFETY: as above.
    unsafe { register.read_volatile() }
}
