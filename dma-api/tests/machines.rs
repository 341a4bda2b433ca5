//! Machines put together from parts that do not match: what is refused, and what is found all the same.
#![expect(unsafe_code, reason = "a test promises what a board would")]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test reports by panicking"
)]

#[path = "common/caches.rs"]
mod caches;

use core::{num::NonZeroUsize, ptr::NonNull};

use caches::NoCaches;
use dma_api::{
    Alignment, Assembled, BitmapPool, Block, BusMap, CoherentSource, Device, DirectMap, DmaAddr,
    DmaAllocator, DmaSync, Error, FromDevice, Geometry, Ledger, Limits, LineRange, Machine,
    NoCoherentMemory, Parts, PhysAddr, Refused, Region, Request, Slot, Snooping, ToDevice,
    UncachedAlias, UncachedMemory, Window,
    isolated::{G64, Isolated},
};

const PHYS: u64 = 0x8000_0000;
const PAGE: usize = 4096;
const SECOND: PhysAddr = PhysAddr::new(PHYS + PAGE as u64);

#[repr(C, align(4096))]
struct Pages([u8; 3 * PAGE]);

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Pages for a machine, and one more.
fn pages() -> NonNull<u8> {
    NonNull::from(Box::leak(Box::new(Pages([0; 3 * PAGE])))).cast()
}

/// A machine of two pages at `cpu` and at `phys`, both of them in the direct map and in the pool.
fn machine<C: CoherentSource>(
    cpu: NonNull<u8>,
    phys: u64,
    unit: u64,
    coherent_source: C,
) -> &'static Assembled<'static, NoCaches, &'static BitmapPool<8>, C> {
    let (phys, len) = (PhysAddr::new(phys), 2 * PAGE);
    let pool: &'static BitmapPool<8> = leak(BitmapPool::new());
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
fn memory_behind_what_the_alias_shows_is_not_coherent() {
    let (cpu, uncached) = (pages(), pages());
    // SAFETY: the pages are leaked.
    let first = unsafe { Region::new(cpu, PhysAddr::new(PHYS), PAGE) }.unwrap();
    // SAFETY: that the two are the same memory nobody notices, since no device looks.
    let alias = unsafe { UncachedAlias::new(first, uncached) };
    let device = device(machine(cpu, PHYS, 64, alias));
    let taken = device.allocate::<ToDevice>(PAGE).unwrap();

    let refused = device.allocate_coherent(64).map(drop);

    let exhausted = Error::Exhausted {
        len: 64,
        largest_free: PAGE,
    };
    assert_eq!(refused, Err(exhausted));
    drop(taken);
    assert_eq!(device.allocate_coherent(64).map(drop), Ok(()));
}

/// An allocator that looks at the length of a request and at nothing else.
struct Careless(BitmapPool<8>);

impl Careless {
    /// Two pages from `cpu` and `phys` on.
    fn new(cpu: NonNull<u8>, phys: u64) -> Self {
        let (pool, unit) = (BitmapPool::new(), Alignment::new(64).unwrap());
        // SAFETY: the pages are leaked, and the pool's alone.
        unsafe { pool.adopt(cpu, PhysAddr::new(phys), 2 * PAGE, unit) }.unwrap();
        Self(pool)
    }
}

// SAFETY: it deliberately does not keep to requests; no device looks.
unsafe impl DmaAllocator for Careless {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.0.allocate(&Request::anywhere(request.len))
    }
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        self.0.free(block)
    }
}

#[test]
fn memory_that_an_allocator_takes_from_elsewhere_is_given_back_to_it() {
    let (cpu, uncached) = (pages(), pages());
    let alias = alias_of_second_page(cpu, uncached);
    let careless = Careless::new(cpu, PHYS);

    // Wholly in front of what the alias shows, or half of it.
    for len in [PAGE, 2 * PAGE] {
        let request = Request::anywhere(NonZeroUsize::new(len).unwrap());
        let refused = alias.allocate(&careless, &NoCaches, &request).map(drop);
        assert_eq!(refused, Err(Error::ForeignBlock { phys: PHYS, len }));
        assert_eq!(careless.0.free_bytes(), 2 * PAGE);
    }
}

#[test]
fn a_block_that_was_not_had_through_the_alias_is_not_taken_back() {
    let (cpu, uncached) = (pages(), pages());
    let alias = alias_of_second_page(cpu, uncached);
    let pool = Careless::new(cpu, PHYS).0;
    let mut request = Request::anywhere(NonZeroUsize::new(64).unwrap());
    request.lowest = SECOND;
    let cached = pool.allocate(&request).unwrap();
    let memory = cached.memory();

    let Refused { error, value } = alias.free(&pool, &NoCaches, cached).unwrap_err();

    let phys = SECOND.get();
    assert_eq!(error, Error::ForeignBlock { phys, len: 64 });
    assert_eq!(value.memory(), memory);
    assert_eq!(pool.free(value).map_err(|refused| refused.error), Ok(()));
}

#[test]
fn an_alias_may_show_a_single_byte() {
    let (cpu, uncached) = (pages(), pages());
    let phys = PhysAddr::new(PHYS);
    let pool = BitmapPool::<1>::new();
    // SAFETY: the pages are leaked, and the pool's alone.
    unsafe { pool.adopt(cpu, phys, 1, Alignment::ONE) }.unwrap();
    // SAFETY: as above.
    let shown = unsafe { Region::new(cpu, phys, 1) }.unwrap();
    // SAFETY: that the two are the same memory nobody notices, since no device looks.
    let alias = unsafe { UncachedAlias::new(shown, uncached) };

    let request = Request::anywhere(NonZeroUsize::MIN);
    let block = alias.allocate(&pool, &NoCaches, &request).unwrap();

    assert_eq!(block.memory().cast(), uncached);
    let returned = alias.free(&pool, &NoCaches, block);
    assert_eq!(returned.map_err(|refused| refused.error), Ok(()));
}

#[test]
fn where_there_is_no_coherent_memory_none_is_taken_back() {
    let pool = Careless::new(pages(), PHYS).0;
    let request = Request::anywhere(NonZeroUsize::MIN);
    let block = pool.allocate(&request).unwrap();

    let Refused { error, value } = NoCoherentMemory.free(&pool, &NoCaches, block).unwrap_err();

    assert_eq!(error, Error::NoCoherentMemory);
    assert_eq!(pool.free(value).map_err(|refused| refused.error), Ok(()));
}

#[test]
fn coherent_memory_that_cannot_be_used_goes_back_to_its_source() {
    // It lies where the bus shows nothing.
    let elsewhere: &'static Careless = leak(Careless::new(pages(), 2 * PHYS));
    // SAFETY: no device looks.
    let source = unsafe { UncachedMemory::new(elsewhere) };
    let machine = machine(pages(), PHYS, 64, source);

    let refused = device(machine).allocate_coherent(64).map(drop);

    assert!(
        matches!(refused, Err(Error::NotInWindow { .. })),
        "{refused:?}"
    );
    assert_eq!(elsewhere.0.free_bytes(), 2 * PAGE);
    assert_eq!(machine.ledger().counts().refused, 0);
}

#[test]
fn a_machine_put_together_says_whether_everything_snoops() {
    type Board<const SNOOPS: bool> =
        Assembled<'static, NoCaches, &'static BitmapPool<8>, NoCoherentMemory, SNOOPS>;

    let snoops = [
        Board::<true>::EVERYTHING_SNOOPS,
        Board::<false>::EVERYTHING_SNOOPS,
        <&Board<true>>::EVERYTHING_SNOOPS,
        <&Board<false>>::EVERYTHING_SNOOPS,
    ];

    assert_eq!(snoops, [true, false, true, false]);
}

/// Caches that everything snoops, so that nobody asks for maintenance.
struct NeverMaintained;

// SAFETY: no device accesses the tests' memory.
unsafe impl DmaSync for NeverMaintained {
    fn geometry(&self) -> Geometry {
        Geometry::BYTE
    }
    fn clean(&self, _: LineRange<'_>) {
        panic!("a clean where everything snoops");
    }
    unsafe fn invalidate(&self, _: LineRange<'_>) {
        panic!("an invalidate where everything snoops");
    }
    fn clean_and_invalidate(&self, _: LineRange<'_>) {
        panic!("a clean and invalidate where everything snoops");
    }
    fn complete(&self) {
        panic!("a wait where everything snoops");
    }
    fn before_doorbell(&self, _: NonNull<u8>) {}
    fn after_completion(&self, _: NonNull<u8>) {}
}

#[test]
fn where_everything_snoops_nothing_is_maintained() {
    let careless: &'static Careless = leak(Careless::new(pages(), PHYS));
    let window = leak(Window::identity(PhysAddr::new(PHYS), 2 * PAGE as u64).unwrap());
    // SAFETY: nothing is accessed through it.
    let region = unsafe { Region::new(pages(), PhysAddr::new(PHYS), 2 * PAGE) }.unwrap();
    let parts = Parts {
        sync: NeverMaintained,
        memory: careless,
        coherent_source: NoCoherentMemory,
        direct_map: DirectMap::one(leak(region)),
        bus: BusMap::one(window),
        ledger: leak(Ledger::<[Slot; 4]>::new()),
    };
    // SAFETY: they are as the test wants them, and no device looks.
    let machine: &'static Assembled<'_, _, _, _, true> = leak(unsafe { Assembled::new(parts) });
    let device = Device::new(machine, Limits::UNLIMITED, Snooping::Snoops).unwrap();

    let lent = device
        .allocate::<FromDevice>(100)
        .unwrap()
        .sync_for_device();
    // SAFETY: no device was told.
    drop(unsafe { lent.sync_for_cpu() });
    let refused = Device::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).map(drop);

    assert_eq!(refused, Err(Error::EverythingSnoops));
    assert_eq!(careless.0.free_bytes(), 2 * PAGE);
}

#[test]
fn memory_that_is_aligned_physically_but_not_for_the_cpu_is_not_written_by_a_device() {
    // SAFETY: the pages are one more than the machine has.
    let cpu = unsafe { pages().add(32) };
    let device = device(machine(cpu, PHYS, 32, NoCoherentMemory));
    let (cpu, len) = (cpu.addr().get(), PAGE);

    // SAFETY: the pages are leaked, and nobody uses them.
    let lent = unsafe {
        let start = NonNull::new(core::ptr::with_exposed_provenance_mut::<u8>(cpu)).unwrap();
        device.lend_in_place::<FromDevice>(NonNull::slice_from_raw_parts(start, len))
    };

    let granule = 64;
    assert_eq!(lent.map(drop), Err(Error::SharedLine { cpu, len, granule }));
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
fn a_value_that_is_isolated_for_the_cpu_but_not_physically_is_not_written_by_a_device() {
    let cpu = pages();
    let device = device(machine(cpu, PHYS + 32, 32, NoCoherentMemory));
    // SAFETY: the page is leaked, aligned, and nobody uses it; any bytes are a value.
    let value = unsafe { cpu.cast::<Isolated<u8, G64>>().as_mut() };

    let lent = device.lend_isolated::<FromDevice, _, _>(value);

    let (cpu, len, granule) = (cpu.addr().get(), 64, 64);
    assert_eq!(lent.map(drop), Err(Error::SharedLine { cpu, len, granule }));
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
fn a_pool_does_not_wrap_around_the_cpus_addresses() {
    let last = usize::MAX - 63;
    let start = NonNull::new(core::ptr::without_provenance_mut::<u8>(last)).unwrap();
    let unit = Alignment::new(64).unwrap();
    let adopt = |pool: &BitmapPool<1>, len| {
        // SAFETY: nothing is handed out of it.
        unsafe { pool.adopt(start, PhysAddr::new(0), len, unit) }
    };

    let wraps = Error::RangeWraps {
        start: last as u64,
        len: 128,
    };
    assert_eq!(adopt(&BitmapPool::new(), 128), Err(wraps));
    assert_eq!(adopt(&BitmapPool::new(), 64), Ok(()));
}

#[test]
fn a_pool_is_not_longer_than_a_pointer_can_step_over() {
    let unit = 1_usize << (usize::BITS - 2);
    let start = NonNull::new(core::ptr::without_provenance_mut::<u8>(unit)).unwrap();
    let pool = BitmapPool::<1>::new();

    // SAFETY: nothing is handed out of it.
    let adopted = unsafe {
        let unit_bytes = Alignment::new(unit as u64).unwrap();
        pool.adopt(start, PhysAddr::new(0), 2 * unit, unit_bytes)
    };

    let (start, len) = (unit as u64, 2 * unit as u64);
    assert_eq!(adopted, Err(Error::RangeWraps { start, len }));
}
