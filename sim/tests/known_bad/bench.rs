//! A wrong driver and its right twin are one driver with two versions; what is asserted of every such pair is said here once.

use dma_api::{DataDirection, Limits, Snooping};
use sim::{
    Adversary, Config, Cpu, DmaEngine, Oracle, Outer, SimMachine, check, explore, find,
    steps::Operation,
    trial::{self, Explored, Outcome, SEEDS},
};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// As it shipped.
    Shipped,
    /// As it should have been.
    Right,
}

/// A machine's processor and a device that reads and writes its memory, with the machine's line size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'m> {
    pub(crate) machine: &'m SimMachine,
    pub(crate) cpu: Cpu<'m>,
    pub(crate) engine: DmaEngine<'m>,
    /// Bytes in a line of the inner level.
    pub(crate) line: usize,
}

impl<'m> Bench<'m> {
    fn new(machine: &'m SimMachine) -> Self {
        let config = machine.config();
        Self {
            machine,
            cpu: Cpu::new(machine),
            engine: DmaEngine::new(machine, Limits::UNLIMITED, config.snooping),
            line: config.line,
        }
    }

    /// A device that snoops, or does not, whatever the machine says.
    pub(crate) fn engine_that(&self, snooping: Snooping) -> DmaEngine<'m> {
        DmaEngine::new(self.machine, Limits::UNLIMITED, snooping)
    }

    /// From the doorbell to the completion: a device writes the first `written` of the `len` bytes that it is lent, of which
    /// it might write all.
    pub(crate) fn receives(&self, at: usize, len: usize, written: usize) -> Outcome {
        self.cpu.before_doorbell();
        self.cpu.lend(at, len, DataDirection::FromDevice);
        self.engine.write(self.cpu.dma(at), &vec![0xd7; written])?;
        self.cpu.after_completion();
        Ok(())
    }

    /// From the doorbell to the completion: a device reads the bytes.
    pub(crate) fn sends(&self, at: usize, len: usize) -> Outcome {
        self.cpu.before_doorbell();
        self.cpu.lend(at, len, DataDirection::ToDevice);
        self.engine.read(self.cpu.dma(at), len)?;
        self.cpu.after_completion();
        Ok(())
    }

    /// Cleans and invalidates, and waits.
    pub(crate) fn clean_and_invalidate(&self, at: usize, len: usize) {
        self.cpu.issue(Operation::CleanAndInvalidate, at, len);
        self.cpu.complete();
    }
}

type Driver = Box<dyn Fn(&Bench<'_>, Version) -> Outcome>;

/// A wrong driver, its right twin, and how the former is caught.
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    driver: Driver,
    machine: Config,
    /// The machine on which the driver is right, if that is what is wrong.
    right_machine: Option<Config>,
    /// Lines of the machine's memory.
    lines: usize,
    /// The named adversaries that must catch it, and what they find first.
    pub(crate) shown_by: Vec<(Adversary, Oracle)>,
    /// What others may find first.
    also: Vec<Oracle>,
}

impl Bug {
    /// A driver that is wrong on a machine with one level of cache and two lines of memory.
    pub(crate) fn new(
        name: &'static str,
        driver: impl Fn(&Bench<'_>, Version) -> Outcome + 'static,
    ) -> Self {
        Self {
            name,
            driver: Box::new(driver),
            machine: Config::default(),
            right_machine: None,
            lines: 2,
            shown_by: Vec::new(),
            also: Vec::new(),
        }
    }

    /// On another machine.
    pub(crate) fn on(self, machine: Config) -> Self {
        Self { machine, ..self }
    }

    /// The same driver is right on this one.
    pub(crate) fn right_on(self, machine: Config) -> Self {
        Self {
            right_machine: Some(machine),
            ..self
        }
    }

    /// With more memory.
    pub(crate) fn lines(self, lines: usize) -> Self {
        Self { lines, ..self }
    }

    /// Each of these adversaries must find this first.
    pub(crate) fn shown_by(
        mut self,
        oracle: Oracle,
        adversaries: impl IntoIterator<Item = Adversary>,
    ) -> Self {
        let shows = adversaries.into_iter().map(|adversary| (adversary, oracle));
        self.shown_by.extend(shows);
        self
    }

    /// Other schedules may find this first.
    pub(crate) fn or(mut self, oracle: Oracle) -> Self {
        self.also.push(oracle);
        self
    }

    /// What may be found first.
    fn oracles(&self) -> Vec<Oracle> {
        let shown = self.shown_by.iter().map(|(_, oracle)| *oracle);
        shown.chain(self.also.iter().copied()).collect()
    }

    fn config(&self, version: Version) -> Config {
        let machine = match (&self.right_machine, version) {
            (Some(right), Version::Right) => right,
            _ => &self.machine,
        };
        Config {
            cached_len: self.lines * machine.line,
            uncached_len: 0,
            unit: largest_granule(machine) as u64,
            ..machine.clone()
        }
    }

    fn run(&self, machine: &SimMachine, version: Version) -> Outcome {
        (self.driver)(&Bench::new(machine), version)
    }

    /// Asserts that the wrong driver is caught and that the right one is not.
    pub(crate) fn prove(&self) {
        let (name, oracles) = (self.name, self.oracles());
        let expected = |failure: &sim::Failure, by: &str| {
            let found = failure.violation.oracle;
            assert!(
                oracles.contains(&found),
                "{name}: {by} finds something else\n{failure}"
            );
        };

        let shipped = |machine: &SimMachine| self.run(machine, Version::Shipped);
        let config = self.config(Version::Shipped);
        let mut summary = String::new();
        for adversary in Adversary::named() {
            let found = trial::run(&config, &adversary, shipped).err();
            if let Some(failure) = &found {
                expected(failure, "a named adversary");
                summary += &format!(" {adversary} {:?},", failure.violation.oracle);
            }
            let found = found.map(|failure| failure.violation.oracle);
            let by = adversary.to_string();
            for (_, oracle) in self.shown_by.iter().filter(|(a, _)| a.to_string() == by) {
                assert_eq!(found, Some(*oracle), "{name}: {adversary}");
            }
        }
        match find(&config, (0..4 * SEEDS).map(Adversary::seeded), shipped) {
            Err(failure) => expected(&failure, "a random adversary"),
            Ok(seeds) => panic!("{name}: {seeds} random adversaries find nothing"),
        }
        match explore(&small(&config), LIMIT, shipped) {
            Err(failure) => expected(&failure, "exhaustive search"),
            Ok(explored) => panic!("{name}: exhaustive search finds nothing: {explored}"),
        }

        let explored = self.passes(Version::Right);
        println!("CAUGHT {name}:{summary} its right twin: {explored}");
    }

    /// Asserts that a version does nothing wrong, whatever the hardware does.
    pub(crate) fn passes(&self, version: Version) -> Explored {
        let (name, config) = (self.name, self.config(version));
        let driver = |machine: &SimMachine| self.run(machine, version);
        check(&config, driver);
        explore(&small(&config), LIMIT, driver)
            .unwrap_or_else(|failure| panic!("{name}: the {version:?} driver fails\n{failure}"))
    }
}

/// Asserts it of a whole family.
pub(crate) fn prove(bugs: &[Bug]) {
    bugs.iter().for_each(Bug::prove);
}

/// States that an exhaustive search may find before it gives up.
const LIMIT: usize = 400_000;

/// The same machine in lines of four bytes, with a store buffer of one store.
fn small(config: &Config) -> Config {
    const LINE: usize = 4;
    let scaled = |bytes: usize| bytes / config.line * LINE;
    Config {
        line: LINE,
        granule: scaled(config.granule),
        outer: config.outer.map(|outer| Outer {
            line: scaled(outer.line),
            granule: scaled(outer.granule),
            ..outer
        }),
        cached_len: scaled(config.cached_len),
        unit: scaled(largest_granule(config)) as u64,
        store_buffer: config.store_buffer.min(1),
        ..config.clone()
    }
}

fn largest_granule(config: &Config) -> usize {
    let outer = config.outer.map_or(0, |outer| outer.granule);
    config.granule.max(outer)
}
