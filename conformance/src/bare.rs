//! Memory without a handle in between: loads, stores, single ranges of maintenance, and a DMA address, all at once.
#![expect(
    unsafe_code,
    reason = "checks of the operations themselves go past the handles"
)]

use core::{num::NonZeroUsize, ops::Range, ptr::NonNull};

use dma_api::{
    Block, Device, DeviceOwned, Direction, DmaAllocator, DmaRange, DmaSync, Error, LineRange,
    Machine, PhysRange, Request,
};

use crate::{
    engine::part,
    report::{Run, Stop, equal, same_byte},
};

/// Memory of the machine's allocator, without a handle: what the suite does with it is nobody else's business.
pub(crate) struct Bare<'d, M: Machine> {
    device: &'d Device<M>,
    block: Block,
    /// Where the device sees the first `len` bytes.
    dma: DmaRange,
    len: usize,
}

impl<'d, M: Machine + Clone> Bare<'d, M> {
    /// `len` bytes, all zero, from a granule's start on, of the first window of the bus that has room.
    pub(crate) fn new(device: &'d Device<M>, len: usize) -> Result<Self, Stop> {
        let (machine, granule) = (device.machine(), device.granule());
        let wanted = NonZeroUsize::new(len).ok_or(Error::ZeroLength)?;
        let mut refusal = Error::NoWindows;
        for window in machine.bus().windows() {
            let request = Request {
                len: granule.round_up(wanted)?,
                lowest: window.phys().start(),
                highest: window.phys().last(),
                alignment: granule,
                boundary: None,
                bus_offset: window.bus_offset(),
            };
            match machine.memory().allocate(&request) {
                Ok(block) => {
                    let enough = block.len_bytes() >= len;
                    equal("a block as long as the request", u64::from(enough), 1)?;
                    let phys = PhysRange::new(block.phys().start(), len as u64)?;
                    return Ok(Self {
                        dma: machine.bus().to_dma(phys)?,
                        device,
                        block,
                        len,
                    });
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal.into())
    }

    /// The addresses of some of the bytes for a device.
    pub(crate) fn segment(&self, bytes: &Range<usize>) -> Result<DmaRange, Stop> {
        part(self.dma, bytes.start, bytes.len())
    }

    /// Stores the value that `value` gives for each byte's offset.
    pub(crate) fn store(&self, bytes: &Range<usize>, value: impl Fn(usize) -> u8) {
        for offset in self.inside(bytes) {
            let place = self.at(offset);
            // SAFETY: it is inside the block, which is this value's own.
            unsafe { place.write_volatile(value(offset)) };
        }
    }

    /// Demands that the CPU loads the value that `expected` gives for each byte's offset.
    pub(crate) fn holds(
        &self,
        what: &'static str,
        bytes: &Range<usize>,
        expected: impl Fn(usize) -> u8,
    ) -> Run {
        for offset in self.inside(bytes) {
            let place = self.at(offset);
            // SAFETY: as in `store`.
            let found = unsafe { place.read_volatile() };
            same_byte(what, offset, found, expected(offset))?;
        }
        Ok(())
    }

    /// Cleans the lines of some of the bytes, and waits.
    pub(crate) fn clean(&self, bytes: &Range<usize>) -> Run {
        self.sync().clean(self.lines(bytes)?);
        self.sync().complete();
        Ok(())
    }

    /// Invalidates the lines of some of the bytes, and waits.
    pub(crate) fn invalidate(&self, bytes: &Range<usize>) -> Run {
        let lines = self.lines(bytes)?;
        // SAFETY: the granules are this value's own, and a check knows what it does without.
        unsafe { self.sync().invalidate(lines) };
        self.sync().complete();
        Ok(())
    }

    /// Cleans and invalidates the lines of some of the bytes, and waits.
    pub(crate) fn clean_and_invalidate(&self, bytes: &Range<usize>) -> Run {
        self.sync().clean_and_invalidate(self.lines(bytes)?);
        self.sync().complete();
        Ok(())
    }

    /// Puts everything in place for a device that does not snoop.
    pub(crate) fn hand_over(&self, bytes: &Range<usize>) -> Run {
        self.clean(bytes)?;
        self.sync().before_doorbell(self.at(bytes.start));
        Ok(())
    }

    /// The barrier after the completion of a transfer.
    pub(crate) fn after_completion(&self, bytes: &Range<usize>) {
        self.sync().after_completion(self.at(bytes.start));
    }

    /// The barrier before a doorbell.
    pub(crate) fn before_doorbell(&self, bytes: &Range<usize>) {
        self.sync().before_doorbell(self.at(bytes.start));
    }

    /// Some of the bytes, as their owner names them to whoever lends them.
    pub(crate) fn memory(&self, bytes: &Range<usize>) -> NonNull<[u8]> {
        let bytes = self.inside(bytes);
        NonNull::slice_from_raw_parts(self.at(bytes.start), bytes.len())
    }

    /// Lends some of the bytes to the device, where they are.
    pub(crate) fn lend<D: Direction>(
        &self,
        bytes: &Range<usize>,
    ) -> Result<DeviceOwned<M, D>, Error> {
        // SAFETY: the bytes are this value's own, and a check stores nothing to them before it has them back.
        unsafe { self.device.lend_in_place::<D>(self.memory(bytes)) }
    }

    /// Gives the memory back.
    pub(crate) fn give_back(self) -> Run {
        let Self { device, block, .. } = self;
        device.machine().memory().free(block).map_err(Error::from)?;
        Ok(())
    }

    fn lines(&self, bytes: &Range<usize>) -> Result<LineRange<'_>, Stop> {
        let bytes = self.inside(bytes);
        let memory = self.memory(&bytes);
        let first = self.block.phys().start().checked_add(bytes.start as u64);
        let first = first.unwrap_or(self.block.phys().start());
        // SAFETY: the bytes are part of a block, which is contiguous.
        Ok(unsafe { LineRange::new(memory, first) }?)
    }

    /// Those of the bytes that there are.
    fn inside(&self, bytes: &Range<usize>) -> Range<usize> {
        let end = self.len;
        bytes.start.min(end)..bytes.end.min(end)
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        let last = self.len.saturating_sub(1);
        // SAFETY: the offset is inside the block.
        unsafe { self.block.memory().cast().add(offset.min(last)) }
    }

    fn sync(&self) -> &M::Sync {
        self.device.machine().sync()
    }
}
