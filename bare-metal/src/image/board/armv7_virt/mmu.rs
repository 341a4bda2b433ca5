//! What the translation registers hold; all of them are in the Arm ARM (DDI 0406), part B, under their names.
#![expect(
    unsafe_code,
    reason = "the tables go to a section of their own, and are changed for others"
)]

use core::arch::asm;

use crate::image::board::arm_virt::{self, Table, WALKS, shadowed_table};

/// TTBCR: long descriptors (EAE), and all addresses by TTBR0 (T0SZ = 0), whose level-1 table has four entries.
pub(super) const TTBCR: u32 = 1 << 31 | WALKS;

/// SCTLR with the MMU off: the bits that Armv7-A has as RAO, no more.
pub(super) const SCTLR_OFF: u32 = 0x00c5_0078;

/// SCTLR with the MMU (M), the data (C) and the instruction cache (I), and branch prediction (Z) on.
pub(super) const SCTLR_ON: u32 = SCTLR_OFF | 1 | 1 << 2 | 1 << 11 | 1 << 12;

/// The tables. Nothing but the image is executed (XN), and nobody is at PL0.
#[unsafe(link_section = ".page_tables")]
pub(super) static TABLES: [Table; 6] = arm_virt::tables(0, 1 << 54);

/// Changes to the tables in which the cached window leads to the monitor's copy.
///
/// # Safety
///
/// No object is in the window, and nothing there was accessed before.
pub(super) unsafe fn shadow_window() {
    // SAFETY: all else is mapped as it was. The window's translations may have been fetched, if not used: TLBIALL drops
    // them before the window is accessed (Arm ARM, part B, "TLB maintenance requirements").
    unsafe {
        asm!(
            "mcrr p15, 0, {low}, {high}, c2", // TTBR0
            "isb",
            "mcr p15, 0, {high}, c8, c7, 0",
            "dsb",
            "isb",
            low = in(reg) shadowed_table() as u32,
            high = in(reg) 0,
            options(nostack, preserves_flags),
        );
    }
}
