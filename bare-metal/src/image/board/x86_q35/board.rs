//! The board as the library knows it, twice: as every PC is, and as one with a device that does not snoop.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use arch_x86::{FlushedCaches, Snooped, Uncached, uncached};
use conformance::{Failure, Report};
use dma_api::{
    Alignment, BusMap, DirectMap, DmaSync, Error, Ledger, Machine, PhysAddr, Pool, Region, Slot,
    Snooping, Window, pointer_at_offset,
};
use spin::Lazy;

use super::{COHERENT_LEN, COHERENT_PHYS, DMA_WINDOW_LEN, DMA_WINDOW_PHYS};
use crate::image::{
    checks,
    counted::{Counted, Lines},
};

/// Every device of a PC snoops.
pub(crate) const SNOOPING: Snooping = Snooping::Snoops;

const UNIT: u64 = 256;

static CACHED: Pool<4096> = Pool::new();
static COHERENT: Pool<256> = Pool::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static MEMORY: Lazy<Memory> = Lazy::new(|| Memory::boot().expect("the memory map is consistent"));
// SAFETY: the disks are PCI functions of the chip set, which never ask not to snoop.
static BOARD: Lazy<Board> = Lazy::new(|| Pc(Counted::new(unsafe { Snooped::new() })));
static FLUSHED: Lazy<Pc<FlushedCaches>> = Lazy::new(|| {
    // SAFETY: there is one kind of processor, and no other cache.
    Pc(Counted::new(
        unsafe { FlushedCaches::probe() }.expect("every 64-bit processor has CLFLUSH"),
    ))
});

/// QEMU's `q35`, as its disks see it.
pub(crate) type Board = Pc<Snooped>;

/// A PC, and how its caches are maintained.
pub(crate) struct Pc<S>(Counted<S>);

/// Where the PC's memory is, for devices that snoop and those that do not.
struct Memory {
    uncached: Uncached<&'static Pool<256>>,
    region: Region,
    window: Window,
}

/// The board.
pub(crate) fn machine() -> &'static Board {
    &BOARD
}

impl<S: DmaSync> Pc<S> {
    /// Lines maintained since boot.
    pub(crate) fn lines(&self) -> Lines {
        self.0.lines()
    }
}

impl Memory {
    fn boot() -> Result<Self, Error> {
        let (phys, len) = (PhysAddr::new(DMA_WINDOW_PHYS), DMA_WINDOW_LEN);
        let window = Window::identity(phys, (len + COHERENT_LEN) as u64)?;
        let (cached, unit) = (pointer_at_offset(window.phys(), 0)?, Alignment::new(UNIT)?);
        // SAFETY: the linker script sets the window aside, and the page tables map it.
        unsafe { CACHED.adopt(cached, phys, len, unit) }?;
        // SAFETY: the coherent part follows inside the window.
        let coherent = unsafe { cached.add(len) };
        // SAFETY: as above.
        unsafe { COHERENT.adopt(coherent, PhysAddr::new(COHERENT_PHYS), COHERENT_LEN, unit) }?;
        Ok(Self {
            // SAFETY: its one mapping is uncached.
            uncached: unsafe { uncached(&COHERENT) },
            // SAFETY: the page tables never change.
            region: unsafe { Region::new(cached, phys, len) }?,
            window,
        })
    }
}

/// Runs the conformance suite on the board as it is, where not one line may be maintained, and on the board with a
/// device that does not snoop.
pub(crate) fn conform(report: &mut impl Report) {
    conformance::run(machine(), Snooping::Snoops, report);
    report.check("no_line_is_maintained", untouched(machine().lines()));
    conformance::run(&*FLUSHED, Snooping::DoesNotSnoop, report);
    report.check("lines_are_maintained", checks::maintained(FLUSHED.lines()));
}

fn untouched(lines: Lines) -> Result<(), Failure> {
    match lines.total() as u64 {
        0 => Ok(()),
        found => Err(Failure::Differs {
            what: "lines maintained",
            found,
            expected: 0,
        }),
    }
}

macro_rules! machine {
    ($Caches:ty, $everything_snoops:literal) => {
        // SAFETY: the parts are statics, made for one another from one memory map.
        unsafe impl Machine for Pc<$Caches> {
            type Sync = Counted<$Caches>;
            type Memory = Pool<4096>;
            type Coherent = Uncached<&'static Pool<256>>;

            const EVERYTHING_SNOOPS: bool = $everything_snoops;

            fn sync(&self) -> &Self::Sync {
                &self.0
            }
            fn memory(&self) -> &Self::Memory {
                &CACHED
            }
            fn coherent_source(&self) -> &Self::Coherent {
                &MEMORY.uncached
            }
            fn direct_map(&self) -> DirectMap<'_> {
                DirectMap::one(&MEMORY.region)
            }
            fn bus(&self) -> BusMap<'_> {
                BusMap::one(&MEMORY.window)
            }
            fn ledger(&self) -> &Ledger {
                &LEDGER
            }
        }
    };
}

machine!(Snooped, true);
machine!(FlushedCaches, false);
