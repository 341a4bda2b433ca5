//! The translation tables are constants: nothing is written to memory before the MMU is on.
//!
//! Descriptors of AArch64 with a granule of 4 KiB, which are those of the Large Physical Address Extension: a level-1
//! table of 1 GiB entries, a level-2 table of 2 MiB blocks for each of the three GiB in use. Formats: Arm ARM (DDI 0487),
//! part D, "Translation table descriptor formats"; DDI 0406, B3.6, "Long-descriptor translation table format".

use super::memory::{CACHE_PHYS, MAP, Memory, PAGE_TABLES_PHYS};

/// MAIR_EL1, and MAIR0 (Arm ARM, under the registers' names). Attribute 0: Device-nGnRE; 1: Normal, write-back, read- and
/// write-allocate, inner and outer; 2: Normal, Non-cacheable, inner and outer.
pub(crate) const MAIR: u32 = 0x04 | 0xff << 8 | 0x44 << 16;

/// Of TCR_EL1, and of TTBCR with long descriptors: walks write-back and inner shareable (IRGN0, ORGN0, SH0), and none by
/// TTBR1 (EPD1).
pub(crate) const WALKS: u32 = 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23;

/// One table of any level.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(crate) struct Table([u64; 512]);

/// The level-1 table, a level-2 table for the first GiB (devices), for the second and for the third (RAM); then the level-1
/// table and that of the second GiB once more, for when the monitor has begun.
///
/// `always` is set in every block, `never_executed` in those that hold no code.
pub(crate) const fn tables(always: u64, never_executed: u64) -> [Table; 6] {
    let attributes = Attributes {
        always,
        never_executed,
    };
    [
        top(2),
        attributes.blocks(0, Window::Memory),
        attributes.blocks(1, Window::Memory),
        attributes.blocks(2, Window::Memory),
        top(5),
        attributes.blocks(1, Window::Cache),
    ]
}

/// The address of the second level-1 table among the board's [`tables`].
pub(crate) const fn shadowed_table() -> u64 {
    table(4)
}

/// Where the cached window leads.
#[derive(Clone, Copy)]
enum Window {
    /// To the memory that devices see.
    Memory,
    /// To the monitor's copy of it.
    Cache,
}

/// A level-1 table: three descriptors of tables, of which the second's index is `ram`, the rest invalid.
const fn top(ram: u64) -> Table {
    let mut top = Table([0; 512]);
    top.0[0] = table(1) | NEXT_TABLE;
    top.0[1] = table(ram) | NEXT_TABLE;
    top.0[2] = table(3) | NEXT_TABLE;
    top
}

/// Says that a descriptor is that of a table.
const NEXT_TABLE: u64 = 0b11;

/// The address of the table that is `index`-th in [`tables`].
const fn table(index: u64) -> u64 {
    PAGE_TABLES_PHYS + index * size_of::<Table>() as u64
}

/// What the attributes of blocks are made of that is not the same for all processors.
#[derive(Clone, Copy)]
struct Attributes {
    always: u64,
    never_executed: u64,
}

impl Attributes {
    /// The level-2 table of GiB `gib`, from what the memory map has there.
    const fn blocks(self, gib: u64, window: Window) -> Table {
        const BLOCK: u64 = 2 << 20;

        let mut table = Table([0; 512]);
        let mut row = 0;
        while row < MAP.len() {
            let region = &MAP[row];
            assert!(region.phys.is_multiple_of(BLOCK) && region.len.is_multiple_of(BLOCK));
            assert!(
                region.phys + region.len <= 3 << 30,
                "there is a table for three GiB only"
            );

            let phys = match (region.memory, window) {
                (Memory::Window, Window::Cache) => CACHE_PHYS,
                _ => region.phys,
            };
            let mut done = 0;
            while done < region.len {
                let virt = region.phys + done;
                if virt >> 30 == gib {
                    let block = (phys + done) | self.of(region.memory);
                    table.0[(virt >> 21) as usize % 512] = block;
                }
                done += BLOCK;
            }
            row += 1;
        }
        table
    }

    /// The attributes of a block: valid, accessed (AF), for the image alone to read and write.
    const fn of(self, memory: Memory) -> u64 {
        const VALID: u64 = 0b01;
        const INNER_SHAREABLE: u64 = 0b11 << 8;
        const ACCESSED: u64 = 1 << 10;
        const fn mair(index: u64) -> u64 {
            index << 2
        }

        let common = VALID | ACCESSED | self.always;
        let data = common | self.never_executed;
        match memory {
            Memory::Device => data | mair(0),
            Memory::Code => common | mair(1) | INNER_SHAREABLE,
            Memory::Cached | Memory::Window => data | mair(1) | INNER_SHAREABLE,
            Memory::Uncached => data | mair(2) | INNER_SHAREABLE,
        }
    }
}
