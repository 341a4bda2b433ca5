//! A machine on a bench: the processor by hand, the hardware's moves by hand, and a look at any copy of memory.

use std::cell::RefCell;

use dma_api::{Limits, Snooping};
use sim::{
    Adversary, Config, Cpu, DmaEngine, SimMachine, Start, Violation,
    history::{Entry, Timed},
    layout::{CacheId, Mapping},
    steps::Move,
};

/// What `uniform` says of bytes that differ.
pub(crate) const MIXED: u8 = 0xee;

/// What memory holds before the first step.
pub(crate) const FRESH: u8 = 0xa5;

/// One core, one level, four lines that are granules as well, nothing that the test did not ask for: no store buffer, no order by
/// address, nothing in the caches.
pub(crate) fn plain() -> Config {
    Config {
        name: "bench",
        line: 16,
        granule: 16,
        store_buffer: 0,
        ordered_by_address: false,
        start: Start::Empty,
        cached_len: 64,
        uncached_len: 0,
        unit: 64,
        ..Config::default()
    }
}

/// What a program saw, and what the machine says of it.
#[derive(Debug)]
pub(crate) struct Ran<T> {
    pub(crate) seen: T,
    pub(crate) violation: Option<Violation>,
    /// The moves that were asked for and possible.
    pub(crate) made: Vec<Move>,
}

/// A machine while a program runs on it.
pub(crate) struct Bench<'m> {
    pub(crate) machine: &'m SimMachine,
    pub(crate) cpu: Cpu<'m>,
    moves: RefCell<Vec<Timed>>,
}

/// Runs a program twice: to learn when it asks for which moves, and on a machine whose adversary makes them then. What the
/// first run saw is forgotten, so a program must not judge what it sees.
pub(crate) fn run<T>(config: &Config, program: impl Fn(&Bench<'_>) -> T) -> Ran<T> {
    let pass = |moves: Vec<Timed>| {
        let adversary = Adversary::Scripted(moves.into());
        let machine = SimMachine::new(config.under(adversary)).unwrap();
        let bench = Bench {
            machine: &machine,
            cpu: Cpu::new(&machine),
            moves: RefCell::default(),
        };
        let seen = program(&bench);
        let moves = bench.moves.into_inner();
        let violation = machine.verdict().err().map(|failure| failure.violation);
        let made = machine.history().moves();
        let made = made.into_iter().map(|timed| timed.step).collect();
        let ran = Ran {
            seen,
            violation,
            made,
        };
        (ran, moves)
    };
    let (_, moves) = pass(Vec::new());
    pass(moves).0
}

/// What a program saw.
pub(crate) fn seen<T>(config: &Config, program: impl Fn(&Bench<'_>) -> T) -> T {
    run(config, program).seen
}

/// Whether the last move that a program asks for is possible at that moment.
pub(crate) fn is_possible(config: &Config, program: impl Fn(&Bench<'_>)) -> bool {
    let asked = RefCell::new(0);
    let ran = run(config, |bench| {
        program(bench);
        *asked.borrow_mut() = bench.moves.borrow().len();
    });
    let (made, asked) = (ran.made.len(), asked.into_inner());
    assert!(made == asked || made + 1 == asked, "{:?}", ran.made);
    made == asked
}

impl<'m> Bench<'m> {
    /// The hardware does this now, if it can.
    pub(crate) fn hardware(&self, step: Move) {
        let is_step = |entry: &&Entry| matches!(entry, Entry::Step(_));
        let steps = self
            .machine
            .history()
            .entries()
            .iter()
            .filter(is_step)
            .count();
        let after = steps - 1;
        self.moves.borrow_mut().push(Timed { after, step });
    }

    /// A step that changes nothing, for moves to be made after.
    pub(crate) fn pause(&self) {
        self.cpu.done(0, 0);
    }

    /// The processor with another mapping of memory.
    pub(crate) fn uncached(&self) -> Cpu<'m> {
        self.cpu.by(Mapping::Uncached)
    }

    /// What memory itself holds.
    pub(crate) fn memory(&self, at: usize, len: usize) -> Vec<u8> {
        self.uncached().load(at, len)
    }

    /// The value of all bytes that memory itself holds.
    pub(crate) fn memory_is(&self, at: usize, len: usize) -> u8 {
        uniform(&self.memory(at, len))
    }

    /// The value of all bytes that the CPU sees; what it does not hold it fills.
    pub(crate) fn cpu_sees(&self, at: usize, len: usize) -> u8 {
        uniform(&self.cpu.load(at, len))
    }

    /// Stores to memory past the caches.
    pub(crate) fn put(&self, at: usize, len: usize, value: u8) {
        self.uncached().store(at, &vec![value; len]);
    }

    /// Stores to the caches.
    pub(crate) fn store(&self, at: usize, len: usize, value: u8) {
        self.cpu.store(at, &vec![value; len]);
    }

    /// A device that does not snoop.
    pub(crate) fn device(&self) -> DmaEngine<'m> {
        DmaEngine::new(self.machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)
    }

    /// A device that snoops.
    pub(crate) fn snooping_device(&self) -> DmaEngine<'m> {
        DmaEngine::new(self.machine, Limits::UNLIMITED, Snooping::Snoops)
    }

    /// A device that does not snoop writes.
    pub(crate) fn device_writes(&self, at: usize, len: usize, value: u8) {
        let bytes = vec![value; len];
        self.device().write(self.cpu.dma(at), &bytes).unwrap();
    }
}

/// The one value that all bytes have, or [`MIXED`].
pub(crate) fn uniform(bytes: &[u8]) -> u8 {
    match bytes {
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => *first,
        _ => MIXED,
    }
}

/// The inner cache of the first core and colour: the first of every machine.
pub(crate) fn l1() -> CacheId {
    plain().inner_cache(0, 0)
}

pub(crate) fn fill(cache: CacheId, line: usize) -> Move {
    Move::Fill { cache, line }
}

pub(crate) fn evict(cache: CacheId, line: usize) -> Move {
    Move::Evict {
        cache,
        line,
        allocate: false,
    }
}

pub(crate) fn write_back(cache: CacheId, line: usize) -> Move {
    Move::WriteBack {
        cache,
        line,
        allocate: false,
    }
}

/// The issued operation with this place takes effect as it is.
pub(crate) fn execute(index: usize) -> Move {
    Move::Execute {
        index,
        upgraded: false,
        whole: false,
        rogue: false,
    }
}
