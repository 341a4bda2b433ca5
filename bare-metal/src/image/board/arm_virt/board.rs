//! The board as the library knows it: cached memory, Non-cacheable memory, an identity map and a transparent bus.
#![expect(unsafe_code, reason = "the board promises what its memory map says")]

use core::ptr::NonNull;

use arch_arm::{NonCacheable, non_cacheable};
use conformance::{Check, Failure, Report, equal};
use dma_api::{
    Alignment, Assembled, BitmapPool, DmaSync, Error, Ledger, Machine, Parts, PhysAddr, Pool,
    Region, Slot, Snooping, Window,
    pages::{PageEntry, entries},
};
use spin::Lazy;

use super::memory::{
    COHERENT_LEN, COHERENT_PHYS, DMA_WINDOW_LEN, DMA_WINDOW_PHYS, SHADOWED_POOL_LEN,
    coherent_memory, dma_window, upper_memory,
};
use crate::image::{
    board::{
        maps::Maps,
        shadow::{Soiled, soil},
    },
    calls::{self, Counts},
    checks,
    counted::{Counted, Lines},
};

/// Once the monitor has begun, QEMU's virtio devices do not. Otherwise they do, as QEMU has no caches; the image treats
/// them as if they did not, so that every instruction is executed.
pub(crate) const SNOOPING: Snooping = Snooping::DoesNotSnoop;

/// QEMU's `virt` with the caches `S`.
pub(crate) type Board<S> =
    Assembled<'static, Counted<S>, Soiled<&'static Cached>, NonCacheable<&'static BitmapPool<128>>>;

/// Bytes of a page.
const PAGE: usize = 4096;

/// All devices reach all of it, so that it is one zone.
type Cached = Pool<[PageEntry; entries(DMA_WINDOW_LEN / PAGE, 1)]>;

static CACHED: Cached = Cached::new();
static COHERENT: BitmapPool<128> = BitmapPool::new();
static LEDGER: Ledger<[Slot; 16]> = Ledger::<[Slot; 16]>::new();
static MAPS: Lazy<Maps> = Lazy::new(|| maps().expect("the memory map is consistent"));

fn maps() -> Result<Maps, Error> {
    let phys = PhysAddr::new(DMA_WINDOW_PHYS);
    // SAFETY: the page tables map the window write-back, and do not change any more. If the monitor has begun, they do so by
    // way of its cache, as any cache is on the way to memory.
    let region = unsafe { Region::new(dma_window(), phys, DMA_WINDOW_LEN) }?;
    let window = Window::identity(phys, (DMA_WINDOW_LEN + COHERENT_LEN) as u64)?;
    Maps::new((region, window), || {
        let (memory, phys) = upper_memory();
        let (phys, len) = (PhysAddr::new(phys), memory.len());
        // SAFETY: the page tables map it write-back and do not change; in this run there is memory.
        let region = unsafe { Region::new(memory.cast(), phys, len) }?;
        Ok((region, Window::identity(phys, len as u64)?))
    })
}

/// The board. To be called once: its pools are there once.
///
/// # Errors
///
/// The library's, where the memory map does not fit together, or a pool is in use.
pub(crate) fn boot<S: DmaSync>(caches: S) -> Result<Board<S>, Error> {
    let len = if calls::is_started() {
        SHADOWED_POOL_LEN
    } else {
        DMA_WINDOW_LEN
    };
    let (phys, page) = (PhysAddr::new(DMA_WINDOW_PHYS), Alignment::new(PAGE as u64)?);
    // SAFETY: the linker script sets the window aside, and the page tables map it write-back.
    unsafe { CACHED.adopt(dma_window(), phys, len, page, &[]) }?;
    soil(NonNull::slice_from_raw_parts(dma_window(), len));
    let (phys, unit) = (PhysAddr::new(COHERENT_PHYS), Alignment::new(256)?);
    // SAFETY: as above, and mapped Non-cacheable alone.
    unsafe { COHERENT.adopt(coherent_memory(), phys, COHERENT_LEN, unit) }?;
    let parts = Parts {
        sync: Counted::new(caches),
        memory: Soiled::new(&CACHED),
        // SAFETY: its memory has no cacheable mapping, and has had none since reset.
        coherent_source: unsafe { non_cacheable(&COHERENT) },
        direct_map: MAPS.direct_map()?,
        bus: MAPS.bus()?,
        ledger: &LEDGER,
    };
    // SAFETY: they were made for one another from one memory map.
    Ok(unsafe { Assembled::new(parts) })
}

/// Runs the conformance suite. If the monitor has begun, exactly as many operations must have trapped as there were lines
/// to maintain; otherwise nothing on this board tells which instructions were executed, and that lines were asked for, and
/// that none trapped, is all there is to see.
pub(crate) fn conform<S: DmaSync>(machine: &'static Board<S>, report: &mut impl Report) {
    let lines = || machine.sync().lines();
    checks::both_kinds(machine, lines, None, report);
    if let Some(trapped) = calls::counts() {
        report.check(
            Check::of_the_board("what_trapped_is_what_was_asked_for"),
            trapped_is_asked(trapped, lines()).into(),
        );
    }
}

fn trapped_is_asked(trapped: Counts, lines: Lines) -> Result<(), Failure> {
    let counts = [
        ("lines cleaned", trapped.cleans, lines.cleaned),
        ("lines invalidated", trapped.invalidates, lines.invalidated),
        (
            "lines cleaned and invalidated",
            trapped.cleans_and_invalidates,
            lines.cleaned_invalidated,
        ),
    ];
    counts
        .into_iter()
        .try_for_each(|(what, found, asked)| equal(what, found as u64, asked as u64))
}
