//! Memory has one owner at a time: what becomes of it when handles are dropped, forgotten, split and used again.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a machine promises that its parts fit; a test states that its engine is done, and panics"
)]

mod common;

use core::{cell::RefCell, mem, ops::Deref, ptr::NonNull};
use std::collections::BTreeSet;

use common::{WithoutCaches, without_caches};
use dma_api::{
    Bidirectional, Block, BusMap, Coherent, CpuOwned, Device, DeviceOwned, DirectMap, Direction,
    DmaAllocator, DmaRange, DmaSync, Error, FromDevice, Geometry, Ledger, LedgerCounts, Limits,
    LineRange, Machine, PrivateCoherent, Quiesced, Refused, Request, Snooping, ToDevice,
};
use sim::{Config, DmaEngine, SimCaches, SimMachine, SimPool};
use static_assertions::{assert_impl_all, assert_not_impl_any};

const KIB: usize = 1024;
const POOL: usize = 16 * KIB;
const NO_SNOOP: Snooping = Snooping::DoesNotSnoop;

type Sim<'m> = Device<&'m SimMachine>;

fn machine() -> SimMachine {
    SimMachine::new(Config::default()).unwrap()
}

fn device(machine: &SimMachine) -> Sim<'_> {
    Device::new(machine, Limits::UNLIMITED, NO_SNOOP).unwrap()
}

/// The counts of a ledger that never had to give anything up.
fn kept(quarantined: usize, shared: usize) -> LedgerCounts {
    let mut counts = LedgerCounts::default();
    (counts.quarantined, counts.shared) = (quarantined, shared);
    counts
}

/// Free bytes of the pool, and what the ledger holds.
fn books(machine: &SimMachine) -> (usize, LedgerCounts) {
    (machine.pool().free_bytes(), machine.ledger().counts())
}

fn quiet<M: Machine + Clone>(device: &Device<M>) -> Quiesced<'_, M> {
    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { device.assert_quiet() }
}

fn take_back<M: Machine, D: Direction>(lent: DeviceOwned<M, D>) -> CpuOwned<M, D> {
    // SAFETY: as above.
    unsafe { lent.sync_for_cpu() }
}

fn lend<'m, D: Direction>(device: &Sim<'m>, len: usize) -> DeviceOwned<&'m SimMachine, D> {
    device.allocate::<D>(len).unwrap().sync_for_device()
}

/// A buffer the CPU owns, and where its device would see it.
fn located<'m>(
    device: &Sim<'m>,
    len: usize,
) -> (CpuOwned<&'m SimMachine, Bidirectional>, DmaRange) {
    let lent = lend(device, len);
    let segment = lent.segment();
    (take_back(lent), segment)
}

/// Asserts that all memory can be had but the granules of `taken`, whose owner is another or nobody any more.
fn nobody_else_gets(device: &Sim<'_>, taken: &[DmaRange]) {
    let granules = core::iter::from_fn(|| device.allocate::<ToDevice>(64).ok());
    let others: Vec<_> = granules.map(CpuOwned::sync_for_device).collect();

    for other in &others {
        let twice = taken.iter().find(|range| range.overlaps(other.segment()));
        assert_eq!(twice, None, "{other:?} was handed out twice");
    }
    let taken: u64 = taken
        .iter()
        .map(|range| range.len_bytes().div_ceil(64))
        .sum();
    assert_eq!(others.len() as u64, POOL as u64 / 64 - taken);
    others.into_iter().map(take_back).for_each(drop);
}

/// The simulated machine with another part or two.
struct Wrapped<'m, S, A> {
    machine: &'m SimMachine,
    sync: S,
    memory: A,
}

// SAFETY: the parts are those of one simulated machine, seen through wrappers that keep their promises.
unsafe impl<S: DmaSync, A: DmaAllocator> Machine for Wrapped<'_, S, A> {
    type Sync = S;
    type Memory = A;
    type Coherent = <SimMachine as Machine>::Coherent;

    fn sync(&self) -> &S {
        &self.sync
    }
    fn memory(&self) -> &A {
        &self.memory
    }
    fn coherent_source(&self) -> &Self::Coherent {
        self.machine.coherent_source()
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.machine.direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        self.machine.bus()
    }
    fn ledger(&self) -> &Ledger {
        self.machine.ledger()
    }
}

/// The simulated caches, and the 32-byte lines that were cleaned and discarded so far.
struct Recorder<'m> {
    caches: &'m SimCaches,
    cleaned: RefCell<BTreeSet<usize>>,
    discarded: RefCell<BTreeSet<usize>>,
}

// SAFETY: everything is passed on.
unsafe impl DmaSync for Recorder<'_> {
    fn geometry(&self) -> Geometry {
        self.caches.geometry()
    }
    fn clean(&self, range: LineRange<'_>) {
        let lines = range
            .pointers(Geometry::new(32, 32).unwrap())
            .map(|line| line.addr());
        self.cleaned.borrow_mut().extend(lines);
        self.caches.clean(range);
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        let lines = range
            .pointers(Geometry::new(32, 32).unwrap())
            .map(|line| line.addr());
        self.discarded.borrow_mut().extend(lines);
        // SAFETY: passed on to the caller.
        unsafe { self.caches.invalidate(range) };
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.caches.clean_and_invalidate(range);
    }
    fn complete(&self) {
        self.caches.complete();
    }
    fn before_doorbell(&self, memory: NonNull<u8>) {
        self.caches.before_doorbell(memory);
    }
    fn after_completion(&self, memory: NonNull<u8>) {
        self.caches.after_completion(memory);
    }
}

/// An allocator that takes nothing back.
struct Stubborn<'m>(&'m SimPool);

// SAFETY: what it hands out is the pool's.
unsafe impl DmaAllocator for Stubborn<'_> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.0.allocate(request)
    }
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let (phys, len) = (block.phys().start().get(), block.len_bytes());
        Err(Refused::new(Error::NotAllocated { phys, len }, block))
    }
}

// Types: handles go where their machine may go, there is one of each, and a device's bytes have no door.

type Static = &'static WithoutCaches;
assert_impl_all!(Device<Static>: Send, Sync, Clone);
assert_impl_all!(CpuOwned<Static, ToDevice>: Send, Sync);
assert_impl_all!(DeviceOwned<Static, FromDevice>: Send, Sync);
assert_impl_all!(PrivateCoherent<Static>: Send);
assert_impl_all!(Coherent<Static>: Send);
assert_impl_all!(Block: Send);

type Local = &'static Wrapped<'static, Recorder<'static>, Stubborn<'static>>;
assert_not_impl_any!(CpuOwned<Local, ToDevice>: Send, Sync);
assert_not_impl_any!(DeviceOwned<Local, FromDevice>: Send, Sync);
assert_not_impl_any!(PrivateCoherent<Local>: Send, Sync);
assert_not_impl_any!(Coherent<Local>: Send, Sync);

assert_not_impl_any!(CpuOwned<Static, ToDevice>: Clone, Copy);
assert_not_impl_any!(DeviceOwned<Static, FromDevice>: Clone, Copy);
assert_not_impl_any!(PrivateCoherent<Static>: Clone, Copy);
assert_not_impl_any!(Coherent<Static>: Clone, Copy);
assert_not_impl_any!(Quiesced<'static, Static>: Clone, Copy);
assert_not_impl_any!(Block: Clone, Copy);

assert_not_impl_any!(DeviceOwned<Static, ToDevice>: Deref, AsRef<[u8]>, AsMut<[u8]>);
assert_not_impl_any!(DeviceOwned<Static, FromDevice>: Deref, AsRef<[u8]>, AsMut<[u8]>);
assert_not_impl_any!(DeviceOwned<Static, Bidirectional>: Deref, AsRef<[u8]>, AsMut<[u8]>);
assert_not_impl_any!(Coherent<Static>: Deref, AsRef<[u8]>, AsMut<[u8]>);

// Dropping.

#[test]
fn what_the_cpu_owns_is_freed_by_a_drop() {
    let machine = machine();
    let device = device(&machine);

    let fresh = device.allocate::<ToDevice>(65).unwrap();
    assert_eq!(books(&machine), (POOL - 128, kept(0, 0)));
    drop(fresh);
    assert_eq!(books(&machine), (POOL, kept(0, 0)));

    let (returned, _) = located(&device, 65);
    assert_eq!(books(&machine), (POOL - 128, kept(0, 0)));
    drop(returned);
    assert_eq!(books(&machine), (POOL, kept(0, 0)));
}

#[test]
fn a_buffer_is_freed_by_whichever_thread_drops_it() {
    let machine = without_caches(4 << 10);
    let device = Device::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
    let buffer = device.allocate::<ToDevice>(100).unwrap();
    assert_eq!(machine.memory().free_bytes(), (4 << 10) - 128);

    std::thread::scope(|scope| {
        scope.spawn(move || drop(buffer));
    });

    assert_eq!(machine.memory().free_bytes(), 4 << 10);
    assert_eq!(machine.ledger().counts(), kept(0, 0));
}

#[test]
fn what_the_device_owns_goes_into_quarantine_until_it_is_known_to_be_quiet() {
    let machine = machine();
    let device = device(&machine);
    let (first, second) = (
        lend::<FromDevice>(&device, 100),
        lend::<ToDevice>(&device, 64),
    );
    let segments = [first.segment(), second.segment()];

    drop((first, second));

    assert_eq!(books(&machine), (POOL - 192, kept(2, 0)));
    let list: Vec<_> = (0..3).map(|i| machine.ledger().quarantined(i)).collect();
    let listed = segments.map(|segment| Some((device.id(), segment)));
    assert_eq!(list, [listed[0], listed[1], None]);
    nobody_else_gets(&device, &segments);

    assert_eq!(quiet(&device).release_quarantine(), 2);
    assert_eq!(books(&machine), (POOL, kept(0, 0)));
    nobody_else_gets(&device, &[]);
    assert_eq!(quiet(&device).release_quarantine(), 0);
}

#[test]
fn a_buffer_still_held_is_not_released_with_the_quarantine() {
    let machine = machine();
    let device = device(&machine);
    let held = lend::<FromDevice>(&device, 64);
    drop(lend::<FromDevice>(&device, 64));

    assert_eq!(quiet(&device).release_quarantine(), 1);

    nobody_else_gets(&device, &[held.segment()]);
    drop(take_back(held));
}

#[test]
fn a_proof_releases_the_buffers_of_its_own_device_only() {
    let machine = machine();
    let (mine, other) = (device(&machine), device(&machine));
    assert_ne!(mine.id(), other.id());
    drop(lend::<FromDevice>(&mine, 64));
    drop(lend::<FromDevice>(&other, 64));

    assert_eq!(quiet(&mine).release_quarantine(), 1);
    assert_eq!(quiet(&mine).release_quarantine(), 0);

    assert_eq!(books(&machine), (POOL - 64, kept(1, 0)));
    let left = machine.ledger().quarantined(0).map(|(owner, _)| owner);
    assert_eq!(left, Some(other.id()));
}

#[test]
fn a_proof_releases_nothing_of_another_machine() {
    // The two devices have the same number, each in its own machine.
    let (here, there) = (machine(), machine());
    let (mine, other) = (device(&here), device(&there));
    assert_eq!(mine.id(), other.id());
    drop(lend::<FromDevice>(&mine, 64));

    assert_eq!(quiet(&other).release_quarantine(), 0);

    assert_eq!(books(&here), (POOL - 64, kept(1, 0)));
    assert_eq!(quiet(&mine).release_quarantine(), 1);
}

#[test]
fn clones_and_narrowed_devices_are_the_same_device() {
    let machine = machine();
    let device = device(&machine);
    let narrowed = device
        .narrowed(Limits::UNLIMITED.alignment(4096).unwrap())
        .unwrap();
    drop(lend::<FromDevice>(&narrowed, 64));

    let clone = device.clone();

    assert_eq!(narrowed.id(), device.id());
    assert_eq!(quiet(&clone).release_quarantine(), 1);
    assert_eq!(books(&machine), (POOL, kept(0, 0)));
}

#[test]
fn with_the_ledger_full_a_dropped_buffer_is_leaked_and_never_seen_again() {
    let machine = machine();
    let device = device(&machine);
    let lent: Vec<_> = (0..34).map(|_| lend::<FromDevice>(&device, 64)).collect();
    let segments: Vec<_> = lent.iter().map(DeviceOwned::segment).collect();

    drop(lent);

    let mut counts = kept(32, 0);
    counts.leaked = 2;
    assert_eq!(books(&machine), (POOL - 34 * 64, counts));
    nobody_else_gets(&device, &segments);

    assert_eq!(quiet(&device).release_quarantine(), 32);
    counts.quarantined = 0;
    assert_eq!(books(&machine), (POOL - 128, counts));
    nobody_else_gets(&device, &segments[32..]);
}

#[test]
fn a_block_that_its_allocator_does_not_take_back_is_counted() {
    let machine = machine();
    let wrapped = Wrapped {
        machine: &machine,
        sync: machine.sync(),
        memory: Stubborn(machine.pool()),
    };
    let stubborn = Device::new(&wrapped, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let lent = stubborn.allocate::<ToDevice>(64).unwrap().sync_for_device();
    let segment = lent.segment();

    drop(take_back(lent));

    let mut counts = kept(0, 0);
    counts.refused = 1;
    assert_eq!(books(&machine), (POOL - 64, counts));
    nobody_else_gets(&device(&machine), &[segment]);
}

#[test]
fn lent_memory_is_listed_in_quarantine_and_its_owner_keeps_it() {
    let machine = machine();
    let device = device(&machine);
    let owner = lend::<Bidirectional>(&device, 128);
    let phys = machine.bus().to_phys(owner.segment()).unwrap();
    let memory = machine.direct_map().to_cpu(phys).unwrap();

    // SAFETY: the memory is the owner's above, who does not use it meanwhile.
    let lent = unsafe { device.lend_in_place::<FromDevice>(memory) }.unwrap();
    let segment = lent.segment();
    drop(lent);

    assert_eq!(books(&machine), (POOL - 128, kept(1, 0)));
    assert_eq!(
        machine.ledger().quarantined(0),
        Some((device.id(), segment))
    );
    assert_eq!(quiet(&device).release_quarantine(), 1);
    assert_eq!(books(&machine), (POOL - 128, kept(0, 0)));
    drop(take_back(owner));
    assert_eq!(books(&machine), (POOL, kept(0, 0)));
}

// Forgetting.

#[test]
fn a_forgotten_handle_leaks_its_memory_and_nothing_else() {
    let machine = machine();
    let device = device(&machine);

    let (cpu_owned, first) = located(&device, 100);
    let device_owned = lend::<FromDevice>(&device, 64);
    let second = device_owned.segment();
    mem::forget(cpu_owned);
    mem::forget(device_owned);

    assert_eq!(quiet(&device).release_quarantine(), 0);
    assert_eq!(books(&machine), (POOL - 192, kept(0, 0)));
    nobody_else_gets(&device, &[first, second]);
}

#[test]
fn a_forgotten_part_keeps_the_whole_block_from_being_freed() {
    let machine = machine();
    let device = device(&machine);
    let (buffer, segment) = located(&device, 256);
    let (first, second) = buffer.split_at(64).unwrap();

    mem::forget(first);
    drop(second);

    assert_eq!(books(&machine), (POOL - 256, kept(0, 1)));
    nobody_else_gets(&device, &[segment]);
}

#[test]
fn forgotten_coherent_memory_is_never_handed_out_again() {
    let machine = machine();
    let device = device(&machine);
    let private = device.allocate_coherent(1024).unwrap();
    let published = device.allocate_coherent(1024).unwrap().publish();
    mem::forget(private);
    mem::forget(published);

    let exhausted = device.allocate_coherent(2049).map(drop);

    let expected = Error::Exhausted {
        len: 2112,
        largest_free: 2048,
    };
    assert_eq!(exhausted, Err(expected));
    assert_eq!(machine.ledger().counts(), kept(0, 0));
}

// Splitting.

#[test]
fn a_split_buffer_is_freed_with_its_last_part_in_either_order() {
    let machine = machine();
    let device = device(&machine);

    for first_goes_first in [true, false] {
        let (buffer, segment) = located(&device, 200);
        let (first, second) = buffer.split_at(64).unwrap();
        let (gone, left) = if first_goes_first {
            (first, second)
        } else {
            (second, first)
        };

        drop(gone);
        assert_eq!(books(&machine), (POOL - 256, kept(0, 1)));
        nobody_else_gets(&device, &[segment]);
        drop(left);
        assert_eq!(books(&machine), (POOL, kept(0, 0)));
    }
}

#[test]
fn parts_of_parts_take_one_slot_together_and_lie_side_by_side() {
    let machine = machine();
    let device = device(&machine);
    let (mut buffer, whole) = located(&device, 250);
    for (value, granule) in (0..).zip(buffer.as_mut_slice().chunks_mut(64)) {
        granule.fill(value);
    }

    let (left, right) = buffer.split_at(128).unwrap();
    let (a, b) = left.split_at(64).unwrap();
    let (c, d) = right.split_at(64).unwrap();

    assert_eq!(books(&machine), (POOL - 256, kept(0, 1)));
    let mut next = whole.start().get();
    for (value, part) in (0_u8..).zip([a, b, c, d]) {
        let expected = vec![value; if value == 3 { 58 } else { 64 }];
        assert_eq!(part.as_slice(), expected);
        let lent = part.sync_for_device();
        assert_eq!(lent.dma_addr().get(), next);
        next = lent.segment().last().get() + 1;
        assert_eq!(machine.ledger().counts(), kept(0, 1));
        drop(take_back(lent));
    }
    assert_eq!(next, whole.last().get() + 1);
    assert_eq!(books(&machine), (POOL, kept(0, 0)));
}

#[test]
fn a_part_in_quarantine_keeps_the_whole_block() {
    let machine = machine();
    let device = device(&machine);

    // The CPU's part goes last, or first.
    for lent_goes_first in [true, false] {
        let (buffer, whole) = located(&device, 256);
        let (first, second) = buffer.split_at(64).unwrap();
        let lent = second.sync_for_device();
        let segment = lent.segment();

        if lent_goes_first {
            drop(lent);
            assert_eq!(books(&machine), (POOL - 256, kept(1, 1)));
            drop(first);
        } else {
            drop(first);
            assert_eq!(books(&machine), (POOL - 256, kept(0, 1)));
            drop(lent);
        }

        assert_eq!(books(&machine), (POOL - 256, kept(1, 1)));
        assert_eq!(
            machine.ledger().quarantined(0),
            Some((device.id(), segment))
        );
        nobody_else_gets(&device, &[whole]);
        assert_eq!(quiet(&device).release_quarantine(), 1);
        assert_eq!(books(&machine), (POOL, kept(0, 0)));
    }
}

#[test]
fn a_part_released_from_quarantine_leaves_the_others_alone() {
    let machine = machine();
    let device = device(&machine);
    let (buffer, whole) = located(&device, 256);
    let (mut first, second) = buffer.split_at(64).unwrap();
    first.as_mut_slice().fill(5);
    drop(second.sync_for_device());

    assert_eq!(quiet(&device).release_quarantine(), 1);

    assert_eq!(books(&machine), (POOL - 256, kept(0, 1)));
    nobody_else_gets(&device, &[whole]);
    assert_eq!(first.as_slice(), [5; 64]);
    drop(first);
    assert_eq!(books(&machine), (POOL, kept(0, 0)));
}

#[test]
fn a_part_that_finds_the_ledger_full_is_leaked_with_its_block() {
    let machine = machine();
    let device = device(&machine);
    let (buffer, whole) = located(&device, 128);
    let (first, second) = buffer.split_at(64).unwrap();
    (0..31).for_each(|_| drop(lend::<FromDevice>(&device, 64)));

    drop(second.sync_for_device());
    drop(first);

    let mut counts = kept(31, 1);
    counts.leaked = 1;
    assert_eq!(books(&machine), (POOL - 128 - 31 * 64, counts));
    assert_eq!(quiet(&device).release_quarantine(), 31);
    nobody_else_gets(&device, &[whole]);
}

// Coherent memory.

#[test]
fn coherent_memory_is_freed_if_private_and_quarantined_if_published() {
    let machine = machine();
    for snooping in [NO_SNOOP, Snooping::Snoops] {
        let device = Device::new(&machine, Limits::UNLIMITED, snooping).unwrap();
        let all = if snooping == NO_SNOOP { 4 * KIB } else { POOL };

        drop(device.allocate_coherent(all).unwrap());
        assert_eq!(machine.ledger().counts(), kept(0, 0));

        let ring = device.allocate_coherent(all).unwrap().publish();
        let segment = ring.segment();
        drop(ring);
        assert_eq!(machine.ledger().counts(), kept(1, 0));
        assert_eq!(
            machine.ledger().quarantined(0),
            Some((device.id(), segment))
        );
        let refused = device.allocate_coherent(1).map(drop);
        assert!(matches!(
            refused,
            Err(Error::Exhausted {
                largest_free: 0,
                ..
            })
        ));

        assert_eq!(quiet(&device).release_quarantine(), 1);
        let ring = device.allocate_coherent(all).unwrap().publish();
        // SAFETY: the engines of these tests do nothing by themselves.
        drop(unsafe { ring.unpublish() });
        assert_eq!(books(&machine), (POOL, kept(0, 0)));
    }
}

#[test]
fn coherent_memory_shows_nothing_of_an_earlier_owner() {
    let machine = machine();
    let device = device(&machine);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);
    let mut old = device.allocate_coherent(1000).unwrap();
    old.as_mut_slice().fill(0xee);
    let old = old.publish();
    engine.write(old.dma_addr(), &[0xdd; 1024]).unwrap();
    // SAFETY: the engines of these tests do nothing by themselves.
    drop(unsafe { old.unpublish() });

    let mut new = device.allocate_coherent(10).unwrap();

    assert_eq!(new.as_mut_slice(), [0; 10]);
    let new = new.publish();
    assert_eq!(engine.read(new.dma_addr(), 64).unwrap(), [0; 64]);
}

#[test]
fn handles_print_whose_memory_it_is_and_what_its_owner_may_know_of_it() {
    let machine = machine();
    let device = device(&machine);

    let buffer = device.allocate::<ToDevice>(100).unwrap();
    let text = format!("{buffer:?}");
    assert_eq!(
        text,
        "CpuOwned<ToDevice>(PhysRange(0x80000000..=0x8000007f))"
    );
    let lent = buffer.sync_for_device();
    let text = format!("{lent:?}");
    assert_eq!(
        text,
        "DeviceOwned<ToDevice>(DmaRange(0x10000000..=0x10000063))"
    );
    drop(take_back(lent));

    let private = device.allocate_coherent(64).unwrap();
    assert_eq!(format!("{private:?}"), "PrivateCoherent(64 bytes)");
    let ring = private.publish();
    let text = format!("{ring:?}");
    assert_eq!(text, "Coherent(DmaRange(0x10004000..=0x1000403f))");
}

// Received bytes.

#[test]
fn what_was_received_is_what_the_last_transfer_wrote() {
    let machine = machine();
    let device = device(&machine);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);
    let short = |lent: DeviceOwned<_, Bidirectional>, written| {
        // SAFETY: the engines of these tests do nothing by themselves.
        unsafe { lent.sync_for_cpu_short(written) }.unwrap()
    };

    let mut buffer = device.allocate::<Bidirectional>(100).unwrap();
    assert_eq!(buffer.received(), []);
    buffer.as_mut_slice().fill(1);
    assert_eq!(buffer.received(), []);

    let lent = buffer.sync_for_device();
    engine.write(lent.dma_addr(), &[2; 30]).unwrap();
    let buffer = short(lent, 30);
    assert_eq!(buffer.received(), [2; 30]);
    assert_eq!(buffer.as_slice()[30..], [1; 70]);

    let buffer = short(buffer.sync_for_device(), 0);
    assert_eq!(buffer.received(), []);
    let buffer = take_back(buffer.sync_for_device());
    assert_eq!(buffer.received(), buffer.as_slice());
    assert_eq!(buffer.received().len(), 100);
}

#[test]
fn what_was_received_is_divided_with_the_buffer() {
    let machine = machine();
    let device = device(&machine);

    for (written, in_first, in_second) in [
        (0, 0, 0),
        (63, 63, 0),
        (64, 64, 0),
        (65, 64, 1),
        (200, 64, 136),
    ] {
        let lent = lend::<FromDevice>(&device, 200);
        // SAFETY: the engines of these tests do nothing by themselves.
        let buffer = unsafe { lent.sync_for_cpu_short(written) }.unwrap();
        let (first, second) = buffer.split_at(64).unwrap();
        let lengths = (first.received().len(), second.received().len());
        assert_eq!(lengths, (in_first, in_second), "of {written} bytes");
    }
}

#[test]
fn nothing_is_received_in_a_buffer_the_device_only_reads() {
    let machine = machine();
    let device = device(&machine);

    let mut buffer = take_back(lend::<ToDevice>(&device, 8));
    buffer.write(0, &[7_u8; 8]).unwrap();

    assert_eq!(buffer.as_mut_slice(), [7; 8]);
}

// Reused memory.

/// Fills the first `len` bytes of the pool with `0xee`, in the caches and in memory, and frees them.
fn soil(device: &Sim<'_>, len: usize) -> DmaRange {
    let (mut buffer, segment) = located(device, len);
    buffer.as_mut_slice().fill(0xee);
    drop(take_back(buffer.sync_for_device()));
    segment
}

#[test]
fn reused_memory_is_zero_for_the_cpu_whether_smaller_or_bigger() {
    let machine = machine();
    let device = device(&machine);

    for len in [1, 63, 64, 65, 500, 512, 513, 1024] {
        let old = soil(&device, 512);

        let new = device.allocate::<FromDevice>(len).unwrap();

        assert_eq!(new.as_slice(), vec![0; len]);
        let lent = new.sync_for_device();
        assert_eq!(lent.dma_addr(), old.start());
        assert_eq!(take_back(lent).as_slice(), vec![0; len]);
    }
}

#[test]
fn reused_memory_is_zero_for_the_device_up_to_the_end_of_the_granule() {
    let machine = machine();
    let device = device(&machine);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);

    for len in [1, 63, 64, 65, 500, 512] {
        let old = soil(&device, 512);
        let new = lend::<ToDevice>(&device, len);
        assert_eq!(new.dma_addr(), old.start());

        let rounded = len.next_multiple_of(64);
        assert_eq!(
            engine.read(new.dma_addr(), rounded).unwrap(),
            vec![0; rounded]
        );
        drop(take_back(new));
    }
}

#[test]
fn the_first_part_is_maintained_without_the_second() {
    let machine = machine();
    let wrapped = Wrapped {
        machine: &machine,
        sync: Recorder {
            caches: machine.caches(),
            cleaned: RefCell::default(),
            discarded: RefCell::default(),
        },
        memory: machine.pool(),
    };
    let device = Device::new(&wrapped, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let mut buffer = device.allocate::<FromDevice>(256).unwrap();
    let start = buffer.as_mut_slice().as_ptr().addr();
    let (first, second) = buffer.split_at(64).unwrap();

    let lent = first.sync_for_device();

    assert_eq!((lent.len_bytes(), lent.segment().len_bytes()), (64, 64));
    drop((take_back(lent), second));
    let lines = BTreeSet::from([start, start + 32]);
    let maintained = (wrapped.sync.cleaned.take(), wrapped.sync.discarded.take());
    assert_eq!(maintained, (lines.clone(), lines));
}

#[test]
fn what_a_device_may_write_is_maintained_in_whole_granules() {
    // One write-back takes a granule, all lines of it. A line behind the buffer's last that stays dirty (the zeros of
    // a new buffer do) is written back together with stale copies of the lines the device has written.
    let config = Config {
        line: 32,
        granule: 128,
        unit: 128,
        ..Config::default()
    };
    let machine = SimMachine::new(config).unwrap();
    for len in [1, 32, 33, 127, 128, 129] {
        let wrapped = Wrapped {
            machine: &machine,
            sync: Recorder {
                caches: machine.caches(),
                cleaned: RefCell::default(),
                discarded: RefCell::default(),
            },
            memory: machine.pool(),
        };
        let device = Device::new(&wrapped, Limits::UNLIMITED, NO_SNOOP).unwrap();
        let mut buffer = device.allocate::<FromDevice>(len).unwrap();
        let start = buffer.as_mut_slice().as_ptr().addr();

        drop(take_back(buffer.sync_for_device()));

        let lines = |len| (start..start + len).step_by(32).collect::<BTreeSet<_>>();
        let (bytes, granules) = (lines(len), lines(len.next_multiple_of(128)));
        let (cleaned, discarded) = (wrapped.sync.cleaned.take(), wrapped.sync.discarded.take());
        assert_eq!(cleaned, granules, "cleaned of {len}");
        assert!(bytes.is_subset(&discarded), "discarded of {len}");
        assert!(discarded.is_subset(&granules), "discarded of {len}");
    }
}
