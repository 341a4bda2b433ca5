//! Entries that the device writes, or reads, at the very moment at which the CPU does.
#![expect(unsafe_code, reason = "a test states that its device is done")]

use core::cell::Cell;

use dma_api::{
    Device, FromDevice, Limits, Snooping, ToDevice,
    isolated::G16,
    ring::Ring,
    zerocopy::{FromBytes, Immutable, IntoBytes},
};
use sim::{
    Adversary, Config, DmaEngine, Invalidate, Maintained, Oracle, Outer, SimMachine, Task, explore,
    presets,
};

use crate::{
    Outcome,
    without::{
        Call::{self, *},
        During::{self, *},
        Without,
    },
};

/// An entry of several of a device's writes. The first word says whose it is; it is the last of them, or the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Entry {
    turn: u64,
    words: [u64; 7],
}

impl Entry {
    fn of(turn: u64) -> Self {
        Self {
            turn,
            words: [turn; 7],
        }
    }

    fn is_of(&self, turn: u64) -> bool {
        self.turn == turn
    }
}

/// Polls entries that the device writes while they are being looked at. Returns how many polls saw a part of one.
fn polled_while_written(machine: &SimMachine) -> usize {
    let snooping = machine.config().snooping;
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, snooping);
    let without = Without::new(machine, None);
    let device = Device::new(&without, Limits::UNLIMITED, snooping).unwrap();
    let mut ring: Ring<_, Entry, FromDevice> = device.allocate_ring_from(2).unwrap();
    let first = ring.dma_addr();

    let torn = Cell::new(0);
    for turn in 1..=6_u64 {
        let index = usize::from(turn % 2 == 0);
        let place = first
            .checked_add((index * size_of::<Entry>()) as u64)
            .unwrap();
        let mut written = false;
        without.hook(move |during, call| {
            let is_now = match snooping {
                Snooping::Snoops => call == AfterCompletion,
                Snooping::DoesNotSnoop => call == Complete,
            };
            if during == FirstLook && is_now && !written {
                engine.write(place, Entry::of(turn).as_bytes()).unwrap();
                written = true;
            }
        });
        let is_done = |entry: &Entry| {
            let is_done = entry.is_of(turn);
            torn.set(torn.get() + usize::from(is_done && *entry != Entry::of(turn)));
            is_done
        };
        let seen = ring.poll(index, is_done).unwrap();
        let seen = seen.or_else(|| ring.poll(index, is_done).unwrap());
        assert_eq!(seen, Some(Entry::of(turn)), "on {machine:?}");
    }
    // SAFETY: the engine does nothing by itself.
    drop(unsafe { ring.sync_for_cpu() });
    torn.get()
}

#[test]
fn an_entry_that_is_done_is_whole_however_it_arrives() {
    for config in crate::configs() {
        let torn = Adversary::all(60).map(|adversary| {
            let machine = SimMachine::new(config.under(adversary)).unwrap();
            polled_while_written(&machine)
        });
        assert!(
            torn.sum::<usize>() > 0,
            "no first look saw a part on {}",
            config.name
        );
    }
}

/// A machine of `lines` lines of 16 bytes, whose devices write 8 at a time.
fn small(lines: usize) -> Config {
    Config {
        name: "one level",
        line: 16,
        granule: 16,
        store_buffer: 1,
        cached_len: 16 * lines,
        uncached_len: 0,
        unit: 16,
        ..Config::default()
    }
}

fn small_machines() -> [Config; 5] {
    [
        small(4),
        Config {
            name: "no speculation",
            fills_speculatively: false,
            ..small(4)
        },
        Config {
            name: "no pure invalidate",
            invalidate: Invalidate::WritesBackToo,
            ..small(4)
        },
        Config {
            name: "two levels, maintained apart",
            outer: Some(Outer {
                line: 16,
                granule: 16,
                maintained: Maintained::ByItself,
            }),
            ..small(3)
        },
        Config {
            name: "snooped",
            snooping: Snooping::Snoops,
            ..small(4)
        },
    ]
}

/// The program that a search explores must not depend on what is read: the device writes the entry between the first look and
/// the copy, and the second look is always had.
fn looked_at(machine: &SimMachine, left_out: Option<(During, Call)>) -> Outcome {
    let snooping = machine.config().snooping;
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, snooping);
    let without = Without::new(machine, left_out);
    let device = Device::new(&without, Limits::UNLIMITED, snooping)?;
    let mut ring: Ring<_, u128, FromDevice> = device.allocate_ring_from(1)?;
    let place = ring.dma_addr();
    without.hook(move |during, call| {
        let is_now = match snooping {
            Snooping::Snoops => call == AfterCompletion,
            Snooping::DoesNotSnoop => call == Complete,
        };
        if during == FirstLook && is_now {
            engine.write(place, &[0xd7; 16]).unwrap();
        }
    });
    let seen = ring.poll(0, |_| true)?;
    if left_out.is_none() {
        assert_eq!(seen, Some(u128::from_ne_bytes([0xd7; 16])));
    }
    // SAFETY: the engine does nothing by itself.
    drop(unsafe { ring.sync_for_cpu() });
    Ok(())
}

/// Two entries in a line are put, while the device reads what it was shown.
fn put_while_read(machine: &SimMachine) -> Outcome {
    let snooping = machine.config().snooping;
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, snooping);
    let device = Device::new(machine, Limits::UNLIMITED, snooping)?;
    let mut ring: Ring<_, u64, ToDevice> = device.allocate_ring_to(2)?;
    ring.put(0, &u64::MAX)?;
    let first = engine.start(&[Task::Read(ring.dma_addr(), 8)])?;
    ring.put(1, &u64::MAX)?;
    let both = engine.start(&[Task::Read(ring.dma_addr(), 16)])?;
    engine.wait(first);
    engine.wait(both);
    // SAFETY: the engine was waited for.
    drop(unsafe { ring.sync_for_cpu() });
    Ok(())
}

/// A descriptor goes to the device and comes back, and goes again.
fn there_and_back(machine: &SimMachine) -> Outcome {
    let snooping = machine.config().snooping;
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, snooping);
    let device = Device::new(machine, Limits::UNLIMITED, snooping)?;
    let mut ring = device.allocate_ring_both::<u128, G16>(1)?;
    for round in 1..=2 {
        ring.put(0, &round)?;
        let tasks = [
            Task::Read(ring.dma_addr(), 16),
            Task::Write(ring.dma_addr(), vec![0xd7; 16]),
        ];
        let started = engine.start(&tasks)?;
        engine.wait(started);
        assert_eq!(ring.fetch(0)?, u128::from_ne_bytes([0xd7; 16]));
    }
    // SAFETY: the engine was waited for.
    drop(unsafe { ring.sync_for_cpu() });
    Ok(())
}

/// What a driver does, and its name.
type Scenario<'d> = (&'d str, &'d dyn Fn(&SimMachine) -> Outcome);

#[test]
fn every_schedule_of_small_machines_is_survived() {
    const LIMIT: usize = 2_000_000;
    for config in small_machines() {
        let looked = |machine: &SimMachine| looked_at(machine, None);
        let scenarios: [Scenario<'_>; 3] = [
            ("an entry is looked at", &looked),
            ("two entries are put", &put_while_read),
            ("a descriptor goes there and back", &there_and_back),
        ];
        for (scenario, driver) in scenarios {
            let explored = explore(&config, LIMIT, driver)
                .unwrap_or_else(|failure| panic!("{scenario}: {failure}"));
            println!("EXPLORED {}: {scenario}: {explored}", config.name);
            assert!(
                explored.states > 300,
                "{}: {scenario}: {explored}",
                config.name
            );
        }
    }
}

#[test]
fn without_the_second_invalidate_some_schedule_has_half_an_entry() {
    for config in small_machines() {
        let driver = |machine: &SimMachine| looked_at(machine, Some((SecondLook, Invalidate)));
        let found = explore(&config, 2_000_000, driver).err();
        let found = found.map(|failure| failure.violation.oracle);
        let expected = match config.snooping {
            Snooping::Snoops => None,
            Snooping::DoesNotSnoop => Some(Oracle::StaleAtHandBack),
        };
        assert_eq!(found, expected, "{}", config.name);
    }
}

/// What a device that looks by itself sees of entries while they are put by `put`: how often one that is its own is not whole.
fn seen_while_put(
    machine: &SimMachine,
    put: impl Fn(&mut Ring<&Without<'_, &SimMachine>, Entry, ToDevice>, usize, u64),
) -> usize {
    let snooping = machine.config().snooping;
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, snooping);
    let torn = &Cell::new(0);
    let without = Without::new(machine, None);
    let device = Device::new(&without, Limits::UNLIMITED, snooping).unwrap();
    let mut ring: Ring<_, Entry, ToDevice> = device.allocate_ring_to(2).unwrap();
    let first = ring.dma_addr();
    for turn in 1..=6_u64 {
        let index = usize::from(turn % 2 == 0);
        let place = first
            .checked_add((index * size_of::<Entry>()) as u64)
            .unwrap();
        without.hook(move |_, _| {
            let bytes = engine.read(place, size_of::<Entry>()).unwrap();
            let entry = Entry::read_from_bytes(&bytes).unwrap();
            if entry.is_of(turn) && entry != Entry::of(turn) {
                torn.set(torn.get() + 1);
            }
        });
        put(&mut ring, index, turn);
        let bytes = engine.read(place, size_of::<Entry>()).unwrap();
        assert_eq!(Entry::read_from_bytes(&bytes), Ok(Entry::of(turn)));
    }
    without.hook(|_, _| ());
    // SAFETY: the engine does nothing by itself.
    drop(unsafe { ring.sync_for_cpu() });
    torn.get()
}

#[test]
fn a_device_that_looks_by_itself_needs_entries_put_in_order() {
    let mut torn = (0, 0);
    for config in [
        presets::cortex_m7(),
        presets::x86_snooped(),
        presets::nightmare(),
    ] {
        for adversary in Adversary::all(60) {
            let machine = SimMachine::new(config.under(adversary)).unwrap();
            torn.0 += seen_while_put(&machine, |ring, index, turn| {
                ring.put(index, &Entry::of(turn)).unwrap();
            });
            torn.1 += seen_while_put(&machine, |ring, index, turn| {
                let then = Entry::of(turn);
                ring.put_in_order(index, &Entry { turn: 0, ..then }, &then)
                    .unwrap();
            });
        }
    }
    assert!(torn.0 > 0, "nothing was to be seen");
    assert_eq!(torn.1, 0);
}
