//! Every single thing that a hand-over does is needed, on every machine that does it: leave out one kind of operation or
//! barrier, and the machine says what is wrong. With nothing left out it says nothing.
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
    BusMap, Device, DeviceNotice, DirectMap, DmaSync, FromDevice, Geometry, Ledger, Limits,
    LineRange, Machine, Notice, Snooping, ToDevice,
};
use sim::{Adversary, Config, DmaEngine, Oracle, SimCaches, SimMachine, presets};

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

    const OBSERVED: bool = true;

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
    fn observe(&self, notice: &Notice) {
        self.machine.observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.machine.observe_device(notice);
    }
}

/// Sends and receives, twice each, with `left_out` left out. Says what the machine finds wrong first.
fn found(left_out: Option<Step>, config: &Config, adversary: Adversary) -> Option<Oracle> {
    let machine = SimMachine::new(config.under(adversary)).unwrap();
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
    let snooping = config.snooping;
    let device = Device::new(without, Limits::UNLIMITED, snooping).unwrap();
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, snooping);
    let len = 2 * config.geometry().unwrap().granule() + 5;
    // Of what is received some is left unwritten.
    let written = len - len / 4;

    for round in 1..=2 {
        let mut buffer = device.allocate::<ToDevice>(len).unwrap();
        buffer.as_mut_slice().fill(round);
        let lent = buffer.sync_for_device();
        engine.read(lent.dma_addr(), len).unwrap();
        // SAFETY: the engine does nothing by itself.
        drop(unsafe { lent.sync_for_cpu() });

        let mut buffer = device.allocate::<FromDevice>(len).unwrap();
        buffer.as_mut_slice().fill(0x40 | round);
        let lent = buffer.sync_for_device();
        let bytes = vec![0x80 | round; written];
        engine.write(lent.dma_addr(), &bytes).unwrap();
        // SAFETY: the engine does nothing by itself.
        drop(unsafe { lent.sync_for_cpu_short(written) }.unwrap());
    }
    machine
        .verdict()
        .err()
        .map(|failure| failure.violation.oracle)
}

/// Machines small enough to be tried often.
fn machines() -> impl Iterator<Item = Config> {
    presets::all().into_iter().map(|config| Config {
        cached_len: 4 << 10,
        uncached_len: 0,
        ..config
    })
}

/// The kinds of machine that differ in what a hand-over does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Snooped,
    FillsSpeculatively,
    FillsOnAccess,
}

fn kind(config: &Config) -> Kind {
    match (config.snooping, config.fills_speculatively) {
        (Snooping::Snoops, _) => Kind::Snooped,
        (Snooping::DoesNotSnoop, true) => Kind::FillsSpeculatively,
        (Snooping::DoesNotSnoop, false) => Kind::FillsOnAccess,
    }
}

const ALL: [Step; 8] = [
    Step::Clean,
    Step::Invalidate,
    Step::CleanAndInvalidate,
    Step::CompleteClean,
    Step::CompleteInvalidate,
    Step::CompleteCleanAndInvalidate,
    Step::BeforeDoorbell,
    Step::AfterCompletion,
];

/// What is found wrong without a step, by an adversary that always shows it; nothing if the machine does without.
fn expected(step: Step, kind: Kind) -> Option<(Adversary, Oracle)> {
    use Kind::{FillsOnAccess, FillsSpeculatively, Snooped};
    match (step, kind) {
        (Step::Clean, FillsSpeculatively | FillsOnAccess) => {
            Some((Adversary::Lazy, Oracle::DeviceSeesStale))
        }
        (Step::Invalidate, FillsSpeculatively) => {
            Some((Adversary::Hoarding, Oracle::StaleAtHandBack))
        }
        (Step::CleanAndInvalidate, FillsOnAccess) => {
            Some((Adversary::Lazy, Oracle::DirtyOverDevice))
        }
        (Step::CompleteClean, FillsSpeculatively | FillsOnAccess)
        | (Step::CompleteInvalidate, FillsSpeculatively)
        | (Step::CompleteCleanAndInvalidate, FillsOnAccess)
        | (Step::AfterCompletion, _) => Some((Adversary::Lazy, Oracle::MissingBarrier)),
        (Step::BeforeDoorbell, FillsSpeculatively | FillsOnAccess | Snooped) => {
            Some((Adversary::Lazy, Oracle::MissingBarrier))
        }
        (Step::Clean | Step::Invalidate | Step::CleanAndInvalidate, _)
        | (Step::CompleteClean | Step::CompleteInvalidate | Step::CompleteCleanAndInvalidate, _) => {
            None
        }
    }
}

#[test]
fn with_nothing_left_out_every_adversary_is_survived_on_every_machine() {
    for config in machines() {
        for adversary in Adversary::all(30) {
            let name = adversary.to_string();
            assert_eq!(
                found(None, &config, adversary),
                None,
                "{} {name}",
                config.name
            );
        }
    }
}

#[test]
fn each_step_left_out_is_found_on_every_machine_that_needs_it_by_the_adversary_that_must() {
    let mut needed = 0;
    for config in machines() {
        for step in ALL {
            let Some((adversary, oracle)) = expected(step, kind(&config)) else {
                continue;
            };
            let found = found(Some(step), &config, adversary);
            assert_eq!(found, Some(oracle), "{step:?} on {}", config.name);
            needed += 1;
        }
    }
    assert!(needed > 50, "{needed} steps were left out");
}

#[test]
fn each_step_left_out_is_found_by_most_adversaries_that_nobody_chose() {
    for config in machines() {
        for step in ALL {
            if expected(step, kind(&config)).is_none() {
                continue;
            }
            let seeds = (0..20).map(Adversary::seeded);
            let found = seeds
                .filter(|adversary| found(Some(step), &config, adversary.clone()).is_some())
                .count();
            assert!(found >= 10, "{found} of 20: {step:?} on {}", config.name);
        }
    }
}

#[test]
fn what_a_machine_does_without_makes_no_difference() {
    for config in machines() {
        for step in ALL {
            if expected(step, kind(&config)).is_some() {
                continue;
            }
            for adversary in Adversary::all(5) {
                let name = adversary.to_string();
                let found = found(Some(step), &config, adversary);
                assert_eq!(found, None, "{step:?} on {} under {name}", config.name);
            }
        }
    }
}
