//! Values alone in their granules by their type, on the simulated machine under every adversary: the device writes them while
//! the CPU writes what lies beside them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(unsafe_code, reason = "a test states that its device is done")]

use core::mem::offset_of;

use dma_api::{
    Bidirectional, Checked, CpuOwned, Device, DmaMask, Error, FromDevice, Limits, Machine,
    Snooping,
    check::Finding,
    isolated::{G16, G32, G64, G128, G256, Granule, Isolated},
    zerocopy::{FromBytes, Immutable, IntoBytes},
};
use sim::{Adversary, Config, DmaEngine, SimMachine, Task, presets};
use static_assertions::const_assert;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const SEEDS: u64 = 8;

/// What a driver has: a field that the device writes between two that the CPU writes.
#[repr(C)]
struct Shared<T, G: Granule> {
    a: u32,
    status: Isolated<T, G>,
    b: u32,
}

macro_rules! whole_granules {
    ($($G:ident)+) => {$(
        const_assert!(align_of::<Isolated<u8, $G>>() == $G::BYTES);
        const_assert!(size_of::<Isolated<u8, $G>>() == $G::BYTES);
        const_assert!(size_of::<Isolated<[u8; $G::BYTES], $G>>() == $G::BYTES);
        const_assert!(size_of::<Isolated<[u16; $G::BYTES], $G>>() == 2 * $G::BYTES);
        const_assert!(size_of::<Isolated<[u8; 257], $G>>() % $G::BYTES == 0);
        const_assert!(align_of::<Isolated<Aligned, $G>>() % $G::BYTES == 0);
        const_assert!(size_of::<Isolated<Aligned, $G>>() % $G::BYTES == 0);
        const_assert!(offset_of!(Shared<u8, $G>, status) == $G::BYTES);
        const_assert!(offset_of!(Shared<u8, $G>, b) == 2 * $G::BYTES);
        const_assert!(offset_of!(Shared<[u8; 257], $G>, b) % $G::BYTES == 0);
    )+};
}
whole_granules! { G16 G32 G64 G128 G256 }

#[repr(align(128))]
struct Aligned(#[expect(dead_code, reason = "its size counts")] [u8; 128]);

/// A group of fields that the device writes, and reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Status {
    state: u8,
    reason: u8,
    count: u16,
}

type Checking<'m> = Checked<&'m SimMachine, 8>;

fn print(finding: &Finding) {
    eprintln!("{finding}");
}

/// Runs a scenario on every machine, for a device that snoops and for one that does not: as the machine is, and checked,
/// which must find nothing.
macro_rules! everywhere {
    ($scenario:ident) => {
        for machine in presets::all() {
            for adversary in Adversary::all(SEEDS) {
                let machine = SimMachine::new(machine.under(adversary)).unwrap();
                for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
                    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, snooping);
                    let device = Device::new(&machine, Limits::UNLIMITED, snooping).unwrap();
                    let outcome = $scenario(&device, engine);
                    assert!(outcome.is_ok(), "{outcome:?} {snooping:?} on {machine:?}");

                    let checked = Checking::new(&machine, print).with_sums();
                    let device = Device::new(&checked, Limits::UNLIMITED, snooping).unwrap();
                    let outcome = $scenario(&device, engine);
                    assert!(outcome.is_ok(), "{outcome:?} {snooping:?} on {machine:?}");
                    checked.device_removed(&device);
                    assert_eq!(
                        checked.counts().findings(),
                        0,
                        "{snooping:?} on {machine:?}"
                    );
                }
            }
        }
    };
}

/// A `Shared`, and the buffer that it lies in.
type InBuffer<M, T, G> = (CpuOwned<M, Bidirectional>, &'static mut Shared<T, G>);

/// Memory for a `Shared`, which lies in a buffer of the machine's and is the program's.
fn shared<M: Machine + Clone, T, G: Granule>(
    device: &Device<M>,
) -> Result<InBuffer<M, T, G>, Error> {
    let aligned = device.narrowed(Limits::UNLIMITED.alignment(G::BYTES as u64)?)?;
    let mut owner = aligned.allocate::<Bidirectional>(size_of::<Shared<T, G>>())?;
    let place = owner.as_mut_slice().as_mut_ptr().cast::<Shared<T, G>>();
    assert!(place.is_aligned());
    // SAFETY: the bytes are zero, which the tests' types allow, and their handle is not used until the reference is not.
    Ok((owner, unsafe { &mut *place }))
}

/// The device writes, at some time, one byte; the CPU stores to both sides of it before, meanwhile and afterwards.
fn a_byte_is_written_between_neighbours<M: Machine + Clone>(
    device: &Device<M>,
    engine: DmaEngine<'_>,
) -> Outcome {
    let (owner, shared) = shared::<M, u8, G256>(device)?;
    shared.a = 1;
    *shared.status = 7;
    shared.b = 2;

    let mut lent = device.lend_isolated::<FromDevice, _, _>(&mut shared.status)?;
    for round in 1..=4 {
        let written = 0x80 | u8::try_from(round)?;
        let started = engine.start(&[Task::Write(lent.dma_addr(), vec![written])])?;
        shared.a += round;
        shared.b = shared.a ^ 0x5555_5555;
        engine.wait(started);
        shared.a += round;
        // SAFETY: the engine was waited for.
        let status = unsafe { lent.sync_for_cpu() };
        shared.b += 1;

        assert_eq!(*status.get(), written);
        let before = 1 + (1..=round).sum::<u32>() * 2;
        assert_eq!(
            (shared.a, shared.b),
            (before, ((before - round) ^ 0x5555_5555) + 1)
        );
        lent = status.sync_for_device();
    }
    // SAFETY: the engine does nothing by itself.
    let status = unsafe { lent.sync_for_cpu() }.release();
    assert_eq!(
        **status, 0x84,
        "what the device has not written again is as it was"
    );
    **status = 3;
    shared.a += 1;
    assert_eq!((**status, shared.a), (3, 22));
    drop(owner);
    Ok(())
}

#[test]
fn the_cpu_writes_beside_a_byte_that_the_device_is_writing() {
    everywhere!(a_byte_is_written_between_neighbours);
}

/// A group of fields goes both ways; it is released, changed by its owner, and lent again.
fn fields_are_exchanged<M: Machine + Clone>(device: &Device<M>, engine: DmaEngine<'_>) -> Outcome {
    let (owner, shared) = shared::<M, Status, G256>(device)?;
    shared.status.count = 0x1234;
    // SAFETY: it is taken back below.
    let lent = unsafe { device.lend_isolated_for::<Bidirectional, _, _>(&mut shared.status) }?;
    assert_eq!(lent.segment().len_bytes(), 4);
    let sent = Status {
        count: 0x1234,
        ..Status::default()
    };
    assert_eq!(engine.read(lent.dma_addr(), 4)?, sent.as_bytes());
    shared.b = 9;
    engine.write(lent.dma_addr(), &[1, 2])?;
    shared.a = 9;
    // SAFETY: the engine does nothing by itself.
    let mut status = unsafe { lent.sync_for_cpu() };
    let received = Status {
        state: 1,
        reason: 2,
        count: 0x1234,
    };
    assert_eq!(*status.get(), received);

    status.get_mut().state = 5;
    let lent = status.sync_for_device();
    assert_eq!(engine.read(lent.dma_addr(), 2)?, [5, 2]);
    // SAFETY: as above.
    let status = unsafe { lent.sync_for_cpu() }.release();
    assert_eq!(status.state, 5);
    assert_eq!((shared.a, shared.b), (9, 9));
    drop(owner);
    Ok(())
}

#[test]
fn a_group_of_fields_goes_both_ways() {
    everywhere!(fields_are_exchanged);
}

/// Lends a `u8` alone in `G`, and says what came of it.
fn lent<G: Granule>(device: &Device<&SimMachine>) -> Result<(), Error> {
    let (owner, shared) = shared::<_, u8, G>(device)?;
    let lent = device.lend_isolated::<FromDevice, _, _>(&mut shared.status);
    // SAFETY: no device was told.
    let lent = lent.map(|lent| drop(unsafe { lent.sync_for_cpu() }));
    drop(owner);
    lent
}

#[test]
fn a_machine_whose_granule_is_larger_than_the_type_assumes_is_refused() {
    let (mut taken, mut refused) = (0, 0);
    for config in presets::all() {
        let machine = SimMachine::new(config.clone()).unwrap();
        for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
            let device = Device::new(&machine, Limits::UNLIMITED, snooping).unwrap();
            let granule = match snooping {
                Snooping::Snoops => 1,
                Snooping::DoesNotSnoop => config.geometry().unwrap().granule(),
            };
            let outcomes = [
                (16, lent::<G16>(&device)),
                (32, lent::<G32>(&device)),
                (64, lent::<G64>(&device)),
                (128, lent::<G128>(&device)),
                (256, lent::<G256>(&device)),
            ];
            for (assumed, outcome) in outcomes {
                if granule <= assumed {
                    assert_eq!(outcome, Ok(()), "{assumed} on {}", config.name);
                    taken += 1;
                } else {
                    let expected = Error::GranuleAboveAssumed { granule, assumed };
                    assert_eq!(outcome, Err(expected), "{}", config.name);
                    refused += 1;
                }
            }
            // What the run-time case takes instead.
            let alone = device.allocate::<FromDevice>(1).unwrap().sync_for_device();
            assert!(device.granule().divides(alone.dma_addr().get()));
            // SAFETY: no device was told.
            drop(unsafe { alone.sync_for_cpu() });
        }
    }
    assert_eq!((taken, refused), (60 + 36, 24));
}

fn plain() -> SimMachine {
    SimMachine::new(Config::default()).unwrap()
}

#[test]
fn what_the_machine_or_the_device_cannot_reach_is_refused() {
    let machine = plain();
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();

    let elsewhere = Box::leak(Box::new(Isolated::<u8, G64>::new(1)));
    let outcome = device.lend_isolated::<FromDevice, _, _>(elsewhere);
    assert!(matches!(
        outcome.map(drop),
        Err(Error::NotInDirectMap { .. })
    ));

    let (owner, empty) = shared::<_, (), G64>(&device).unwrap();
    let outcome = device.lend_isolated::<FromDevice, _, _>(&mut empty.status);
    assert_eq!(outcome.map(drop), Err(Error::ZeroLength));
    drop(owner);

    let (owner, status) = shared::<_, u8, G64>(&device).unwrap();
    let base = machine.config().dma;
    let highest = base.checked_add(63).unwrap();
    let limits = Limits::new(DmaMask::bits(64).unwrap())
        .window(base, highest)
        .unwrap();
    let narrow = device.narrowed(limits).unwrap();
    let outcome = narrow.lend_isolated::<FromDevice, _, _>(&mut status.status);
    let last = owner_dma(&owner, &machine) + 64;
    let above = Error::AboveHighest {
        last,
        highest: highest.get(),
    };
    assert_eq!(outcome.map(drop), Err(above));
    drop(owner);
}

/// Where devices see the first byte of a buffer.
fn owner_dma(owner: &CpuOwned<&SimMachine, Bidirectional>, machine: &SimMachine) -> u64 {
    let memory = core::ptr::NonNull::from(owner.as_slice());
    let phys = machine.direct_map().to_phys(memory).unwrap();
    machine.bus().to_dma(phys).unwrap().start().get()
}

#[test]
fn a_value_that_is_dropped_while_lent_goes_into_quarantine_and_one_that_came_back_does_not() {
    let machine = plain();
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap();
    let (owner, shared) = shared::<_, u8, G64>(&device).unwrap();

    // SAFETY: the device is quiet before anybody uses the value.
    let lent = unsafe { device.lend_isolated_for::<FromDevice, _, _>(&mut shared.status) }.unwrap();
    let text = format!("{lent:?}");
    assert!(
        text.starts_with("DeviceIsolated(DeviceOwned<FromDevice>"),
        "{text}"
    );
    drop(lent);
    assert_eq!(machine.ledger().counts().quarantined, 1);
    // SAFETY: no device was told.
    assert_eq!(unsafe { device.assert_quiet() }.release_quarantine(), 1);

    let lent = device
        .lend_isolated::<FromDevice, _, _>(&mut shared.status)
        .unwrap();
    // SAFETY: as above.
    let status = unsafe { lent.sync_for_cpu() };
    let text = format!("{status:?}");
    assert!(
        text.starts_with("CpuIsolated(CpuOwned<FromDevice>"),
        "{text}"
    );
    drop(status);
    assert_eq!(machine.ledger().counts(), Default::default());
    drop(owner);
    assert_eq!(machine.pool().free_bytes(), 16 << 10);
}

#[test]
fn whoever_has_it_has_the_value() {
    let mut status: Isolated<Status, G64> = Isolated::default();
    assert_eq!(*status, Status::default());
    status.count = 5;
    assert_eq!(format!("{status:?}"), format!("Isolated({:?})", *status));
    assert_eq!(status.into_inner().count, 5);
    assert_eq!(*Isolated::<_, G256>::new(3_u8), 3);
}
