//! Whole transfers on the simulated machine, under every adversary: the device sees what the CPU wrote, the CPU sees
//! what the device wrote, and nothing else changes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(unsafe_code, reason = "a test states that its engine is done")]

use core::ptr::NonNull;

use dma_api::{
    Bidirectional, Checked, Device, DeviceOwned, FromDevice, Limits, Machine, Snooping, ToDevice,
    check::Finding,
};
use sim::{Adversary, Config, DmaEngine, Oracle, SimMachine, presets};

type Failure = Box<dyn std::error::Error>;

const SEEDS: u64 = 8;

/// The machines of the field, each under every adversary.
fn machines() -> impl Iterator<Item = SimMachine> {
    presets::all().into_iter().flat_map(|config| {
        Adversary::all(SEEDS)
            .map(move |adversary| SimMachine::new(config.under(adversary)).unwrap())
    })
}

/// Runs a scenario on every machine, for a device that snoops and for one that does not: as the machine is, and checked,
/// which must find nothing.
macro_rules! everywhere {
    ($scenario:expr) => {
        as_they_are($scenario);
        checked($scenario);
    };
}

fn as_they_are(scenario: impl Fn(&Device<&SimMachine>, &DmaEngine<'_>) -> Result<(), Failure>) {
    for machine in machines() {
        for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
            let device = Device::new(&machine, Limits::UNLIMITED, snooping).unwrap();
            let engine = DmaEngine::new(&machine, Limits::UNLIMITED, snooping);
            let outcome = scenario(&device, &engine);
            assert!(outcome.is_ok(), "{outcome:?} {snooping:?} on {machine:?}");
        }
    }
}

type Checking<'m> = Checked<&'m SimMachine, 8>;

fn print(finding: &Finding) {
    eprintln!("{finding}");
}

fn checked(scenario: impl Fn(&Device<&Checking<'_>>, &DmaEngine<'_>) -> Result<(), Failure>) {
    for machine in machines() {
        for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
            let checked = Checking::new(&machine, print).with_sums();
            let device = Device::new(&checked, Limits::UNLIMITED, snooping).unwrap();
            let engine = DmaEngine::new(&machine, Limits::UNLIMITED, snooping);
            let outcome = scenario(&device, &engine);
            assert!(outcome.is_ok(), "{outcome:?} {snooping:?} on {machine:?}");

            checked.device_removed(&device);
            let counts = checked.counts();
            let found = (
                counts.findings(),
                counts.followed,
                counts.buffers_not_followed,
            );
            assert_eq!(found, (0, 0, 0), "{snooping:?} on {machine:?}");
        }
    }
}

fn same(what: &str, found: &[u8], expected: &[u8]) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:02x?} instead of {expected:02x?}").into())
}

/// Recognisable bytes that differ from those of another `salt`.
fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len)
        .map(|i| u8::try_from(i % 251).unwrap() ^ salt)
        .collect()
}

const LENGTHS: [usize; 7] = [1, 15, 64, 65, 128, 200, 1000];

#[test]
fn the_device_reads_what_the_cpu_wrote_and_zeros_where_it_wrote_nothing() {
    everywhere!(|device, engine| {
        for len in LENGTHS {
            let mut buffer = device.allocate::<ToDevice>(len)?;
            let written = pattern(len / 2, 1);
            buffer.write(0, written.as_slice())?;
            let lent = buffer.sync_for_device();

            let mut expected = written;
            expected.resize(len, 0);
            same("device", &engine.read(lent.dma_addr(), len)?, &expected)?;
            // SAFETY: the engine does nothing by itself.
            drop(unsafe { lent.sync_for_cpu() });
        }
        Ok(())
    });
}

#[test]
fn the_cpu_reads_what_the_device_wrote() {
    everywhere!(|device, engine| {
        for len in LENGTHS {
            let lent = device.allocate::<FromDevice>(len)?.sync_for_device();
            engine.write(lent.dma_addr(), &pattern(len, 2))?;
            // SAFETY: the engine does nothing by itself.
            let buffer = unsafe { lent.sync_for_cpu() };

            same("cpu", buffer.as_slice(), &pattern(len, 2))?;
            same("received", buffer.received(), &pattern(len, 2))?;
        }
        Ok(())
    });
}

#[test]
fn after_a_short_transfer_the_rest_is_what_the_cpu_had_there() {
    everywhere!(|device, engine| {
        for len in LENGTHS {
            for written in [0, 1, len / 2, len] {
                let mut buffer = device.allocate::<FromDevice>(len)?;
                buffer.as_mut_slice().copy_from_slice(&pattern(len, 3));
                let lent = buffer.sync_for_device();
                if written > 0 {
                    engine.write(lent.dma_addr(), &pattern(written, 4))?;
                }
                // SAFETY: the engine does nothing by itself.
                let buffer =
                    unsafe { lent.sync_for_cpu_short(written) }.map_err(|refused| refused.error)?;

                same("received", buffer.received(), &pattern(written, 4))?;
                same(
                    "rest",
                    &buffer.as_slice()[written..],
                    &pattern(len, 3)[written..],
                )?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_bidirectional_buffer_carries_both_ways_again_and_again() {
    everywhere!(|device, engine| {
        let mut buffer = device.allocate::<Bidirectional>(300)?;
        for round in 0..6 {
            buffer.as_mut_slice().copy_from_slice(&pattern(300, round));
            let lent = buffer.sync_for_device();
            same(
                "device",
                &engine.read(lent.dma_addr(), 300)?,
                &pattern(300, round),
            )?;
            engine.write(lent.dma_addr(), &pattern(250, 0x80 | round))?;
            // SAFETY: the engine does nothing by itself.
            buffer = unsafe { lent.sync_for_cpu() };

            same(
                "cpu",
                &buffer.as_slice()[..250],
                &pattern(250, 0x80 | round),
            )?;
            same(
                "rest",
                &buffer.as_slice()[250..],
                &pattern(300, round)[250..],
            )?;
        }
        Ok(())
    });
}

#[test]
fn a_receive_buffer_is_used_again_and_again() {
    everywhere!(|device, engine| {
        let mut lent = device.allocate::<FromDevice>(130)?.sync_for_device();
        for round in 0..6 {
            engine.write(lent.dma_addr(), &pattern(130, round))?;
            // SAFETY: the engine does nothing by itself.
            let buffer = unsafe { lent.sync_for_cpu() };
            same("cpu", buffer.as_slice(), &pattern(130, round))?;
            lent = buffer.sync_for_device();
        }
        // SAFETY: as above.
        drop(unsafe { lent.sync_for_cpu() });
        Ok(())
    });
}

#[test]
fn half_of_a_split_buffer_is_written_by_the_cpu_while_the_device_has_the_other() {
    everywhere!(|device, engine| {
        let buffer = device.allocate::<FromDevice>(512)?;
        let (first, mut second) = buffer.split_at(256).map_err(|refused| refused.error)?;
        second.as_mut_slice().copy_from_slice(&pattern(256, 5));
        let lent: DeviceOwned<_, _> = first.sync_for_device();
        engine.write(lent.dma_addr(), &pattern(128, 6))?;
        second.as_mut_slice().copy_from_slice(&pattern(256, 7));
        engine.write(
            lent.dma_addr().checked_add(128).ok_or("an address")?,
            &pattern(128, 8),
        )?;
        // SAFETY: the engine does nothing by itself.
        let first = unsafe { lent.sync_for_cpu() };

        same("first", &first.as_slice()[..128], &pattern(128, 6))?;
        same("first, later", &first.as_slice()[128..], &pattern(128, 8))?;
        same("second", second.as_slice(), &pattern(256, 7))
    });
}

#[test]
fn coherent_memory_is_seen_by_both_sides_at_once() {
    everywhere!(|device, engine| {
        let mut private = device.allocate_coherent(64)?;
        private.as_mut_slice()[..4].copy_from_slice(&[1, 2, 3, 4]);
        let mut ring = private.publish();
        same(
            "prepared",
            &engine.read(ring.dma_addr(), 8)?,
            &[1, 2, 3, 4, 0, 0, 0, 0],
        )?;

        ring.write(8, &0xdead_beef_u32)?;
        ring.before_doorbell();
        let addr = ring.dma_addr().checked_add(8).ok_or("an address")?;
        same(
            "written",
            &engine.read(addr, 4)?,
            &0xdead_beef_u32.to_ne_bytes(),
        )?;
        engine.write(addr, &0x1234_5678_u32.to_ne_bytes())?;
        ring.after_completion();
        same(
            "answer",
            &ring.read::<[u8; 4]>(8)?,
            &0x1234_5678_u32.to_ne_bytes(),
        )?;

        // SAFETY: the engine does nothing by itself.
        drop(unsafe { ring.unpublish() });
        Ok(())
    });
}

#[test]
fn a_ring_is_polled_for_its_status_before_the_data_is_taken_back() {
    everywhere!(|device, engine| {
        let ring = device.allocate_coherent(16)?.publish();
        let lent = device.allocate::<FromDevice>(100)?.sync_for_device();
        engine.write(lent.dma_addr(), &pattern(100, 10))?;
        engine.write(ring.dma_addr(), &[1])?;

        engine.settle();
        same("status", &[ring.read::<u8>(0)?], &[1])?;
        ring.after_completion();
        // SAFETY: the status says that the engine is done.
        let buffer = unsafe { lent.sync_for_cpu() };
        same("data", buffer.as_slice(), &pattern(100, 10))?;
        // SAFETY: as above.
        drop(unsafe { ring.unpublish() });
        Ok(())
    });
}

#[test]
fn coherent_memory_taken_back_holds_what_the_device_wrote_last() {
    everywhere!(|device, engine| {
        let ring = device.allocate_coherent(64)?.publish();
        engine.write(ring.dma_addr(), &pattern(64, 11))?;
        // SAFETY: the engine does nothing by itself.
        let mut private = unsafe { ring.unpublish() };
        same("taken back", private.as_mut_slice(), &pattern(64, 11))
    });
}

#[test]
fn memory_lent_in_place_crosses_like_a_buffer() {
    everywhere!(|device, engine| {
        // Memory that "somebody else" has: the machine's own pool stands for the pages of an OS.
        let mut owner = device.allocate::<Bidirectional>(512)?;
        let memory = NonNull::from(owner.as_mut_slice());

        // SAFETY: the pages are ours; their handle above is not used meanwhile.
        let lent = unsafe { device.lend_in_place::<FromDevice>(memory) }?;
        engine.write(lent.dma_addr(), &pattern(512, 9))?;
        // SAFETY: the engine does nothing by itself.
        let received = unsafe { lent.sync_for_cpu() };
        same("cpu", received.as_slice(), &pattern(512, 9))?;
        drop(received);

        drop(owner);
        let counts = device.machine().ledger().counts();
        same(
            "nothing left behind",
            &[u8::from(counts == Default::default())],
            &[1],
        )
    });
}

#[test]
fn a_machine_on_which_everything_snoops_maintains_nothing() {
    for adversary in Adversary::all(SEEDS) {
        let machine = SimMachine::new(Config {
            adversary,
            ..Config::default()
        })
        .unwrap();
        let machine = machine.snooped();
        let device = Device::new(&machine, Limits::UNLIMITED, Snooping::Snoops).unwrap();
        let engine = DmaEngine::new(&machine.0, Limits::UNLIMITED, Snooping::Snoops);

        let mut buffer = device.allocate::<Bidirectional>(100).unwrap();
        buffer.as_mut_slice().copy_from_slice(&pattern(100, 1));
        let lent = buffer.sync_for_device();
        assert_eq!(engine.read(lent.dma_addr(), 100).unwrap(), pattern(100, 1));
        engine.write(lent.dma_addr(), &pattern(100, 2)).unwrap();
        // SAFETY: the engine does nothing by itself.
        let buffer = unsafe { lent.sync_for_cpu() };
        assert_eq!(buffer.as_slice(), pattern(100, 2));

        let counts = machine.0.caches().counts();
        assert_eq!(
            (counts.cleaned, counts.invalidated, counts.completions),
            (0, 0, 0)
        );
        assert_eq!((counts.doorbells, counts.hand_backs), (1, 1));
    }
}

#[test]
fn a_device_wrongly_said_to_snoop_is_found() {
    let machine = SimMachine::new(Config::default()).unwrap();
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::Snoops).unwrap();
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);

    let mut buffer = device.allocate::<ToDevice>(64).unwrap();
    buffer.as_mut_slice().fill(1);
    let lent = buffer.sync_for_device();
    assert_ne!(engine.read(lent.dma_addr(), 64).unwrap(), [1; 64]);

    let found = machine.verdict().unwrap_err();
    assert_eq!(found.violation.oracle, Oracle::DeviceSeesStale);
}
