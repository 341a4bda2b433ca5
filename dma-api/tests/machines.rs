//! Machines put together from parts that do not match: what is refused, and what is found all the same.
#![expect(unsafe_code, reason = "a test promises what a board would")]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test reports by panicking"
)]

use core::ptr::NonNull;

use dma_api::{
    Alignment, Assembled, BusMap, CoherentSource, Device, DirectMap, DmaAddr, DmaSync, Error,
    FromDevice, Geometry, Ledger, Limits, LineRange, Machine, NoCoherentMemory, Parts, PhysAddr,
    Pool, Region, Slot, Snooping, ToDevice, UncachedAlias, Window,
};

const PHYS: u64 = 0x8000_0000;
const PAGE: usize = 4096;
const SECOND: PhysAddr = PhysAddr::new(PHYS + PAGE as u64);

#[repr(C, align(4096))]
struct Pages([u8; 2 * PAGE]);

/// Caches of 64-byte lines that nobody looks behind.
struct NoCaches;

// SAFETY: no device accesses the tests' memory.
unsafe impl DmaSync for NoCaches {
    fn geometry(&self) -> Geometry {
        Geometry::new(64, 64).unwrap()
    }
    fn clean(&self, _: LineRange<'_>) {}
    unsafe fn invalidate(&self, _: LineRange<'_>) {}
    fn clean_and_invalidate(&self, _: LineRange<'_>) {}
    fn complete(&self) {}
    fn before_doorbell(&self, _: NonNull<u8>) {}
    fn after_completion(&self, _: NonNull<u8>) {}
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn pages() -> NonNull<u8> {
    NonNull::from(Box::leak(Box::new(Pages([0; 2 * PAGE])))).cast()
}

/// A machine of two pages at `cpu` and at `phys`, both of them in the direct map and in the pool.
fn machine<C: CoherentSource>(
    cpu: NonNull<u8>,
    phys: u64,
    unit: u64,
    coherent_source: C,
) -> &'static Assembled<'static, NoCaches, &'static Pool<8>, C> {
    let (phys, len) = (PhysAddr::new(phys), 2 * PAGE);
    let pool: &'static Pool<8> = leak(Pool::new());
    // SAFETY: the pages are leaked, and the pool's alone.
    unsafe { pool.adopt(cpu, phys, len, Alignment::new(unit).unwrap()) }.unwrap();
    let parts = Parts {
        sync: NoCaches,
        memory: pool,
        coherent_source,
        // SAFETY: as above.
        direct_map: DirectMap::one(leak(unsafe { Region::new(cpu, phys, len) }.unwrap())),
        bus: BusMap::one(leak(Window::identity(phys, len as u64).unwrap())),
        ledger: leak(Ledger::<[Slot; 4]>::new()),
    };
    // SAFETY: they are as the test wants them, and no device looks.
    leak(unsafe { Assembled::new(parts) })
}

fn device<M: Machine>(machine: &'static M) -> Device<&'static M> {
    Device::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap()
}

/// The second page of `cpu`, with `uncached` for its alias.
fn alias_of_second_page(cpu: NonNull<u8>, uncached: NonNull<u8>) -> UncachedAlias {
    // SAFETY: the second of two pages.
    let second = unsafe { cpu.add(PAGE) };
    // SAFETY: the pages are leaked.
    let shown = unsafe { Region::new(second, SECOND, PAGE) }.unwrap();
    // SAFETY: that the two are the same memory nobody notices, since no device looks.
    unsafe { UncachedAlias::new(shown, uncached) }
}

#[test]
fn coherent_memory_comes_from_the_part_that_the_alias_shows() {
    let (cpu, uncached) = (pages(), pages());
    let machine = machine(cpu, PHYS, 64, alias_of_second_page(cpu, uncached));
    let device = device(machine);

    let ring = device.allocate_coherent(64).unwrap().publish();
    assert_eq!(ring.dma_addr().get(), SECOND.get());
    assert_eq!(ring.as_ptr(), uncached);
    let more = device.allocate_coherent(PAGE + 1).map(drop);
    assert!(matches!(more, Err(Error::NeverFits { .. })), "{more:?}");

    // SAFETY: no device was told.
    drop(unsafe { ring.unpublish() });
    assert_eq!(machine.memory().free_bytes(), 2 * PAGE);
    assert_eq!(machine.ledger().counts().refused, 0);
}

#[test]
fn an_alias_of_memory_that_the_device_does_not_reach_is_no_use_to_it() {
    let (cpu, uncached) = (pages(), pages());
    let machine = machine(cpu, PHYS, 64, alias_of_second_page(cpu, uncached));
    let first_page = Limits::UNLIMITED
        .window(DmaAddr::new(0), DmaAddr::new(SECOND.get() - 1))
        .unwrap();
    let device = Device::new(machine, first_page, Snooping::DoesNotSnoop).unwrap();

    let refused = device.allocate_coherent(64).map(drop);

    assert_eq!(
        refused,
        Err(Error::NeverFits {
            len: 64,
            capacity: PAGE
        })
    );
    assert!(device.allocate::<ToDevice>(64).is_ok());
}

#[test]
fn memory_that_is_aligned_for_the_cpu_but_not_physically_is_not_written_by_a_device() {
    let cpu = pages();
    let machine = machine(cpu, PHYS + 32, 32, NoCoherentMemory);
    let device = device(machine);
    let shared = Error::SharedLine {
        cpu: cpu.addr().get(),
        len: PAGE,
        granule: 64,
    };

    // SAFETY: the pages are leaked, and nobody uses them.
    let lent = unsafe {
        let page = NonNull::slice_from_raw_parts(cpu, PAGE);
        device.lend_in_place::<FromDevice>(page)
    };

    assert_eq!(lent.map(drop), Err(shared));
    let allocated = device.allocate::<FromDevice>(64).map(drop);
    assert!(
        matches!(allocated, Err(Error::SharedLine { .. })),
        "{allocated:?}"
    );
    assert_eq!(machine.memory().free_bytes(), 2 * PAGE);
}

#[test]
fn a_boundary_below_the_granule_is_met_by_what_is_not_longer() {
    let device = device(machine(pages(), PHYS, 64, NoCoherentMemory));
    let narrow = device
        .narrowed(Limits::UNLIMITED.boundary(32).unwrap())
        .unwrap();

    let lent = narrow.allocate::<ToDevice>(32).unwrap().sync_for_device();
    assert_eq!(narrow.limits().check(lent.segment()), Ok(()));
    // SAFETY: no device was told.
    drop(unsafe { lent.sync_for_cpu() });

    let longer = narrow.allocate::<ToDevice>(33).map(drop);
    assert_eq!(longer, Err(Error::SegmentTooLong { len: 33, max: 32 }));
}

#[test]
fn a_pool_is_not_longer_than_a_pointer_can_step_over() {
    let unit = 1_usize << (usize::BITS - 2);
    let start = NonNull::new(core::ptr::without_provenance_mut::<u8>(unit)).unwrap();
    let pool = Pool::<1>::new();

    // SAFETY: nothing is handed out of it.
    let adopted = unsafe {
        let unit_bytes = Alignment::new(unit as u64).unwrap();
        pool.adopt(start, PhysAddr::new(0), 2 * unit, unit_bytes)
    };

    let (start, len) = (unit as u64, 2 * unit as u64);
    assert_eq!(adopted, Err(Error::RangeWraps { start, len }));
}
