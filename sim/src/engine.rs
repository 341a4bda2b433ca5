//! A DMA engine that sees only what a device of the machine can see.

use std::{error, fmt};

use dma_api::{DmaAddr, DmaRange, Error, Limits, Machine, Snooping};

use crate::{
    machine::SimMachine,
    steps::{Access, Route, Step},
};

/// An access that the bus or the engine's own limits refused, as hardware would: nothing was transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFault(pub Error);

impl fmt::Display for BusFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bus fault: {}", self.0)
    }
}

impl error::Error for BusFault {}

/// Whether a device keeps to what it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// It does what it was told, and then says that it is done.
    #[default]
    Honest,
    /// It does only so many bytes of each transfer, and says so.
    Short(usize),
    /// It says that it is done while it still goes on.
    Late,
    /// It does what it can, wherever it can: it says that it did more than there is, and uses addresses again that it was told before.
    Hostile,
}

impl Manners {
    /// Whether an access that it was not told to make is a fault of the test, or to be expected.
    const fn honest(self) -> bool {
        matches!(self, Self::Honest | Self::Short(_))
    }

    /// How much of a transfer of `len` bytes it does.
    pub(crate) fn part(self, len: usize) -> usize {
        match self {
            Self::Short(most) => len.min(most),
            Self::Honest | Self::Late | Self::Hostile => len,
        }
    }
}

/// Something a started engine does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Reads so many bytes.
    Read(DmaAddr, usize),
    /// Writes bytes.
    Write(DmaAddr, Vec<u8>),
}

/// What a started engine is waited for with.
#[derive(Debug)]
#[must_use = "a driver waits for the completion"]
pub struct Started(usize);

/// The thing in a device that reads and writes memory by itself.
///
/// [`read`](Self::read) and [`write`](Self::write) happen when they are called, which is after the driver under test has
/// handed a buffer over and stands for the time after the doorbell. An engine that was [started](Self::start) accesses
/// memory when the adversary lets it, while the program goes on.
#[derive(Clone, Copy, Debug)]
pub struct DmaEngine<'m> {
    machine: &'m SimMachine,
    limits: Limits,
    snooping: Snooping,
    manners: Manners,
}

impl<'m> DmaEngine<'m> {
    /// An engine on the machine's bus.
    ///
    /// * `limits`: what the engine can address;
    /// * `snooping`: what its accesses really do, whatever its driver believes.
    #[must_use]
    pub const fn new(machine: &'m SimMachine, limits: Limits, snooping: Snooping) -> Self {
        Self {
            machine,
            limits,
            snooping,
            manners: Manners::Honest,
        }
    }

    /// The same engine with other manners.
    #[must_use]
    pub const fn with_manners(self, manners: Manners) -> Self {
        Self { manners, ..self }
    }

    /// What it can address.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) const fn manners(&self) -> Manners {
        self.manners
    }

    /// Reads `len` bytes.
    ///
    /// # Errors
    /// [`BusFault`] if an address is in no window of the bus or above what the engine can drive, or there is no byte.
    pub fn read(&self, from: DmaAddr, len: usize) -> Result<Vec<u8>, BusFault> {
        let at = self.locate(from, len)?;
        let step = self.accesses(Access::Read { at, len });
        let route = self.route();
        let mut live = self.machine.shared.lock();
        Ok(live.take_and_look(step, |state| {
            let seen = (at..at + len).map(|byte| state.device_sees(route, byte));
            seen.collect()
        }))
    }

    /// Writes `bytes`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(&self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault> {
        let at = self.locate(to, bytes.len())?;
        let bytes = bytes.to_vec();
        let step = self.accesses(Access::Write { at, bytes });
        self.machine.shared.take(step);
        Ok(())
    }

    /// Rings the doorbell: the engine does these things in order, some time from now on.
    ///
    /// # Errors
    /// As [`read`](Self::read), before anything is done.
    pub fn start(&self, tasks: &[Task]) -> Result<Started, BusFault> {
        let access = |task: &Task| match task {
            Task::Read(from, len) => Ok(Access::Read {
                at: self.locate(*from, *len)?,
                len: *len,
            }),
            Task::Write(to, bytes) => Ok(Access::Write {
                at: self.locate(*to, bytes.len())?,
                bytes: bytes.clone(),
            }),
        };
        let accesses = tasks.iter().map(access).collect::<Result<Vec<_>, _>>()?;
        let mut live = self.machine.shared.lock();
        live.jobs += 1;
        let job = live.jobs;
        live.take(Step::Start {
            job,
            route: self.route(),
            accesses,
            honest: self.manners.honest(),
        });
        Ok(Started(job))
    }

    /// Waits until the engine says that it has done what it was started for. One of honest manners has.
    pub fn wait(&self, started: Started) {
        let Started(job) = started;
        self.machine.shared.take(Step::Wait { job });
    }

    /// Rings the doorbell of a device whose accesses the test makes by itself: what the program has stored or maintained must
    /// have arrived.
    pub fn doorbell(&self) {
        self.machine.shared.take(Step::Doorbell);
    }

    /// Waits until everything that any engine of the machine wrote has arrived where it goes, as it does in the end: what a
    /// driver that polls coherent memory for a completion waits for.
    pub fn settle(&self) {
        self.machine.shared.take(Step::Settle);
    }

    fn accesses(&self, access: Access) -> Step {
        Step::Device {
            route: self.route(),
            access,
            honest: self.manners.honest(),
        }
    }

    /// How the engine reaches memory. What no cache holds it finds there either way.
    const fn route(&self) -> Route {
        match self.snooping {
            Snooping::Snoops => Route::Caches,
            Snooping::DoesNotSnoop => Route::Memory,
        }
    }

    fn locate(&self, start: DmaAddr, len: usize) -> Result<usize, BusFault> {
        let range = DmaRange::new(start, len as u64).map_err(BusFault)?;
        let (first, lowest) = (range.start().get(), self.limits.lowest().get());
        if first < lowest {
            return Err(BusFault(Error::BelowLowest { first, lowest }));
        }
        let (last, highest) = (range.last().get(), self.limits.highest().get());
        if last > highest {
            return Err(BusFault(Error::AboveHighest { last, highest }));
        }
        let phys = self.machine.bus().to_phys(range).map_err(BusFault)?;
        Ok(self.machine.bytes(phys).0)
    }
}
