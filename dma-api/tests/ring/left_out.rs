//! Each call that a ring makes to caches and barriers is needed, on every machine where it is made: without it the machine
//! says what is wrong.
#![expect(unsafe_code, reason = "a test states that its device is done")]

use core::cell::RefCell;

use dma_api::{
    Checked, Device, FromDevice, Limits, Snooping,
    check::{Finding, Kind},
    isolated::G256,
};
use sim::{Adversary, Config, DmaEngine, Oracle, SimMachine};

use crate::{
    Outcome, configs,
    nic::{Card, Spaced},
    nvme::{Controller, Driver},
    without::{
        Call::{self, *},
        During::{self, *},
        Without,
    },
};

/// What of the two kinds of ring is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rings {
    /// Queues, each with one writer.
    Queues,
    /// Descriptors that both sides write.
    Descriptors,
}

/// Uses rings three times on a machine.
fn used<M>(device: &Device<M>, engine: DmaEngine<'_>, rings: Rings) -> Outcome
where
    M: dma_api::Machine + Clone,
{
    match rings {
        Rings::Queues => {
            let mut driver = Driver::new(device, 4)?;
            let mut controller = Controller::new(engine, &driver);
            let lent = device.allocate::<FromDevice>(96)?.sync_for_device();
            for id in 0..3 {
                assert!(driver.completed()?.is_none());
                let tail = driver.read(id, 5, lent.dma_addr())?;
                controller.submitted(tail)?;
                controller.finish();
                // A first poll may be too early, without a barrier that waits.
                let completed = match driver.completed()? {
                    None => driver.completed()?,
                    some => some,
                };
                let (entry, head) = completed.ok_or("nothing was completed")?;
                assert_eq!(entry.id.get(), id);
                controller.taken(head);
            }
            // SAFETY: the controller has finished.
            drop(unsafe { lent.sync_for_cpu() });
            // SAFETY: as above.
            drop(unsafe { driver.commands.sync_for_cpu() });
            // SAFETY: as above.
            drop(unsafe { driver.completions.sync_for_cpu() });
        }
        Rings::Descriptors => {
            let mut ring = device.allocate_ring_both::<Spaced<240>, G256>(2)?;
            let (base, distance) = (ring.dma_addr(), 256);
            let mut card = Card {
                engine,
                base,
                distance,
                entries: 2,
                head: 0,
            };
            let lent = device.allocate::<FromDevice>(64)?.sync_for_device();
            for index in [0, 1, 0] {
                ring.put(index, &Spaced::new(lent.dma_addr()))?;
                card.tail();
                card.receive(&[1; 9])?;
                let entry = match ring.poll(index, |entry| entry.descriptor.is_done())? {
                    None => ring.poll(index, |entry| entry.descriptor.is_done())?,
                    some => some,
                };
                let entry = entry.ok_or("nothing was received")?;
                assert_eq!(entry.descriptor.length.get(), 9);
                ring.before_doorbell();
            }
            // SAFETY: the card receives nothing any more.
            drop(unsafe { lent.sync_for_cpu() });
            // SAFETY: as above.
            drop(unsafe { ring.sync_for_cpu() });
        }
    }
    Ok(())
}

/// What a machine finds wrong first.
fn found(
    left_out: Option<(During, Call)>,
    config: &Config,
    rings: Rings,
    adversary: Adversary,
) -> Option<Oracle> {
    let outcome = sim::trial::run(config, &adversary, |machine: &SimMachine| {
        let without = Without::new(machine, left_out);
        let device = Device::new(&without, Limits::UNLIMITED, config.snooping)?;
        used(
            &device,
            DmaEngine::new(machine, Limits::UNLIMITED, config.snooping),
            rings,
        )
    });
    outcome.err().map(|failure| failure.violation.oracle)
}

const CALLS: [(During, Call); 11] = [
    (Put, Clean),
    (Put, CleanAndInvalidate),
    (Put, Complete),
    (Put, BeforeDoorbell),
    (FirstLook, AfterCompletion),
    (FirstLook, Invalidate),
    (FirstLook, Complete),
    (SecondLook, AfterCompletion),
    (SecondLook, Invalidate),
    (SecondLook, Complete),
    // What the driver calls before it gives an entry back.
    (Copied, BeforeDoorbell),
];

/// What is found wrong without a call, by an adversary that always shows it; nothing if it is not made. An entry that was torn
/// is seen by adversaries of a certain patience alone: `torn.rs`.
fn expected(
    left_out: (During, Call),
    config: &Config,
    rings: Rings,
) -> Option<(Adversary, Oracle)> {
    let snoops = config.snooping == Snooping::Snoops;
    let discards_before = rings == Rings::Descriptors && !config.fills_speculatively;
    match left_out {
        (_, Clean | Invalidate | CleanAndInvalidate | Complete) if snoops => None,
        (Put, Clean) if discards_before => None,
        (Put, CleanAndInvalidate) if !discards_before => None,
        (Put, Clean | CleanAndInvalidate) => Some(match rings {
            Rings::Queues => (Adversary::Lazy, Oracle::DeviceSeesStale),
            Rings::Descriptors => (Adversary::Lazy, Oracle::DirtyOverDevice),
        }),
        (FirstLook, Invalidate) => Some((Adversary::Hoarding, Oracle::StaleAtHandBack)),
        (SecondLook, Invalidate) => None,
        // The next entry that is put has a barrier of its own.
        (Copied, BeforeDoorbell) if rings == Rings::Descriptors => None,
        _ => Some((Adversary::Lazy, Oracle::MissingBarrier)),
    }
}

#[test]
fn with_nothing_left_out_every_adversary_is_survived_on_every_machine() {
    for config in configs() {
        for rings in [Rings::Queues, Rings::Descriptors] {
            for adversary in Adversary::all(20) {
                let name = adversary.to_string();
                let found = found(None, &config, rings, adversary);
                assert_eq!(found, None, "{rings:?} on {} under {name}", config.name);
            }
        }
    }
}

#[test]
fn each_call_left_out_is_found_on_every_machine_that_makes_it() {
    let mut needed = 0;
    for config in configs() {
        for rings in [Rings::Queues, Rings::Descriptors] {
            for left_out in CALLS {
                let Some((adversary, oracle)) = expected(left_out, &config, rings) else {
                    continue;
                };
                let found = found(Some(left_out), &config, rings, adversary);
                assert_eq!(
                    found,
                    Some(oracle),
                    "{rings:?} {left_out:?} on {}",
                    config.name
                );
                needed += 1;
            }
        }
    }
    assert!(needed > 180, "{needed} calls were left out");
}

#[test]
fn each_call_left_out_is_found_by_most_adversaries_that_nobody_chose() {
    for config in configs() {
        for rings in [Rings::Queues, Rings::Descriptors] {
            for left_out in CALLS {
                if expected(left_out, &config, rings).is_none() {
                    continue;
                }
                let found = (0..10)
                    .filter(|seed| {
                        let adversary = Adversary::seeded(*seed);
                        found(Some(left_out), &config, rings, adversary).is_some()
                    })
                    .count();
                assert!(
                    found >= 5,
                    "{found} of 10: {rings:?} {left_out:?} on {}",
                    config.name
                );
            }
        }
    }
}

/// What the checked machine finds first, which sees no bytes. It goes on below what leaves calls out.
fn checked(left_out: (During, Call), config: &Config, rings: Rings) -> Vec<Kind> {
    let machine = SimMachine::new(Config {
        judges: false,
        ..config.under(Adversary::Eager)
    });
    let machine = machine.unwrap();
    let kinds = RefCell::new(Vec::new());
    let checking = Checked::<_, 8, _>::new(&machine, |finding: &Finding| {
        kinds.borrow_mut().push(finding.kind());
    });
    let without = Without::new(&checking, Some(left_out));
    let device = Device::new(&without, Limits::UNLIMITED, config.snooping).unwrap();
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, config.snooping);
    // What becomes of the bytes is not the question.
    let _ = used(&device, engine, rings);
    kinds.into_inner()
}

#[test]
fn the_checked_machine_finds_each_call_left_out() {
    let mut needed = 0;
    for config in configs() {
        for rings in [Rings::Queues, Rings::Descriptors] {
            for left_out in CALLS {
                let is_made = left_out == (SecondLook, Invalidate)
                    && config.snooping == Snooping::DoesNotSnoop
                    || expected(left_out, &config, rings).is_some();
                // Whose copies a doorbell overtakes it cannot know.
                if !is_made || left_out.0 == Copied {
                    continue;
                }
                let kind = match left_out.1 {
                    Clean | Invalidate | CleanAndInvalidate => Kind::MissingMaintenance,
                    Complete | BeforeDoorbell | AfterCompletion => Kind::MissingBarrier,
                };
                let found = checked(left_out, &config, rings);
                let what = format!("{rings:?} {left_out:?} on {}", config.name);
                assert_eq!(found.first(), Some(&kind), "{what}");
                needed += 1;
            }
        }
    }
    assert!(needed > 180, "{needed} calls were left out");
}
