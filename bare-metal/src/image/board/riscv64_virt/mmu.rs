//! The Sv39 page tables are constants; what the CPU can do, and whether the monitor has begun, decide which of four
//! roots is used.
//!
//! RISC-V privileged specification (20211203), 4.4 "Sv39" and 6 "Svpbmt".
#![expect(
    unsafe_code,
    reason = "the tables go to a section of their own, and are changed for others"
)]

use core::arch::asm;

use super::memory::{CACHE_PHYS, MAP, Memory, PAGE_TABLES_PHYS, TEST_DEVICE_PHYS};

/// One table of any level.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(super) struct Table([u64; 512]);

/// All tables, at [`PAGE_TABLES_PHYS`], in the order of [`Place`].
#[unsafe(link_section = ".page_tables")]
static TABLES: [Table; 11] = [
    root(Place::Ram, Place::Alias),
    root(Place::Ram, Place::UncachedAlias),
    root(Place::ShadowedRam, Place::Alias),
    root(Place::ShadowedRam, Place::UncachedAlias),
    low_gib(),
    lowest(),
    megapages(2, Window::Memory, Pbmt::Pma),
    megapages(2, Window::Cache, Pbmt::Pma),
    megapages(3, Window::Memory, Pbmt::Pma),
    megapages(3, Window::Memory, Pbmt::Nc),
    megapages(1, Window::Memory, Pbmt::Pma),
];

/// A table's index in [`TABLES`].
#[derive(Clone, Copy)]
enum Place {
    /// The root whose fourth GiB is [`Place::Alias`].
    Root,
    /// The root whose fourth GiB is [`Place::UncachedAlias`].
    UncachedRoot,
    /// The first root with [`Place::ShadowedRam`].
    ShadowedRoot,
    /// The second root with it: as far from the first of the two as that root is from the first of all.
    #[expect(dead_code, reason = "it is reached from the second root")]
    ShadowedUncachedRoot,
    /// The first GiB: devices.
    Low,
    /// The first 2 MiB, in pages of 4 KiB.
    Lowest,
    /// The third GiB: RAM.
    Ram,
    /// The third GiB, where the window leads to the monitor's copy.
    ShadowedRam,
    /// The fourth GiB: the alias, as the window is, and the upper memory.
    Alias,
    /// The fourth GiB: the alias, NC, and the upper memory.
    UncachedAlias,
    /// The second GiB: PCI memory.
    Pci,
}

/// Where the cached window leads.
#[derive(Clone, Copy)]
enum Window {
    /// To the memory that devices see.
    Memory,
    /// To the monitor's copy of it.
    Cache,
}

/// Page-based memory type, bits 62:61 of an entry; they are reserved where the CPU does not have Svpbmt.
#[derive(Clone, Copy)]
pub(super) enum Pbmt {
    /// What the memory is by itself.
    Pma = 0,
    /// Not cached, idempotent.
    Nc = 1,
}

/// Entry bits: valid, and with R, W and X all 0, a pointer to the next level.
const V: u64 = 1;
/// May be read, written, executed; by S-mode, since bit 4 (U) is clear.
const R: u64 = 1 << 1;
const W: u64 = 1 << 2;
const X: u64 = 1 << 3;
/// Accessed and dirty, set beforehand: a CPU may trap rather than set them.
const A: u64 = 1 << 6;
const D: u64 = 1 << 7;

/// The value of `satp` that turns these tables on, with an alias of this type.
pub(super) fn satp(alias: Pbmt) -> u64 {
    const SV39: u64 = 8 << 60;

    let root = match alias {
        Pbmt::Pma => Place::Root,
        Pbmt::Nc => Place::UncachedRoot,
    };
    // Only the CPU reads the tables; this also keeps them in the image.
    assert_eq!(PAGE_TABLES_PHYS, (&raw const TABLES).addr() as u64);
    SV39 | place(root) >> 12
}

/// Changes to the root in which the cached window leads to the monitor's copy.
///
/// # Safety
///
/// To be called once; no object is in the window, and nothing there was accessed before.
pub(super) unsafe fn shadow_window() {
    let satp: u64;
    // SAFETY: reads a register of S-mode's.
    unsafe { asm!("csrr {}, satp", out(reg) satp, options(nomem, nostack)) };
    let satp = satp + ((place(Place::ShadowedRoot) - place(Place::Root)) >> 12);
    // SAFETY: all else is mapped as it was, and the fence drops what the CPU may have kept of the old tables (4.2.1).
    unsafe { asm!("csrw satp, {}", "sfence.vma", in(reg) satp, options(nostack)) };
}

/// The physical address of a table.
const fn place(place: Place) -> u64 {
    PAGE_TABLES_PHYS + place as u64 * size_of::<Table>() as u64
}

/// An entry for a physical address: its page number goes to bits 53:10.
const fn entry(phys: u64, flags: u64) -> u64 {
    phys >> 12 << 10 | flags
}

/// A root table, with one of the two tables of RAM and one of the two of the alias.
const fn root(ram: Place, alias: Place) -> Table {
    let mut table = Table([0; 512]);
    table.0[0] = entry(place(Place::Low), V);
    table.0[1] = entry(place(Place::Pci), V);
    table.0[2] = entry(place(ram), V);
    table.0[3] = entry(place(alias), V);
    table
}

/// The table of the first GiB: the map's devices, and a pointer to the pages of its first 2 MiB.
const fn low_gib() -> Table {
    let mut table = megapages(0, Window::Memory, Pbmt::Pma);
    assert!(table.0[0] == 0);
    table.0[0] = entry(place(Place::Lowest), V);
    table
}

/// The pages of the first 2 MiB: one.
const fn lowest() -> Table {
    let mut table = Table([0; 512]);
    table.0[(TEST_DEVICE_PHYS >> 12) as usize] = entry(TEST_DEVICE_PHYS, V | R | W | A | D);
    table
}

/// The table of GiB `gib`, in leaves of 2 MiB, from what the memory map has there.
const fn megapages(gib: u64, window: Window, alias: Pbmt) -> Table {
    const LEAF: u64 = 2 << 20;

    let mut table = Table([0; 512]);
    let mut row = 0;
    while row < MAP.len() {
        let region = &MAP[row];
        assert!(region.virt.is_multiple_of(LEAF) && region.phys.is_multiple_of(LEAF));
        assert!(region.len.is_multiple_of(LEAF));

        let flags = match region.memory {
            Memory::Data | Memory::Window => V | R | W | A | D,
            Memory::Code => V | R | W | X | A | D,
            Memory::Alias => (alias as u64) << 61 | V | R | W | A | D,
        };
        let phys = match (region.memory, window) {
            (Memory::Window, Window::Cache) => CACHE_PHYS,
            _ => region.phys,
        };
        let mut done = 0;
        while done < region.len {
            let virt = region.virt + done;
            if virt >> 30 == gib {
                table.0[(virt >> 21) as usize % 512] = entry(phys + done, flags);
            }
            done += LEAF;
        }
        row += 1;
    }
    table
}
