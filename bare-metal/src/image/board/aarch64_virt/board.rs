//! The board as the library knows it: cached memory, Non-cacheable memory, an identity map and a transparent bus.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use arch_arm::{Aarch64Caches, NonCacheable, non_cacheable};
use conformance::Report;
use dma_api::{
    Alignment, BusMap, DirectMap, Error, Ledger, Machine, PhysAddr, Pool, Region, Slot, Snooping,
    Window,
};
use spin::Lazy;

use super::memory;
use crate::image::{
    checks,
    counted::{Counted, Lines},
};

/// QEMU's virtio devices do snoop, as QEMU has no caches; the image treats them as if they did not, so that every
/// instruction is executed.
pub(crate) const SNOOPING: Snooping = Snooping::DoesNotSnoop;

const UNIT: u64 = 256;

static CACHED: Pool<4096> = Pool::new();
static COHERENT: Pool<256> = Pool::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static BOARD: Lazy<Board> = Lazy::new(|| Board::boot().expect("the memory map is consistent"));

/// QEMU's `virt`, once.
pub(crate) struct Board {
    caches: Counted<Aarch64Caches>,
    coherent: NonCacheable<&'static Pool<256>>,
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
        let (nc_phys, nc_len) = (PhysAddr::new(memory::COHERENT_PHYS), memory::COHERENT_LEN);
        let unit = Alignment::new(UNIT)?;
        // SAFETY: the linker script sets the window aside, and the page tables map it write-back.
        unsafe { CACHED.adopt(memory::dma_window(), phys, len, unit) }?;
        // SAFETY: as above, and mapped Non-cacheable alone.
        unsafe { COHERENT.adopt(memory::coherent_memory(), nc_phys, nc_len, unit) }?;
        Ok(Self {
            // SAFETY: the board has one kind of core, and no cache behind the point of coherency.
            caches: Counted::new(unsafe { Aarch64Caches::probe() }?),
            // SAFETY: its memory has no cacheable mapping, and has had none since reset.
            coherent: unsafe { non_cacheable(&COHERENT) },
            // SAFETY: the page tables never change.
            region: unsafe { Region::new(memory::dma_window(), phys, len) }?,
            window: Window::identity(phys, (len + nc_len) as u64)?,
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
    type Sync = Counted<Aarch64Caches>;
    type Memory = Pool<4096>;
    type Coherent = NonCacheable<&'static Pool<256>>;

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
