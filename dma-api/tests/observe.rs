//! A machine that wants to know is told what its buffers and devices go through, in order, between the right steps.
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    reason = "a machine promises that its parts fit; a test states that its engine is done, and panics"
)]

use core::{cell::RefCell, ptr::NonNull};

use dma_api::{
    Bidirectional, BouncePool, BusMap, DataDirection, Device, DeviceEvent, DeviceNotice, DirectMap,
    DmaAddr, DmaRange, DmaSync, Event, FromDevice, Geometry, Ledger, Lender, Limits, LineRange,
    Machine, Notice, SlotWord, Snooping, ToDevice,
};
use sim::{Config, SimCaches, SimMachine};

/// What the library does, as a machine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Memory(Event),
    Device(DeviceEvent),
    Clean,
    Invalidate,
    CleanAndInvalidate,
    Complete,
    BeforeDoorbell,
    AfterCompletion,
}
use Seen::{
    AfterCompletion, BeforeDoorbell, Clean, CleanAndInvalidate, Complete, Invalidate, Memory,
};

/// The simulated machine, and all that it is asked and told.
struct Watching<'m> {
    machine: &'m SimMachine,
    sync: Watched<'m>,
    notices: RefCell<Vec<Notice>>,
    device_notices: RefCell<Vec<DeviceNotice>>,
}

struct Watched<'m> {
    caches: &'m SimCaches,
    seen: RefCell<Vec<Seen>>,
}

impl<'m> Watching<'m> {
    fn new(machine: &'m SimMachine) -> Self {
        Self {
            machine,
            sync: Watched {
                caches: machine.caches(),
                seen: RefCell::default(),
            },
            notices: RefCell::default(),
            device_notices: RefCell::default(),
        }
    }

    /// A device, with nothing seen so far.
    fn device(&self, snooping: Snooping) -> Device<&Self> {
        let device = Device::new(self, Limits::UNLIMITED, snooping).unwrap();
        self.seen();
        device
    }

    /// What was seen since the last call.
    fn seen(&self) -> Vec<Seen> {
        self.sync.seen.take()
    }

    /// The events among it.
    fn events(&self) -> Vec<Event> {
        let events = self.seen().into_iter().filter_map(|seen| match seen {
            Memory(event) => Some(event),
            _ => None,
        });
        events.collect()
    }
}

// SAFETY: the parts are those of one simulated machine; what is told is only written down.
unsafe impl<'m> Machine for Watching<'m> {
    type Sync = Watched<'m>;
    type Memory = <SimMachine as Machine>::Memory;
    type Coherent = <SimMachine as Machine>::Coherent;

    const OBSERVED: bool = true;

    fn sync(&self) -> &Self::Sync {
        &self.sync
    }
    fn memory(&self) -> &Self::Memory {
        self.machine.memory()
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
    fn observe(&self, notice: &Notice) {
        self.sync.note(Memory(notice.event));
        self.notices.borrow_mut().push(*notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.sync.note(Seen::Device(notice.event));
        self.device_notices.borrow_mut().push(*notice);
    }
}

impl Watched<'_> {
    fn note(&self, seen: Seen) {
        self.seen.borrow_mut().push(seen);
    }
}

// SAFETY: everything is passed on.
unsafe impl DmaSync for Watched<'_> {
    fn geometry(&self) -> Geometry {
        self.caches.geometry()
    }
    fn fills_speculatively(&self) -> bool {
        self.caches.fills_speculatively()
    }
    fn clean(&self, range: LineRange<'_>) {
        self.note(Clean);
        self.caches.clean(range);
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        self.note(Invalidate);
        // SAFETY: passed on to the caller.
        unsafe { self.caches.invalidate(range) };
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.note(CleanAndInvalidate);
        self.caches.clean_and_invalidate(range);
    }
    fn complete(&self) {
        self.note(Complete);
        self.caches.complete();
    }
    fn before_doorbell(&self, memory: NonNull<u8>) {
        self.note(BeforeDoorbell);
        self.caches.before_doorbell(memory);
    }
    fn after_completion(&self, memory: NonNull<u8>) {
        self.note(AfterCompletion);
        self.caches.after_completion(memory);
    }
}

const NO_SNOOP: Snooping = Snooping::DoesNotSnoop;

fn machine(fills_speculatively: bool) -> SimMachine {
    SimMachine::new(Config {
        fills_speculatively,
        ..Config::default()
    })
    .unwrap()
}

#[test]
fn a_buffer_that_is_not_zeroed_is_told_of_as_such() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = watching.device(NO_SNOOP);

    // SAFETY: nobody reads it.
    drop(unsafe { device.allocate_dirty::<FromDevice>(100) }.unwrap());
    let expected = [Memory(Event::AllocatedDirty), Memory(Event::Released)];
    assert_eq!(watching.seen(), expected);
}

#[test]
fn a_transfer_is_told_before_and_after_its_maintenance_and_barriers() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = watching.device(NO_SNOOP);

    let buffer = device.allocate::<FromDevice>(100).unwrap();
    assert_eq!(watching.seen(), [Memory(Event::Allocated)]);

    let lent = buffer.sync_for_device();
    let expected = [
        Memory(Event::ForDevice),
        Clean,
        Complete,
        BeforeDoorbell,
        Memory(Event::HandedOver),
    ];
    assert_eq!(watching.seen(), expected);

    // SAFETY: the engines of these tests do nothing by themselves.
    let buffer = unsafe { lent.sync_for_cpu() };
    let expected = [
        Memory(Event::ForCpu),
        AfterCompletion,
        Invalidate,
        Complete,
        Memory(Event::HandedBack { written: 100 }),
    ];
    assert_eq!(watching.seen(), expected);

    drop(buffer);
    assert_eq!(watching.seen(), [Memory(Event::Released)]);
}

#[test]
fn where_lines_are_filled_on_access_or_the_device_snoops_the_events_are_the_same() {
    let machine = machine(false);
    let watching = Watching::new(&machine);
    let transfer = |snooping| {
        let device = watching.device(snooping);
        let lent = device
            .allocate::<Bidirectional>(1)
            .unwrap()
            .sync_for_device();
        // SAFETY: the engines of these tests do nothing by themselves.
        drop(unsafe { lent.sync_for_cpu() });
        watching.seen()
    };

    let maintained = [
        Memory(Event::Allocated),
        Memory(Event::ForDevice),
        CleanAndInvalidate,
        Complete,
        BeforeDoorbell,
        Memory(Event::HandedOver),
        Memory(Event::ForCpu),
        AfterCompletion,
        Memory(Event::HandedBack { written: 1 }),
        Memory(Event::Released),
    ];
    assert_eq!(transfer(NO_SNOOP), maintained);
    let ordered = maintained
        .into_iter()
        .filter(|seen| !matches!(seen, CleanAndInvalidate | Complete));
    assert_eq!(transfer(Snooping::Snoops), ordered.collect::<Vec<_>>());

    let maintained = |notice: &Notice| notice.maintained;
    let notices = watching.notices.borrow();
    assert!(notices.iter().take(6).all(maintained));
    assert!(!notices.iter().skip(6).any(maintained));
}

#[test]
fn a_hand_back_says_what_the_device_is_said_to_have_written() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = watching.device(NO_SNOOP);
    let written = || {
        let events = watching.events();
        let found = events.into_iter().find_map(|event| match event {
            Event::HandedBack { written } => Some(written),
            _ => None,
        });
        found.unwrap()
    };

    let mut lent = device.allocate::<FromDevice>(64).unwrap().sync_for_device();
    for claim in [0, 1, 64] {
        // SAFETY: the engines of these tests do nothing by themselves.
        let buffer = unsafe { lent.sync_for_cpu_short(claim) }.unwrap();
        assert_eq!((written(), buffer.received().len()), (claim, claim));
        lent = buffer.sync_for_device();
    }
    // SAFETY: as above.
    let overlong = unsafe { lent.sync_for_cpu_short(65) }.unwrap_err();
    assert_eq!((written(), overlong.value.received().len()), (65, 0));

    let lent = device.allocate::<ToDevice>(64).unwrap().sync_for_device();
    // SAFETY: as above.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(written(), 0);
}

#[test]
fn a_split_is_told_of_the_whole_and_each_part_has_its_own_life() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = watching.device(NO_SNOOP);
    let buffer = device.allocate::<Bidirectional>(300).unwrap();

    let refused = buffer.split_at(65).unwrap_err();
    assert_eq!(watching.events(), [Event::Allocated]);
    let (first, second) = refused.value.split_at(128).unwrap();
    drop(first);
    drop(second.sync_for_device());

    let expected = [
        Event::Split { at: 128 },
        Event::Released,
        Event::ForDevice,
        Event::HandedOver,
        Event::Quarantined,
    ];
    assert_eq!(watching.events(), expected);
    let notices = watching.notices.borrow();
    let [whole, split, first, second, ..] = notices.as_slice() else {
        panic!("{notices:?}");
    };
    let place = |notice: &Notice| (notice.memory, notice.owned, notice.dma);
    assert_eq!(place(split), place(whole));
    let lengths = |notice: &Notice| {
        let (owned, dma) = (notice.owned.len_bytes(), notice.dma.len_bytes());
        (notice.memory.len(), owned, dma)
    };
    assert_eq!(lengths(whole), (300, 320, 300));
    assert_eq!(lengths(first), (128, 128, 128));
    assert_eq!(lengths(second), (172, 192, 172));
    assert_eq!(first.memory.cast::<u8>(), whole.memory.cast());
    assert_eq!(second.dma.last(), whole.dma.last());
    assert_eq!(second.owned.last(), whole.owned.last());
}

#[test]
fn what_is_dropped_while_lent_is_told_again_when_quarantine_releases_it() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = watching.device(NO_SNOOP);
    let lent = device.allocate::<FromDevice>(10).unwrap().sync_for_device();
    let dma = lent.segment();
    watching.seen();

    drop(lent);
    assert_eq!(watching.seen(), [Memory(Event::Quarantined)]);

    // SAFETY: the engines of these tests do nothing by themselves.
    let quiet = unsafe { device.assert_quiet() };
    assert_eq!(watching.seen(), [Seen::Device(DeviceEvent::Quiet)]);
    assert_eq!(quiet.release_quarantine(), 1);
    let released = Seen::Device(DeviceEvent::Unquarantined { dma });
    assert_eq!(watching.seen(), [released]);
}

#[test]
fn a_loan_in_slots_is_told_of_with_its_granules_and_when_its_slots_leave_quarantine() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = watching
        .device(NO_SNOOP)
        .narrowed(Limits::UNLIMITED.page(128).unwrap())
        .unwrap();
    let owner = device
        .allocate::<Bidirectional>(128)
        .unwrap()
        .sync_for_device();
    let phys = machine.bus().to_phys(owner.segment()).unwrap();
    let memory = machine.direct_map().to_cpu(phys).unwrap().cast::<u8>();
    // SAFETY: it is inside the buffer, whose offset in a page is at most 64.
    let part = NonNull::slice_from_raw_parts(unsafe { memory.add(3) }, 10);
    let pool = BouncePool::<_, [SlotWord; 1]>::new(&device, 512, 128).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    watching.seen();

    // SAFETY: the bytes are ours; their handle above is not used meanwhile.
    let loan = unsafe { lender.lend_raw::<FromDevice>(part) }.unwrap();
    let segment = loan.segment().unwrap();
    let first = DmaAddr::new(segment.start().get() & !63);
    let padded = DmaRange::new(first, 13).unwrap();
    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { loan.sync_for_cpu_short(4) }.unwrap();
    let expected = [
        Event::Borrowed,
        Event::ForDevice,
        Event::HandedOver,
        Event::ForCpu,
        Event::HandedBack { written: 7 },
        Event::Released,
    ];
    assert_eq!(watching.events(), expected);
    let last = *watching.notices.borrow().last().unwrap();
    let told = (last.dma, last.memory.len(), last.owned.len_bytes());
    assert_eq!(told, (padded, 13, 64));
    let at = machine.direct_map().to_phys(last.memory).unwrap();
    assert_eq!(
        (at.start(), machine.bus().to_dma(at)),
        (last.owned.start(), Ok(padded))
    );

    // SAFETY: as above.
    let other = NonNull::slice_from_raw_parts(unsafe { memory.add(64) }, 10);
    // SAFETY: as above.
    let held = unsafe { lender.lend_raw::<FromDevice>(other) }.unwrap();
    // SAFETY: as above.
    let dropped = unsafe { lender.lend_raw::<FromDevice>(part) }.unwrap();
    let second = dropped.segment().unwrap().start().get() & !127;
    assert_eq!(second, (first.get() & !127) + 128);
    drop(dropped);
    watching.seen();
    // SAFETY: as above.
    let quiet = unsafe { device.assert_quiet() };
    assert_eq!(quiet.release_bounced(&pool), 1);
    let dma = DmaRange::new(DmaAddr::new(second), 128).unwrap();
    let released = [
        Seen::Device(DeviceEvent::Quiet),
        Seen::Device(DeviceEvent::Unquarantined { dma }),
    ];
    assert_eq!(watching.seen(), released);
    // SAFETY: as above.
    unsafe { held.sync_for_cpu() };
    // SAFETY: as above.
    drop(unsafe { owner.sync_for_cpu() });
}

#[test]
fn memory_lent_in_place_is_borrowed_and_released() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = watching.device(NO_SNOOP);
    let owner = device
        .allocate::<Bidirectional>(128)
        .unwrap()
        .sync_for_device();
    let phys = machine.bus().to_phys(owner.segment()).unwrap();
    let memory = machine.direct_map().to_cpu(phys).unwrap();
    watching.seen();

    // SAFETY: the bytes are ours; their handle above is not used meanwhile.
    let lent = unsafe { device.lend_in_place::<ToDevice>(memory) }.unwrap();
    // SAFETY: the engines of these tests do nothing by themselves.
    drop(unsafe { lent.sync_for_cpu() });

    let expected = [
        Event::Borrowed,
        Event::ForDevice,
        Event::HandedOver,
        Event::ForCpu,
        Event::HandedBack { written: 0 },
        Event::Released,
    ];
    assert_eq!(watching.events(), expected);
    let last = *watching.notices.borrow().last().unwrap();
    assert_eq!((last.memory, last.owned), (memory, phys));
    // SAFETY: as above.
    drop(unsafe { owner.sync_for_cpu() });
}

#[test]
fn coherent_memory_is_private_published_private_again_and_released() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    for snooping in [NO_SNOOP, Snooping::Snoops] {
        let device = watching.device(snooping);

        let ring = device.allocate_coherent(100).unwrap().publish();
        let expected = [
            Memory(Event::Allocated),
            BeforeDoorbell,
            Memory(Event::Published),
        ];
        assert_eq!(watching.seen(), expected);

        // SAFETY: the engines of these tests do nothing by themselves.
        let private = unsafe { ring.unpublish() };
        assert_eq!(
            watching.seen(),
            [AfterCompletion, Memory(Event::Unpublished)]
        );

        drop(private);
        assert_eq!(watching.seen(), [Memory(Event::Released)]);
        let last = *watching.notices.borrow().last().unwrap();
        assert_eq!((last.direction, last.maintained), (None, false));

        let ring = device.allocate_coherent(100).unwrap().publish();
        let dma = ring.segment();
        watching.seen();
        drop(ring);
        // SAFETY: as above.
        unsafe { device.assert_quiet() }.release_quarantine();
        let expected = [
            Memory(Event::Quarantined),
            Seen::Device(DeviceEvent::Quiet),
            Seen::Device(DeviceEvent::Unquarantined { dma }),
        ];
        assert_eq!(watching.seen(), expected);
    }
}

#[test]
fn a_notice_says_what_it_is_about_and_where_the_library_was_called() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = Device::new(&watching, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let made = line!() - 1;
    let lent = device.allocate::<ToDevice>(10).unwrap().sync_for_device();
    let lent_at = line!() - 1;
    let (address, device_id) = (lent.segment(), device.id());
    drop(lent);

    let notices = watching.notices.borrow();
    for notice in notices.iter() {
        assert_eq!((notice.device, notice.dma), (device_id, address));
        assert_eq!(notice.memory.len(), 10);
        let phys = machine.bus().to_phys(notice.dma).unwrap();
        assert_eq!(notice.owned.start(), phys.start());
        assert_eq!(notice.owned.len_bytes(), 64);
        assert_eq!(machine.direct_map().to_cpu(phys), Ok(notice.memory));
        assert_eq!(notice.direction, Some(DataDirection::ToDevice));
    }
    let callers = notices.iter().map(|notice| {
        let caller = notice.caller?;
        assert!(caller.file().ends_with("observe.rs"), "{caller}");
        Some(caller.line())
    });
    let lent_at = Some(lent_at);
    assert_eq!(
        callers.collect::<Vec<_>>(),
        [lent_at, lent_at, lent_at, None]
    );
    let device_notices = watching.device_notices.borrow();
    let [device_notice] = device_notices.as_slice() else {
        panic!("{device_notices:?}");
    };
    assert_eq!(device_notice.event, DeviceEvent::Made);
    assert_eq!(device_notice.device, device_id);
    assert_eq!(device_notice.caller.line(), made);
}

#[test]
fn whatever_is_called_the_caller_is_the_driver() {
    let machine = machine(true);
    let watching = Watching::new(&machine);
    let device = Device::new(&watching, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let (mut owner, buffer) = device
        .allocate::<Bidirectional>(128)
        .unwrap()
        .split_at(64)
        .unwrap();
    // SAFETY: the engines of these tests do nothing by themselves.
    let buffer = unsafe { buffer.sync_for_device().sync_for_cpu() };
    // SAFETY: as above.
    drop(unsafe { buffer.sync_for_device().sync_for_cpu_short(1) });
    // SAFETY: the owner's bytes are borrowed meanwhile.
    let lent = unsafe { device.lend_in_place::<FromDevice>(owner.as_mut_slice().into()) };
    drop(lent.unwrap());
    let ring = device.allocate_coherent(64).unwrap().publish();
    // SAFETY: as above.
    drop(unsafe { ring.unpublish() });
    // SAFETY: as above.
    unsafe { device.assert_quiet() }.release_quarantine();

    let notices = watching.notices.borrow();
    for notice in notices.iter() {
        let dropped = matches!(notice.event, Event::Released | Event::Quarantined);
        let file = notice.caller.map(core::panic::Location::file);
        assert_eq!(file, (!dropped).then_some(file!()), "{notice:?}");
    }
    let device_notices = watching.device_notices.borrow();
    for notice in device_notices.iter() {
        assert_eq!(notice.caller.file(), file!(), "{notice:?}");
    }
    assert_eq!((notices.len(), device_notices.len()), (19, 3));
}

#[test]
fn a_machine_that_does_not_ask_is_told_nothing() {
    struct Deaf<'m>(&'m SimMachine);

    // SAFETY: the parts are those of one simulated machine.
    unsafe impl<'m> Machine for Deaf<'m> {
        type Sync = SimCaches;
        type Memory = <SimMachine as Machine>::Memory;
        type Coherent = <SimMachine as Machine>::Coherent;

        fn sync(&self) -> &SimCaches {
            self.0.sync()
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
            panic!("{notice:?}");
        }
        fn observe_device(&self, notice: &DeviceNotice) {
            panic!("{notice:?}");
        }
    }

    let machine = machine(true);
    let deaf = Deaf(&machine);
    let device = Device::new(&deaf, Limits::UNLIMITED, NO_SNOOP).unwrap();
    let buffer = device.allocate::<FromDevice>(128).unwrap();
    let (first, second) = buffer.split_at(64).unwrap();
    // SAFETY: the engines of these tests do nothing by themselves.
    drop(unsafe { first.sync_for_device().sync_for_cpu() });
    drop(second.sync_for_device());
    drop(device.allocate_coherent(64).unwrap().publish());
    // SAFETY: as above.
    assert_eq!(unsafe { device.assert_quiet() }.release_quarantine(), 2);
}
