//! The board as the library knows it, twice: as every PC is, and as one with a device that does not snoop.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use arch_x86::{FlushedCaches, Snooped, Uncached, uncached};
use conformance::{Check, Report, equal};
use dma_api::{
    Alignment, Assembled, BitmapPool, DmaSync, Error, Ledger, Machine, Parts, PhysAddr, Pool,
    Region, Slot, Snooping, Window,
    pages::{PageEntry, entries},
    pointer_at_offset,
};
use spin::Lazy;

use super::{
    super::maps::Maps, COHERENT_LEN, COHERENT_PHYS, DMA_WINDOW_LEN, DMA_WINDOW_PHYS, UPPER_LEN,
    UPPER_PHYS, engine::Identity, identity,
};
use crate::image::{checks, counted::Counted};

/// Every device of a PC snoops.
pub(crate) const SNOOPING: Snooping = Snooping::Snoops;

/// QEMU's `q35`, as its disks see it.
pub(crate) type Board = Pc<Snooped, true>;

/// A PC, and how its caches are maintained.
type Pc<S, const EVERYTHING_SNOOPS: bool> = Assembled<
    'static,
    Counted<S>,
    &'static Cached,
    Uncached<&'static BitmapPool<128>>,
    EVERYTHING_SNOOPS,
>;

/// Bytes of a page.
const PAGE: usize = 4096;

/// All devices reach all of it, so that it is one zone.
type Cached = Pool<[PageEntry; entries(DMA_WINDOW_LEN / PAGE, 1)]>;

static CACHED: Cached = Cached::new();
static COHERENT: BitmapPool<128> = BitmapPool::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static MAPS: Lazy<Maps> = Lazy::new(|| boot().expect("the memory map is consistent"));
static BOARD: Lazy<Board> = Lazy::new(|| {
    // SAFETY: the disks are PCI functions of the chip set, which never ask not to snoop.
    pc(unsafe { Snooped::new() })
});
static FLUSHED: Lazy<Pc<FlushedCaches, false>> = Lazy::new(|| {
    // SAFETY: there is one kind of processor, and no other cache.
    pc(unsafe { FlushedCaches::probe() }.expect("every 64-bit processor has CLFLUSH"))
});

/// The board.
pub(crate) fn machine() -> &'static Board {
    &BOARD
}

/// Gives the pools their memory, and says where it is seen.
fn boot() -> Result<Maps, Error> {
    let (phys, page) = (PhysAddr::new(DMA_WINDOW_PHYS), Alignment::new(PAGE as u64)?);
    let window = Window::identity(phys, (DMA_WINDOW_LEN + COHERENT_LEN) as u64)?;
    let cached = pointer_at_offset(window.phys(), 0)?;
    // SAFETY: the linker script sets the window aside, and the page tables map it.
    unsafe { CACHED.adopt(cached, phys, DMA_WINDOW_LEN, page, &[]) }?;
    // SAFETY: the coherent part follows inside the window.
    let coherent = unsafe { cached.add(DMA_WINDOW_LEN) };
    let unit = Alignment::new(256)?;
    // SAFETY: as above.
    unsafe { COHERENT.adopt(coherent, PhysAddr::new(COHERENT_PHYS), COHERENT_LEN, unit) }?;
    // SAFETY: the page tables never change.
    let region = unsafe { Region::new(cached, phys, DMA_WINDOW_LEN) }?;
    Maps::new((region, window), || {
        let (phys, len) = (PhysAddr::new(UPPER_PHYS), UPPER_LEN);
        // SAFETY: as above; in this run there is memory.
        let region = unsafe { Region::new(identity(UPPER_PHYS), phys, len) }?;
        Ok((region, Window::identity(phys, len as u64)?))
    })
}

fn pc<S: DmaSync, const EVERYTHING_SNOOPS: bool>(caches: S) -> Pc<S, EVERYTHING_SNOOPS> {
    let parts = Parts {
        sync: Counted::new(caches),
        memory: &CACHED,
        // SAFETY: its one mapping is uncached, and the boot code has executed WBINVD since (SDM volume 3, 12.12.4 "Programming
        // the PAT": the change of a page's memory type).
        coherent_source: unsafe { uncached(&COHERENT) },
        direct_map: MAPS.direct_map().expect("the memory map is consistent"),
        bus: MAPS.bus().expect("the memory map is consistent"),
        ledger: &LEDGER,
    };
    // SAFETY: they were made for one another from one memory map; it is the snooped PC on which everything snoops.
    unsafe { Assembled::new(parts) }
}

/// Runs the conformance suite on the board as it is, where not one line may be maintained, and on the board with a
/// device that does not snoop.
pub(crate) fn conform(report: &mut impl Report) {
    conformance::run_with(machine(), Snooping::Snoops, &mut Identity, report);
    let maintained = machine().sync().lines().total() as u64;
    report.check(
        Check::of_the_board("no_line_is_maintained"),
        equal("lines maintained", maintained, 0).into(),
    );
    checks::both_kinds(
        &*FLUSHED,
        || FLUSHED.sync().lines(),
        Some(&mut Identity),
        report,
    );
}
