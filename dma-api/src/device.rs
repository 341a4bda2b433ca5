//! A device: what it can address, whether it snoops, and the proof that it is quiet.
#![expect(unsafe_code, reason = "that a device is quiet is a promise")]

use core::{num::NonZeroUsize, panic::Location, ptr::NonNull};

use crate::{
    addr::{DmaRange, PhysAddr, PhysRange},
    error::Error,
    handover::Upkeep,
    ledger::DeviceId,
    limits::{Alignment, Limits, Request},
    machine::{self, Machine},
    map::Window,
    memory::Block,
    observe::{DeviceEvent, DeviceNotice},
    sync::DmaSync,
};

/// Whether a device's accesses look into the CPU's caches (the device is then called coherent).
///
/// Firmware knows: `dma-coherent` in a device tree, `_CCA` in ACPI. A wrong answer, in either direction, corrupts data.
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
///
/// All methods may be called by interrupt handlers if the machine's allocators may: the critical sections are short, and
/// none is held while memory is copied, zeroed or maintained.
#[derive(Clone, Debug)]
pub struct Device<M> {
    machine: M,
    id: DeviceId,
    limits: Limits,
    snooping: Snooping,
}

/// The proof that a device is quiet, from [`Device::assert_quiet`].
#[derive(Debug)]
#[must_use = "it proves something only when it is used"]
pub struct Quiesced<'d, M>(&'d Device<M>);

impl<M: Machine> Quiesced<'_, M> {
    /// Which device is quiet.
    pub(crate) fn device(&self) -> DeviceId {
        self.0.id
    }

    /// The machine it belongs to.
    pub(crate) fn machine(&self) -> &M {
        &self.0.machine
    }

    /// Tells the machine that something leaves quarantine.
    #[track_caller]
    pub(crate) fn tell_unquarantined(&self, dma: DmaRange) {
        self.0.tell(DeviceEvent::Unquarantined { dma });
    }

    /// Gives back all buffers and coherent memory that were dropped while this device owned them, as far as the ledger
    /// had room for them. Returns how many.
    #[expect(
        clippy::must_use_candidate,
        reason = "how many there were is of no consequence"
    )]
    #[track_caller]
    pub fn release_quarantine(self) -> usize {
        let Device { machine, id, .. } = self.0;
        let mut released: usize = 0;
        while let Some((dma, holding)) = machine.ledger().take_quarantined(*id) {
            self.tell_unquarantined(dma);
            machine::release(machine, holding);
            released = released.saturating_add(1);
        }
        released
    }
}

impl<M: Machine + Clone> Device<M> {
    /// A bus master of `machine`, known to its ledger from now on.
    ///
    /// * `limits`: what the device demands, met with what its bus demands.
    ///
    /// # Errors
    /// * [`Error::EverythingSnoops`] if the machine has no maintenance and the device needs it;
    /// * [`Error::Unreachable`] if no window of the bus has an address within the limits;
    /// * [`Error::TooManyDevices`].
    #[track_caller]
    pub fn new(machine: M, limits: Limits, snooping: Snooping) -> Result<Self, Error> {
        if M::EVERYTHING_SNOOPS && snooping == Snooping::DoesNotSnoop {
            return Err(Error::EverythingSnoops);
        }
        if windows(&machine, &limits).next().is_none() {
            return Err(unreachable(&limits));
        }
        let id = machine.ledger().enrol()?;
        let device = Self {
            machine,
            id,
            limits,
            snooping,
        };
        device.tell(DeviceEvent::Made);
        Ok(device)
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

    /// The same device as one that takes its memory in one segment of any length: for memory that is cut up later.
    pub(crate) fn in_one_piece(&self, alignment: Alignment) -> Result<Self, Error> {
        let limits = Limits::UNLIMITED
            .window(self.limits.lowest(), self.limits.highest())?
            .alignment(alignment.get())?;
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
    #[track_caller]
    pub unsafe fn assert_quiet(&self) -> Quiesced<'_, M> {
        self.tell(DeviceEvent::Quiet);
        Quiesced(self)
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

    /// Whether memory that the device writes shares no granule with other memory, by CPU and by physical address.
    pub(crate) fn owns_granules(
        &self,
        memory: NonNull<[u8]>,
        phys: PhysRange,
    ) -> Result<(), Error> {
        let (granule, len) = (self.granule(), memory.len());
        let cpu = memory.cast::<u8>().addr().get();
        let places = [cpu as u64, phys.start().get(), len as u64];
        if places.iter().all(|place| granule.divides(*place)) {
            return Ok(());
        }
        let granule = usize::try_from(granule.get()).unwrap_or(usize::MAX);
        Err(Error::SharedLine { cpu, len, granule })
    }

    /// Asks `allocate` for `len` bytes that the device reaches in one segment and that share no granule with others,
    /// window by window. Returns the block, which was checked, the granules at its front that hold the `len` bytes, and
    /// the bytes' DMA addresses.
    pub(crate) fn find_memory(
        &self,
        len: usize,
        allocate: impl Fn(&Request) -> Result<Block, Error>,
        give_back: impl Fn(Block),
    ) -> Result<(Block, PhysRange, DmaRange), Error> {
        let wanted = NonZeroUsize::new(len).ok_or(Error::ZeroLength)?;
        let max = self.limits.longest_segment();
        if len as u64 > max {
            return Err(Error::SegmentTooLong {
                len: len as u64,
                max,
            });
        }
        let (granule, boundary) = (self.granule(), self.limits.segment_boundary());
        let rounded = granule.round_up(wanted)?;

        let mut refusal = unreachable(&self.limits);
        for (window, reachable) in windows(&self.machine, &self.limits) {
            let request = Request {
                len: rounded,
                lowest: reachable.start(),
                highest: reachable.last(),
                alignment: self.limits.segment_alignment().max(granule),
                // A boundary up to the granule is met by `len` bytes that start on a granule and are no longer than it;
                // the rounded length could not meet it.
                boundary: boundary.filter(|boundary| *boundary > granule),
                bus_offset: window.bus_offset(),
            };
            let block = match allocate(&request) {
                Ok(block) => block,
                Err(error) => {
                    refusal = worse(refusal, error);
                    continue;
                }
            };
            match self.judge(&block, rounded.get(), len) {
                Ok((owned, dma)) => return Ok((block, owned, dma)),
                Err(error) => {
                    give_back(block);
                    return Err(error);
                }
            }
        }
        Err(refusal)
    }

    /// Checks what an allocator returned: the first `rounded` bytes, and the DMA addresses of the first `len`, if the
    /// device can use them.
    fn judge(
        &self,
        block: &Block,
        rounded: usize,
        len: usize,
    ) -> Result<(PhysRange, DmaRange), Error> {
        let buffer_len = block.len_bytes();
        self.owns_granules(block.memory(), block.phys())?;
        if buffer_len < rounded {
            return Err(Error::OutOfBounds {
                offset: 0,
                len: rounded,
                buffer_len,
            });
        }
        let start = block.phys().start();
        let owned = PhysRange::new(start, rounded as u64)?;
        Ok((owned, self.reach(PhysRange::new(start, len as u64)?)?))
    }
}

impl<M: Machine> Device<M> {
    /// Tells the machine, if it wants to know.
    #[track_caller]
    pub(crate) fn tell(&self, event: DeviceEvent) {
        if M::OBSERVED {
            self.machine.observe_device(&DeviceNotice {
                event,
                device: self.id,
                caller: Location::caller(),
            });
        }
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
