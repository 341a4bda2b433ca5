//! A machine without caches and without coherent memory, large enough for every boundary: the suite needs no simulator.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    dead_code,
    reason = "a test reports by panicking, and shares helpers with another"
)]
#![expect(
    unsafe_code,
    reason = "the machine's memory is the test's, and its engine accesses it"
)]

mod common;
#[path = "common/wrong.rs"]
mod wrong;

use std::{ptr::NonNull, sync::atomic};

use common::Kept;
use conformance::{BusFault, CHECKS, Engine, Reason, run_with};
use dma_api::{
    Alignment, Assembled, BitmapPool, BusMap, DirectMap, DmaAddr, DmaRange, DmaSync, Geometry,
    Ledger, LineRange, Machine, NoCoherentMemory, Parts, PhysAddr, Region, Slot, Snooping, Window,
};
use wrong::{Memory, Wrong};

/// Two buffers of 6 MiB fit below 16 MiB, and a third does not.
const LEN: usize = 32 << 20;
const PHYS: PhysAddr = PhysAddr::new(0x4000_0000);
const DMA: DmaAddr = DmaAddr::new(0x8000_0000);

/// No caches: barriers alone.
struct NoCaches;

// SAFETY: the host's memory is coherent, and the engine is the same thread.
unsafe impl DmaSync for NoCaches {
    fn geometry(&self) -> Geometry {
        Geometry::BYTE
    }
    fn fills_speculatively(&self) -> bool {
        false
    }
    fn clean(&self, _: LineRange<'_>) {}
    unsafe fn invalidate(&self, _: LineRange<'_>) {}
    fn clean_and_invalidate(&self, _: LineRange<'_>) {}
    fn complete(&self) {}
    fn before_doorbell(&self, _: NonNull<u8>) {
        atomic::compiler_fence(atomic::Ordering::SeqCst);
    }
    fn after_completion(&self, _: NonNull<u8>) {
        atomic::compiler_fence(atomic::Ordering::SeqCst);
    }
}

type Plain = Assembled<'static, NoCaches, Memory<'static>, NoCoherentMemory>;

fn machine(wrong: Wrong) -> Plain {
    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }
    let bytes = Box::leak(vec![0_u8; LEN + 4096].into_boxed_slice());
    let start = bytes.as_mut_ptr().addr().next_multiple_of(4096) - bytes.as_mut_ptr().addr();
    let cpu = NonNull::from(&mut bytes[start..]).cast::<u8>();
    let pool: &BitmapPool<256> = leak(BitmapPool::new());
    // SAFETY: the bytes are leaked, and nobody else uses them.
    unsafe { pool.adopt(cpu, PHYS, LEN, Alignment::new(4096).unwrap()) }.unwrap();
    // SAFETY: as above.
    let region = unsafe { Region::new(cpu, PHYS, LEN) }.unwrap();
    let parts = Parts {
        sync: NoCaches,
        memory: Memory::new(pool, wrong),
        coherent_source: NoCoherentMemory,
        direct_map: DirectMap::one(leak(region)),
        bus: BusMap::one(leak(Window::new(PHYS, DMA, LEN as u64).unwrap())),
        ledger: leak(Ledger::<[Slot; 16]>::new()),
    };
    // SAFETY: they were made for one another, save for what is wrong.
    unsafe { Assembled::new(parts) }
}

/// The CPU itself, at the addresses that the machine's maps give.
struct Direct<'m>(&'m Plain);

impl Direct<'_> {
    fn pointer(&self, start: DmaAddr, len: usize) -> Result<NonNull<u8>, BusFault> {
        let range = DmaRange::new(start, len as u64).map_err(|_| BusFault)?;
        let phys = self.0.bus().to_phys(range).map_err(|_| BusFault)?;
        Ok(self.0.direct_map().to_cpu(phys).unwrap().cast())
    }
}

impl Engine for Direct<'_> {
    fn read(&mut self, from: DmaAddr, into: &mut [u8]) -> Result<(), BusFault> {
        let first = self.pointer(from, into.len())?;
        // SAFETY: the bytes are mapped, and nobody has a reference to them while the engine is asked.
        unsafe { first.as_ptr().copy_to(into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    fn write(&mut self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault> {
        let first = self.pointer(to, bytes.len())?;
        // SAFETY: as above.
        unsafe { first.as_ptr().copy_from(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }
}

fn outcome(wrong: Wrong, snooping: Snooping) -> Kept {
    let machine = machine(wrong);
    let mut kept = Kept::default();
    run_with(&machine, snooping, &mut Direct(&machine), &mut kept);
    kept
}

#[test]
fn a_machine_without_caches_conforms_and_only_what_it_declares_not_to_have_is_skipped() {
    let kept = outcome(Wrong::Nothing, Snooping::DoesNotSnoop);

    assert_eq!(kept.failed, []);
    let skipped: Vec<_> = CHECKS
        .iter()
        .map(|check| check.name)
        .filter(|name| name.contains("coherent"))
        .map(|name| (name, Reason::NoCoherentMemory))
        .collect();
    assert_eq!(kept.skipped, skipped);
}

#[test]
fn an_allocator_that_ignores_boundaries_is_caught_at_the_largest_too() {
    let kept = outcome(Wrong::TheBoundaryIsIgnored, Snooping::Snoops);

    let failed = kept.failed.iter().map(|(name, _)| *name);
    let boundary = "no_buffer_crosses_a_multiple_of_16_mib";
    assert!(failed.clone().any(|name| name == boundary), "{kept:?}");
}
