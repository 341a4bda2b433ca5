//! A DMA engine that sees only what a device of the machine can see.

use std::{error, fmt};

use dma_api::{DmaAddr, DmaRange, Error, Limits, Machine, PhysRange, Snooping};

use crate::{machine::SimMachine, views::Route};

/// An access that the bus or the engine's own limits refused, as hardware would: nothing was transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFault(pub Error);

impl fmt::Display for BusFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bus fault: {}", self.0)
    }
}

impl error::Error for BusFault {}

/// The thing in a device that reads and writes memory by itself.
///
/// It accesses memory when it is told to, a few bytes at a time, with the adversary moving in between; a driver under
/// test tells it to after it has handed a buffer over, which stands for the doorbell.
#[derive(Clone, Copy, Debug)]
pub struct DmaEngine<'m> {
    machine: &'m SimMachine,
    limits: Limits,
    snooping: Snooping,
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
        }
    }

    /// Reads `len` bytes.
    ///
    /// # Errors
    /// [`BusFault`] if an address is in no window of the bus or above what the engine can drive.
    pub fn read(&self, from: DmaAddr, len: usize) -> Result<Vec<u8>, BusFault> {
        let (route, offset) = self.locate(from, len)?;
        Ok(self
            .machine
            .caches()
            .device_reads(route, offset..offset + len))
    }

    /// Writes `bytes`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(&self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault> {
        let (route, offset) = self.locate(to, bytes.len())?;
        self.machine.caches().device_writes(route, offset, bytes);
        Ok(())
    }

    /// Waits until everything that any engine of the machine wrote has arrived where it goes, as it does in the end: what a
    /// driver that polls coherent memory for a completion waits for.
    pub fn settle(&self) {
        self.machine.caches().device_settles();
    }

    fn locate(&self, start: DmaAddr, len: usize) -> Result<(Route, usize), BusFault> {
        let range = DmaRange::new(start, len as u64).map_err(BusFault)?;
        let (first, lowest) = (range.start().get(), self.limits.lowest().get());
        if first < lowest {
            return Err(BusFault(Error::BelowLowest { first, lowest }));
        }
        let (last, highest) = (range.last().get(), self.limits.highest().get());
        if last > highest {
            return Err(BusFault(Error::AboveHighest { last, highest }));
        }
        let phys: PhysRange = self.machine.bus().to_phys(range).map_err(BusFault)?;
        let base = self.machine.bus().windows()[0].phys().start();
        let offset = usize::try_from(phys.start().get() - base.get()).expect("in simulated memory");
        Ok((
            self.machine
                .route(offset, self.snooping == Snooping::Snoops),
            offset,
        ))
    }
}
