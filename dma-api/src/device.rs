//! A device: what it can address, whether it snoops, and the proof that it is quiet.
#![expect(unsafe_code, reason = "that a device is quiet is a promise")]

use core::num::NonZeroUsize;

use crate::{
    addr::{DmaRange, PhysAddr, PhysRange},
    error::Error,
    handover::Upkeep,
    ledger::DeviceId,
    limits::{Alignment, Limits, Request},
    machine::{self, Machine},
    map::Window,
    memory::Block,
    sync::DmaSync,
};

/// Whether a device's accesses look into the CPU's caches (the device is then called coherent).
///
/// Firmware knows: `dma-coherent` in a device tree, `_CCA` in ACPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snooping {
    /// It reads what the caches hold and its writes reach them: only order matters.
    Snoops,
    /// It sees memory alone: lines must be maintained.
    DoesNotSnoop,
}

/// A bus master of a machine, for the driver that owns it.
///
/// Clones are the same device. Make one value for each bus master, since what is proved about one device
/// ([`assert_quiet`](Self::assert_quiet)) is taken to hold for all buffers that were made through it.
#[derive(Clone, Debug)]
pub struct Device<M> {
    machine: M,
    id: DeviceId,
    limits: Limits,
    snooping: Snooping,
}

/// The proof that a device is quiet, from [`Device::assert_quiet`].
#[derive(Debug)]
#[must_use = "it proves something only to `Device::release_quarantine`"]
pub struct Quiesced(DeviceId);

impl<M: Machine + Clone> Device<M> {
    /// * `limits`: what the device demands, met with what its bus demands.
    ///
    /// # Errors
    /// * [`Error::EverythingSnoops`] if the machine has no maintenance and the device needs it;
    /// * [`Error::Unreachable`] if no window of the bus has an address within the limits;
    /// * [`Error::TooManyDevices`].
    pub fn new(machine: M, limits: Limits, snooping: Snooping) -> Result<Self, Error> {
        if M::EVERYTHING_SNOOPS && snooping == Snooping::DoesNotSnoop {
            return Err(Error::EverythingSnoops);
        }
        if windows(&machine, &limits).next().is_none() {
            return Err(unreachable(&limits));
        }
        let id = machine.ledger().enrol()?;
        Ok(Self {
            machine,
            id,
            limits,
            snooping,
        })
    }

    /// The same device with stricter limits for some of its buffers, such as a ring that must be aligned to a page.
    ///
    /// # Errors
    /// [`Error::EmptyLimits`], [`Error::Unreachable`].
    pub fn narrowed(&self, limits: Limits) -> Result<Self, Error> {
        let limits = self.limits.meet(limits)?;
        if windows(&self.machine, &limits).next().is_none() {
            return Err(unreachable(&limits));
        }
        Ok(Self {
            limits,
            ..self.clone()
        })
    }

    /// The machine it belongs to.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Its number in the machine's ledger.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// What it demands of memory.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether it snoops.
    pub fn snooping(&self) -> Snooping {
        self.snooping
    }

    /// What both ends of memory that the device writes must be multiples of, in bytes: the write-back granule, or 1
    /// if the device snoops.
    pub fn granule(&self) -> Alignment {
        match self.upkeep() {
            Upkeep::OrderOnly => Alignment::ONE,
            Upkeep::Lines => self.machine.sync().geometry().granule_alignment(),
        }
    }

    /// States that the device is quiet.
    ///
    /// # Safety
    /// From now on until the proof is used or dropped, the device accesses none of the memory it was ever given:
    /// it was reset, its bus mastering was switched off and posted writes have drained, or it is gone.
    pub unsafe fn assert_quiet(&self) -> Quiesced {
        Quiesced(self.id)
    }

    /// Gives back all buffers of this device that were dropped while it owned them. Returns how many, which is 0 for
    /// the proof of another device.
    pub fn release_quarantine(&self, proof: Quiesced) -> usize {
        let mut released: usize = 0;
        while let Some(holding) = self.machine.ledger().take_quarantined(proof.0) {
            machine::release(&self.machine, holding);
            released = released.saturating_add(1);
        }
        released
    }

    /// What hand-over and hand-back have to do for this device; a constant where everything snoops.
    pub(crate) fn upkeep(&self) -> Upkeep {
        match self.snooping {
            Snooping::DoesNotSnoop if !M::EVERYTHING_SNOOPS => Upkeep::Lines,
            Snooping::DoesNotSnoop | Snooping::Snoops => Upkeep::OrderOnly,
        }
    }

    /// What every buffer's first address is a multiple of.
    pub(crate) fn unit(&self) -> Alignment {
        self.limits.segment_alignment().max(self.granule())
    }

    /// The DMA addresses of a block for this device.
    pub(crate) fn reach(&self, phys: PhysRange) -> Result<DmaRange, Error> {
        let dma = self.machine.bus().to_dma(phys)?;
        self.limits.check(dma)?;
        Ok(dma)
    }

    /// Asks `allocate` for `len` bytes that the device reaches in one segment and that share no granule with others,
    /// window by window. Returns the block, which was checked, and the DMA addresses of its first `len` bytes.
    pub(crate) fn find_memory(
        &self,
        len: usize,
        allocate: impl Fn(&Request) -> Result<Block, Error>,
        give_back: impl Fn(Block),
    ) -> Result<(Block, DmaRange), Error> {
        let wanted = NonZeroUsize::new(len).ok_or(Error::ZeroLength)?;
        let max = self.limits.longest_segment();
        if len as u64 > max {
            return Err(Error::SegmentTooLong {
                len: len as u64,
                max,
            });
        }
        let rounded = self.granule().round_up(wanted)?;

        let mut refusal = unreachable(&self.limits);
        for (window, reachable) in windows(&self.machine, &self.limits) {
            let request = Request {
                len: rounded,
                lowest: reachable.start(),
                highest: reachable.last(),
                alignment: self.unit(),
                boundary: self.limits.segment_boundary(),
                bus_offset: window.bus_offset(),
            };
            let block = match allocate(&request) {
                Ok(block) => block,
                Err(error) => {
                    refusal = worse(refusal, error);
                    continue;
                }
            };
            match self.judge(&block, len as u64) {
                Ok(dma) => return Ok((block, dma)),
                Err(error) => {
                    give_back(block);
                    return Err(error);
                }
            }
        }
        Err(refusal)
    }

    /// Checks what an allocator returned: the DMA addresses of its first `len` bytes, if the device can use them.
    fn judge(&self, block: &Block, len: u64) -> Result<DmaRange, Error> {
        let granule = self.granule();
        let (cpu, block_len) = (block.memory().cast::<u8>().addr().get(), block.len_bytes());
        if !(granule.divides(cpu as u64) && granule.divides(block_len as u64)) {
            let granule = usize::try_from(granule.get()).unwrap_or(usize::MAX);
            return Err(Error::SharedLine {
                cpu,
                len: block_len,
                granule,
            });
        }
        if (block_len as u64) < len {
            return Err(Error::OutOfBounds {
                offset: 0,
                len: usize::try_from(len).unwrap_or(usize::MAX),
                buffer_len: block_len,
            });
        }
        self.reach(PhysRange::new(block.phys().start(), len)?)
    }
}

/// The bus windows that have an address within the limits, each with the physical addresses of that part.
fn windows<M: Machine>(machine: &M, limits: &Limits) -> impl Iterator<Item = (Window, PhysRange)> {
    machine
        .bus()
        .windows()
        .iter()
        .filter_map(|window| reachable(window, limits))
}

fn unreachable(limits: &Limits) -> Error {
    let (lowest, highest) = (limits.lowest().get(), limits.highest().get());
    Error::Unreachable { lowest, highest }
}

/// The part of a window that lies within the limits.
fn reachable(window: &Window, limits: &Limits) -> Option<(Window, PhysRange)> {
    let first = window.dma().start().max(limits.lowest());
    let last = window.dma().last().min(limits.highest());
    let steps = last.get().checked_sub(first.get())?;
    let start = PhysAddr::new(first.get().wrapping_sub(window.bus_offset()));
    Some((
        *window,
        PhysRange::new(start, steps.saturating_add(1)).ok()?,
    ))
}

/// Of the refusals by two windows, the one that says more: "not now" before "never" before "no window".
fn worse(one: Error, two: Error) -> Error {
    match (one, two) {
        (Error::Exhausted { .. }, _) => one,
        (Error::NeverFits { .. }, Error::Unreachable { .. }) => one,
        (Error::NeverFits { .. }, Error::NeverFits { .. }) => one,
        _ => two,
    }
}
