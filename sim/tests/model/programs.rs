//! Programs of transfers that interleave, made by chance: what each does to memory, with any one step of its protocol left out.

use dma_api::{
    DataDirection::{self, Bidirectional, FromDevice, ToDevice},
    Limits, Snooping,
};
use proptest::{collection::vec, prelude::*};
use sim::{
    Config, Cpu, DmaEngine, Maintained, Outer, SimMachine, Start, Task,
    layout::Mapping,
    steps::{Operation, Reach},
    trial::Outcome,
};

/// Bytes of a buffer, which is a granule of every machine.
const BUFFER: usize = 32;

/// Buffers of a program.
const BUFFERS: usize = 3;

/// One thing that a program does, if the buffer is the CPU's or a device's as it must be.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Store(usize, Piece),
    Load(usize, Piece),
    HandOver(usize, DataDirection),
    Device(usize, Piece, How),
    HandBack(usize),
}

/// How a device accesses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Reads,
    Writes,
    /// It is started, and waited for at once.
    WritesWhenItLikes,
}

/// Some bytes of a buffer, and a value for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    at: usize,
    len: usize,
    value: u8,
}

/// A machine by chance.
pub(crate) fn machines() -> impl Strategy<Value = Config> {
    let levels = (
        0..3_usize,
        prop_oneof![Just(8_usize), Just(16)],
        0..3_usize,
        0..3_usize,
    );
    let cores = (
        1..=3_usize,
        1..=2_usize,
        prop_oneof![Just(0_usize), Just(1), Just(4)],
    );
    let rest = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (levels, cores, rest).prop_map(|(levels, cores, rest)| {
        let (levels, line, granule, outer_granule) = levels;
        let (cores, colours, store_buffer) = cores;
        let (fills_speculatively, ordered_by_address, rogue_dirty, dirty, snoops) = rest;
        let sizes = [line, 16, BUFFER];
        let maintained = match levels {
            1 => Maintained::WithTheInner,
            _ => Maintained::ByItself,
        };
        Config {
            name: "a machine by chance",
            line,
            granule: sizes[granule],
            outer: (levels > 0).then_some(Outer {
                line: 16,
                granule: sizes[outer_granule].max(16),
                maintained,
            }),
            cores,
            // What snoops finds lines by their physical address: such machines have no aliases.
            colours: if snoops { 1 } else { colours },
            fills_speculatively,
            ordered_by_address,
            store_buffer,
            rogue_dirty,
            start: if dirty { Start::Dirty } else { Start::Empty },
            cached_len: BUFFER * BUFFERS,
            uncached_len: 0,
            unit: BUFFER as u64,
            snooping: if snoops {
                Snooping::Snoops
            } else {
                Snooping::DoesNotSnoop
            },
            ..Config::default()
        }
    })
}

/// A program by chance.
pub(crate) fn programs() -> impl Strategy<Value = Vec<Act>> {
    let piece = || {
        (0..BUFFER, 1..=BUFFER, any::<u8>()).prop_map(|(at, len, value)| Piece {
            at,
            len: len.min(BUFFER - at),
            value,
        })
    };
    let direction = prop_oneof![Just(ToDevice), Just(FromDevice), Just(Bidirectional)];
    let how = prop_oneof![
        Just(How::Reads),
        Just(How::Writes),
        Just(How::WritesWhenItLikes)
    ];
    let buffer = || 0..BUFFERS;
    let act = prop_oneof![
        3 => (buffer(), piece()).prop_map(|(buffer, piece)| Act::Store(buffer, piece)),
        2 => (buffer(), piece()).prop_map(|(buffer, piece)| Act::Load(buffer, piece)),
        3 => (buffer(), direction).prop_map(|(buffer, way)| Act::HandOver(buffer, way)),
        4 => (buffer(), piece(), how).prop_map(|(buffer, piece, how)| Act::Device(buffer, piece, how)),
        3 => buffer().prop_map(Act::HandBack),
    ];
    vec(act, 1..24)
}

/// A program while it runs, beside memory as it ought to be.
pub(crate) struct Run<'m> {
    machine: &'m SimMachine,
    /// What each byte holds, if that is known.
    ideal: [Option<u8>; BUFFER * BUFFERS],
    lent: [Option<DataDirection>; BUFFERS],
    /// The number of the protocol's step that is left out.
    without: Option<usize>,
    /// Steps of the protocol so far.
    pub(crate) steps: usize,
}

impl<'m> Run<'m> {
    pub(crate) fn new(machine: &'m SimMachine, without: Option<usize>) -> Self {
        Self {
            machine,
            ideal: [None; BUFFER * BUFFERS],
            lent: [None; BUFFERS],
            without,
            steps: 0,
        }
    }

    /// Does everything that the program says.
    ///
    /// # Errors
    /// The first value that is not what it ought to be.
    pub(crate) fn all(&mut self, program: &[Act]) -> Outcome {
        for buffer in 0..BUFFERS {
            let (first, at) = (Cpu::new(self.machine), buffer * BUFFER);
            self.cpu(buffer).own(at, BUFFER);
            // What former owners left, they left at the first colour.
            first.issue(Operation::CleanAndInvalidate, at, BUFFER);
            first.complete();
        }
        program.iter().try_for_each(|act| self.act(act))?;
        for buffer in 0..BUFFERS {
            self.act(&Act::HandBack(buffer))?;
            let (at, len, value) = (0, BUFFER, 0);
            self.act(&Act::Load(buffer, Piece { at, len, value }))?;
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Outcome {
        match *act {
            Act::Store(buffer, piece) if self.lent[buffer].is_none() => {
                let at = buffer * BUFFER + piece.at;
                self.cpu(buffer).store(at, &vec![piece.value; piece.len]);
                self.ideal[at..at + piece.len].fill(Some(piece.value));
            }
            Act::Load(buffer, piece) if self.lent[buffer].is_none() => {
                let at = buffer * BUFFER + piece.at;
                let found = self.cpu(buffer).load(at, piece.len);
                self.compare("the CPU loads", at, &found)?;
            }
            Act::HandOver(buffer, direction) if self.lent[buffer].is_none() => {
                self.hand_over(buffer, direction);
                self.lent[buffer] = Some(direction);
            }
            Act::HandBack(buffer) => {
                if let Some(direction) = self.lent[buffer].take() {
                    self.hand_back(buffer, direction);
                }
            }
            Act::Device(buffer, piece, how) => {
                if let Some(direction) = self.lent[buffer] {
                    self.access(buffer * BUFFER + piece.at, piece, direction, how)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A step of the protocol, unless it is the one that is left out.
    fn step(&mut self, step: impl FnOnce()) {
        if self.without != Some(self.steps) {
            step();
        }
        self.steps += 1;
    }

    fn hand_over(&mut self, buffer: usize, direction: DataDirection) {
        let (cpu, at) = (self.cpu(buffer), buffer * BUFFER);
        self.step(|| cpu.done(at, BUFFER));
        let config = self.machine.config();
        // Where nothing is filled speculatively, what is discarded now need not be afterwards. A core whose cleans leave lines
        // marked as dirty has nothing else.
        let discards = !config.fills_speculatively && direction.device_writes();
        let operation = match discards || config.rogue_dirty {
            true => Operation::CleanAndInvalidate,
            false => Operation::Clean,
        };
        self.maintain(buffer, operation);
        self.step(|| cpu.before_doorbell());
        self.step(|| cpu.lend(at, BUFFER, direction));
    }

    fn hand_back(&mut self, buffer: usize, direction: DataDirection) {
        let (cpu, at) = (self.cpu(buffer), buffer * BUFFER);
        self.step(|| cpu.after_completion());
        if self.machine.config().fills_speculatively && direction.device_writes() {
            self.maintain(buffer, Operation::Invalidate);
        }
        self.step(|| cpu.take_back(at, BUFFER));
    }

    /// Maintains a buffer's lines: what is written back goes outwards, what is discarded is so from the outside.
    fn maintain(&mut self, buffer: usize, operation: Operation) {
        let (cpu, at) = (self.cpu(buffer), buffer * BUFFER);
        let config = self.machine.config();
        if config.snooping == Snooping::Snoops {
            return;
        }
        let apart = config
            .outer
            .is_some_and(|outer| outer.maintained == Maintained::ByItself);
        let (inner, outer) = (Reach::Level(0), Reach::Level(1));
        let operations = match (apart, operation) {
            (false, _) => vec![(Reach::Memory, operation)],
            (true, Operation::Clean) => vec![(inner, operation), (outer, operation)],
            (true, Operation::Invalidate) => vec![(outer, operation), (inner, operation)],
            // A line of the outer level may come back to the inner one before it is gone.
            (true, Operation::CleanAndInvalidate) => {
                vec![(inner, operation), (outer, operation), (inner, operation)]
            }
        };
        for (reach, operation) in operations {
            self.step(|| cpu.issue_in(reach, operation, at, BUFFER));
            self.step(|| cpu.complete_in(reach));
        }
    }

    fn access(&mut self, at: usize, piece: Piece, direction: DataDirection, how: How) -> Outcome {
        let snooping = self.machine.config().snooping;
        let engine = DmaEngine::new(self.machine, Limits::UNLIMITED, snooping);
        let dma = Cpu::new(self.machine).dma(at);
        if how == How::Reads {
            if direction != FromDevice {
                let found = engine.read(dma, piece.len)?;
                self.compare("a device reads", at, &found)?;
            }
        } else if direction.device_writes() {
            let bytes = vec![piece.value; piece.len];
            match how {
                How::WritesWhenItLikes => {
                    let started = engine.start(&[Task::Write(dma, bytes)])?;
                    engine.wait(started);
                }
                _ => engine.write(dma, &bytes)?,
            }
            self.ideal[at..at + piece.len].fill(Some(piece.value));
        }
        Ok(())
    }

    /// Each buffer is used by a mapping of its own, always.
    fn cpu(&self, buffer: usize) -> Cpu<'m> {
        let colour = buffer % self.machine.config().colours;
        Cpu::new(self.machine).by(Mapping::Cached(colour))
    }

    fn compare(&self, who: &str, at: usize, found: &[u8]) -> Outcome {
        for (byte, found) in (at..).zip(found) {
            if let Some(ideal) = self.ideal[byte]
                && ideal != *found
            {
                return Err(format!("{who} {found:#x} instead of {ideal:#x} at {byte:#x}").into());
            }
        }
        Ok(())
    }
}
