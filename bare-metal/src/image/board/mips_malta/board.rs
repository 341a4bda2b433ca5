//! The board as the library knows it: KSEG0 for cached memory, KSEG1 for coherent memory, a transparent bus.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use arch_mips::{
    Mips32Caches,
    map::{kseg0, kseg0_region, kseg1_alias},
};
use conformance::Report;
use dma_api::{
    Alignment, BusMap, DirectMap, Ledger, Machine, PhysAddr, PhysRange, Pool, Region, Slot,
    Snooping, UncachedAlias, Window,
};
use spin::Lazy;

use super::{DMA_WINDOW_LEN, DMA_WINDOW_PHYS};
use crate::image::{
    checks,
    counted::{Counted, Lines},
};

/// QEMU's virtio devices do snoop, as QEMU has no caches; the image treats them as if they did not, so that every
/// instruction is executed.
pub(crate) const SNOOPING: Snooping = Snooping::DoesNotSnoop;

const UNIT: u64 = 256;

static CACHED: Pool<4096> = Pool::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static BOARD: Lazy<Board> = Lazy::new(|| Board::boot().unwrap_or_else(|error| panic!("{error}")));

/// QEMU's Malta, once.
pub(crate) struct Board {
    caches: Counted<Mips32Caches>,
    coherent: UncachedAlias,
    region: Region,
    window: Window,
}

/// The board.
pub(crate) fn machine() -> &'static Board {
    &BOARD
}

impl Board {
    fn boot() -> Result<Self, arch_mips::Error> {
        let (phys, len) = (PhysAddr::new(DMA_WINDOW_PHYS), DMA_WINDOW_LEN);
        let memory = PhysRange::new(phys, len as u64).expect("the window has bytes");
        let unit = Alignment::new(UNIT).expect("the unit is a power of two");
        // SAFETY: the linker script sets the window aside, and KSEG0 is cached.
        unsafe { CACHED.adopt(kseg0(memory)?, phys, len, unit) }.expect("the pool is large enough");
        Ok(Self {
            // SAFETY: one processor, whose registers tell all, and whose memory is lent through KSEG0 alone.
            caches: Counted::new(unsafe { Mips32Caches::probe() }?),
            // SAFETY: memory that is lent is accessed in KSEG0, or after its lines have left the cache in KSEG1.
            coherent: unsafe { kseg1_alias(memory) }?,
            // SAFETY: the segment is always there, and cached.
            region: unsafe { kseg0_region(memory) }?,
            window: Window::identity(phys, len as u64).expect("the window has bytes"),
        })
    }

    /// Lines maintained since boot.
    pub(crate) fn lines(&self) -> Lines {
        self.caches.lines()
    }
}

/// Runs the conformance suite for devices that do not snoop and for devices that do. Nothing on this board tells which
/// instructions were executed; that lines were asked for, and that none trapped, is all there is to see.
pub(crate) fn conform(report: &mut impl Report) {
    conformance::run(machine(), Snooping::DoesNotSnoop, report);
    report.check(
        "lines_are_maintained",
        checks::maintained(machine().lines()),
    );
    conformance::run(machine(), Snooping::Snoops, report);
}

// SAFETY: the parts are statics or the board's own, made for one another from one memory map.
unsafe impl Machine for Board {
    type Sync = Counted<Mips32Caches>;
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
