//! Whole transfers on host machines, and exactly which instructions they execute in which order.
#![expect(unsafe_code, reason = "tests promise what a board would")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::alloc;

use arch_x86::geometry::{Clean, CleanAndInvalidate};
use arch_x86::recorded::{Executed, Executed::*, SKYLAKE_SP, executed, set_cpuid};
use arch_x86::{FlushedCaches, Leaf, Snooped, SnoopedWithWriteCombining, Uncached, uncached};
use dma_api::{
    Alignment, Bidirectional, BitmapPool, BusMap, Device, DeviceWrites, DirectMap, DmaSync, Error,
    FromDevice, Geometry, Ledger, Limits, LineRange, Machine, PhysAddr, Region, Slot, Snooping,
    ToDevice, Window,
};

const PHYS: PhysAddr = PhysAddr::new(0x0100_0000);
const UNCACHED_PHYS: PhysAddr = PhysAddr::new(0x0200_0000);
const LEN: usize = 1 << 16;

struct Board<S, const SNOOPED: bool> {
    caches: S,
    pool: BitmapPool<1>,
    uncached: Uncached<BitmapPool<1>>,
    ledger: Ledger<[Slot; 4]>,
    memory: Region,
    bus: Window,
}

impl<S: DmaSync, const SNOOPED: bool> Board<S, SNOOPED> {
    /// A board that is never freed.
    fn new(caches: S) -> &'static Self {
        let page = Alignment::new(4096).unwrap();
        let (cached, rings) = (allocate(), allocate());
        let (pool, ring_pool) = (BitmapPool::new(), BitmapPool::new());
        // SAFETY: the memory was just allocated and is never freed.
        unsafe { pool.adopt(cached, PHYS, LEN, page) }.unwrap();
        // SAFETY: as above.
        unsafe { ring_pool.adopt(rings, UNCACHED_PHYS, LEN, page) }.unwrap();

        Box::leak(Box::new(Self {
            caches,
            pool,
            // SAFETY: no cache is in the way of the device, which does not exist.
            uncached: unsafe { uncached(ring_pool) },
            ledger: Ledger::new(),
            // SAFETY: the memory was just allocated and is never freed.
            memory: unsafe { Region::new(cached, PHYS, LEN) }.unwrap(),
            bus: Window::identity(PhysAddr::new(0), 1 << 32).unwrap(),
        }))
    }

    fn device(&'static self, snooping: Snooping) -> Device<&'static Self> {
        Device::new(self, Limits::UNLIMITED, snooping).unwrap()
    }
}

// SAFETY: the parts are always the same, and no device looks at the memory.
unsafe impl<S: DmaSync, const SNOOPED: bool> Machine for Board<S, SNOOPED> {
    type Sync = S;
    type Memory = BitmapPool<1>;
    type Coherent = Uncached<BitmapPool<1>>;

    const EVERYTHING_SNOOPS: bool = SNOOPED;

    fn sync(&self) -> &S {
        &self.caches
    }
    fn memory(&self) -> &BitmapPool<1> {
        &self.pool
    }
    fn coherent_source(&self) -> &Uncached<BitmapPool<1>> {
        &self.uncached
    }
    fn direct_map(&self) -> DirectMap<'_> {
        DirectMap::one(&self.memory)
    }
    fn bus(&self) -> BusMap<'_> {
        BusMap::one(&self.bus)
    }
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn allocate() -> NonNull<u8> {
    // SAFETY: the size is not 0.
    NonNull::new(unsafe { alloc(Layout::from_size_align(LEN, 4096).unwrap()) }).unwrap()
}

/// The caches of a processor whose leaf 7 has `ebx`.
fn flushed(ebx: u32) -> FlushedCaches {
    let mut leaves = SKYLAKE_SP;
    leaves[7].ebx = ebx;
    set_cpuid(&leaves);
    // SAFETY: no cache is in the way of the device, which does not exist.
    unsafe { FlushedCaches::probe() }.unwrap()
}

const CLFLUSHOPT: u32 = 1 << 23;
const CLWB: u32 = 1 << 24;

/// What one transfer of 130 bytes in direction `D` executes at the two edges, with the address of the buffer.
fn transfer<D: DeviceWrites>(features: u32) -> (usize, Vec<Executed>, Vec<Executed>) {
    let device = Board::<_, false>::new(flushed(features)).device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<D>(130).unwrap();
    let a = buffer.as_mut_slice().as_ptr().addr();
    assert_eq!(executed(), []);

    let lent = buffer.sync_for_device();
    let for_device = executed();
    // SAFETY: there is no device.
    let buffer = unsafe { lent.sync_for_cpu() };
    let for_cpu = executed();
    drop(buffer);
    assert_eq!(executed(), []);
    (a, for_device, for_cpu)
}

#[test]
fn where_everything_snoops_nothing_is_executed_at_all() {
    // SAFETY: there is no device.
    let device = Board::<_, true>::new(unsafe { Snooped::new() }).device(Snooping::Snoops);

    let lent = device
        .allocate::<Bidirectional>(4096)
        .unwrap()
        .sync_for_device();
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    let ring = device.allocate_coherent(64).unwrap().publish();
    ring.before_doorbell();
    ring.after_completion();

    assert_eq!(ring.dma_addr().get(), 0x0100_0000);
    assert_eq!(executed(), []);
}

#[test]
fn snooped_caches_need_no_maintenance_even_if_they_are_asked_for_it() {
    let memory = NonNull::slice_from_raw_parts(allocate(), 128);
    // SAFETY: the memory is never freed.
    let range = unsafe { LineRange::new(memory, PHYS) }.unwrap();
    // SAFETY: there is no device.
    let plain = unsafe { Snooped::new() };
    // SAFETY: as above.
    let combining = unsafe { SnoopedWithWriteCombining::new() };

    let both: [&dyn DmaSync; 2] = [&plain, &combining];
    for caches in both {
        caches.clean(range);
        // SAFETY: nothing is in the memory.
        unsafe { caches.invalidate(range) };
        caches.clean_and_invalidate(range);
        caches.complete();
        assert_eq!(caches.geometry(), Geometry::new(1, 1).unwrap());
    }

    assert_eq!(executed(), []);
}

#[test]
fn write_combining_needs_a_fence_at_both_edges() {
    // SAFETY: there is no device.
    let caches = unsafe { SnoopedWithWriteCombining::new() };
    let device = Board::<_, true>::new(caches).device(Snooping::Snoops);

    let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
    assert_eq!(executed(), [Mfence]);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [Lfence]);
}

#[test]
fn what_a_device_reads_is_cleaned_between_fences() {
    let device = Board::<_, false>::new(flushed(CLFLUSHOPT | CLWB)).device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<ToDevice>(65).unwrap();
    let a = buffer.as_mut_slice().as_ptr().addr();

    let lent = buffer.sync_for_device();
    assert_eq!(executed(), [Mfence, Clwb(a), Clwb(a + 64), Mfence, Mfence]);

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [Lfence]);
}

#[test]
fn what_a_device_writes_is_cleaned_before_and_invalidated_after() {
    for (a, for_device, for_cpu) in [
        transfer::<FromDevice>(CLFLUSHOPT | CLWB),
        transfer::<Bidirectional>(CLFLUSHOPT | CLWB),
    ] {
        let lines = [Clwb(a), Clwb(a + 64), Clwb(a + 128)];
        assert_eq!(for_device, fenced(&[], lines, &[Mfence, Mfence]));
        let lines = [Clflushopt(a), Clflushopt(a + 64), Clflushopt(a + 128)];
        assert_eq!(for_cpu, fenced(&[Lfence], lines, &[Mfence]));
    }
}

#[test]
fn without_the_newer_instructions_the_older_ones_do_it() {
    let (a, for_device, for_cpu) = transfer::<FromDevice>(CLFLUSHOPT);
    let lines = [Clflushopt(a), Clflushopt(a + 64), Clflushopt(a + 128)];
    assert_eq!(for_device, fenced(&[], lines, &[Mfence, Mfence]));
    assert_eq!(for_cpu, fenced(&[Lfence], lines, &[Mfence]));

    let (a, for_device, for_cpu) = transfer::<FromDevice>(0);
    let lines = [Clflush(a), Clflush(a + 64), Clflush(a + 128)];
    assert_eq!(for_device, fenced(&[], lines, &[Mfence, Mfence]));
    assert_eq!(for_cpu, fenced(&[Lfence], lines, &[Mfence]));
}

/// Three lines behind the fence of their range.
fn fenced(before: &[Executed], lines: [Executed; 3], after: &[Executed]) -> Vec<Executed> {
    [before, &[Mfence], &lines, after].concat()
}

#[test]
fn a_device_that_snoops_gets_the_fences_alone_beside_one_that_does_not() {
    let device = Board::<_, false>::new(flushed(CLFLUSHOPT)).device(Snooping::Snoops);

    let lent = device
        .allocate::<Bidirectional>(64)
        .unwrap()
        .sync_for_device();
    assert_eq!(executed(), [Mfence]);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [Lfence]);
}

#[test]
fn coherent_memory_for_a_device_that_does_not_snoop_is_uncached() {
    let device = Board::<_, false>::new(flushed(CLFLUSHOPT)).device(Snooping::DoesNotSnoop);

    let ring = device.allocate_coherent(64).unwrap();
    assert_eq!(executed(), []);
    let ring = ring.publish();

    assert_eq!(ring.dma_addr().get(), 0x0200_0000);
    assert_eq!(executed(), [Mfence]);
    ring.after_completion();
    assert_eq!(executed(), [Lfence]);
}

#[test]
fn the_line_is_the_one_that_cpuid_tells() {
    let mut leaves = SKYLAKE_SP;
    leaves[1].ebx = 0x0400;
    set_cpuid(&leaves);
    // SAFETY: no cache is in the way of the device, which does not exist.
    let caches = unsafe { FlushedCaches::probe() }.unwrap();
    assert_eq!(caches.geometry(), Geometry::new(32, 32).unwrap());
    assert_eq!(
        caches.features().clean_and_invalidate,
        CleanAndInvalidate::Clflushopt
    );
    assert_eq!(caches.features().clean, Clean::Clwb);
    assert!(caches.invalidate_may_write_back());

    let start = NonNull::new(allocate().as_ptr().wrapping_add(40)).unwrap();
    let memory = NonNull::slice_from_raw_parts(start, 25);
    // SAFETY: the memory is never freed.
    caches.clean_and_invalidate(unsafe { LineRange::new(memory, PHYS) }.unwrap());

    let a = start.addr().get();
    assert_eq!(executed(), [Mfence, Clflushopt(a - 8), Clflushopt(a + 24)]);
}

#[test]
fn a_processor_without_clflush_has_no_caches_to_maintain() {
    set_cpuid(&[
        Leaf {
            eax: 1,
            ..Leaf::default()
        },
        Leaf::default(),
    ]);
    // SAFETY: it is refused.
    let caches = unsafe { FlushedCaches::probe() };
    let value = 0;
    assert_eq!(caches.map(|_| ()), Err(Error::NotPowerOfTwo { value }));
}

#[test]
fn each_thread_has_its_own_transcript() {
    flushed(0).complete();

    let other = std::thread::spawn(|| {
        // SAFETY: nothing is maintained.
        let caches = unsafe { FlushedCaches::probe() }.unwrap();
        (caches.features().clean, executed())
    });

    assert_eq!(other.join().unwrap(), (Clean::Clwb, vec![]));
    assert_eq!(executed(), [Mfence]);
}
