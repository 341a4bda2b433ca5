//! What the translation registers hold; all of them are in the Arm ARM (DDI 0487), part D, under their names.
#![expect(
    unsafe_code,
    reason = "the tables go to a section of their own, and are changed for others"
)]

use core::arch::asm;

use crate::image::board::arm_virt::{self, Table, WALKS, shadowed_table};

/// TCR_EL1. T0SZ = 25: 39 bits; TG0 = 4 KiB; IPS = 40 bits, as many as a Cortex-A53 has.
pub(super) const TCR: u64 = 25 | WALKS as u64 | 2 << 32;

/// SCTLR_EL1 with the MMU off: the bits that Armv8.0 has as RES1, no more.
pub(super) const SCTLR_OFF: u64 = 0x30d0_0800;

/// SCTLR_EL1 with the MMU (M), the data (C) and the instruction cache (I) on.
pub(super) const SCTLR_ON: u64 = SCTLR_OFF | 1 | 1 << 2 | 1 << 12;

/// The tables: nothing is executed at EL0 (UXN), and at EL1 (PXN) only the image.
#[unsafe(link_section = ".page_tables")]
pub(super) static TABLES: [Table; 6] = arm_virt::tables(1 << 54, 1 << 53);

/// Changes to the tables in which the cached window leads to the monitor's copy.
///
/// # Safety
///
/// No object is in the window, and nothing there was accessed before.
pub(super) unsafe fn shadow_window() {
    // SAFETY: all else is mapped as it was. The window's translations may have been fetched, if not used: they are
    // dropped before the window is accessed (Arm ARM, part D, "TLB maintenance").
    unsafe {
        asm!(
            "msr ttbr0_el1, {tables}",
            "isb",
            "tlbi vmalle1",
            "dsb nsh",
            "isb",
            tables = in(reg) shadowed_table(),
            options(nostack, preserves_flags),
        );
    }
}
