//! The board as the library knows it: Zicbom that traps where the CPU lacks it, and an alias for coherent memory.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use arch_riscv::ZicbomCaches;
use conformance::{Failure, Report};
use dma_api::{
    Alignment, BusMap, DirectMap, Error, Ledger, Machine, PhysAddr, Pool, Region, Slot, Snooping,
    UncachedAlias, Window,
};
use spin::Lazy;

use super::{cbo::trapped_cbo, memory};
use crate::image::{
    checks,
    counted::{Counted, Lines},
};

/// QEMU's virtio devices do snoop, as QEMU has no caches; the image treats them as if they did not, so that every
/// instruction is executed, or traps and is counted.
pub(crate) const SNOOPING: Snooping = Snooping::DoesNotSnoop;

/// What a device tree would give as `riscv,cbom-block-size`.
const BLOCK_SIZE: u32 = 64;
const UNIT: u64 = 256;

static CACHED: Pool<4096> = Pool::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static BOARD: Lazy<Board> = Lazy::new(|| Board::boot().expect("the memory map is consistent"));

/// QEMU's `virt`, once.
pub(crate) struct Board {
    caches: Counted<ZicbomCaches>,
    coherent: UncachedAlias,
    region: Region,
    window: Window,
}

/// The board.
pub(crate) fn machine() -> &'static Board {
    &BOARD
}

impl Board {
    fn boot() -> Result<Self, Error> {
        let (phys, len) = (
            PhysAddr::new(memory::DMA_WINDOW_PHYS),
            memory::DMA_WINDOW_LEN,
        );
        let (cached, uncached) = (memory::dma_window(), memory::uncached_alias());
        // SAFETY: the linker script sets the window aside, and the page tables map it.
        unsafe { CACHED.adopt(cached, phys, len, Alignment::new(UNIT)?) }?;
        // SAFETY: M-mode enables the operations, or executes them for a CPU that lacks them.
        let caches = unsafe { ZicbomCaches::new(BLOCK_SIZE) }.expect("64 is a size of blocks");
        // SAFETY: the page tables never change.
        let region = unsafe { Region::new(cached, phys, len) }?;
        Ok(Self {
            caches: Counted::new(caches),
            // SAFETY: the page tables map both to the same memory; QEMU has no cache that could disagree.
            coherent: unsafe { UncachedAlias::new(region, uncached) },
            region,
            window: Window::identity(phys, len as u64)?,
        })
    }

    /// Blocks maintained since boot.
    pub(crate) fn lines(&self) -> Lines {
        self.caches.lines()
    }
}

/// Runs the conformance suite for devices that do not snoop and for devices that do. On a CPU without Zicbom every
/// operation traps: exactly as many must have as there were blocks to maintain.
pub(crate) fn conform(report: &mut impl Report) {
    conformance::run(machine(), Snooping::DoesNotSnoop, report);
    report.check(
        "lines_are_maintained",
        checks::maintained(machine().lines()),
    );
    conformance::run(machine(), Snooping::Snoops, report);
    report.check(
        "what_trapped_is_what_was_asked_for",
        trapped_is_asked(machine().lines()),
    );
}

fn trapped_is_asked(lines: Lines) -> Result<(), Failure> {
    let trapped = trapped_cbo();
    if trapped.is_none() {
        return Ok(());
    }
    let counts = [
        ("cbo.clean", trapped.clean, lines.cleaned),
        ("cbo.inval", trapped.inval, lines.invalidated),
        ("cbo.flush", trapped.flush, lines.cleaned_invalidated),
    ];
    counts.into_iter().try_for_each(|(what, found, asked)| {
        let expected = asked as u64;
        if found == expected {
            Ok(())
        } else {
            Err(Failure::Differs {
                what,
                found,
                expected,
            })
        }
    })
}

// SAFETY: the parts are statics or the board's own, made for one another from one memory map.
unsafe impl Machine for Board {
    type Sync = Counted<ZicbomCaches>;
    type Memory = Pool<4096>;
    type Coherent = UncachedAlias;

    fn sync(&self) -> &Self::Sync {
        &self.caches
    }
    fn memory(&self) -> &Self::Memory {
        &CACHED
    }
    fn coherent_source(&self) -> &Self::Coherent {
        &self.coherent
    }
    fn direct_map(&self) -> DirectMap<'_> {
        DirectMap::one(&self.region)
    }
    fn bus(&self) -> BusMap<'_> {
        BusMap::one(&self.window)
    }
    fn ledger(&self) -> &Ledger {
        &LEDGER
    }
}
