//! The processor itself, for drivers that do without the library: each load, store, operation and barrier by hand.

use dma_api::{DataDirection, DmaAddr, Snooping};

use crate::{
    layout::Mapping,
    machine::SimMachine,
    steps::{Operation, Reach, Route, Step, Turn},
};

/// A simulated machine's processor, which does what it is told and nothing more. Offsets and lengths are in bytes, counted
/// from the start of memory.
///
/// A driver says whose bytes are: [`own`](Self::own) for memory that is the program's, [`done`](Self::done) before
/// the maintenance for a transfer, [`lend`](Self::lend) and [`take_back`](Self::take_back) for what a device uses in between. Nothing is maintained by saying so.
#[derive(Clone, Copy, Debug)]
pub struct Cpu<'m> {
    machine: &'m SimMachine,
    mapping: Mapping,
}

impl<'m> Cpu<'m> {
    /// The processor of a machine, using memory through its caches.
    #[must_use]
    pub const fn new(machine: &'m SimMachine) -> Self {
        Self {
            machine,
            mapping: Mapping::Cached(0),
        }
    }

    /// The same, using memory by another mapping.
    #[must_use]
    pub const fn by(self, mapping: Mapping) -> Self {
        Self { mapping, ..self }
    }

    /// The DMA address of the byte at an offset.
    #[must_use]
    pub fn dma(&self, at: usize) -> DmaAddr {
        DmaAddr::new(self.machine.config().dma.get() + at as u64)
    }

    /// Says that bytes are the program's: what it stores there must stay.
    pub fn own(&self, at: usize, len: usize) {
        let mapping = self.mapping;
        self.take(Step::Use { mapping, at, len });
    }

    /// Says that the program touches its bytes no more until it has them back: what comes before the maintenance for a
    /// transfer. Until then the hardware may find any of them stored to, with the value they have.
    pub fn done(&self, at: usize, len: usize) {
        self.take(Step::Yield { at, len });
    }

    /// Says that bytes are a device's from now on, which may use them in this direction.
    pub fn lend(&self, at: usize, len: usize, direction: DataDirection) {
        let route = match self.machine.config().snooping {
            Snooping::Snoops => Route::Caches,
            Snooping::DoesNotSnoop => Route::Memory,
        };
        self.take(Step::HandOver {
            at,
            len,
            whole: len,
            direction,
            route,
        });
    }

    /// Says that bytes are used by both at once.
    pub fn share(&self, at: usize, len: usize) {
        self.take(Step::Publish { at, len });
    }

    /// Says that memory that was lent is a ring, or what is done with an entry of one.
    pub fn ring(&self, turn: Turn, at: usize, len: usize) {
        self.take(Step::Ring { turn, at, len });
    }

    /// Says that bytes are the program's again.
    pub fn take_back(&self, at: usize, len: usize) {
        self.take(Step::HandBack { at, len });
    }

    /// Says that an allocator of the driver's own hands out bytes, which it has set to zero: nobody else has them, and
    /// nobody else's are seen in them.
    pub fn hand_out(&self, at: usize, len: usize) {
        self.take(Step::Allocate { at, len });
    }

    /// Says that bytes went back to an allocator of the driver's own: what they held is its former owner's.
    pub fn give_back(&self, at: usize, len: usize) {
        self.take(Step::Free { at, len });
    }

    /// Stores bytes.
    pub fn store(&self, at: usize, bytes: &[u8]) {
        self.take(Step::Store {
            mapping: self.mapping,
            at,
            bytes: bytes.to_vec(),
        });
    }

    /// Loads bytes.
    #[must_use]
    pub fn load(&self, at: usize, len: usize) -> Vec<u8> {
        let mapping = self.mapping;
        let step = Step::Load { mapping, at, len };
        self.judge_range(&step);
        let mut live = self.machine.shared.lock();
        live.take_and_look(step, |state| {
            let seen = (at..at + len).map(|byte| state.seen(mapping, byte).value());
            seen.collect()
        })
    }

    /// Copies bytes from one place to another, as a bounce buffer's owner does.
    pub fn copy(&self, from: usize, to: usize, len: usize) {
        self.take(Step::Copy {
            mapping: self.mapping,
            from,
            to,
            len,
        });
    }

    /// Issues an operation for the lines that hold a byte of the range, in all levels.
    pub fn issue(&self, operation: Operation, at: usize, len: usize) {
        self.issue_in(Reach::Memory, operation, at, len);
    }

    /// The same in one level.
    pub fn issue_in(&self, reach: Reach, operation: Operation, at: usize, len: usize) {
        self.take(Step::Issue {
            operation,
            reach,
            mapping: self.mapping,
            at,
            len,
        });
    }

    /// Cleans, and waits.
    pub fn clean(&self, at: usize, len: usize) {
        self.issue(Operation::Clean, at, len);
        self.complete();
    }

    /// Invalidates, and waits.
    pub fn invalidate(&self, at: usize, len: usize) {
        self.issue(Operation::Invalidate, at, len);
        self.complete();
    }

    /// Waits for all that was issued.
    pub fn complete(&self) {
        self.take(Step::Complete(Reach::Memory));
    }

    /// Waits for what was issued to one level.
    pub fn complete_in(&self, reach: Reach) {
        self.take(Step::Complete(reach));
    }

    /// The barrier before a doorbell.
    pub fn before_doorbell(&self) {
        self.take(Step::BeforeDoorbell);
    }

    /// The barrier after a completion.
    pub fn after_completion(&self) {
        self.take(Step::AfterCompletion);
    }

    fn take(&self, step: Step) {
        self.judge_range(&step);
        self.machine.shared.take(step);
    }

    fn judge_range(&self, step: &Step) {
        if let Some(bytes) = step.bytes() {
            let len = self.machine.shared.lock().state.layout.len;
            assert!(bytes.end <= len, "{step}: memory has {len:#x} bytes");
        }
    }
}
