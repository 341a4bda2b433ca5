//! The board as the library knows it: Zicbom that traps where the CPU lacks it, and an alias for coherent memory.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use core::ptr::NonNull;

use arch_riscv::ZicbomCaches;
use conformance::{Check, Failure, Outcome, Report, equal};
use dma_api::{
    Alignment, Assembled, Error, Ledger, Machine, Parts, PhysAddr, Pool, Region, Slot, Snooping,
    UncachedAlias, Window,
    pages::{PageEntry, entries},
};
use spin::Lazy;

use super::{
    cbo::{self, CboCounts, trapped_cbo},
    memory::{
        DMA_WINDOW_LEN, DMA_WINDOW_PHYS, SHADOWED_POOL_LEN, dma_window, uncached_alias,
        upper_memory,
    },
};
use crate::image::{
    board::{
        maps::Maps,
        shadow::{Soiled, soil},
    },
    calls, checks,
    counted::{Counted, Lines},
};

/// Once the monitor has begun, QEMU's virtio devices do not. Otherwise they do, as QEMU has no caches; the image treats
/// them as if they did not, so that every instruction is executed, or traps and is counted.
pub(crate) const SNOOPING: Snooping = Snooping::DoesNotSnoop;

/// What a device tree would give as `riscv,cbom-block-size`.
const BLOCK_SIZE: u32 = 64;

/// QEMU's `virt`.
pub(crate) type Board =
    Assembled<'static, Counted<ZicbomCaches>, Soiled<&'static Cached>, UncachedAlias>;

/// Bytes of a page.
const PAGE: usize = 4096;

/// All devices reach all of it, so that it is one zone.
type Cached = Pool<[PageEntry; entries(DMA_WINDOW_LEN / PAGE, 1)]>;

static CACHED: Cached = Cached::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static WINDOW: Lazy<Region> = Lazy::new(|| window().expect("the memory map is consistent"));
static MAPS: Lazy<Maps> = Lazy::new(|| maps().expect("the memory map is consistent"));
static BOARD: Lazy<Board> = Lazy::new(|| boot().expect("the memory map is consistent"));

/// The board.
pub(crate) fn machine() -> &'static Board {
    &BOARD
}

fn window() -> Result<Region, Error> {
    let phys = PhysAddr::new(DMA_WINDOW_PHYS);
    // SAFETY: the page tables map the window, and do not change any more. If the monitor has begun, they do so by way of its
    // cache, as any cache is on the way to memory.
    unsafe { Region::new(dma_window(), phys, DMA_WINDOW_LEN) }
}

fn maps() -> Result<Maps, Error> {
    let window = Window::identity(PhysAddr::new(DMA_WINDOW_PHYS), DMA_WINDOW_LEN as u64)?;
    Maps::new((*WINDOW, window), || {
        let (memory, phys) = upper_memory();
        let (phys, len) = (PhysAddr::new(phys), memory.len());
        // SAFETY: the page tables map it and do not change; in this run there is memory.
        let region = unsafe { Region::new(memory.cast(), phys, len) }?;
        Ok((region, Window::identity(phys, len as u64)?))
    })
}

fn boot() -> Result<Board, Error> {
    let len = if calls::is_started() {
        SHADOWED_POOL_LEN
    } else {
        DMA_WINDOW_LEN
    };
    let (phys, page) = (PhysAddr::new(DMA_WINDOW_PHYS), Alignment::new(PAGE as u64)?);
    // SAFETY: the linker script sets the window aside, and the page tables map it.
    unsafe { CACHED.adopt(dma_window(), phys, len, page, &[]) }?;
    soil(NonNull::slice_from_raw_parts(dma_window(), len));
    // SAFETY: M-mode enables the operations, or executes them for a CPU that lacks them.
    let caches = unsafe { ZicbomCaches::new(BLOCK_SIZE) }.expect("64 is a size of blocks");
    let parts = Parts {
        sync: Counted::new(caches),
        memory: Soiled::new(&CACHED),
        // SAFETY: the page tables map both to the same memory, the window by way of the monitor's cache if it has begun.
        // QEMU has no other cache.
        coherent_source: unsafe { UncachedAlias::new(*WINDOW, uncached_alias()) },
        direct_map: MAPS.direct_map()?,
        bus: MAPS.bus()?,
        ledger: &LEDGER,
    };
    // SAFETY: they were made for one another from one memory map.
    Ok(unsafe { Assembled::new(parts) })
}

/// Runs the conformance suite. On a CPU without Zicbom every operation traps: exactly as many must have as there were
/// blocks to maintain.
pub(crate) fn conform(report: &mut impl Report) {
    let traps = cbo::traps();
    let before = trapped_cbo();
    checks::both_kinds(machine(), || machine().sync().lines(), None, report);
    if traps {
        let asked = machine().sync().lines();
        report.check(
            Check::of_the_board("what_trapped_is_what_was_asked_for"),
            trapped_is_asked(before, asked).into(),
        );
    } else {
        report.check(
            Check::of_the_board("operations_execute_without_a_trap"),
            Outcome::Passed,
        );
    }
}

fn trapped_is_asked(before: CboCounts, lines: Lines) -> Result<(), Failure> {
    let trapped = trapped_cbo();
    let counts = [
        ("cbo.clean", trapped.clean - before.clean, lines.cleaned),
        ("cbo.inval", trapped.inval - before.inval, lines.invalidated),
        (
            "cbo.flush",
            trapped.flush - before.flush,
            lines.cleaned_invalidated,
        ),
    ];
    counts
        .into_iter()
        .try_for_each(|(what, found, asked)| equal(what, found, asked as u64))
}
