//! The Sv39 page tables are constants; what the CPU can do decides at boot which of two roots is used.
//!
//! RISC-V privileged specification (20211203), 4.4 "Sv39" and 6 "Svpbmt".
#![expect(unsafe_code, reason = "the tables go to a section of their own")]

use super::memory::{MAP, Memory, PAGE_TABLES_PHYS, TEST_DEVICE_PHYS};

/// One table of any level.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(super) struct Table([u64; 512]);

/// All tables, at [`PAGE_TABLES_PHYS`], in the order of [`Place`].
#[unsafe(link_section = ".page_tables")]
static TABLES: [Table; 7] = [
    root(Place::Alias),
    root(Place::UncachedAlias),
    low_gib(),
    lowest(),
    megapages(2, Pbmt::Pma),
    megapages(3, Pbmt::Pma),
    megapages(3, Pbmt::Nc),
];

/// A table's index in [`TABLES`].
#[derive(Clone, Copy)]
enum Place {
    /// The root whose fourth GiB is [`Place::Alias`].
    Root,
    /// The root whose fourth GiB is [`Place::UncachedAlias`].
    UncachedRoot,
    /// The first GiB: devices.
    Low,
    /// The first 2 MiB, in pages of 4 KiB.
    Lowest,
    /// The third GiB: RAM.
    Ram,
    /// The fourth GiB: the alias, as the window is.
    Alias,
    /// The fourth GiB: the alias, NC.
    UncachedAlias,
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

/// The physical address of a table.
const fn place(place: Place) -> u64 {
    PAGE_TABLES_PHYS + place as u64 * size_of::<Table>() as u64
}

/// An entry for a physical address: its page number goes to bits 53:10.
const fn entry(phys: u64, flags: u64) -> u64 {
    phys >> 12 << 10 | flags
}

/// A root table, with one of the two tables of the alias.
const fn root(alias: Place) -> Table {
    let mut table = Table([0; 512]);
    table.0[0] = entry(place(Place::Low), V);
    table.0[2] = entry(place(Place::Ram), V);
    table.0[3] = entry(place(alias), V);
    table
}

/// The table of the first GiB: the map's devices, and a pointer to the pages of its first 2 MiB.
const fn low_gib() -> Table {
    let mut table = megapages(0, Pbmt::Pma);
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
const fn megapages(gib: u64, alias: Pbmt) -> Table {
    const LEAF: u64 = 2 << 20;

    let mut table = Table([0; 512]);
    let mut row = 0;
    while row < MAP.len() {
        let region = &MAP[row];
        assert!(region.virt.is_multiple_of(LEAF) && region.phys.is_multiple_of(LEAF));
        assert!(region.len.is_multiple_of(LEAF));

        let flags = match region.memory {
            Memory::Data => V | R | W | A | D,
            Memory::Code => V | R | W | X | A | D,
            Memory::Alias => (alias as u64) << 61 | V | R | W | A | D,
        };
        let mut done = 0;
        while done < region.len {
            let virt = region.virt + done;
            if virt >> 30 == gib {
                table.0[(virt >> 21) as usize % 512] = entry(region.phys + done, flags);
            }
            done += LEAF;
        }
        row += 1;
    }
    table
}
