//! Drivers with memory of their own, on the simulated machine: streaming buffers and coherent descriptors from pools of
//! objects and from a reserve, and whom memory goes back to.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test promises that its pools fit, states that its engine is done, and panics"
)]

#[path = "common/lab.rs"]
mod lab;

use core::cell::RefCell;

use dma_api::{
    Alignment, Bidirectional, Block, BusMap, Checked, Coherent, Costs, Device, DeviceEvent,
    DeviceNotice, DirectMap, DmaAllocator, Error, Event, FromDevice, Ledger, Limits, Machine,
    Notice, ObjectLayout, ObjectPool, Quiesced, Refused, Request, Reserve, Snooping, ToDevice,
    UncachedMemory, WithMemory, check::Finding,
};
use sim::{Adversary, Config, DmaEngine, SimCaches, SimCoherent, SimMachine, SimPool, presets};

type Objects<'m> = ObjectPool<&'m SimPool, 2>;
type Own<'m, A> = WithMemory<'m, &'m SimMachine, A>;

const SEEDS: u64 = 4;

/// The machines of the field, each under every adversary.
fn machines() -> impl Iterator<Item = SimMachine> {
    presets::all().into_iter().flat_map(|config| {
        Adversary::all(SEEDS)
            .map(move |adversary| SimMachine::new(config.under(adversary)).unwrap())
    })
}

/// Blocks for 40 bytes that are alone in their granules.
fn layout(machine: &SimMachine) -> ObjectLayout {
    let granule = machine.config().geometry().unwrap().granule_alignment();
    ObjectLayout::new(40, granule).unwrap()
}

fn with<'m, A: DmaAllocator>(machine: &'m SimMachine, memory: &'m A) -> Own<'m, A> {
    // SAFETY: each of these tests' allocators draws from the machine's own memory, in granules of the machine.
    unsafe { WithMemory::new(machine, memory) }
}

fn device<M: Machine + Clone>(machine: M, snooping: Snooping) -> Device<M> {
    Device::new(machine, Limits::UNLIMITED, snooping).unwrap()
}

fn quiet<M: Machine + Clone>(device: &Device<M>) -> Quiesced<'_, M> {
    // SAFETY: the engines of these tests do nothing by themselves.
    unsafe { device.assert_quiet() }
}

/// Sends, receives, and leaves the neighbours alone.
fn exchange<M: Machine + Clone>(device: &Device<M>, engine: &DmaEngine<'_>, round: u8) {
    let mut question = device.allocate::<ToDevice>(40).unwrap();
    let mut neighbour = device.allocate::<Bidirectional>(40).unwrap();
    let answer = device.allocate::<FromDevice>(24).unwrap();
    assert_eq!(neighbour.as_slice(), [0; 40]);
    question.as_mut_slice().fill(round);

    let (question, answer) = (question.sync_for_device(), answer.sync_for_device());
    neighbour.as_mut_slice().fill(!round);
    let sent = engine.read(question.dma_addr(), 40).unwrap();
    engine
        .write(answer.dma_addr(), &[round ^ 0x55; 24])
        .unwrap();
    neighbour.as_mut_slice().fill(round ^ 0x0f);

    assert_eq!(sent, [round; 40]);
    // SAFETY: the engine has written what it was to write.
    let answer = unsafe { answer.sync_for_cpu() };
    assert_eq!(answer.received(), [round ^ 0x55; 24]);
    assert_eq!(neighbour.as_slice(), [round ^ 0x0f; 40]);
    // SAFETY: the engine has read what it was to read.
    drop(unsafe { question.sync_for_cpu() });
}

#[test]
fn objects_are_sent_and_received_on_every_machine() {
    for machine in machines() {
        let before = machine.pool().free_bytes();
        for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
            let objects = Objects::new(machine.pool(), layout(&machine));
            let device = device(with(&machine, &objects), snooping);
            let engine = DmaEngine::new(&machine, Limits::UNLIMITED, snooping);

            for round in 1..4 {
                exchange(&device, &engine, round);
            }

            let counts = objects.counts();
            assert_eq!((counts.in_use, counts.high_water, counts.chunks), (0, 3, 1));
            assert!(machine.pool().free_bytes() < before);
            assert_eq!(objects.shrink(), objects.layout().chunk_len());
            assert_eq!(machine.pool().free_bytes(), before);
            assert_eq!(machine.ledger().counts().refused, 0);
        }
    }
}

#[test]
fn a_reserve_serves_transfers_on_every_machine() {
    for machine in machines() {
        let before = machine.pool().free_bytes();
        let reserve = Reserve::<_, 1>::new(machine.pool(), layout(&machine));
        reserve.fill(3).unwrap();
        let device = device(with(&machine, &reserve), Snooping::DoesNotSnoop);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);

        for round in 1..4 {
            exchange(&device, &engine, round);
        }

        assert_eq!(reserve.free_blocks(), 3);
        drop(reserve);
        assert_eq!(machine.pool().free_bytes(), before);
    }
}

#[test]
fn the_checked_machine_has_nothing_to_say_about_objects() {
    for machine in machines() {
        let objects = Objects::new(machine.pool(), layout(&machine));
        let found = |finding: &Finding| panic!("{finding}");
        let checked = Checked::<_, 8, _>::new(with(&machine, &objects), found).with_sums();
        let device = device(&checked, Snooping::DoesNotSnoop);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);

        for round in 1..4 {
            exchange(&device, &engine, round);
        }
    }
}

#[test]
fn an_object_that_its_device_owns_keeps_its_chunk_until_the_device_is_quiet() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let (ours, theirs) = (
        Objects::new(machine.pool(), layout(&machine)),
        Objects::new(machine.pool(), layout(&machine)),
    );
    let own = device(with(&machine, &ours), Snooping::DoesNotSnoop);
    // The same machine, and one of the very same type with another pool.
    let plain = device(&machine, Snooping::DoesNotSnoop);
    let other = device(with(&machine, &theirs), Snooping::DoesNotSnoop);
    let before = machine.pool().free_bytes();

    let lent = own.allocate::<FromDevice>(40).unwrap().sync_for_device();
    let segment = lent.segment();
    drop(lent);
    drop(other.allocate::<FromDevice>(40).unwrap().sync_for_device());
    drop(plain.allocate::<FromDevice>(40).unwrap().sync_for_device());

    assert_eq!(machine.ledger().quarantined(0), Some((own.id(), segment)));
    assert_eq!((ours.counts().in_use, ours.shrink()), (1, 0));
    assert_eq!(quiet(&plain).release_quarantine(), 1);
    assert_eq!((ours.counts().in_use, theirs.counts().in_use), (1, 1));
    assert_eq!(quiet(&other).release_quarantine(), 1);
    assert_eq!((ours.counts().in_use, theirs.counts().in_use), (1, 0));
    assert_eq!(quiet(&own.clone()).release_quarantine(), 1);

    let len = ours.layout().chunk_len();
    assert_eq!((ours.shrink(), theirs.shrink()), (len, len));
    assert_eq!(machine.pool().free_bytes(), before);
    let counts = machine.ledger().counts();
    assert_eq!(
        (counts.quarantined, counts.leaked, counts.refused),
        (0, 0, 0)
    );
}

#[test]
fn the_chunk_of_an_object_in_quarantine_outlives_the_pool() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let before = machine.pool().free_bytes();
    let chunk = {
        let objects = Objects::new(machine.pool(), layout(&machine));
        let device = device(with(&machine, &objects), Snooping::DoesNotSnoop);
        objects.reserve(65).unwrap();
        drop(device.allocate::<FromDevice>(40).unwrap().sync_for_device());
        objects.layout().chunk_len()
    };

    assert_eq!(machine.pool().free_bytes(), before - chunk);
    assert_eq!(machine.ledger().counts().quarantined, 1);
}

#[test]
fn an_object_in_parts_goes_back_with_the_last() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let layout = ObjectLayout::new(256, Alignment::new(64).unwrap()).unwrap();
    let objects = Objects::new(machine.pool(), layout);
    let device = device(with(&machine, &objects), Snooping::DoesNotSnoop);

    let whole = device.allocate::<ToDevice>(256).unwrap();
    let (head, tail) = whole.split_at(128).unwrap();
    let tail = tail.sync_for_device();
    drop(head);
    assert_eq!(objects.counts().in_use, 1);
    drop(tail);
    assert_eq!(quiet(&device).release_quarantine(), 1);

    assert_eq!(objects.counts().in_use, 0);
    assert_eq!(machine.ledger().counts().refused, 0);
}

#[test]
fn blocks_that_would_share_a_granule_are_refused() {
    let machine = SimMachine::new(Config::default()).unwrap();
    for (len, alignment) in [(24, 8), (32, 32), (96, 32)] {
        let alignment = Alignment::new(alignment).unwrap();
        let layout = ObjectLayout::new(len, alignment).unwrap();
        let objects = Objects::new(machine.pool(), layout);
        let device = device(with(&machine, &objects), Snooping::DoesNotSnoop);

        let refused = device.allocate::<ToDevice>(8).map(drop);

        let capacity = objects.capacity();
        assert_eq!(refused, Err(Error::NeverFits { len: 64, capacity }));
    }
}

/// Two descriptors side by side: the CPU fills one while the device completes the other.
fn descriptors<M: Machine + Clone>(device: &Device<M>, engine: &DmaEngine<'_>) {
    // Whole granules: of what leaves quarantine the simulated machine is told the bytes that the device had, no more.
    let len = usize::try_from(device.granule().get()).unwrap();
    let mut one = device.allocate_coherent(len).unwrap().publish();
    let mut two = device.allocate_coherent(len).unwrap().publish();
    let write = |descriptor: &mut Coherent<M>, value: u64| {
        descriptor.write(0, &value).unwrap();
        descriptor.before_doorbell();
    };
    for round in 1..4_u64 {
        write(&mut one, round);
        assert_eq!(engine.read(one.dma_addr(), 8).unwrap(), round.to_ne_bytes());
        engine
            .write(two.dma_addr(), &(round << 8).to_ne_bytes())
            .unwrap();
        write(&mut one, !round);
        engine.settle();
        two.after_completion();
        assert_eq!(two.read::<u64>(0), Ok(round << 8));
        write(&mut two, 0);
        assert_eq!(
            engine.read(one.dma_addr(), 8).unwrap(),
            (!round).to_ne_bytes()
        );
    }
    // SAFETY: the engine has done what it was told.
    drop(unsafe { one.unpublish() });
    // One is dropped while the device knows it.
    drop(two);
}

/// Objects that are soiled when they come back. The simulated machine notices a store by the change that it makes, so that
/// without this it would not see zeros stored where the CPU sees old zeros already.
struct Soiled<'m>(Objects<'m>);

// SAFETY: both methods are those of the objects.
unsafe impl DmaAllocator for Soiled<'_> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.0.allocate(request)
    }
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let memory = block.memory();
        // SAFETY: the block has its memory for itself.
        unsafe { memory.cast::<u8>().write_bytes(0xa5, memory.len()) };
        self.0.free(block)
    }
}

#[test]
fn coherent_descriptors_are_objects_through_the_alias() {
    let mut seen = 0;
    for machine in machines().filter(|machine| machine.config().uncached_alias) {
        let soiled = Soiled(Objects::new(machine.pool(), layout(&machine)));
        let objects = &soiled.0;
        let device = device(with(&machine, &soiled), Snooping::DoesNotSnoop);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);

        descriptors(&device, &engine);
        assert_eq!((objects.counts().in_use, objects.shrink()), (1, 0));
        assert_eq!(quiet(&device).release_quarantine(), 1);

        // The memory is cached again.
        exchange(&device, &engine, 9);
        assert_eq!(objects.counts().in_use, 0);
        assert_eq!(machine.ledger().counts().refused, 0);
        seen += 1;
    }
    assert!(seen > 10, "{seen} machines have an alias");
}

/// The simulated machine, whose coherent memory is objects from its uncached memory.
struct WithDescriptors<'m> {
    machine: &'m SimMachine,
    descriptors: UncachedMemory<&'m Objects<'m>>,
}

// SAFETY: the parts are the machine's but for the coherent memory, which is uncached memory of it.
unsafe impl<'m> Machine for WithDescriptors<'m> {
    type Sync = SimCaches;
    type Memory = SimPool;
    type Coherent = UncachedMemory<&'m Objects<'m>>;

    const OBSERVED: bool = true;

    fn sync(&self) -> &SimCaches {
        self.machine.sync()
    }
    fn memory(&self) -> &SimPool {
        self.machine.memory()
    }
    fn coherent_source(&self) -> &Self::Coherent {
        &self.descriptors
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
        self.machine.observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.machine.observe_device(notice);
    }
}

#[test]
fn coherent_descriptors_are_objects_of_uncached_memory() {
    let mut seen = 0;
    for machine in machines() {
        let SimCoherent::Uncached(uncached) = machine.coherent_source() else {
            continue;
        };
        let before = uncached.free_bytes();
        let objects = Objects::new(uncached, layout(&machine).chunks_of(1024).unwrap());
        let board = WithDescriptors {
            machine: &machine,
            // SAFETY: all of that memory is uncached.
            descriptors: unsafe { UncachedMemory::new(&objects) },
        };
        let device = device(&board, Snooping::DoesNotSnoop);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);

        descriptors(&device, &engine);
        assert_eq!((objects.counts().in_use, objects.shrink()), (1, 0));
        assert_eq!(quiet(&device).release_quarantine(), 1);

        assert_eq!(objects.shrink(), 1024);
        assert_eq!(uncached.free_bytes(), before);
        assert_eq!(machine.ledger().counts().refused, 0);
        seen += 1;
    }
    assert!(seen > 50, "{seen} machines have uncached memory");
}

#[test]
fn everything_but_the_memory_is_the_inner_machines() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let objects = Objects::new(machine.pool(), layout(&machine));
    let own = with(&machine, &objects);
    let snooped = SimMachine::new(Config::default()).unwrap().snooped();
    // SAFETY: nothing is allocated.
    let own_snooped = unsafe { WithMemory::new(&snooped, &objects) };

    fn constants<M: Machine>(_: &M) -> (bool, bool) {
        (M::EVERYTHING_SNOOPS, M::OBSERVED)
    }
    assert_eq!(constants(&own), constants(&machine));
    assert_eq!(constants(&own_snooped), constants(&snooped));
    assert!(core::ptr::eq(own.sync(), machine.sync()));
    assert!(core::ptr::eq(own.ledger(), machine.ledger()));
    assert!(core::ptr::eq(
        own.coherent_source(),
        machine.coherent_source()
    ));
    assert!(core::ptr::eq(*own.inside(), &raw const machine));
    assert_eq!(own.bus().windows(), machine.bus().windows());
    let costs = Some(Costs {
        copy_byte: 1,
        maintain_line: 2,
        complete: 3,
    });
    let lab = lab::Lab::with_costs(costs);
    // SAFETY: it is the memory it has.
    assert_eq!(unsafe { WithMemory::new(lab, lab.memory()) }.costs(), costs);
    assert!(core::ptr::eq(own.memory(), &raw const objects));
    assert!(core::ptr::eq(own.clone().memory(), own.memory()));
}

/// The simulated machine, and what it was told.
struct Listening<'m> {
    machine: &'m SimMachine,
    buffers: RefCell<Vec<Event>>,
    devices: RefCell<Vec<DeviceEvent>>,
}

// SAFETY: the parts are the machine's.
unsafe impl<'m> Machine for Listening<'m> {
    type Sync = SimCaches;
    type Memory = SimPool;
    type Coherent = SimCoherent;

    const OBSERVED: bool = true;

    fn sync(&self) -> &SimCaches {
        self.machine.sync()
    }
    fn memory(&self) -> &SimPool {
        self.machine.memory()
    }
    fn coherent_source(&self) -> &SimCoherent {
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
        self.buffers.borrow_mut().push(notice.event);
        self.machine.observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.devices.borrow_mut().push(notice.event);
        self.machine.observe_device(notice);
    }
}

#[test]
fn the_machine_inside_is_told_of_everything() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let objects = Objects::new(machine.pool(), layout(&machine));
    let listening = Listening {
        machine: &machine,
        buffers: RefCell::default(),
        devices: RefCell::default(),
    };
    // SAFETY: the objects are of the machine's memory, in its granules.
    let own = unsafe { WithMemory::new(&listening, &objects) };

    let device = device(own, Snooping::DoesNotSnoop);
    drop(device.allocate::<ToDevice>(40).unwrap());
    let _ = quiet(&device);

    let buffers = [Event::Allocated, Event::Released];
    assert_eq!(*listening.buffers.borrow(), buffers);
    let devices = [DeviceEvent::Made, DeviceEvent::Quiet];
    assert_eq!(*listening.devices.borrow(), devices);
}
