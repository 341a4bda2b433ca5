//! What the checked machine says of rings, beyond calls that are left out.
#![expect(
    unsafe_code,
    reason = "a test copies handles, names lines, and states that its device is done"
)]

use core::cell::RefCell;

use dma_api::{
    Checked, Device, DmaRange, DmaSync, Limits, LineRange, Machine, Snooping,
    check::{Access, Finding, Kind},
    isolated::G64,
};
use sim::{Config, SimMachine};

use crate::without::{Call, During, Without};

type Kinds = RefCell<Vec<Kind>>;

fn machine() -> SimMachine {
    // The wrong things that are done here are for the checker to find.
    let judges = false;
    SimMachine::new(Config {
        judges,
        ..Config::default()
    })
    .unwrap()
}

fn checked<'m>(
    machine: &'m SimMachine,
    kinds: &'m Kinds,
) -> Checked<&'m SimMachine, 8, impl Fn(&Finding) + use<'m>> {
    Checked::new(machine, |finding: &Finding| {
        kinds.borrow_mut().push(finding.kind());
    })
}

/// The lines of what a device sees at `dma`.
fn lines<M: Machine>(machine: &M, dma: DmaRange) -> LineRange<'_> {
    let phys = machine.bus().to_phys(dma).unwrap();
    let memory = machine.direct_map().to_cpu(phys).unwrap();
    // SAFETY: the memory is mapped where the maps say.
    unsafe { LineRange::new(memory, phys.start()) }.unwrap()
}

/// Cleans, invalidates, and does both.
fn maintain<M: Machine>(machine: &M, dma: DmaRange) {
    machine.sync().clean(lines(machine, dma));
    // SAFETY: what is lost is a simulation's.
    unsafe { machine.sync().invalidate(lines(machine, dma)) };
    machine.sync().clean_and_invalidate(lines(machine, dma));
}

#[test]
fn a_ring_is_maintained_by_the_side_that_writes_it_and_by_no_other() {
    let (machine, kinds) = (machine(), Kinds::default());
    let checked = checked(&machine, &kinds);
    let device = Device::new(&checked, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
    let to = device.allocate_ring_to::<u64>(8).unwrap();
    let from = device.allocate_ring_from::<u64>(8).unwrap();
    let both = device.allocate_ring_both::<[u8; 64], G64>(1).unwrap();
    assert_eq!(kinds.take(), []);

    maintain(&&checked, to.segment());
    assert_eq!(kinds.take(), [Kind::WrongMaintenance], "the invalidate");
    maintain(&&checked, from.segment());
    assert_eq!(kinds.take(), [Kind::WrongMaintenance], "the clean");
    maintain(&&checked, both.segment());
    assert_eq!(kinds.take(), []);

    // SAFETY: no device knows of them.
    unsafe { to.sync_for_cpu() }.as_mut_slice().fill(1);
    // SAFETY: as above.
    drop(unsafe { from.sync_for_cpu() });
    drop(both);
    assert_eq!(kinds.take(), []);
    // SAFETY: as above.
    assert_eq!(unsafe { device.assert_quiet() }.release_quarantine(), 1);
    checked.device_removed(&device);
    assert_eq!(kinds.take(), []);
}

#[test]
fn a_device_is_started_on_a_ring_in_its_direction() {
    let (machine, kinds) = (machine(), Kinds::default());
    let checked = checked(&machine, &kinds);
    let device = Device::new(&checked, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
    let mut to = device.allocate_ring_to::<u64>(8).unwrap();
    let mut from = device.allocate_ring_from::<u64>(8).unwrap();
    to.put(1, &1).unwrap();
    assert_eq!(from.poll(0, |entry| *entry == 1), Ok(None));

    checked.about_to_start(&device, to.segment(), Access::Reads);
    let entry = DmaRange::new(from.dma_addr(), 8).unwrap();
    checked.about_to_start(&device, entry, Access::Writes);
    assert_eq!(kinds.take(), []);
    checked.about_to_start(&device, to.segment(), Access::Writes);
    checked.about_to_start(&device, from.segment(), Access::Reads);
    assert_eq!(kinds.take(), [Kind::WrongDirection; 2]);

    // SAFETY: no device was started.
    drop(unsafe { to.sync_for_cpu() });
    // SAFETY: as above.
    drop(unsafe { from.sync_for_cpu() });
}

#[test]
fn a_ring_that_was_copied_and_taken_back_has_no_entries() {
    let (machine, kinds) = (machine(), Kinds::default());
    let checked = checked(&machine, &kinds);
    let device = Device::new(&checked, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
    let ring = device.allocate_ring_both::<[u8; 64], G64>(1).unwrap();
    // SAFETY: it is not, which is to be found.
    let mut copy = unsafe { core::ptr::read(&raw const ring) };
    // SAFETY: no device knows of it.
    let buffer = unsafe { ring.sync_for_cpu() };
    assert_eq!(kinds.take(), []);

    copy.put(0, &[1; 64]).unwrap();
    assert_eq!(kinds.borrow().first(), Some(&Kind::OutOfTurn));
    core::mem::forget((copy, buffer));
}

#[test]
fn a_barrier_for_other_memory_is_not_an_entrys_own() {
    let (machine, kinds) = (machine(), Kinds::default());
    let checked = checked(&machine, &kinds);
    let without = Without::new(&checked, Some((During::Put, Call::BeforeDoorbell)));
    let device = Device::new(&without, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
    let other = device.allocate_ring_from::<u64>(8).unwrap();
    let mut ring = device.allocate_ring_to::<u64>(8).unwrap();
    let (outside, elsewhere) = (&checked, lines(&&checked, other.segment()).start());
    without.hook(move |during, call| {
        if (during, call) == (During::Put, Call::BeforeDoorbell) {
            outside.sync().before_doorbell(elsewhere);
        }
    });

    ring.put(0, &1).unwrap();
    assert_eq!(kinds.take(), [Kind::MissingBarrier]);
    without.hook(|_, _| ());
    // SAFETY: no device knows of them.
    drop(unsafe { ring.sync_for_cpu() });
    // SAFETY: as above.
    drop(unsafe { other.sync_for_cpu() });
}
