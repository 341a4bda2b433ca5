//! What a ring says and refuses, what becomes of it, and what drivers may not do with it.
#![expect(unsafe_code, reason = "a test states that its device is done")]

use core::cell::Cell;

use dma_api::{
    Bidirectional, Device, Error, Event, FromDevice, Limits, Snooping, ToDevice,
    isolated::{G64, G256},
    ring::Ring,
};
use sim::{Adversary, Config, DmaEngine, Oracle, SimMachine};

use crate::without::Without;

fn machine() -> SimMachine {
    SimMachine::new(Config::default()).unwrap()
}

fn device(machine: &SimMachine) -> Device<&SimMachine> {
    Device::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap()
}

#[test]
fn a_ring_knows_its_size_and_its_place() {
    let machine = machine();
    let device = device(&machine);

    let ring: Ring<_, u32, FromDevice> = device.allocate_ring_from(5).unwrap();

    assert_eq!((ring.entries(), ring.segment().len_bytes()), (5, 20));
    assert_eq!(ring.dma_addr(), ring.segment().start());
    assert_eq!(
        format!("{ring:?}"),
        format!("Ring<FromDevice>(5 entries, {:?})", ring.segment())
    );
    // SAFETY: no device knows of it.
    drop(unsafe { ring.sync_for_cpu() });
    assert_eq!(machine.pool().free_bytes(), 16 << 10);
}

#[test]
fn entries_are_aligned_whatever_the_device_demands() {
    #[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
    #[repr(C, align(64))]
    struct Aligned([u64; 8]);

    let machine = SimMachine::new(Config {
        unit: 8,
        granule: 64,
        ..Config::default()
    });
    let machine = machine.unwrap();
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::Snoops).unwrap();
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::Snoops);
    let before = device.allocate::<ToDevice>(8).unwrap();

    let mut ring: Ring<_, Aligned, ToDevice> = device.allocate_ring_to(1).unwrap();

    assert!(ring.dma_addr().get().is_multiple_of(64));
    ring.put(0, &Aligned([7; 8])).unwrap();
    assert_eq!(
        engine.read(ring.dma_addr(), 8).unwrap(),
        7_u64.to_ne_bytes()
    );
    // SAFETY: the engine does nothing by itself.
    drop((before, unsafe { ring.sync_for_cpu() }));
}

#[test]
fn an_entry_that_is_not_there_is_refused_and_nothing_is_touched() {
    let machine = machine();
    let device = device(&machine);
    let mut to: Ring<_, u64, ToDevice> = device.allocate_ring_to(3).unwrap();
    let mut from: Ring<_, u64, FromDevice> = device.allocate_ring_from(3).unwrap();
    let before = machine.counts();

    let out = |offset| Error::OutOfBounds {
        offset,
        len: 8,
        buffer_len: 24,
    };
    assert_eq!(to.put(3, &1), Err(out(24)));
    assert_eq!(to.put_in_order(3, &1, &2), Err(out(24)));
    assert_eq!(from.poll(3, |_| true), Err(out(24)));
    assert_eq!(from.fetch(3), Err(out(24)));
    assert_eq!(from.fetch(usize::MAX), Err(out(usize::MAX)));
    assert_eq!(from.fetch(usize::MAX / 8), Err(out(usize::MAX - 7)));

    assert_eq!(machine.counts(), before);
    assert_eq!((to.put(2, &1), from.fetch(2)), (Ok(()), Ok(0)));
    // SAFETY: no device knows of them.
    drop(unsafe { to.sync_for_cpu() });
    // SAFETY: as above.
    drop(unsafe { from.sync_for_cpu() });
}

#[test]
fn a_ring_of_nothing_or_of_too_much_is_refused() {
    let machine = machine();
    let device = device(&machine);

    let none = device.allocate_ring_to::<u64>(0);
    assert_eq!(none.map(drop), Err(Error::ZeroLength));
    let none = device.allocate_ring_from::<[u8; 0]>(4);
    assert_eq!(none.map(drop), Err(Error::ZeroLength));
    let entries = usize::MAX / 8 + 1;
    let wraps = Error::LengthOverflow {
        len: entries as u64,
        multiple: 8,
    };
    let many = device.allocate_ring_both::<[u64; 32], G256>(entries / 32 + 1);
    assert!(matches!(
        many.map(drop),
        Err(Error::LengthOverflow { multiple: 256, .. })
    ));
    assert_eq!(
        device.allocate_ring_from::<u64>(entries).map(drop),
        Err(wraps)
    );
    let full = device.allocate_ring_to::<u64>(16 << 10);
    assert!(matches!(full.map(drop), Err(Error::NeverFits { .. })));
    assert_eq!(machine.pool().free_bytes(), 16 << 10);
}

#[test]
fn a_ring_that_is_dropped_goes_into_quarantine() {
    let machine = machine();
    let device = device(&machine);

    drop(device.allocate_ring_to::<u64>(4).unwrap());
    drop(device.allocate_ring_from::<u64>(4).unwrap());

    assert_eq!(machine_quarantined(&device), 2);
    assert!(machine.pool().free_bytes() < 16 << 10);
    // SAFETY: no device knows of them.
    assert_eq!(unsafe { device.assert_quiet() }.release_quarantine(), 2);
    assert_eq!(machine.pool().free_bytes(), 16 << 10);
}

fn machine_quarantined(device: &Device<&SimMachine>) -> usize {
    use dma_api::Machine;
    device.machine().ledger().counts().quarantined
}

#[test]
fn what_the_cpu_put_and_the_device_wrote_last_comes_back_with_the_ring() {
    for config in crate::configs() {
        for adversary in Adversary::all(crate::SEEDS) {
            let machine = SimMachine::new(config.under(adversary)).unwrap();
            let device = Device::new(&machine, Limits::UNLIMITED, config.snooping).unwrap();
            let engine = DmaEngine::new(&machine, Limits::UNLIMITED, config.snooping);
            let mut ring = device.allocate_ring_both::<[u8; 256], G256>(2).unwrap();
            ring.put(0, &[1; 256]).unwrap();
            // Somebody looks before the device has written.
            assert_eq!(ring.poll(0, |entry| entry[0] == 2).unwrap(), None);
            engine.write(ring.dma_addr(), &[2; 100]).unwrap();

            // SAFETY: the engine does nothing by itself.
            let ring = unsafe { ring.sync_for_cpu() };
            assert_eq!(ring.as_slice()[..100], [2; 100], "{machine:?}");
            assert_eq!(ring.as_slice()[100..256], [1; 156]);
            assert_eq!(ring.as_slice()[256..], [0; 256]);
        }
    }
}

#[test]
fn a_machine_is_told_of_each_entry() {
    let machine = machine();
    let without = Without::new(&machine, None);
    let device = Device::new(&without, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();

    let mut ring = device.allocate_ring_both::<[u8; 64], G64>(2).unwrap();
    ring.put(1, &[1; 64]).unwrap();
    assert_eq!(ring.poll(1, |entry| entry[0] == 2), Ok(None));
    assert_eq!(ring.poll(1, |entry| entry[0] == 1), Ok(Some([1; 64])));
    assert_eq!(ring.fetch(0), Ok([0; 64]));
    // SAFETY: no device knows of it.
    drop(unsafe { ring.sync_for_cpu() });

    let (at, len, written) = (64, 64, 128);
    let expected = [
        Event::Allocated,
        Event::ForDevice,
        Event::HandedOver,
        Event::Opened,
        Event::Putting { at, len },
        Event::Put { at, len },
        Event::Looking { at, len },
        Event::Looked { at, len },
        Event::Looking { at, len },
        Event::Looked { at, len },
        Event::Fetched { at, len },
        Event::Looking { at: 0, len },
        Event::Fetched { at: 0, len },
        Event::ForCpu,
        Event::HandedBack { written },
        Event::Released,
    ];
    assert_eq!(*without.told.borrow(), expected);
}

#[test]
fn an_entry_that_is_done_at_the_first_look_alone_is_not_done() {
    let machine = machine();
    let device = device(&machine);
    let mut ring: Ring<_, u64, FromDevice> = device.allocate_ring_from(1).unwrap();
    let looks = Cell::new(0);

    let entry = ring.poll(0, |_| {
        looks.set(looks.get() + 1);
        looks.get() == 1
    });

    assert_eq!((entry, looks.get()), (Ok(None), 2));
    // SAFETY: no device knows of it.
    drop(unsafe { ring.sync_for_cpu() });
}

#[test]
fn an_entry_that_the_device_has_not_given_back_is_not_put_again() {
    let machine = machine();
    let device = device(&machine);
    let mut ring: Ring<_, [u8; 64], Bidirectional> =
        device.allocate_ring_both::<_, G64>(2).unwrap();
    ring.put(0, &[1; 64]).unwrap();
    ring.put(0, &[2; 64]).unwrap();

    let found = machine.verdict().unwrap_err();
    assert_eq!(found.violation.oracle, Oracle::CpuTouchedDevices);
}

#[test]
fn a_device_that_writes_to_the_cpus_entries_is_found() {
    let machine = machine();
    let device = device(&machine);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    let ring = device.allocate_ring_to::<u64>(4).unwrap();
    engine.write(ring.dma_addr(), &[1]).unwrap();

    let found = machine.verdict().unwrap_err();
    assert_eq!(found.violation.oracle, Oracle::DeviceStrayed);
}
