//! What the monitor does when the image is stopped: maintenance that it asked for, mischief that it did not.
#![expect(unsafe_code, reason = "the DMA engine accesses memory by its address")]

use super::adversary::{Adversary, Moment};
use super::lines::{Copies, Mischief};
use super::soiled::SOIL;
use crate::image::calls::{Answer, COUNT, Count, DONE, READ, REFUSED, START, WRITE};
use crate::image::console;
use crate::image::verdict::Verdict;

/// Maintenance of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Clean,
    Invalidate,
    CleanAndInvalidate,
}

/// Lines that the adversary looks at after a trap, and at a tick.
const AT_TRAP: u32 = 2;
const AT_TICK: u32 = 16;

/// How many bytes the DMA engine transfers in between.
const BETWEEN_MISCHIEF: usize = 32;

/// Of so many lines that are to be invalidated one is cleaned before, as a processor may do.
const UPGRADED: u32 = 4;

/// How many counters there are.
const COUNTS: usize = Count::Ticks as usize + 1;

/// What dirty lines of nobody in particular hold, but for the lines' numbers.
const JUNK: usize = 0x5bad_5bad;

/// From one tick to the next, in nanoseconds: at least the one, and less than the other more.
const TICK_NANOS: u32 = 20_000;
const TICK_NANOS_MORE: u32 = 200_000;

/// The state behind a board's traps.
#[derive(Debug)]
pub(crate) struct Monitor {
    copies: Copies,
    adversary: Adversary,
    counts: [usize; COUNTS],
    /// How long the image has asked for nothing, and how long it may.
    quiet_nanos: u64,
    patience_nanos: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    On,
}

impl Monitor {
    /// A monitor that does nothing yet: operations are skipped, and counted.
    pub(crate) const fn new(copies: Copies) -> Self {
        Self {
            copies,
            adversary: Adversary::new(0),
            counts: [0; COUNTS],
            quiet_nanos: 0,
            patience_nanos: 0,
            state: State::Off,
        }
    }

    /// The image has executed `operation` on the line at this virtual address.
    pub(crate) fn maintain(&mut self, operation: Operation, address: usize) {
        self.count(match operation {
            Operation::Clean => Count::Cleans,
            Operation::Invalidate => Count::Invalidates,
            Operation::CleanAndInvalidate => Count::CleansAndInvalidates,
        });
        self.quiet_nanos = 0;
        let (State::On, Some(line)) = (self.state, self.copies.line_at(address)) else {
            return;
        };

        let upgraded =
            operation == Operation::Invalidate && self.adversary.below(Moment::Trap, UPGRADED) == 0;
        if operation != Operation::Invalidate || upgraded {
            self.copies.write_back(line);
        }
        // A line that is gone is filled again at once, as speculation may do.
        if operation != Operation::Clean {
            self.copies.fill(line);
        }
        self.adversary.note(line);
        self.disturb(Moment::Trap, AT_TRAP);
    }

    /// The timer has interrupted the image. Returns after how many nanoseconds it is to do so again.
    pub(crate) fn tick(&mut self) -> u32 {
        self.count(Count::Ticks);
        self.disturb(Moment::Tick, AT_TICK);

        let nanos = TICK_NANOS + self.adversary.below(Moment::Tick, TICK_NANOS_MORE);
        self.quiet_nanos += u64::from(nanos);
        if self.quiet_nanos > self.patience_nanos {
            console::line(format_args!(
                "ERROR time-out: the image waits for something that does not come"
            ));
            Verdict::TimeOut.exit();
        }
        nanos
    }

    /// The image has called: one of [`calls`](crate::image::calls), with its arguments.
    pub(crate) fn call(&mut self, [call, first, second, third]: [usize; 4]) -> Answer {
        self.quiet_nanos = 0;
        match call {
            START => self.start(first as u64, second as u64 * 1_000_000),
            COUNT => match self.counts.get(first) {
                Some(count) => [DONE, *count],
                None => [REFUSED, 0],
            },
            READ => self.read(first, second, third),
            WRITE => self.write(first, second, third),
            SOIL => self.soil(first, second),
            _ => [REFUSED, 0],
        }
    }

    fn start(&mut self, seed: u64, patience_nanos: u64) -> Answer {
        self.adversary = Adversary::new(seed);
        self.patience_nanos = patience_nanos;
        self.state = State::On;
        [DONE, 0]
    }

    fn soil(&mut self, address: usize, len: usize) -> Answer {
        let Some(lines) = self.copies.lines_at(address, len) else {
            return [REFUSED, 0];
        };
        for line in lines {
            self.copies.soil(line, JUNK ^ line);
        }
        [DONE, 0]
    }

    /// The DMA engine copies `len` bytes from memory to the image's address `place`.
    fn read(&mut self, address: usize, len: usize, place: usize) -> Answer {
        match (
            self.copies.for_device(address, len),
            self.copies.for_image(place, len),
        ) {
            (Some(memory), Some(place)) => self.transfer(memory, place, len),
            _ => [REFUSED, 0],
        }
    }

    /// The DMA engine copies `len` bytes from the image's address `place` to memory.
    fn write(&mut self, address: usize, len: usize, place: usize) -> Answer {
        match (
            self.copies.for_image(place, len),
            self.copies.for_device(address, len),
        ) {
            (Some(place), Some(memory)) => self.transfer(place, memory, len),
            _ => [REFUSED, 0],
        }
    }

    fn transfer(&mut self, from: *const u8, to: *mut u8, len: usize) -> Answer {
        for index in 0..len {
            let (from, to) = (from.wrapping_add(index), to.wrapping_add(index));
            // SAFETY: one side is memory that `for_device` found, the other the image's, which waits for the answer.
            let byte = unsafe { from.read_volatile() };
            // SAFETY: as above; what a device writes to, the image does not own.
            unsafe { to.write_volatile(byte) };
            if index.is_multiple_of(BETWEEN_MISCHIEF) {
                self.disturb(Moment::Trap, AT_TRAP);
            }
        }
        [DONE, 0]
    }

    fn disturb(&mut self, moment: Moment, lines: u32) {
        if self.state == State::Off {
            return;
        }
        for _ in 0..lines {
            let line = self.adversary.victim(moment, self.copies.lines());
            match self.copies.disturb(line) {
                Mischief::None => {}
                Mischief::Evicted => self.count(Count::Evictions),
                Mischief::Refilled => self.count(Count::Refills),
            }
        }
    }

    fn count(&mut self, count: Count) {
        self.counts[count as usize] += 1;
    }
}
