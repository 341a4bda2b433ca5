//! Whole drivers: queues in cached memory, descriptors in coherent memory, and descriptors with lines of their own.
#![expect(unsafe_code, reason = "a test states that its device is done")]

use std::collections::VecDeque;

use dma_api::{
    Checked, Device, DeviceOwned, Error, FromDevice, Limits, Machine, Snooping, ToDevice,
    check::Finding,
    isolated::{G64, G256},
    ring::Ring,
};
use sim::{Adversary, Config, DmaEngine, SimMachine, presets};

use crate::{
    BOTH, Outcome,
    nic::{Card, Descriptor, Spaced},
    nvme::{self, Controller, Driver},
};

type Checking<'m> = Checked<&'m SimMachine, 16>;

fn print(finding: &Finding) {
    eprintln!("{finding}");
}

/// Runs a scenario on every machine, for a device that snoops and for one that does not: as the machine is, and checked,
/// which must find nothing.
macro_rules! everywhere {
    ($scenario:ident) => {
        for machine in crate::machines() {
            for snooping in BOTH {
                let engine = DmaEngine::new(&machine, Limits::UNLIMITED, snooping);
                let device = Device::new(&machine, Limits::UNLIMITED, snooping).unwrap();
                let outcome = $scenario(&device, engine);
                assert!(outcome.is_ok(), "{outcome:?} {snooping:?} on {machine:?}");

                let checked = Checking::new(&machine, print).with_sums();
                let device = Device::new(&checked, Limits::UNLIMITED, snooping).unwrap();
                let outcome = $scenario(&device, engine);
                assert!(outcome.is_ok(), "{outcome:?} {snooping:?} on {machine:?}");
                checked.device_removed(&device);
                let counts = checked.counts();
                assert_eq!(counts.findings(), 0, "{snooping:?} on {machine:?}");
                assert_eq!((counts.followed, counts.buffers_not_followed), (0, 0));
            }
        }
    };
}

/// Blocks are read, two at a time, often enough to go round three times.
fn blocks_are_read<M: Machine + Clone>(device: &Device<M>, engine: DmaEngine<'_>) -> Outcome {
    let mut driver = Driver::new(device, 4)?;
    let mut controller = Controller::new(engine, &driver);
    let mut waiting: VecDeque<(u16, u32, DeviceOwned<M, FromDevice>)> = VecDeque::new();
    let mut done = 0;
    for id in 0..12 {
        let number = 7 * u32::from(id);
        let lent = device
            .allocate::<FromDevice>(nvme::BLOCK)?
            .sync_for_device();
        let tail = driver.read(id, number, lent.dma_addr())?;
        waiting.push_back((id, number, lent));
        controller.submitted(tail)?;

        let mut polls = 0;
        while waiting.len() > 1 || (id == 11 && !waiting.is_empty()) {
            let Some((entry, head)) = driver.completed()? else {
                polls += 1;
                assert!(polls < 4, "the device said that it was done");
                if polls > 1 {
                    controller.finish();
                }
                continue;
            };
            let (id, number, lent) = waiting.pop_front().unwrap();
            assert_eq!(entry.id.get(), id);
            assert_eq!(entry.result.get(), 0x1234_5678 ^ u32::from(id));
            assert_eq!(entry.sq_head.get(), (id + 1) % 4);
            assert_eq!((entry.reserved.get(), entry.sq_id.get()), (0, 0));
            controller.taken(head);
            // SAFETY: the completion says that the block was read.
            let buffer = unsafe { lent.sync_for_cpu() };
            assert_eq!(buffer.as_slice(), nvme::block(number));
            done += 1;
        }
    }
    assert_eq!(done, 12);
    let Driver {
        commands,
        completions,
        ..
    } = driver;
    // SAFETY: the controller has done all that it was told, and is not used any more.
    drop(unsafe { commands.sync_for_cpu() });
    // SAFETY: as above.
    let completions = unsafe { completions.sync_for_cpu() };
    let last: nvme::Completion = completions.read(3 * 16)?;
    assert_eq!(last.id.get(), 11);
    Ok(())
}

#[test]
fn the_queues_of_nvme_work_in_cached_memory() {
    everywhere!(blocks_are_read);
}

fn packet(number: u8) -> Vec<u8> {
    (0..40 + number).map(|i| i ^ (number << 3)).collect()
}

/// Packets are received by descriptors of which a line holds several, in coherent memory.
fn packets_are_received<M: Machine + Clone>(device: &Device<M>, engine: DmaEngine<'_>) -> Outcome {
    const ENTRIES: usize = 3;
    const SIZE: usize = size_of::<Descriptor>();
    let mut ring = device.allocate_coherent(ENTRIES * SIZE)?.publish();
    let mut card = Card {
        engine,
        base: ring.dma_addr(),
        distance: SIZE,
        entries: ENTRIES,
        head: 0,
    };
    let mut lent = VecDeque::new();
    for index in 0..ENTRIES {
        let buffer = device.allocate::<FromDevice>(64)?.sync_for_device();
        ring.write(index * SIZE, &Descriptor::new(buffer.dma_addr()))?;
        lent.push_back(buffer);
    }
    ring.before_doorbell();
    card.tail();

    for number in 0..7 {
        let at = usize::from(number) % ENTRIES * SIZE;
        assert!(!ring.read::<Descriptor>(at)?.is_done());
        card.receive(&packet(number))?;
        engine.settle();
        assert!(ring.read::<Descriptor>(at)?.is_done());
        ring.after_completion();
        let descriptor: Descriptor = ring.read(at)?;
        let written = usize::from(descriptor.length.get());
        let buffer = lent.pop_front().unwrap();
        // SAFETY: the descriptor says that the card has filled the buffer.
        let buffer = unsafe { buffer.sync_for_cpu_short(written) }.map_err(Error::from)?;
        assert_eq!(buffer.received(), packet(number));

        let again = buffer.sync_for_device();
        ring.write(at, &Descriptor::new(again.dma_addr()))?;
        lent.push_back(again);
        ring.before_doorbell();
        card.tail();
    }
    // SAFETY: the card receives nothing any more.
    lent.into_iter()
        .for_each(|buffer| drop(unsafe { buffer.sync_for_cpu() }));
    // SAFETY: as above.
    drop(unsafe { ring.unpublish() });
    Ok(())
}

#[test]
fn descriptors_that_both_sides_write_work_in_coherent_memory() {
    everywhere!(packets_are_received);
}

/// The same with a line for each descriptor, in cached memory.
fn packets_are_received_cached<M: Machine + Clone>(
    device: &Device<M>,
    engine: DmaEngine<'_>,
) -> Outcome {
    type Entry = Spaced<240>;
    let mut ring = device.allocate_ring_both::<Entry, G256>(3)?;
    let mut card = Card {
        engine,
        base: ring.dma_addr(),
        distance: size_of::<Entry>(),
        entries: ring.entries(),
        head: 0,
    };
    let mut lent = VecDeque::new();
    for index in 0..ring.entries() {
        let buffer = device.allocate::<FromDevice>(64)?.sync_for_device();
        ring.put(index, &Entry::new(buffer.dma_addr()))?;
        lent.push_back(buffer);
    }
    card.tail();

    for number in 0..7 {
        let index = usize::from(number) % ring.entries();
        let is_done = |entry: &Entry| entry.descriptor.is_done();
        assert!(ring.poll(index, is_done)?.is_none());
        card.receive(&packet(number))?;
        let entry = ring
            .poll(index, is_done)?
            .ok_or("the card has written it")?;
        let buffer = lent.pop_front().unwrap();
        assert_eq!(entry.descriptor.address.get(), buffer.dma_addr().get());
        assert_eq!(entry.skipped, [0; 240]);
        let written = usize::from(entry.descriptor.length.get());
        // SAFETY: the descriptor says that the card has filled the buffer.
        let buffer = unsafe { buffer.sync_for_cpu_short(written) }.map_err(Error::from)?;
        assert_eq!(buffer.received(), packet(number));

        let again = buffer.sync_for_device();
        ring.put(index, &Entry::new(again.dma_addr()))?;
        lent.push_back(again);
        card.tail();
    }
    // SAFETY: the card receives nothing any more.
    lent.into_iter()
        .for_each(|buffer| drop(unsafe { buffer.sync_for_cpu() }));
    // SAFETY: as above.
    let ring = unsafe { ring.sync_for_cpu() };
    assert!(ring.view::<Entry>(0)?.descriptor.status == 0);
    Ok(())
}

#[test]
fn descriptors_with_lines_of_their_own_work_in_cached_memory() {
    everywhere!(packets_are_received_cached);
}

/// The available ring of virtio: two words, then the heads, of which the device is shown the newest by the second word.
fn heads_are_made_available<M: Machine + Clone>(
    device: &Device<M>,
    engine: DmaEngine<'_>,
) -> Outcome {
    let mut ring: Ring<M, u16, ToDevice> = device.allocate_ring_to(2 + 4)?;
    for count in 0..9_u16 {
        let head = 0x100 + count;
        ring.put(2 + usize::from(count % 4), &head)?;
        ring.put(1, &(count + 1))?;
        engine.doorbell();

        let seen = engine.read(ring.dma_addr(), 12)?;
        let word = |index: usize| u16::from_ne_bytes([seen[2 * index], seen[2 * index + 1]]);
        assert_eq!((word(0), word(1)), (0, count + 1));
        for before in 0..=count.min(3) {
            let count = count - before;
            assert_eq!(word(2 + usize::from(count % 4)), 0x100 + count);
        }
    }
    // SAFETY: the engine does nothing by itself.
    drop(unsafe { ring.sync_for_cpu() });
    Ok(())
}

#[test]
fn entries_that_share_a_line_are_put_one_after_the_other() {
    everywhere!(heads_are_made_available);
}

#[test]
fn a_granule_that_is_larger_than_the_entries_is_refused() {
    let mut refused = 0;
    for config in presets::all() {
        let machine = SimMachine::new(config.clone()).unwrap();
        for snooping in BOTH {
            let device = Device::new(&machine, Limits::UNLIMITED, snooping).unwrap();
            let (free, granule) = (
                machine.pool().free_bytes(),
                config.geometry().unwrap().granule(),
            );
            let outcome = device.allocate_ring_both::<Spaced<48>, G64>(4);
            if snooping == Snooping::Snoops || granule <= 64 {
                // SAFETY: no device knows of the ring.
                drop(unsafe { outcome.unwrap().sync_for_cpu() });
            } else {
                let assumed = 64;
                let expected = Error::GranuleAboveAssumed { granule, assumed };
                assert_eq!(outcome.map(drop), Err(expected));
                refused += 1;
            }
            assert_eq!(machine.pool().free_bytes(), free);
        }
    }
    assert_eq!(refused, 2, "those of 128 and 256 bytes");
}

#[test]
fn where_everything_snoops_rings_are_but_put_in_order() {
    for adversary in Adversary::all(crate::SEEDS) {
        let machine = SimMachine::new(Config {
            adversary,
            snooping: Snooping::Snoops,
            ..Config::default()
        });
        let machine = machine.unwrap().snooped();
        let device = Device::new(&machine, Limits::UNLIMITED, Snooping::Snoops).unwrap();
        let engine = DmaEngine::new(&machine.0, Limits::UNLIMITED, Snooping::Snoops);

        blocks_are_read(&device, engine).unwrap();
        packets_are_received_cached(&device, engine).unwrap();
        heads_are_made_available(&device, engine).unwrap();

        let counts = machine.0.counts();
        let maintained = (
            counts.cleaned,
            counts.invalidated,
            counts.cleaned_and_invalidated,
        );
        assert_eq!((maintained, counts.completions), ((0, 0, 0), 0));
        assert!(
            counts.doorbells > 40 && counts.hand_backs > 40,
            "{counts:?}"
        );
    }
}
