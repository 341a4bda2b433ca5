//! The translation tables are constants: nothing is written to memory before the MMU is on.
//!
//! 4 KiB granule, 39-bit addresses: one level-1 table of 1 GiB entries, a level-2 table of 2 MiB blocks for
//! each of the two GiB in use. Formats: Arm ARM (DDI 0487), part D,
//! "Translation table descriptor formats".
#![expect(
    unsafe_code,
    reason = "the tables go to a section of their own, and are changed for others"
)]

use core::arch::asm;

use super::memory::{CACHE_PHYS, MAP, Memory, PAGE_TABLES_PHYS};

/// MAIR_EL1 (this and the two below: Arm ARM, part D, under the register's name). Attribute 0: Device-nGnRE;
/// 1: Normal, write-back, read- and write-allocate, inner and outer; 2: Normal, Non-cacheable, inner and outer.
pub(super) const MAIR: u64 = 0x04 | 0xff << 8 | 0x44 << 16;

/// TCR_EL1. T0SZ = 25: 39 bits; walks write-back and inner shareable; TG0 = 4 KiB;
/// no walks by TTBR1 (EPD1); IPS = 40 bits, as many as a Cortex-A53 has.
pub(super) const TCR: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32;

/// SCTLR_EL1 with the MMU off: the bits that Armv8.0 has as RES1, no more.
pub(super) const SCTLR_OFF: u64 = 0x30d0_0800;

/// SCTLR_EL1 with the MMU (M), the data (C) and the instruction cache (I) on.
pub(super) const SCTLR_ON: u64 = SCTLR_OFF | 1 | 1 << 2 | 1 << 12;

/// One table of any level.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(super) struct Table([u64; 512]);

/// The level-1 table, a level-2 table for the first GiB (devices) and for the second (RAM); then the level-1 table and
/// that of the second GiB once more, for when the monitor has begun.
#[unsafe(link_section = ".page_tables")]
pub(super) static TABLES: [Table; 5] = [
    top(2),
    blocks(0, Window::Memory),
    blocks(1, Window::Memory),
    top(4),
    blocks(1, Window::Cache),
];

/// The index of the second level-1 table in [`TABLES`].
const SHADOWED: u64 = 3;

/// Where the cached window leads.
#[derive(Clone, Copy)]
enum Window {
    /// To the memory that devices see.
    Memory,
    /// To the monitor's copy of it.
    Cache,
}

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
            tables = in(reg) table(SHADOWED),
            options(nostack, preserves_flags),
        );
    }
}

/// A level-1 table: two descriptors of tables, of which the second's index is `ram`, the rest invalid.
const fn top(ram: u64) -> Table {
    let mut top = Table([0; 512]);
    top.0[0] = table(1) | NEXT_TABLE;
    top.0[1] = table(ram) | NEXT_TABLE;
    top
}

/// Says that a descriptor is that of a table.
const NEXT_TABLE: u64 = 0b11;

/// The address of the table that is `index`-th in [`TABLES`].
const fn table(index: u64) -> u64 {
    PAGE_TABLES_PHYS + index * size_of::<Table>() as u64
}

/// The level-2 table of GiB `gib`, from what the memory map has there.
const fn blocks(gib: u64, window: Window) -> Table {
    const BLOCK: u64 = 2 << 20;

    let mut table = Table([0; 512]);
    let mut row = 0;
    while row < MAP.len() {
        let region = &MAP[row];
        assert!(region.phys.is_multiple_of(BLOCK) && region.len.is_multiple_of(BLOCK));
        assert!(
            region.phys + region.len <= 2 << 30,
            "there is a table for two GiB only"
        );

        let phys = match (region.memory, window) {
            (Memory::Window, Window::Cache) => CACHE_PHYS,
            _ => region.phys,
        };
        let mut done = 0;
        while done < region.len {
            let virt = region.phys + done;
            if virt >> 30 == gib {
                let block = (phys + done) | block_attributes(region.memory);
                table.0[(virt >> 21) as usize % 512] = block;
            }
            done += BLOCK;
        }
        row += 1;
    }
    table
}

/// The attributes of a block: valid, accessed (AF), for EL1 to read and write, never executed at EL0 (UXN).
const fn block_attributes(memory: Memory) -> u64 {
    const VALID: u64 = 0b01;
    const INNER_SHAREABLE: u64 = 0b11 << 8;
    const ACCESSED: u64 = 1 << 10;
    const PXN: u64 = 1 << 53;
    const UXN: u64 = 1 << 54;
    const fn mair(index: u64) -> u64 {
        index << 2
    }

    let common = VALID | ACCESSED | UXN;
    match memory {
        Memory::Device => common | mair(0) | PXN,
        Memory::Code => common | mair(1) | INNER_SHAREABLE,
        Memory::Cached | Memory::Window => common | mair(1) | INNER_SHAREABLE | PXN,
        Memory::Uncached => common | mair(2) | INNER_SHAREABLE | PXN,
    }
}
