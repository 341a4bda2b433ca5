//! Every single thing that a hand-over does is needed: leave out one kind of operation or barrier, and the adversaries that
//! should notice show a driver wrong bytes. With nothing left out none does.
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
    CleanAndInvalidate,
    CompleteClean,
    CompleteInvalidate,
    CompleteCleanAndInvalidate,
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
    fn fills_speculatively(&self) -> bool {
        self.real.fills_speculatively()
    }
    fn invalidate_may_write_back(&self) -> bool {
        self.real.invalidate_may_write_back()
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
        if self.does(Step::CleanAndInvalidate) {
            self.real.clean_and_invalidate(range);
        }
    }
    fn complete(&self) {
        let which = match self.last.get() {
            Some(Step::Invalidate) => Step::CompleteInvalidate,
            Some(Step::CleanAndInvalidate) => Step::CompleteCleanAndInvalidate,
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

/// What the driver and its machine are like.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    line: usize,
    granule: usize,
    fills_speculatively: bool,
    snooping: Snooping,
    len: usize,
}

/// Every geometry with every length.
fn scenarios(fills_speculatively: bool, snooping: Snooping) -> impl Iterator<Item = Scenario> {
    [(64, 64), (32, 128)]
        .into_iter()
        .flat_map(move |(line, granule)| {
            [1, 64, 200].map(|len| Scenario {
                line,
                granule,
                fills_speculatively,
                snooping,
                len,
            })
        })
}

/// Sends and receives, twice each. Says whether every byte arrived.
fn driver_sees_right_bytes(
    left_out: Option<Step>,
    adversary: Adversary,
    scenario: Scenario,
) -> bool {
    let Scenario { snooping, len, .. } = scenario;
    let machine = SimMachine::new(Config {
        line: scenario.line,
        granule: scenario.granule,
        fills_speculatively: scenario.fills_speculatively,
        cached_len: 4 << 10,
        uncached_len: 0,
        unit: 128,
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
    // Of more than a byte some are left unwritten.
    let written = len - len / 4;

    (1..=2).all(|round| {
        let mut buffer = device.allocate::<ToDevice>(len).unwrap();
        buffer.as_mut_slice().fill(round);
        let lent = buffer.sync_for_device();
        let sent = engine.read(lent.dma_addr(), len).unwrap() == vec![round; len];
        // SAFETY: the engine does nothing by itself.
        drop(unsafe { lent.sync_for_cpu() });

        let mut buffer = device.allocate::<FromDevice>(len).unwrap();
        buffer.as_mut_slice().fill(0x40 | round);
        let lent = buffer.sync_for_device();
        let bytes = vec![0x80 | round; written];
        engine.write(lent.dma_addr(), &bytes).unwrap();
        // SAFETY: the engine does nothing by itself.
        let buffer = unsafe { lent.sync_for_cpu_short(written) }.unwrap();
        let received = buffer.received() == bytes;
        let rest = buffer.as_slice()[written..]
            .iter()
            .all(|byte| *byte == 0x40 | round);
        sent && received && rest
    })
}

const SEEDS: u64 = 50;

/// The adversaries that show a driver wrong bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Caught {
    lazy: bool,
    hoarding: bool,
    eager: bool,
    random: usize,
}

fn caught(left_out: Option<Step>, scenario: Scenario) -> Caught {
    let shows = |adversary| !driver_sees_right_bytes(left_out, adversary, scenario);
    Caught {
        lazy: shows(Adversary::Lazy),
        hoarding: shows(Adversary::Hoarding),
        eager: shows(Adversary::Eager),
        random: (0..SEEDS)
            .map(Adversary::seeded)
            .filter(|adversary| shows(adversary.clone()))
            .count(),
    }
}

/// Asserts that in every scenario a driver without `step` is caught by the named adversaries that are said to catch it,
/// no others, and at least as many random ones of the 50 as said.
#[track_caller]
fn is_caught(step: Step, fills_speculatively: bool, snooping: Snooping, by: Caught) {
    for scenario in scenarios(fills_speculatively, snooping) {
        let found = caught(Some(step), scenario);
        let named = |caught: Caught| (caught.lazy, caught.hoarding, caught.eager);
        assert_eq!(named(found), named(by), "{step:?} of {scenario:?}");
        assert!(
            found.random >= by.random,
            "{} random adversaries notice that {step:?} is left out of {scenario:?}",
            found.random
        );
    }
}

/// Asserts that no adversary notices: the machine does not use the step.
#[track_caller]
fn is_not_used(step: Step, fills_speculatively: bool, snooping: Snooping) {
    for scenario in scenarios(fills_speculatively, snooping) {
        assert_eq!(
            caught(Some(step), scenario),
            NOBODY,
            "{step:?} {scenario:?}"
        );
    }
}

const NOBODY: Caught = Caught {
    lazy: false,
    hoarding: false,
    eager: false,
    random: 0,
};

/// By the adversaries that do nothing in the step's place. The eager one does at once what was left out.
const NOT_EAGER: Caught = Caught {
    lazy: true,
    hoarding: true,
    eager: false,
    random: 30,
};

/// By all: no move of the adversary does what was left out.
const EVERYBODY: Caught = Caught {
    lazy: true,
    hoarding: true,
    eager: true,
    random: 50,
};

#[test]
fn with_nothing_left_out_every_adversary_is_survived() {
    for snooping in [Snooping::Snoops, Snooping::DoesNotSnoop] {
        for fills_speculatively in [true, false] {
            for scenario in scenarios(fills_speculatively, snooping) {
                assert_eq!(caught(None, scenario), NOBODY, "{scenario:?}");
            }
        }
    }
}

#[test]
fn each_step_left_out_is_caught_where_lines_are_filled_speculatively() {
    for step in [
        Step::Clean,
        Step::Invalidate,
        Step::CompleteClean,
        Step::CompleteInvalidate,
        Step::BeforeDoorbell,
        Step::AfterCompletion,
    ] {
        is_caught(step, true, Snooping::DoesNotSnoop, NOT_EAGER);
    }
    for step in [Step::CleanAndInvalidate, Step::CompleteCleanAndInvalidate] {
        is_not_used(step, true, Snooping::DoesNotSnoop);
    }
}

#[test]
fn each_step_left_out_is_caught_where_lines_are_filled_on_access() {
    for step in [Step::Clean, Step::CompleteClean, Step::BeforeDoorbell] {
        is_caught(step, false, Snooping::DoesNotSnoop, NOT_EAGER);
    }
    // Nothing refills a line that was not discarded, nor discards it before its load.
    for step in [Step::CleanAndInvalidate, Step::AfterCompletion] {
        is_caught(step, false, Snooping::DoesNotSnoop, EVERYBODY);
    }
    // The next completion, in the next round, finishes what this one did not; often it is early anyway.
    let by = Caught {
        random: 5,
        ..NOT_EAGER
    };
    let unfinished = Step::CompleteCleanAndInvalidate;
    is_caught(unfinished, false, Snooping::DoesNotSnoop, by);
    for step in [Step::Invalidate, Step::CompleteInvalidate] {
        is_not_used(step, false, Snooping::DoesNotSnoop);
    }
}

#[test]
fn a_device_that_snoops_needs_its_barriers_all_the_same_and_nothing_else() {
    for fills_speculatively in [true, false] {
        for step in [Step::BeforeDoorbell, Step::AfterCompletion] {
            is_caught(step, fills_speculatively, Snooping::Snoops, NOT_EAGER);
        }
        for step in [
            Step::Clean,
            Step::Invalidate,
            Step::CleanAndInvalidate,
            Step::CompleteClean,
            Step::CompleteInvalidate,
            Step::CompleteCleanAndInvalidate,
        ] {
            is_not_used(step, fills_speculatively, Snooping::Snoops);
        }
    }
}
