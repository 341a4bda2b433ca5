//! Drivers that are wrong in one way each, and one that is right, written with nothing between them and the processor.

use dma_api::{DataDirection, Limits};
use sim::{
    Adversary, Config, Cpu, DmaEngine, History, Maintained, Outer, SimMachine, Start,
    layout::Mapping,
    machine::Failure,
    steps::{Operation, Reach},
    trial::{self, Outcome},
};

/// What the CPU stores.
const OURS: u8 = 0x11;

/// What a device writes.
const THEIRS: u8 = 0x22;

/// A driver, and the machine on which its mistake shows.
pub(crate) struct Scenario {
    /// What it is asked for by.
    pub(crate) name: &'static str,
    /// What the driver does.
    pub(crate) about: &'static str,
    config: fn() -> Config,
    adversary: fn() -> Vec<Adversary>,
    driver: fn(&SimMachine) -> Outcome,
}

/// All of them: the right one first.
pub(crate) const SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "right",
        about: "receives a line, and does all that it must",
        config: one_level,
        adversary: || vec![Adversary::LatePosted],
        driver: right,
    },
    Scenario {
        name: "missing-invalidate",
        about: "receives a line, and invalidates it before the transfer only",
        config: one_level,
        adversary: || vec![Adversary::LatePosted],
        driver: missing_invalidate,
    },
    Scenario {
        name: "missing-clean",
        about: "sends a line that was not cleaned",
        config: one_level,
        adversary: || vec![Adversary::Lazy],
        driver: missing_clean,
    },
    Scenario {
        name: "shared-line",
        about: "receives half a line, and counts in the other half meanwhile",
        config: one_level,
        adversary: || vec![Adversary::EvictingAfterWrites],
        driver: shared_line,
    },
    Scenario {
        name: "inner-before-outer",
        about: "invalidates the inner cache first, which then refills from the outer one",
        config: two_levels,
        adversary: || Adversary::all(50).collect(),
        driver: inner_before_outer,
    },
    Scenario {
        name: "no-barrier",
        about: "writes a descriptor to uncached memory, and rings the doorbell at once",
        config: || Config {
            store_buffer: 4,
            ..one_level()
        },
        adversary: || vec![Adversary::Lazy],
        driver: no_barrier,
    },
    Scenario {
        name: "short-bounce",
        about: "copies a whole bounce buffer back after a short transfer",
        config: one_level,
        adversary: || vec![Adversary::Lazy],
        driver: short_bounce,
    },
];

impl Scenario {
    /// What happened: the failure, or the history of a run without one.
    pub(crate) fn run(&self) -> Result<History, Box<Failure>> {
        let config = (self.config)();
        let adversaries = (self.adversary)();
        trial::find(&config, adversaries.clone(), self.driver)?;

        let last = adversaries.into_iter().next_back();
        let machine = SimMachine::new(config.under(last.unwrap_or(Adversary::Lazy)));
        let machine = machine.unwrap_or_else(|error| panic!("no machine is like that: {error}"));
        (self.driver)(&machine).unwrap_or_else(|error| panic!("it failed: {error}"));
        machine.verdict()?;
        Ok(machine.history())
    }
}

/// Four lines in one cache of one core, empty at first, with no store buffer before it.
fn one_level() -> Config {
    Config {
        cached_len: 256,
        uncached_len: 64,
        start: Start::Empty,
        store_buffer: 0,
        ..Config::default()
    }
}

/// The same with a second level that is maintained by operations of its own.
fn two_levels() -> Config {
    Config {
        name: "two levels",
        outer: Some(Outer {
            line: 64,
            granule: 64,
            maintained: Maintained::ByItself,
        }),
        ordered_by_address: false,
        ..one_level()
    }
}

fn engine(machine: &SimMachine) -> DmaEngine<'_> {
    DmaEngine::new(machine, Limits::UNLIMITED, machine.config().snooping)
}

/// Lends the first line to a device that writes it.
fn receive(machine: &SimMachine, before: Operation, after: Option<Operation>) -> Outcome {
    let cpu = Cpu::new(machine);
    cpu.own(0, 64);
    cpu.store(0, &[OURS; 64]);
    cpu.done(0, 64);
    cpu.issue(before, 0, 64);
    cpu.complete();
    cpu.before_doorbell();
    cpu.lend(0, 64, DataDirection::FromDevice);

    engine(machine).write(cpu.dma(0), &[THEIRS; 64])?;
    cpu.after_completion();
    if let Some(operation) = after {
        cpu.issue(operation, 0, 64);
        cpu.complete();
    }
    cpu.take_back(0, 64);
    if cpu.load(0, 64) != [THEIRS; 64] {
        return Err("other bytes than the device wrote".into());
    }
    Ok(())
}

fn right(machine: &SimMachine) -> Outcome {
    receive(machine, Operation::Clean, Some(Operation::Invalidate))
}

fn missing_invalidate(machine: &SimMachine) -> Outcome {
    receive(machine, Operation::CleanAndInvalidate, None)
}

fn missing_clean(machine: &SimMachine) -> Outcome {
    let cpu = Cpu::new(machine);
    cpu.own(0, 64);
    cpu.store(0, &[OURS; 64]);
    cpu.done(0, 64);
    cpu.before_doorbell();
    cpu.lend(0, 64, DataDirection::ToDevice);

    engine(machine).read(cpu.dma(0), 64)?;
    Ok(())
}

fn shared_line(machine: &SimMachine) -> Outcome {
    let cpu = Cpu::new(machine);
    cpu.own(0, 32);
    cpu.own(32, 32);
    cpu.store(0, &[OURS; 64]);
    cpu.done(0, 32);
    cpu.clean(0, 32);
    cpu.before_doorbell();
    cpu.lend(0, 32, DataDirection::FromDevice);

    cpu.store(32, &[OURS + 1; 32]);
    engine(machine).write(cpu.dma(0), &[THEIRS; 32])?;
    cpu.after_completion();
    cpu.invalidate(0, 32);
    cpu.take_back(0, 32);
    Ok(())
}

fn inner_before_outer(machine: &SimMachine) -> Outcome {
    let cpu = Cpu::new(machine);
    let (inner, outer) = (Reach::Level(0), Reach::Level(1));
    cpu.own(0, 64);
    cpu.store(0, &[OURS; 64]);
    cpu.done(0, 64);
    for level in [inner, outer] {
        cpu.issue_in(level, Operation::Clean, 0, 64);
        cpu.complete_in(level);
    }
    cpu.before_doorbell();
    cpu.lend(0, 64, DataDirection::FromDevice);

    engine(machine).write(cpu.dma(0), &[THEIRS; 64])?;
    cpu.after_completion();
    for level in [inner, outer] {
        cpu.issue_in(level, Operation::Invalidate, 0, 64);
        cpu.complete_in(level);
    }
    cpu.take_back(0, 64);
    Ok(())
}

fn no_barrier(machine: &SimMachine) -> Outcome {
    let descriptor = machine.config().cached_len;
    let cpu = Cpu::new(machine).by(Mapping::Uncached);
    cpu.share(descriptor, 16);
    cpu.store(descriptor, &[OURS; 16]);

    let engine = engine(machine);
    engine.doorbell();
    engine.read(cpu.dma(descriptor), 16)?;
    Ok(())
}

fn short_bounce(machine: &SimMachine) -> Outcome {
    let (buffer, bounce) = (0, 64);
    let cpu = Cpu::new(machine);
    cpu.own(buffer, 64);
    cpu.store(buffer, &[OURS; 64]);
    cpu.own(bounce, 64);
    cpu.done(bounce, 64);
    cpu.clean(bounce, 64);
    cpu.before_doorbell();
    cpu.lend(bounce, 64, DataDirection::FromDevice);

    engine(machine).write(cpu.dma(bounce), &[THEIRS; 16])?;
    cpu.after_completion();
    cpu.invalidate(bounce, 64);
    cpu.take_back(bounce, 64);
    cpu.copy(bounce, buffer, 64);
    Ok(())
}
