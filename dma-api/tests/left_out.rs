//! Every single thing that a hand-over does is needed: leave out one kind of operation or barrier, and some adversary
//! shows a driver wrong bytes. With nothing left out none does.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(
    unsafe_code,
    reason = "a wrapper around caches keeps, or here breaks, their promises"
)]

use core::ptr::NonNull;

use dma_api::{
    BusMap, Device, DirectMap, DmaSync, FromDevice, Geometry, Ledger, Limits, LineRange, Machine,
    Snooping, ToDevice,
};
use sim::{Adversary, Config, DmaEngine, SimCaches, SimMachine};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Clean,
    Invalidate,
    CompleteClean,
    CompleteInvalidate,
    BeforeDoorbell,
    AfterCompletion,
}

/// The simulated machine with one kind of step left out.
#[derive(Clone, Copy)]
struct Without<'m> {
    machine: &'m SimMachine,
    caches: Caches<'m>,
}

#[derive(Clone, Copy)]
struct Caches<'m> {
    real: &'m SimCaches,
    left_out: Option<Step>,
    last: &'m core::cell::Cell<Option<Step>>,
}

impl Caches<'_> {
    fn does(&self, step: Step) -> bool {
        self.last.set(Some(step));
        self.left_out != Some(step)
    }
}

// SAFETY: it deliberately does not keep the promises; the memory is a simulation's.
unsafe impl DmaSync for Caches<'_> {
    fn geometry(&self) -> Geometry {
        self.real.geometry()
    }
    fn clean(&self, range: LineRange<'_>) {
        if self.does(Step::Clean) {
            self.real.clean(range);
        }
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        if self.does(Step::Invalidate) {
            // SAFETY: passed on to the caller.
            unsafe { self.real.invalidate(range) };
        }
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.real.clean_and_invalidate(range);
    }
    fn complete(&self) {
        let which = match self.last.get() {
            Some(Step::Invalidate) => Step::CompleteInvalidate,
            _ => Step::CompleteClean,
        };
        if self.left_out != Some(which) {
            self.real.complete();
        }
    }
    fn before_doorbell(&self, memory: NonNull<u8>) {
        if self.does(Step::BeforeDoorbell) {
            self.real.before_doorbell(memory);
        }
    }
    fn after_completion(&self, memory: NonNull<u8>) {
        if self.does(Step::AfterCompletion) {
            self.real.after_completion(memory);
        }
    }
}

// SAFETY: the parts are those of one simulated machine.
unsafe impl<'m> Machine for Without<'m> {
    type Sync = Caches<'m>;
    type Memory = <SimMachine as Machine>::Memory;
    type Coherent = <SimMachine as Machine>::Coherent;

    fn sync(&self) -> &Self::Sync {
        &self.caches
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
}

/// Sends and receives, twice each. Says whether every byte arrived.
fn driver_sees_right_bytes(
    left_out: Option<Step>,
    adversary: Adversary,
    snooping: Snooping,
) -> bool {
    let machine = SimMachine::new(Config {
        adversary,
        ..Config::default()
    })
    .unwrap();
    let last = core::cell::Cell::new(None);
    let caches = Caches {
        real: machine.caches(),
        left_out,
        last: &last,
    };
    let without = Without {
        machine: &machine,
        caches,
    };
    let device = Device::new(without, Limits::UNLIMITED, snooping).unwrap();
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, snooping);

    (1..=2).all(|round| {
        let mut buffer = device.allocate::<ToDevice>(200).unwrap();
        buffer.as_mut_slice().fill(round);
        let lent = buffer.sync_for_device();
        let sent = engine.read(lent.dma_addr(), 200).unwrap() == [round; 200];
        // SAFETY: the engine does nothing by itself.
        drop(unsafe { lent.sync_for_cpu() });

        let mut buffer = device.allocate::<FromDevice>(200).unwrap();
        buffer.as_mut_slice().fill(0x40 | round);
        let lent = buffer.sync_for_device();
        engine.write(lent.dma_addr(), &[0x80 | round; 150]).unwrap();
        // SAFETY: the engine does nothing by itself.
        let buffer = unsafe { lent.sync_for_cpu_short(150) }.unwrap();
        let received = buffer.received() == [0x80 | round; 150];
        let rest = buffer.as_slice()[150..] == [0x40 | round; 50];
        sent && received && rest
    })
}

fn caught(left_out: Option<Step>, snooping: Snooping) -> usize {
    Adversary::all(50)
        .filter(|adversary| !driver_sees_right_bytes(left_out, adversary.clone(), snooping))
        .count()
}

#[test]
fn with_nothing_left_out_every_adversary_is_survived() {
    assert_eq!(caught(None, Snooping::DoesNotSnoop), 0);
    assert_eq!(caught(None, Snooping::Snoops), 0);
}

#[test]
fn each_step_left_out_is_caught() {
    for step in [
        Step::Clean,
        Step::Invalidate,
        Step::CompleteClean,
        Step::CompleteInvalidate,
        Step::BeforeDoorbell,
        Step::AfterCompletion,
    ] {
        let failures = caught(Some(step), Snooping::DoesNotSnoop);
        assert!(
            failures > 0,
            "no adversary notices that {step:?} is left out"
        );
    }
}

#[test]
fn a_device_that_snoops_needs_its_barriers_all_the_same() {
    for step in [Step::BeforeDoorbell, Step::AfterCompletion] {
        let failures = caught(Some(step), Snooping::Snoops);
        assert!(
            failures > 0,
            "no adversary notices that {step:?} is left out"
        );
    }
}
