//! The board as the library knows it: KSEG0 for cached memory, KSEG1 for coherent memory, a transparent bus.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use arch_mips::{
    Mips32Caches,
    map::{kseg0, kseg0_region, kseg1_alias},
};
use conformance::Report;
use dma_api::{
    Alignment, Assembled, BusMap, DirectMap, Ledger, Machine, Parts, PhysAddr, Pool, Region, Slot,
    Snooping, UncachedAlias, Window, known,
    pages::{PageEntry, entries},
};
use spin::Lazy;

use super::{DMA_WINDOW_LEN, DMA_WINDOW_PHYS, engine::Kseg1};
use crate::image::{checks, counted::Counted};

/// QEMU's virtio devices do snoop, as QEMU has no caches; the image treats them as if they did not, so that every
/// instruction is executed.
pub(crate) const SNOOPING: Snooping = Snooping::DoesNotSnoop;

/// QEMU's Malta.
pub(crate) type Board = Assembled<'static, Counted<Mips32Caches>, &'static Cached, UncachedAlias>;

const PHYS: PhysAddr = PhysAddr::new(DMA_WINDOW_PHYS);

/// Bytes of a page.
const PAGE: usize = 4096;

/// All devices reach all of it, so that it is one zone.
type Cached = Pool<[PageEntry; entries(DMA_WINDOW_LEN / PAGE, 1)]>;

static CACHED: Cached = Cached::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static WINDOW: Window = known(Window::identity(PHYS, DMA_WINDOW_LEN as u64));
static REGION: Region = {
    // SAFETY: the boot code has made KSEG0 cached, and the linker script sets the window aside.
    match unsafe { kseg0_region(WINDOW.phys()) } {
        Ok(region) => region,
        Err(_) => panic!("the window is in the first 512 MiB"),
    }
};
static BOARD: Lazy<Board> = Lazy::new(|| boot().unwrap_or_else(|error| panic!("{error}")));

/// The board.
pub(crate) fn machine() -> &'static Board {
    &BOARD
}

fn boot() -> Result<Board, arch_mips::Error> {
    let (cached, page) = (
        kseg0(WINDOW.phys())?,
        Alignment::new(PAGE as u64).expect("a power of two"),
    );
    // SAFETY: the linker script sets the window aside, and KSEG0 is cached.
    unsafe { CACHED.adopt(cached, PHYS, DMA_WINDOW_LEN, page, &[]) }
        .expect("there are entries for all pages");
    let parts = Parts {
        // SAFETY: one processor, whose registers tell all, and whose memory is lent through KSEG0 alone.
        sync: Counted::new(unsafe { Mips32Caches::probe() }?),
        memory: &CACHED,
        // SAFETY: memory that is lent is accessed in KSEG0, or after its lines have left the cache in KSEG1.
        coherent_source: unsafe { kseg1_alias(WINDOW.phys()) }?,
        direct_map: DirectMap::one(&REGION),
        bus: BusMap::one(&WINDOW),
        ledger: &LEDGER,
    };
    // SAFETY: they were made for one another from one memory map.
    Ok(unsafe { Assembled::new(parts) })
}

/// Runs the conformance suite. Nothing on this board tells which instructions were executed; that lines were asked for,
/// that none trapped, and that KSEG1 shows the right bytes, is all there is to see.
pub(crate) fn conform(report: &mut impl Report) {
    checks::both_kinds(
        machine(),
        || machine().sync().lines(),
        Some(&mut Kseg1),
        report,
    );
}
