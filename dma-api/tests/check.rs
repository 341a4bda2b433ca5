//! Each kind of mistake is found by the checked machine where it is made, and not where the same thing is done well.
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test makes the mistakes, calculates, and panics"
)]

mod common;

use core::{cell::RefCell, num::NonZeroUsize, panic::Location, ptr::NonNull};

use dma_api::{
    Bidirectional, Block, BouncePool, BusMap, Checked, CpuOwned, DataDirection, Device,
    DeviceOwned, DirectMap, Direction, DmaAddr, DmaAllocator, DmaRange, DmaSync, Error, Event,
    FromDevice, Geometry, Ledger, Lender, Limits, LineRange, Machine, Notice, PhysAddr, PhysRange,
    Refused, Request, SlotWord, Snooping, ToDevice,
    check::{Access, Barrier, Finding, Kind, Sink, State, Subject},
    handover::{Edge, Maintenance},
    observe::DeviceNotice,
};
use sim::{Config, DmaEngine, SimMachine};

const NO_SNOOP: Snooping = Snooping::DoesNotSnoop;

/// The simulated machine finds most of these mistakes, too; here it is the checker that is to.
fn machine() -> SimMachine {
    SimMachine::new(Config {
        judges: false,
        ..Config::default()
    })
    .unwrap()
}

fn filled_on_access() -> SimMachine {
    SimMachine::new(Config {
        fills_speculatively: false,
        judges: false,
        ..Config::default()
    })
    .unwrap()
}

/// What a sink has been told.
#[derive(Default)]
struct Told(RefCell<Vec<Finding>>);

impl Told {
    /// What was found since the last call.
    fn take(&self) -> Vec<Finding> {
        self.0.take()
    }

    /// The kinds of what was found since the last call.
    fn kinds(&self) -> Vec<Kind> {
        self.take().iter().map(Finding::kind).collect()
    }
}

impl Sink for &Told {
    fn found(&self, finding: &Finding) {
        self.0.borrow_mut().push(*finding);
    }
}

fn check<M: Machine>(inside: M, told: &Told) -> Checked<M, 16, &Told> {
    Checked::new(inside, told)
}

fn device<M: Machine>(machine: &M) -> Device<&M> {
    Device::new(machine, Limits::UNLIMITED, NO_SNOOP).unwrap()
}

fn take_back<M: Machine, D: Direction>(lent: DeviceOwned<M, D>) -> CpuOwned<M, D> {
    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { lent.sync_for_cpu() }
}

/// Lends part of a buffer to a device in place.
fn lend_part<'m, M: Machine, D: Direction>(
    device: &Device<&'m M>,
    owner: &mut CpuOwned<&'m M, Bidirectional>,
    range: core::ops::Range<usize>,
) -> DeviceOwned<&'m M, D> {
    let memory = NonNull::from(&mut owner.as_mut_slice()[range]);
    // SAFETY: nobody uses the owner's handle while the part is lent, as far as memory is concerned.
    unsafe { device.lend_in_place(memory) }.unwrap()
}

/// The bytes of a segment, as maintenance takes them.
fn lines<M: Machine>(machine: &M, dma: DmaRange) -> LineRange<'static> {
    let phys = machine.bus().to_phys(dma).unwrap();
    let memory = machine.direct_map().to_cpu(phys).unwrap();
    // SAFETY: simulated memory is mapped while the test runs.
    unsafe { LineRange::new(memory, phys.start()) }.unwrap()
}

/// A segment that begins `offset` bytes further on, with another length.
fn moved(dma: DmaRange, offset: u64, len: u64) -> DmaRange {
    DmaRange::new(dma.start().checked_add(offset).unwrap(), len).unwrap()
}

// Handles.

#[test]
fn a_handle_that_was_copied_and_dropped_twice_is_not_live() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);

    let buffer = device.allocate::<ToDevice>(64).unwrap();
    // SAFETY: not at all: that is the mistake.
    let copy = unsafe { core::ptr::read(&raw const buffer) };
    drop(buffer);
    assert_eq!(told.kinds(), []);
    drop(copy);

    assert_eq!(told.kinds(), [Kind::NotLive, Kind::FreeRefused]);
}

#[test]
fn a_handle_that_was_copied_and_taken_back_twice_is_out_of_turn() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);

    let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
    // SAFETY: not at all: that is the mistake.
    let copy = unsafe { core::ptr::read(&raw const lent) };
    let buffer = take_back(lent);
    assert_eq!(told.kinds(), []);
    let again = take_back(copy);

    let [Finding::OutOfTurn { event, state, .. }] = told.take()[..] else {
        panic!("one finding");
    };
    assert_eq!((event, state), (Event::ForCpu, State::CpuOwned));
    core::mem::forget(again);
    drop(buffer);
    assert_eq!(told.kinds(), []);
}

// Overlaps and granules.

#[test]
fn memory_that_a_device_writes_is_lent_once_at_a_time() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let (one, two) = (device(&checked), device(&checked));
    let mut owner = one.allocate::<Bidirectional>(256).unwrap();

    // One after the other, or beside each other, or only to be read.
    drop(take_back(lend_part::<_, FromDevice>(
        &one,
        &mut owner,
        0..128,
    )));
    let first = lend_part::<_, FromDevice>(&one, &mut owner, 0..128);
    let second = lend_part::<_, FromDevice>(&two, &mut owner, 128..256);
    drop((take_back(first), take_back(second)));
    let first = lend_part::<_, ToDevice>(&one, &mut owner, 0..128);
    let second = lend_part::<_, ToDevice>(&two, &mut owner, 1..127);
    drop((take_back(first), take_back(second)));
    assert_eq!(told.kinds(), []);

    let first = lend_part::<_, ToDevice>(&one, &mut owner, 0..129);
    let second = lend_part::<_, FromDevice>(&two, &mut owner, 128..192);
    let [
        Finding::Overlap {
            subject,
            other,
            granule,
        },
    ] = told.take()[..]
    else {
        panic!("one finding");
    };
    assert_eq!(
        (subject.device, other.device, granule),
        (two.id(), one.id(), 64)
    );
    assert_eq!(
        (subject.dma, other.dma),
        (second.segment(), first.segment())
    );
    drop((take_back(first), take_back(second)));
}

#[test]
fn what_is_lent_again_while_the_owner_has_handed_it_over_overlaps() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = Device::new(&checked, Limits::UNLIMITED, Snooping::Snoops).unwrap();
    let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
    let memory = lines(&machine, lent.segment()).start();

    // SAFETY: not at all: the memory is the device's already.
    let again =
        unsafe { device.lend_in_place::<FromDevice>(NonNull::slice_from_raw_parts(memory, 1)) }
            .unwrap();

    assert_eq!(told.kinds(), [Kind::Overlap]);
    drop((take_back(again), take_back(lent)));
}

#[test]
fn coherent_memory_that_is_lent_in_place_is_not_published_meanwhile() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = Device::new(&checked, Limits::UNLIMITED, Snooping::Snoops).unwrap();
    let mut private = device.allocate_coherent(64).unwrap();
    let memory = NonNull::from(&mut private.as_mut_slice()[..1]);

    // SAFETY: nobody uses the other handle meanwhile, as far as memory is concerned.
    let lent = unsafe { device.lend_in_place::<ToDevice>(memory) }.unwrap();
    assert_eq!(told.kinds(), []);
    let ring = private.publish();

    assert_eq!(told.kinds(), [Kind::Overlap]);
    drop(take_back(lent));
    // SAFETY: the engines of these tests do nothing by themselves.
    drop(unsafe { ring.unpublish() });
}

/// A machine that wraps another, and says or does something else about its caches.
struct Bent<'c, M> {
    inside: &'c M,
    sync: BentSync<'c, M>,
}

struct BentSync<'c, M> {
    inside: &'c M,
    geometry: Geometry,
    left_out: Option<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Clean,
    Invalidate,
    CleanAndInvalidate,
    Complete,
    BeforeDoorbell,
    AfterCompletion,
    /// Only the last line.
    LastLine,
    /// Not the clean, but an invalidate after it.
    NoInvalidate,
    /// Nor what is beyond: one more line is cleaned.
    NothingBeyond,
    /// The first bytes are not discarded after a completion.
    NoDiscard,
    /// The barriers come, but for other memory.
    OwnBarriers,
    /// The barrier comes, but before the maintenance is complete.
    LateComplete,
}

impl<'c, M: Machine> Bent<'c, M> {
    fn new(inside: &'c M, left_out: Option<Step>) -> Self {
        let geometry = inside.sync().geometry();
        let sync = BentSync {
            inside,
            geometry,
            left_out,
        };
        Self { inside, sync }
    }
}

impl<M: Machine> BentSync<'_, M> {
    fn does(&self, step: Step) -> bool {
        self.left_out != Some(step)
    }

    fn own(&self, memory: NonNull<u8>) -> NonNull<u8> {
        if self.does(Step::OwnBarriers) {
            memory
        } else {
            NonNull::dangling()
        }
    }
}

// SAFETY: it deliberately does not keep the promises; the memory is a simulation's.
unsafe impl<M: Machine> DmaSync for BentSync<'_, M> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn fills_speculatively(&self) -> bool {
        self.inside.sync().fills_speculatively()
    }
    fn clean(&self, range: LineRange<'_>) {
        if !self.does(Step::LastLine) {
            let memory = NonNull::slice_from_raw_parts(range.start(), range.len_bytes() - 1);
            // SAFETY: it is part of the range.
            let shorter = unsafe { LineRange::new(memory, range.phys().start()) };
            self.inside.sync().clean(shorter.unwrap());
        } else if !self.does(Step::NothingBeyond) {
            let memory = NonNull::slice_from_raw_parts(range.start(), range.len_bytes() + 1);
            // SAFETY: simulated memory goes on behind it.
            let longer = unsafe { LineRange::new(memory, range.phys().start()) };
            self.inside.sync().clean(longer.unwrap());
        } else if self.does(Step::Clean) {
            self.inside.sync().clean(range);
        }
        if !self.does(Step::NoInvalidate) {
            // SAFETY: not at all: what the CPU stores would be lost.
            unsafe { self.inside.sync().invalidate(range) };
        }
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        if self.does(Step::Invalidate) {
            // SAFETY: passed on to the caller.
            unsafe { self.inside.sync().invalidate(range) };
        }
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        if self.does(Step::CleanAndInvalidate) {
            self.inside.sync().clean_and_invalidate(range);
        }
    }
    fn complete(&self) {
        if self.does(Step::Complete) && self.does(Step::LateComplete) {
            self.inside.sync().complete();
        }
    }
    fn before_doorbell(&self, memory: NonNull<u8>) {
        if self.does(Step::BeforeDoorbell) {
            self.inside.sync().before_doorbell(self.own(memory));
        }
        if !self.does(Step::LateComplete) {
            self.inside.sync().complete();
        }
    }
    fn after_completion(&self, memory: NonNull<u8>) {
        if self.does(Step::AfterCompletion) {
            self.inside.sync().after_completion(self.own(memory));
        }
        if !self.does(Step::NoDiscard) {
            let bytes = NonNull::slice_from_raw_parts(memory, 64);
            let phys = self.inside.direct_map().to_phys(bytes).unwrap();
            // SAFETY: simulated memory is mapped.
            let range = unsafe { LineRange::new(bytes, phys.start()) }.unwrap();
            // SAFETY: not at all: there may be others' bytes.
            unsafe { self.inside.sync().invalidate(range) };
        }
    }
}

// SAFETY: the parts are those of the machine inside, save the caches.
unsafe impl<'c, M: Machine> Machine for Bent<'c, M> {
    type Sync = BentSync<'c, M>;
    type Memory = M::Memory;
    type Coherent = M::Coherent;

    const OBSERVED: bool = M::OBSERVED;

    fn sync(&self) -> &Self::Sync {
        &self.sync
    }
    fn memory(&self) -> &Self::Memory {
        self.inside.memory()
    }
    fn coherent_source(&self) -> &Self::Coherent {
        self.inside.coherent_source()
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.inside.direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        self.inside.bus()
    }
    fn ledger(&self) -> &Ledger {
        self.inside.ledger()
    }
    fn observe(&self, notice: &Notice) {
        self.inside.observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.inside.observe_device(notice);
    }
}

#[test]
fn the_last_granule_is_not_shared_where_a_smaller_one_is_believed_in() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let mut bent = Bent::new(&checked, None);
    bent.sync.geometry = Geometry::new(16, 16).unwrap();
    let device = device(&bent);
    let mut owner = device.allocate::<Bidirectional>(256).unwrap();

    let first = lend_part::<_, FromDevice>(&device, &mut owner, 0..128);
    assert_eq!(told.kinds(), []);
    let second = lend_part::<_, FromDevice>(&device, &mut owner, 128..144);
    let [Finding::PartialGranule { subject, granule }] = told.take()[..] else {
        panic!("one finding");
    };
    assert_eq!((subject.dma, granule), (second.segment(), 64));
    let third = lend_part::<_, FromDevice>(&device, &mut owner, 144..160);
    assert_eq!(told.kinds(), [Kind::PartialGranule, Kind::Overlap]);
    drop((take_back(first), take_back(second), take_back(third)));
}

#[test]
fn a_neighbour_in_the_granule_of_a_lent_buffer_overlaps_although_the_cpu_owns_it() {
    let config = Config {
        unit: 16,
        line: 16,
        granule: 16,
        ..Config::default()
    };
    let (machine, told) = (SimMachine::new(config).unwrap(), Told::default());
    let mut wide = Bent::new(&machine, None);
    wide.sync.geometry = Geometry::new(16, 64).unwrap();
    let checked = check(&wide, &told);
    let mut narrow = Bent::new(&checked, None);
    narrow.sync.geometry = Geometry::new(16, 16).unwrap();
    let device = device(&narrow);

    let alone = device.allocate::<ToDevice>(16).unwrap().sync_for_device();
    let neighbour = device.allocate::<Bidirectional>(16).unwrap();
    assert_eq!(told.kinds(), []);
    let lent = neighbour.sync_for_device();
    assert_eq!(told.kinds(), [Kind::PartialGranule, Kind::Overlap]);
    drop(take_back(alone));
    let other = device.allocate::<Bidirectional>(16).unwrap();
    assert_eq!(told.kinds(), [Kind::Overlap]);
    drop((other, take_back(lent)));
}

#[test]
fn memory_from_a_forbidden_range_is_not_lent() {
    const PHYS: PhysAddr = PhysAddr::new(0x8000_0100);
    static STACKS: [PhysRange; 1] = [dma_api::known(PhysRange::new(PHYS, 0x100))];
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told).forbidding(&STACKS);
    let device = device(&checked);
    let mut owner = device.allocate::<Bidirectional>(512).unwrap();

    drop(take_back(lend_part::<_, ToDevice>(
        &device,
        &mut owner,
        0..256,
    )));
    assert_eq!(told.kinds(), []);
    drop(take_back(lend_part::<_, ToDevice>(
        &device,
        &mut owner,
        255..257,
    )));

    let [Finding::Forbidden { subject, range }] = told.take()[..] else {
        panic!("one finding");
    };
    assert_eq!(
        (subject.phys.start().get(), range),
        (0x8000_00ff, STACKS[0])
    );
}

// Maintenance and barriers.

/// What is found in one transfer on a machine whose caches leave a step out.
fn transfer_without<D: Direction>(machine: &SimMachine, left_out: Option<Step>) -> Vec<Finding> {
    let told = Told::default();
    let checked = check(machine, &told);
    let bent = Bent::new(&checked, left_out);
    let device = device(&bent);
    let mut buffer = device.allocate::<D>(200).unwrap();

    // What a driver does by itself before takes the place of no step.
    let memory = NonNull::from(buffer.as_mut_slice());
    let phys = machine.direct_map().to_phys(memory).unwrap();
    // SAFETY: simulated memory is mapped while the test runs.
    let range = unsafe { LineRange::new(memory, phys.start()) }.unwrap();
    checked.sync().clean_and_invalidate(range);
    checked.sync().complete();
    checked.sync().before_doorbell(memory.cast());
    drop(take_back(buffer.sync_for_device()));
    told.take()
}

/// What is missing in it: maintenance, or a barrier.
fn missing<D: Direction>(
    machine: &SimMachine,
    step: Step,
) -> Vec<Result<(Edge, Maintenance), Barrier>> {
    let found = transfer_without::<D>(machine, Some(step));
    let missing = found.into_iter().map(|finding| match finding {
        Finding::MissingMaintenance {
            edge, operation, ..
        } => Ok((edge, operation)),
        Finding::MissingBarrier { barrier, .. } => Err(barrier),
        other => panic!("{other}"),
    });
    missing.collect()
}

#[test]
fn each_step_left_out_of_a_transfer_is_missing() {
    let (speculative, on_access) = (machine(), filled_on_access());
    for machine in [&speculative, &on_access] {
        assert_eq!(transfer_without::<ToDevice>(machine, None), []);
        assert_eq!(transfer_without::<FromDevice>(machine, None), []);
        assert_eq!(transfer_without::<Bidirectional>(machine, None), []);
    }

    let cleaned = Ok((Edge::ForDevice, Maintenance::Clean));
    assert_eq!(missing::<ToDevice>(&speculative, Step::Clean), [cleaned]);
    assert_eq!(missing::<FromDevice>(&speculative, Step::Clean), [cleaned]);
    assert_eq!(missing::<ToDevice>(&on_access, Step::Clean), [cleaned]);
    let last = missing::<FromDevice>(&speculative, Step::LastLine);
    assert_eq!(last, [cleaned]);

    let invalidated = Ok((Edge::ForCpu, Maintenance::Invalidate));
    let found = missing::<Bidirectional>(&speculative, Step::Invalidate);
    assert_eq!(found, [invalidated]);
    assert_eq!(missing::<ToDevice>(&speculative, Step::Invalidate), []);
    let both = Ok((Edge::ForDevice, Maintenance::CleanAndInvalidate));
    let found = missing::<FromDevice>(&on_access, Step::CleanAndInvalidate);
    assert_eq!(found, [both]);

    let barrier = |step| missing::<FromDevice>(&speculative, step);
    let complete = Err(Barrier::Complete);
    assert_eq!(barrier(Step::Complete), [complete, complete]);
    let doorbell = Err(Barrier::BeforeDoorbell);
    assert_eq!(barrier(Step::BeforeDoorbell), [doorbell]);
    assert_eq!(barrier(Step::LateComplete), [doorbell, complete]);
    let completion = Err(Barrier::AfterCompletion);
    assert_eq!(barrier(Step::AfterCompletion), [completion]);
    assert_eq!(barrier(Step::OwnBarriers), [doorbell, completion]);
}

#[test]
fn more_than_the_moment_needs_is_wrong_or_beyond_and_what_it_needs_is_not_missing() {
    let machine = machine();
    let kinds = |found: Vec<Finding>| found.iter().map(Finding::kind).collect::<Vec<_>>();
    let wrong = [Kind::WrongMaintenance];

    let found = transfer_without::<ToDevice>(&machine, Some(Step::NoInvalidate));
    assert_eq!(kinds(found), wrong);
    let found = transfer_without::<FromDevice>(&machine, Some(Step::NothingBeyond));
    assert_eq!(kinds(found), [Kind::MaintainsBeyond]);
    let found = transfer_without::<ToDevice>(&machine, Some(Step::NoDiscard));
    assert_eq!(kinds(found), wrong);
    let found = transfer_without::<FromDevice>(&machine, Some(Step::NoDiscard));
    assert_eq!(kinds(found), []);

    // A device that snoops may have left the only copy in the cache.
    let told = Told::default();
    let checked = check(&machine, &told);
    let bent = Bent::new(&checked, Some(Step::NoDiscard));
    let device = Device::new(&bent, Limits::UNLIMITED, Snooping::Snoops).unwrap();
    drop(take_back(
        device.allocate::<FromDevice>(64).unwrap().sync_for_device(),
    ));
    assert_eq!(told.kinds(), wrong);
}

#[test]
fn what_is_asked_of_the_caches_is_passed_on() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let mut buffer = device(&checked).allocate::<ToDevice>(64).unwrap();
    let memory = NonNull::from(buffer.as_mut_slice());
    let phys = machine.direct_map().to_phys(memory).unwrap();
    // SAFETY: simulated memory is mapped while the test runs.
    let range = unsafe { LineRange::new(memory, phys.start()) }.unwrap();

    let sync = checked.sync();
    sync.clean(range);
    sync.clean_and_invalidate(range);
    // SAFETY: what the CPU wrote was just written back.
    unsafe { sync.invalidate(range) };
    sync.complete();
    sync.before_doorbell(memory.cast());
    sync.after_completion(memory.cast());

    let counts = machine.caches().counts();
    let lines = (
        counts.cleaned,
        counts.cleaned_and_invalidated,
        counts.invalidated,
    );
    assert_eq!(lines, (1, 1, 1));
    let barriers = (counts.completions, counts.doorbells, counts.hand_backs);
    assert_eq!(barriers, (1, 1, 1));
    assert_eq!(sync.geometry(), machine.caches().geometry());
    assert!(sync.fills_speculatively() && sync.invalidate_may_write_back());
    assert_eq!(told.kinds(), [Kind::WrongMaintenance]);
}

#[test]
fn coherent_memory_changes_hands_with_its_barriers() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let barriers = |left_out| {
        let bent = Bent::new(&checked, left_out);
        let device = device(&bent);
        let mut private = device.allocate_coherent(64).unwrap();
        let memory = NonNull::from(private.as_mut_slice()).cast();
        for _ in 0..2 {
            // What a driver does by itself before takes the place of no barrier.
            checked.sync().after_completion(memory);
            let ring = private.publish();
            checked.sync().before_doorbell(memory);
            // SAFETY: the engines of these tests do nothing by themselves.
            private = unsafe { ring.unpublish() };
        }
        drop(private);
        let barriers = told.take().into_iter().map(|finding| match finding {
            Finding::MissingBarrier { barrier, .. } => barrier,
            other => panic!("{other}"),
        });
        barriers.collect::<Vec<_>>()
    };

    assert_eq!(barriers(None), []);
    let found = barriers(Some(Step::BeforeDoorbell));
    assert_eq!(found, [Barrier::BeforeDoorbell; 2]);
    let found = barriers(Some(Step::AfterCompletion));
    assert_eq!(found, [Barrier::AfterCompletion; 2]);
}

#[test]
fn maintenance_concerns_buffers_and_blocks_and_nothing_else() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let request = Request::anywhere(NonZeroUsize::new(64).unwrap());
    let block = checked.memory().allocate(&request).unwrap();
    let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
    let dma = lent.segment();
    let buffer = take_back(lent);
    let sync = checked.sync();

    sync.clean(lines(&machine, dma));
    sync.clean_and_invalidate(lines(&machine, moved(dma, 3, 10)));
    let blocks = machine.bus().to_dma(block.phys()).unwrap();
    sync.clean(lines(&machine, blocks));
    assert_eq!(told.kinds(), []);

    sync.clean(lines(&machine, moved(dma, 64, 1)));
    let line = line!() - 1;
    let [
        Finding::MaintainsNothing {
            operation,
            phys,
            caller,
        },
    ] = told.take()[..]
    else {
        panic!("one finding");
    };
    assert_eq!((operation, phys.len_bytes()), (Maintenance::Clean, 1));
    assert_eq!((caller.file(), caller.line()), (file!(), line));

    sync.clean_and_invalidate(lines(&machine, moved(dma, 1, 64)));
    let [
        Finding::MaintainsBeyond {
            operation, subject, ..
        },
    ] = told.take()[..]
    else {
        panic!("one finding");
    };
    assert_eq!(operation, Maintenance::CleanAndInvalidate);
    assert_eq!(subject.dma, dma);

    checked.memory().free(block).unwrap();
    sync.clean(lines(&machine, blocks));
    assert_eq!(told.kinds(), [Kind::MaintainsNothing]);
    drop(buffer);
    sync.clean(lines(&machine, dma));
    assert_eq!(told.kinds(), [Kind::MaintainsNothing]);
}

#[test]
fn a_driver_does_not_maintain_what_the_device_writes_nor_discard_what_the_cpu_wrote() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let sync = checked.sync();
    let wrong = || {
        let wrong = told.take().into_iter().map(|finding| match finding {
            Finding::WrongMaintenance {
                operation, state, ..
            } => (operation, state),
            other => panic!("{other}"),
        });
        wrong.collect::<Vec<_>>()
    };

    let read = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
    let written = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
    let (read_lines, written_lines) = (
        lines(&machine, read.segment()),
        lines(&machine, written.segment()),
    );
    sync.clean(read_lines);
    assert_eq!(wrong(), []);
    sync.clean(written_lines);
    sync.clean_and_invalidate(lines(&machine, moved(written.segment(), 63, 1)));
    let both = Maintenance::CleanAndInvalidate;
    let expected = [
        (Maintenance::Clean, State::DeviceOwned),
        (both, State::DeviceOwned),
    ];
    assert_eq!(wrong(), expected);

    let (read, written) = (take_back(read), take_back(written));
    sync.clean(written_lines);
    sync.clean_and_invalidate(read_lines);
    assert_eq!(wrong(), []);
    // SAFETY: not at all: what the CPU stores would be lost.
    unsafe { sync.invalidate(read_lines) };
    assert_eq!(wrong(), [(Maintenance::Invalidate, State::CpuOwned)]);

    drop(written.sync_for_device());
    sync.clean(written_lines);
    assert_eq!(wrong(), [(Maintenance::Clean, State::Quarantined)]);
    drop(read);
}

#[test]
fn what_shares_a_line_with_discarded_bytes_is_touched() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let mut owner = device.allocate::<Bidirectional>(64).unwrap();
    let lent = lend_part::<_, ToDevice>(&device, &mut owner, 0..20);
    let rest = lines(&machine, moved(lent.segment(), 20, 44));

    // SAFETY: not at all: what the CPU stores would be lost.
    unsafe { checked.sync().invalidate(rest) };

    assert_eq!(told.kinds(), [Kind::WrongMaintenance; 2]);
    drop(take_back(lent));
}

#[test]
fn the_wrong_operation_on_the_way_back_is_found() {
    /// Cleans where it should invalidate.
    struct Cleans<'c, M>(&'c M);

    // SAFETY: it deliberately does not keep the promises; the memory is a simulation's.
    unsafe impl<M: Machine> DmaSync for Cleans<'_, M> {
        fn geometry(&self) -> Geometry {
            self.0.sync().geometry()
        }
        fn clean(&self, range: LineRange<'_>) {
            self.0.sync().clean(range);
        }
        unsafe fn invalidate(&self, range: LineRange<'_>) {
            self.0.sync().clean(range);
        }
        fn clean_and_invalidate(&self, range: LineRange<'_>) {
            self.0.sync().clean_and_invalidate(range);
        }
        fn complete(&self) {
            self.0.sync().complete();
        }
        fn before_doorbell(&self, memory: NonNull<u8>) {
            self.0.sync().before_doorbell(memory);
        }
        fn after_completion(&self, memory: NonNull<u8>) {
            self.0.sync().after_completion(memory);
        }
    }

    struct Machines<'c, M>(&'c M, Cleans<'c, M>);

    // SAFETY: the parts are those of the machine inside, save the caches.
    unsafe impl<'c, M: Machine> Machine for Machines<'c, M> {
        type Sync = Cleans<'c, M>;
        type Memory = M::Memory;
        type Coherent = M::Coherent;
        const OBSERVED: bool = true;

        fn sync(&self) -> &Self::Sync {
            &self.1
        }
        fn memory(&self) -> &Self::Memory {
            self.0.memory()
        }
        fn coherent_source(&self) -> &Self::Coherent {
            self.0.coherent_source()
        }
        fn direct_map(&self) -> DirectMap<'_> {
            self.0.direct_map()
        }
        fn bus(&self) -> BusMap<'_> {
            self.0.bus()
        }
        fn ledger(&self) -> &Ledger {
            self.0.ledger()
        }
        fn observe(&self, notice: &Notice) {
            self.0.observe(notice);
        }
    }

    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let cleans = Machines(&checked, Cleans(&checked));
    let device = device(&cleans);
    drop(take_back(
        device.allocate::<FromDevice>(64).unwrap().sync_for_device(),
    ));

    let expected = [Kind::WrongMaintenance, Kind::MissingMaintenance];
    assert_eq!(told.kinds(), expected);
}

// Starting a device.

#[test]
fn a_device_is_started_on_memory_that_it_was_given() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let (one, two) = (device(&checked), device(&checked));
    let lent = one.allocate::<Bidirectional>(64).unwrap().sync_for_device();
    let dma = lent.segment();
    let ring = one.allocate_coherent(64).unwrap().publish();
    let instead = || match told.take()[..] {
        [Finding::NotHandedOver { instead, .. }] => instead.map(|(_, state)| state),
        ref other => panic!("{other:?}"),
    };

    for access in [Access::Reads, Access::Writes] {
        checked.about_to_start(&one, dma, access);
        checked.about_to_start(&one, moved(dma, 10, 54), access);
        checked.about_to_start(&one, ring.segment(), access);
    }
    assert_eq!(told.kinds(), []);

    checked.about_to_start(&two, dma, Access::Reads);
    assert_eq!(instead(), None);
    checked.about_to_start(&one, moved(dma, 1, 64), Access::Reads);
    assert_eq!(instead(), Some(State::DeviceOwned));
    let buffer = take_back(lent);
    checked.about_to_start(&one, dma, Access::Reads);
    let line = line!() - 1;
    let [
        Finding::NotHandedOver {
            device,
            caller,
            instead: Some((subject, state)),
            ..
        },
    ] = told.take()[..]
    else {
        panic!("one finding");
    };
    assert_eq!((device, caller.line()), (one.id(), line));
    assert_eq!((subject.dma, state), (dma, State::CpuOwned));
    drop(buffer.sync_for_device());
    checked.about_to_start(&one, dma, Access::Reads);
    assert_eq!(instead(), Some(State::Quarantined));

    let rings = ring.segment();
    // SAFETY: the engines of these tests do nothing by themselves.
    let private = unsafe { ring.unpublish() };
    checked.about_to_start(&one, rings, Access::Writes);
    assert_eq!(instead(), Some(State::Private));
    drop(private);
    checked.about_to_start(&one, rings, Access::Writes);
    assert_eq!(instead(), None);
}

#[test]
fn the_same_bytes_lent_in_two_directions_are_told_apart() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let mut owner = device.allocate::<Bidirectional>(64).unwrap();
    let sent = take_back(lend_part::<_, ToDevice>(&device, &mut owner, 0..64));

    let lent = lend_part::<_, FromDevice>(&device, &mut owner, 0..64);
    checked.about_to_start(&device, lent.segment(), Access::Writes);
    drop((take_back(lent), sent));

    assert_eq!(told.kinds(), []);
}

#[test]
fn the_same_bytes_lent_to_two_devices_are_told_apart() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let (one, two) = (device(&checked), device(&checked));
    let mut owner = one.allocate::<Bidirectional>(64).unwrap();
    let first = lend_part::<_, ToDevice>(&one, &mut owner, 0..64);
    let second = lend_part::<_, ToDevice>(&two, &mut owner, 0..64);

    drop(take_back(second));
    checked.about_to_start(&one, first.segment(), Access::Reads);
    drop(take_back(first));

    assert_eq!(told.kinds(), []);
}

#[test]
fn what_is_held_while_the_same_bytes_leave_quarantine_stays_held() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let mut owner = device.allocate::<Bidirectional>(64).unwrap();
    let first = lend_part::<_, ToDevice>(&device, &mut owner, 0..64);
    let second = lend_part::<_, ToDevice>(&device, &mut owner, 0..64);

    let first = take_back(first);
    drop(second);
    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { device.assert_quiet() }.release_quarantine();
    drop((first, owner));

    assert_eq!(told.kinds(), []);
    assert_eq!(checked.counts().followed, 0);
}

#[test]
fn a_loan_in_slots_is_no_mistake_and_leaves_quarantine_with_all_of_them() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let paged = device.narrowed(Limits::UNLIMITED.page(128).unwrap());
    let paged = paged.unwrap();
    let owner = machine
        .memory()
        .allocate(&Request::anywhere(NonZeroUsize::new(256).unwrap()));
    let owner = owner.unwrap();
    let part = |at, len| {
        // SAFETY: it is inside the block.
        let start = unsafe { owner.memory().cast::<u8>().add(at) };
        NonNull::slice_from_raw_parts(start, len)
    };
    let pool = BouncePool::<_, [SlotWord; 1]>::new(&device, 512, 128).unwrap();
    let (in_pages, anywhere) = (Lender::new(&paged, &pool), Lender::new(&device, &pool));
    let before = checked.counts().followed;

    // SAFETY: the bytes are the test's, which leaves them alone.
    let loan = unsafe { in_pages.unwrap().lend_raw::<FromDevice>(part(3, 10)) };
    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { loan.unwrap().sync_for_cpu_short(5) }.unwrap();
    let list = [part(3, 10), part(64, 64), part(130, 126)];
    // SAFETY: the bytes are the test's, which leaves them alone.
    let loan = unsafe { anywhere.unwrap().lend_list::<FromDevice, 6>(&list) };
    drop(loan.unwrap());
    // Two parts of it are in slots, and two where they were.
    assert_eq!(checked.counts().followed, before + 4);
    // SAFETY: as above.
    let quiet = unsafe { device.assert_quiet() };
    assert_eq!(quiet.release_bounced(&pool), 1);
    assert_eq!(checked.counts().followed, before + 2);
    assert_eq!(quiet.release_quarantine(), 2);

    assert_eq!((told.kinds(), checked.counts().followed), (vec![], before));
    drop(pool);
    machine.memory().free(owner).unwrap();
    assert_eq!(told.kinds(), []);
}

#[test]
fn a_device_is_started_in_the_direction_of_its_memory() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let read = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
    let written = device.allocate::<FromDevice>(64).unwrap().sync_for_device();

    checked.about_to_start(&device, read.segment(), Access::Reads);
    checked.about_to_start(&device, written.segment(), Access::Writes);
    assert_eq!(told.kinds(), []);

    checked.about_to_start(&device, read.segment(), Access::Writes);
    checked.about_to_start(&device, written.segment(), Access::Reads);
    assert_eq!(told.kinds(), [Kind::WrongDirection; 2]);
    drop((take_back(read), take_back(written)));
}

#[test]
fn a_device_is_told_what_its_limits_allow() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
    let strict = device
        .narrowed(Limits::UNLIMITED.alignment(4).unwrap())
        .unwrap();

    checked.about_to_start(&strict, lent.segment(), Access::Reads);
    checked.about_to_start(&device, moved(lent.segment(), 1, 8), Access::Reads);
    assert_eq!(told.kinds(), []);
    checked.about_to_start(&strict, moved(lent.segment(), 1, 8), Access::Reads);

    let [Finding::OutsideLimits { error, .. }] = told.take()[..] else {
        panic!("one finding");
    };
    assert!(
        matches!(error, Error::Misaligned { alignment: 4, .. }),
        "{error}"
    );
    drop(take_back(lent));
}

#[test]
fn a_device_is_not_started_between_maintenance_and_barrier() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
    let (dma, range) = (lent.segment(), lines(&machine, lent.segment()));
    let start = || {
        checked.about_to_start(&device, dma, Access::Reads);
        told.kinds()
    };

    checked.sync().clean(range);
    assert_eq!(start(), [Kind::MissingBarrier]);
    checked.sync().before_doorbell(range.start());
    checked.sync().complete();
    assert_eq!(start(), [Kind::MissingBarrier]);
    checked.sync().before_doorbell(range.start());
    assert_eq!(start(), []);
    drop(take_back(lent));

    // A neighbour in the line is no concern of its.
    let mut owner = device.allocate::<Bidirectional>(64).unwrap();
    let first = lend_part::<_, ToDevice>(&device, &mut owner, 0..20);
    let second = lend_part::<_, ToDevice>(&device, &mut owner, 20..64);
    checked.sync().clean(lines(&machine, first.segment()));
    checked.about_to_start(&device, second.segment(), Access::Reads);
    assert_eq!(told.kinds(), []);
    checked.about_to_start(&device, first.segment(), Access::Reads);
    assert_eq!(told.kinds(), [Kind::MissingBarrier]);
    drop((take_back(first), take_back(second)));
}

// Bytes.

#[test]
fn a_claim_of_more_bytes_than_there_are_is_found() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let claim = |written| {
        let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
        // SAFETY: the engines of these tests do nothing by themselves.
        drop(unsafe { lent.sync_for_cpu_short(written) });
        told.kinds()
    };

    assert_eq!(claim(64), []);
    assert_eq!(claim(65), [Kind::Overlong]);
}

#[test]
fn a_store_to_a_buffer_that_is_being_sent_is_found_if_bytes_are_summed() {
    let (machine, told) = (machine(), Told::default());
    for (summed, stores, expected) in [
        (true, true, vec![Kind::WrittenWhileLent]),
        (true, false, vec![]),
        (false, true, vec![]),
    ] {
        let checked = check(&machine, &told);
        let checked = if summed { checked.with_sums() } else { checked };
        let device = device(&checked);
        let lent = device.allocate::<ToDevice>(160).unwrap().sync_for_device();
        let start = lines(&machine, lent.segment()).start();
        if stores {
            // SAFETY: byte 25 is inside; that the device owns it is the mistake.
            let place = unsafe { start.add(25) };
            // SAFETY: as above.
            unsafe { place.write(1) };
        }
        drop(take_back(lent));

        let found = told.take();
        let kinds: Vec<_> = found.iter().map(Finding::kind).collect();
        assert_eq!(kinds, expected);
        for finding in found {
            let Finding::WrittenWhileLent { first, len, .. } = finding else {
                panic!("{finding}");
            };
            assert_eq!((first, len), (20, 10));
        }
    }
}

#[test]
fn bytes_behind_those_that_the_device_says_it_wrote_stay_if_bytes_are_summed() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told).with_sums();
    let device = device(&checked);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);
    let receive = |written: usize, claim| {
        let lent = device
            .allocate::<FromDevice>(160)
            .unwrap()
            .sync_for_device();
        engine.write(lent.dma_addr(), &vec![7; written]).unwrap();
        // SAFETY: the engines of these tests do nothing by themselves.
        drop(unsafe { lent.sync_for_cpu_short(claim) }.unwrap());
        told.take()
    };

    for exact in [1, 10, 15, 160] {
        assert_eq!(receive(exact, exact), []);
    }
    // In the sixteenth in which the claim ends it does not show.
    assert_eq!(receive(20, 15), []);
    let [
        Finding::WrittenBeyond {
            written,
            first,
            len,
            ..
        },
    ] = receive(31, 15)[..]
    else {
        panic!("one finding");
    };
    assert_eq!((written, first, len), (15, 20, 20));
    // Without a claim all may be written.
    let lent = device
        .allocate::<Bidirectional>(160)
        .unwrap()
        .sync_for_device();
    engine.write(lent.dma_addr(), &[7; 160]).unwrap();
    drop(take_back(lent));
    assert_eq!(told.kinds(), []);
}

#[test]
fn writes_that_arrive_after_their_device_was_called_quiet_are_found_if_bytes_are_summed() {
    for (is_late, expected) in [(false, vec![]), (true, vec![Kind::WrittenBeyond])] {
        let (machine, told) = (machine(), Told::default());
        let checked = check(&machine, &told).with_sums();
        let device = device(&checked);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);
        let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
        let address = lent.dma_addr();
        let write = || {
            engine.write(address, &[7; 64]).unwrap();
            engine.settle();
        };
        drop(lent);
        if !is_late {
            write();
        }
        // SAFETY: not at all, if more is written.
        unsafe { device.assert_quiet() }.release_quarantine();

        let mut buffer = device.allocate::<FromDevice>(64).unwrap();
        buffer.as_mut_slice().fill(8);
        let lent = buffer.sync_for_device();
        assert_eq!(lent.dma_addr(), address);
        if is_late {
            write();
        }
        // SAFETY: this transfer was not even started.
        drop(unsafe { lent.sync_for_cpu_short(0) }.unwrap());

        assert_eq!(told.kinds(), expected);
    }
}

#[test]
fn a_device_that_says_it_wrote_and_changed_nothing_is_found_if_that_is_asked_for() {
    let (machine, told) = (machine(), Told::default());
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, NO_SNOOP);
    for expecting in [true, false] {
        let checked = check(&machine, &told);
        let checked = if expecting {
            checked.expecting_changes()
        } else {
            checked.with_sums()
        };
        let device = device(&checked);

        let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
        engine.write(lent.dma_addr(), &[1]).unwrap();
        drop(take_back(lent));
        let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
        // SAFETY: the engines of these tests do nothing by themselves.
        drop(unsafe { lent.sync_for_cpu_short(0) }.unwrap());
        drop(take_back(
            device
                .allocate::<Bidirectional>(64)
                .unwrap()
                .sync_for_device(),
        ));
        assert_eq!(told.kinds(), []);

        drop(take_back(
            device.allocate::<FromDevice>(64).unwrap().sync_for_device(),
        ));
        let expected: &[_] = if expecting {
            &[Kind::WrittenNothing]
        } else {
            &[]
        };
        assert_eq!(told.kinds(), expected);
    }
}

// The end of a device.

#[test]
fn a_device_that_is_removed_leaves_nothing_behind() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let (tidy, other) = (device(&checked), device(&checked));
    let kept = other.allocate::<ToDevice>(64).unwrap();
    drop(tidy.allocate::<ToDevice>(64).unwrap());
    drop(tidy.allocate::<ToDevice>(64).unwrap().sync_for_device());
    drop(tidy.allocate_coherent(64).unwrap().publish());
    // SAFETY: the engines of these tests do nothing by themselves.
    assert_eq!(unsafe { tidy.assert_quiet() }.release_quarantine(), 2);
    checked.device_removed(&tidy);
    assert_eq!(told.kinds(), []);

    let untidy = device(&checked);
    let (first, second) = untidy
        .allocate::<ToDevice>(128)
        .unwrap()
        .split_at(64)
        .unwrap();
    let second = second.sync_for_device();
    drop(untidy.allocate::<FromDevice>(64).unwrap().sync_for_device());
    let private = untidy.allocate_coherent(64).unwrap();
    let ring = untidy.allocate_coherent(64).unwrap().publish();
    checked.device_removed(&untidy);
    let states = told.take().into_iter().map(|finding| match finding {
        Finding::Leaked { subject, state } => {
            assert_eq!(subject.device, untidy.id());
            state
        }
        other => panic!("{other}"),
    });
    let expected = [
        State::CpuOwned,
        State::DeviceOwned,
        State::Quarantined,
        State::Private,
        State::Published,
    ];
    let states: Vec<_> = states.collect();
    assert!(
        expected.iter().all(|state| states.contains(state)),
        "{states:?}"
    );
    assert_eq!(states.len(), expected.len());

    // Tidying up is no use.
    drop((first, second, private, ring, kept));
    // SAFETY: as above.
    unsafe { untidy.assert_quiet() }.release_quarantine();
    assert_eq!(told.kinds(), []);
    checked.device_removed(&untidy);
    checked.device_removed(&other);
    assert_eq!(told.kinds(), []);
}

#[test]
fn a_device_that_was_removed_is_not_used() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
    checked.device_removed(&device);
    assert_eq!(told.kinds(), [Kind::Leaked]);
    let used = |line| match told.take()[..] {
        [Finding::UsedAfterRemoval { event, caller, .. }] => {
            assert_eq!(caller.map(Location::line), Some(line));
            event
        }
        ref other => panic!("{other:?}"),
    };

    checked.about_to_start(&device, lent.segment(), Access::Reads);
    assert_eq!(used(line!() - 1), None);
    let buffer = device.allocate::<ToDevice>(64).unwrap();
    assert_eq!(used(line!() - 1), Some(Event::Allocated));
    let other = buffer.sync_for_device();
    assert_eq!(used(line!() - 1), Some(Event::ForDevice));
    drop((take_back(other), take_back(lent)));
    assert_eq!(told.kinds(), [Kind::UsedAfterRemoval; 2]);
}

// Blocks.

/// A second right to the same block, which nobody may have.
fn forged(block: &Block) -> Block {
    // SAFETY: not at all: that is the mistake.
    unsafe { Block::new(block.memory(), block.phys().start()) }.unwrap()
}

/// The block of a buffer's segment.
fn block_of(machine: &SimMachine, dma: DmaRange) -> Block {
    let range = lines(machine, dma);
    let memory = NonNull::slice_from_raw_parts(range.start(), range.len_bytes());
    // SAFETY: not at all: the memory is a buffer's.
    unsafe { Block::new(memory, range.phys().start()) }.unwrap()
}

#[test]
fn a_block_is_not_freed_while_its_memory_is_in_use() {
    let free = |lent_state: fn(&Device<&Checked<&SimMachine, 16, &Told>>) -> DmaRange| {
        let (machine, told) = (machine(), Told::default());
        let checked = check(&machine, &told);
        let dma = lent_state(&device(&checked));
        assert_eq!(told.kinds(), []);
        checked.memory().free(block_of(&machine, dma)).unwrap();
        match told.take()[..] {
            [Finding::FreedInUse { subject, state, .. }] => {
                assert_eq!(subject.dma, dma);
                state
            }
            ref other => panic!("{other:?}"),
        }
    };

    let lent = free(|device| {
        let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
        let dma = lent.segment();
        core::mem::forget(lent);
        dma
    });
    assert_eq!(lent, State::DeviceOwned);
    let quarantined = free(|device| {
        let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
        lent.segment()
    });
    assert_eq!(quarantined, State::Quarantined);
    let handed_back = free(|device| {
        let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
        let dma = lent.segment();
        core::mem::forget(take_back(lent));
        dma
    });
    assert_eq!(handed_back, State::CpuOwned);
}

#[test]
fn a_block_is_freed_once() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let request = Request::anywhere(NonZeroUsize::new(64).unwrap());
    let block = checked.memory().allocate(&request).unwrap();
    let copy = forged(&block);
    checked.memory().free(block).unwrap();
    assert_eq!(told.kinds(), []);

    let refused = checked.memory().free(copy).unwrap_err();
    let line = line!() - 1;

    let [
        Finding::FreeRefused {
            block,
            error,
            caller,
        },
    ] = told.take()[..]
    else {
        panic!("one finding");
    };
    assert_eq!((block, error), (refused.value.phys(), refused.error));
    assert_eq!((caller.file(), caller.line()), (file!(), line));
}

#[test]
fn a_block_that_is_refused_is_still_handed_out() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let request = Request::anywhere(NonZeroUsize::new(64).unwrap());
    let block = checked.memory().allocate(&request).unwrap();
    let mut elsewhere = [0; 64];
    // SAFETY: not at all: the CPU does not see the block there.
    let moved = unsafe { Block::new((&mut elsewhere[..]).into(), block.phys().start()) }.unwrap();
    drop(checked.memory().free(moved).unwrap_err());
    assert_eq!(told.kinds(), [Kind::FreeRefused]);

    let dma = machine.bus().to_dma(block.phys()).unwrap();
    checked.sync().clean(lines(&machine, dma));
    checked.memory().free(block).unwrap();
    assert_eq!(told.kinds(), []);
}

/// Hands out the same block again and again, and takes everything back.
struct Generous<'m>(&'m SimMachine);

// SAFETY: it deliberately does not keep the promises; the memory is a simulation's.
unsafe impl DmaAllocator for Generous<'_> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let block = self.0.memory().allocate(request)?;
        let copy = forged(&block);
        self.0.memory().free(block)?;
        Ok(copy)
    }
    fn free(&self, _: Block) -> Result<(), Refused<Block>> {
        Ok(())
    }
}

// SAFETY: the parts are those of the machine inside, save the allocator.
unsafe impl<'m> Machine for Generous<'m> {
    type Sync = <SimMachine as Machine>::Sync;
    type Memory = Self;
    type Coherent = <SimMachine as Machine>::Coherent;

    fn sync(&self) -> &Self::Sync {
        self.0.sync()
    }
    fn memory(&self) -> &Self {
        self
    }
    fn coherent_source(&self) -> &Self::Coherent {
        self.0.coherent_source()
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.0.direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        self.0.bus()
    }
    fn ledger(&self) -> &Ledger {
        self.0.ledger()
    }
}

#[test]
fn an_allocator_that_breaks_its_promises_is_found() {
    let (machine, told) = (machine(), Told::default());
    let generous = Generous(&machine);
    let checked = check(&generous, &told);
    let device = device(&checked);

    let first = device.allocate::<ToDevice>(64).unwrap();
    assert_eq!(told.kinds(), []);
    let second = device.allocate::<ToDevice>(64).unwrap();
    let [Finding::HandedOutTwice { block, taken, .. }] = told.take()[..] else {
        panic!("one finding");
    };
    assert_eq!(block, taken);

    core::mem::forget(second);
    core::mem::forget(first);
    let elsewhere = machine
        .memory()
        .allocate(&Request::anywhere(NonZeroUsize::new(256).unwrap()));
    let block = elsewhere.unwrap();
    // SAFETY: it lies inside.
    let middle = unsafe { block.memory().cast::<u8>().add(64) };
    let part = NonNull::slice_from_raw_parts(middle, 64);
    let phys = block.phys().start().checked_add(64).unwrap();
    // SAFETY: not at all: the block was not handed out.
    let unknown = unsafe { Block::new(part, phys) }.unwrap();
    checked.memory().free(unknown).unwrap();
    assert_eq!(told.kinds(), [Kind::FreedUnknown]);
}

// The table.

#[test]
fn a_full_table_is_counted_and_no_finding_comes_of_it() {
    let (machine, told) = (machine(), Told::default());
    let checked: Checked<_, 2, _> = Checked::new(&machine, &told);
    let device = device(&checked);

    let lent: [_; 5] = core::array::from_fn(|_| {
        let buffer = device.allocate::<FromDevice>(128).unwrap();
        buffer.sync_for_device()
    });
    let counts = checked.counts();
    let lost = (counts.buffers_not_followed, counts.blocks_not_followed);
    assert_eq!((counts.followed, lost), (2, (3, 3)));
    for lent in &lent {
        checked.about_to_start(&device, lent.segment(), Access::Writes);
    }
    let [known, _, unknown, gone, parts] = lent;
    assert_eq!(told.kinds(), []);

    // What is in the table is judged as before, and of what is not nothing is said.
    checked.sync().clean(lines(&machine, unknown.segment()));
    let unknown = take_back(unknown).sync_for_device();
    assert_eq!(told.kinds(), []);
    checked.sync().clean(lines(&machine, known.segment()));
    assert_eq!(told.kinds(), [Kind::WrongMaintenance]);
    drop(gone);
    let (first, second) = take_back(parts).split_at(64).unwrap();
    drop((first.sync_for_device(), second));
    drop((take_back(known), take_back(unknown)));
    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { device.assert_quiet() }.release_quarantine();
    assert_eq!(told.kinds(), []);

    // What comes later is followed where there is room.
    let late = device.allocate::<ToDevice>(64).unwrap();
    assert_eq!(checked.counts().followed, 2);
    drop(late);
    assert_eq!((checked.counts().followed, told.kinds()), (1, vec![]));
}

#[test]
fn what_is_not_followed_is_not_mistaken_for_what_is() {
    let (machine, told) = (machine(), Told::default());

    // The same bytes, sent twice: only one of the two is followed.
    let checked: Checked<_, 2, _> = Checked::new(&machine, &told);
    let device_of_two = device(&checked);
    let mut owner = device_of_two.allocate::<Bidirectional>(64).unwrap();
    let first = lend_part::<_, ToDevice>(&device_of_two, &mut owner, 0..64);
    let second = lend_part::<_, ToDevice>(&device_of_two, &mut owner, 0..64);
    assert_eq!(checked.counts().buffers_not_followed, 1);
    drop((take_back(second), take_back(first)));
    assert_eq!(told.kinds(), []);

    // A part of what is followed comes back from a device.
    let checked: Checked<_, 1, _> = Checked::new(&machine, &told);
    let device_of_one = device(&checked);
    let mut owner = device_of_one.allocate::<Bidirectional>(128).unwrap();
    drop(take_back(lend_part::<_, FromDevice>(
        &device_of_one,
        &mut owner,
        0..64,
    )));
    assert_eq!(checked.counts().buffers_not_followed, 1);
    assert_eq!(told.kinds(), []);

    // Blocks alone.
    let checked: Checked<_, 1, _> = Checked::new(&machine, &told);
    let request = Request::anywhere(NonZeroUsize::new(64).unwrap());
    for _ in 0..2 {
        let block = checked.memory().allocate(&request).unwrap();
        let dma = machine.bus().to_dma(block.phys()).unwrap();
        checked.sync().clean(lines(&machine, dma));
    }
    assert_eq!(checked.counts().blocks_not_followed, 1);
    assert_eq!(told.kinds(), []);
}

#[test]
fn a_device_that_is_removed_when_there_is_no_room_for_it_is_counted() {
    let (machine, told) = (machine(), Told::default());
    let checked: Checked<_, 1, _> = Checked::new(&machine, &told);
    let devices: [_; 3] = core::array::from_fn(|_| device(&checked));
    for gone in &devices {
        checked.device_removed(gone);
    }

    assert_eq!(checked.counts().devices_not_followed, 2);
    let uses = devices.each_ref().map(|gone| {
        drop(gone.allocate::<ToDevice>(64).unwrap());
        told.kinds().len()
    });
    assert_eq!(uses, [1, 0, 0]);
}

#[test]
fn a_call_that_finds_more_than_the_sink_is_told_counts_it_all() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let mut owner = device.allocate::<Bidirectional>(64).unwrap();

    let lent: Vec<_> = (0..6)
        .map(|_| lend_part::<_, FromDevice>(&device, &mut owner, 0..64))
        .collect();

    let (told, counts) = (told.kinds(), checked.counts());
    assert_eq!(told, [Kind::Overlap; 1 + 2 + 3 + 4 + 4]);
    assert_eq!(counts.of(Kind::Overlap), 1 + 2 + 3 + 4 + 5);
    assert_eq!(counts.findings(), 15);
    assert_eq!(counts.of(Kind::Leaked), 0);
    lent.into_iter().map(take_back).for_each(drop);
}

#[test]
fn a_closure_is_a_sink() {
    let (machine, kinds) = (machine(), RefCell::new(Vec::new()));
    let note = |finding: &Finding| kinds.borrow_mut().push(finding.kind());
    let checked: Checked<_, 16, _> = Checked::new(&machine, note);
    let device = device(&checked);
    let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();

    checked.about_to_start(&device, lent.segment(), Access::Writes);

    assert_eq!(kinds.take(), [Kind::WrongDirection]);
    drop(take_back(lent));
}

#[test]
fn a_finding_says_what_where_and_the_numbers() {
    let (machine, told) = (machine(), Told::default());
    let checked = check(&machine, &told);
    let device = device(&checked);
    let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
    let made = line!() - 1;
    checked.about_to_start(&device, lent.segment(), Access::Reads);
    let started = line!() - 1;

    let [finding] = told.take()[..] else {
        panic!("one finding");
    };
    let file = file!();
    let expected = format!(
        "about to read 0x10000000..=0x1000003f at {file}:{started}:13, against the direction of \
         0x80000000..=0x8000003f received from device 1, there 0x10000000..=0x1000003f \
         (last used at {file}:{made}:59)"
    );
    assert_eq!(finding.to_string(), expected);
    let Finding::WrongDirection { subject, .. } = finding else {
        panic!("{finding}");
    };
    assert_eq!(subject.direction, Some(DataDirection::FromDevice));
    drop(take_back(lent));
}

#[test]
fn every_finding_is_said_in_words() {
    use Finding as F;

    let machine = machine();
    let phys = |start, len| PhysRange::new(PhysAddr::new(start), len).unwrap();
    let dma = |start, len| DmaRange::new(DmaAddr::new(start), len).unwrap();
    let subject = Subject {
        device: device(&machine).id(),
        phys: phys(0x1000, 64),
        dma: dma(0x3000, 64),
        direction: Some(DataDirection::FromDevice),
        caller: None,
    };
    let sent = Subject {
        direction: Some(DataDirection::ToDevice),
        ..subject
    };
    let ring = Subject {
        direction: None,
        ..subject
    };
    let (device, state, caller) = (subject.device, State::DeviceOwned, Location::caller());
    let (operation, access) = (Maintenance::Invalidate, Access::Writes);
    let (event, block, part) = (Event::Released, phys(0x1000, 4096), dma(0x3000, 8));
    let (written, first, len, granule) = (7, 12, 4, 64);
    let clean = Maintenance::Clean;

    let place = "0x1000..=0x103f";
    let there = "device 1, there 0x3000..=0x303f";
    let it = format!("{place} received from {there}");
    let at = format!("at {caller}");
    #[rustfmt::skip]
    let said = [
        (F::NotLive { event, subject }, format!("Released of what is not live: {it}")),
        (F::OutOfTurn { event, state, subject },
            format!("Released of what is the device's: {it}")),
        (F::Overlap { subject, other: sent, granule }, format!("{it}, overlaps, or shares a \
            granule of 64 with, {place} sent to {there}")),
        (F::PartialGranule { subject, granule }, format!("not whole granules of 64: {it}")),
        (F::Forbidden { subject, range: block },
            format!("lent from 0x1000..=0x1fff, which must not be: {it}")),
        (F::MissingMaintenance { subject, edge: Edge::ForCpu, operation },
            format!("handed back without invalidate of all of it: {it}")),
        (F::MissingMaintenance { subject, edge: Edge::ForDevice, operation: clean },
            format!("handed over without clean of all of it: {it}")),
        (F::MissingBarrier { subject: ring, barrier: Barrier::BeforeDoorbell },
            format!("without a barrier before the doorbell: {place} coherent for {there}")),
        (F::MaintainsNothing { operation, phys: block, caller },
            format!("invalidate of 0x1000..=0x1fff, which nobody has, {at}")),
        (F::MaintainsBeyond { operation: clean, phys: block, subject, caller },
            format!("clean of 0x1000..=0x1fff {at} goes beyond {it}")),
        (F::WrongMaintenance { operation, phys: block, subject, state, caller }, format!(
            "invalidate of 0x1000..=0x1fff {at}, where this is the device's: {it}")),
        (F::NotHandedOver { device, dma: part, access, instead: None, caller },
            format!("device 1 is about to write 0x3000..=0x3007, not its own, {at}")),
        (F::NotHandedOver { device, dma: part, access, instead: Some((ring, State::Private)), caller },
            format!("device 1 is about to write 0x3000..=0x3007, not its own, {at}; there, \
                private: {place} coherent for {there}")),
        (F::WrongDirection { dma: part, access, subject: sent, caller }, format!("about to write \
            0x3000..=0x3007 {at}, against the direction of {place} sent to {there}")),
        (F::OutsideLimits { device, dma: part, error: Error::ZeroLength, caller }, format!(
            "device 1 cannot be told 0x3000..=0x3007: {}, {at}", Error::ZeroLength)),
        (F::Overlong { subject, written }, format!("the device claims 7 bytes of {it}")),
        (F::WrittenWhileLent { subject: sent, first, len },
            format!("4 bytes at offset 12 changed while lent: {place} sent to {there}")),
        (F::WrittenBeyond { subject, written, first, len },
            format!("4 bytes at offset 12 changed, behind the 7 of {it}")),
        (F::WrittenNothing { subject, written },
            format!("the 7 bytes are what they were before: {it}")),
        (F::Leaked { subject, state },
            format!("its device was removed, it is the device's: {it}")),
        (F::UsedAfterRemoval { device, event: None, caller: Some(caller) },
            format!("device 1 was removed: it is about to be started {at}")),
        (F::UsedAfterRemoval { device, event: Some(event), caller: None },
            "device 1 was removed: Released".to_owned()),
        (F::FreedInUse { block, subject, state, caller }, format!(
            "0x1000..=0x1fff freed {at}, this in it is the device's: {it}")),
        (F::FreeRefused { block, error: Error::ZeroLength, caller },
            format!("not freed {at}: {}", Error::ZeroLength)),
        (F::FreedUnknown { block, caller },
            format!("0x1000..=0x1fff freed {at}, but not handed out")),
        (F::HandedOutTwice { block, taken: phys(0x1800, 1), caller },
            format!("0x1000..=0x1fff handed out {at}, somebody has 0x1800..=0x1800")),
    ];
    for (finding, words) in &said {
        assert_eq!(finding.to_string(), *words);
    }
    let kinds: Vec<_> = said.iter().map(|(finding, _)| finding.kind()).collect();
    assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind)));
}

#[test]
fn a_machine_inside_that_is_observed_is_told_as_well() {
    let (machine, inner_told, outer_told) = (machine(), Told::default(), Told::default());
    let inner = check(&machine, &inner_told);
    let outer = check(&inner, &outer_told);
    let device = device(&outer);

    let lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
    outer.sync().clean(lines(&machine, lent.segment()));
    drop(lent);
    assert_eq!(inner_told.kinds(), [Kind::WrongMaintenance]);
    assert_eq!(outer_told.kinds(), [Kind::WrongMaintenance]);

    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { device.assert_quiet() }.release_quarantine();
    for counts in [inner.counts(), outer.counts()] {
        assert_eq!((counts.followed, counts.findings()), (0, 1));
    }
    assert_eq!(outer.inside().counts(), inner.counts());
}

#[test]
fn a_machine_on_which_everything_snoops_is_checked_without_maintenance() {
    let (machine, told) = (machine().snooped(), Told::default());
    let checked = check(&machine, &told);
    let refused = Device::new(&checked, Limits::UNLIMITED, NO_SNOOP).map(drop);
    assert_eq!(refused, Err(Error::EverythingSnoops));
    let device = Device::new(&checked, Limits::UNLIMITED, Snooping::Snoops).unwrap();

    let lent = device
        .allocate::<Bidirectional>(100)
        .unwrap()
        .sync_for_device();
    checked.about_to_start(&device, lent.segment(), Access::Writes);
    drop(take_back(lent));

    assert_eq!(told.kinds(), []);
    assert_eq!(machine.0.caches().counts().cleaned, 0);
}

#[test]
fn a_checked_machine_can_be_a_static() {
    fn is_sync<T: Sync>(_: &T) {}
    static MACHINE: Checked<Nowhere, 4> = Checked::new(Nowhere, |_| {});

    is_sync(&MACHINE);
    assert_eq!(MACHINE.counts().findings(), 0);
    assert!(dma_api::check::ENTRY_LEN >= size_of::<PhysRange>());

    struct Nowhere;
}

#[test]
fn drivers_on_several_threads_are_not_mistaken_for_one_another() {
    let machine = common::without_caches(4 << 10);
    let print = |finding: &Finding| eprintln!("{finding}");
    let checked: Checked<_, 16, _> = Checked::new(machine, print).with_sums();

    std::thread::scope(|scope| {
        for len in [64, 100, 1000] {
            let checked = &checked;
            scope.spawn(move || {
                let device = device(checked);
                for _ in 0..300 {
                    if let Ok(buffer) = device.allocate::<Bidirectional>(len) {
                        let lent = buffer.sync_for_device();
                        checked.about_to_start(&device, lent.segment(), Access::Writes);
                        drop(take_back(lent));
                    }
                    drop(device.allocate_coherent(len).map(|memory| memory.publish()));
                    // SAFETY: the engines of these tests do nothing by themselves.
                    unsafe { device.assert_quiet() }.release_quarantine();
                }
                checked.device_removed(&device);
            });
        }
    });

    let counts = checked.counts();
    assert_eq!((counts.findings(), counts.followed), (0, 0));
    assert_eq!(counts.buffers_not_followed, 0);
}
