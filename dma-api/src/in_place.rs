//! Memory that somebody else allocated, lent to a device in place.
#![expect(
    unsafe_code,
    reason = "nothing but the caller's word says that the memory outlives the transfer"
)]

use core::{panic::Location, ptr::NonNull};

use crate::{
    device::Device,
    direction::Direction,
    error::Error,
    ledger::Holding,
    machine::Machine,
    observe::Event,
    streaming::{CpuOwned, DeviceOwned},
};

impl<M: Machine + Clone> Device<M> {
    /// Hands memory of the machine's direct map to the device where it is, or says why that cannot be: it is never
    /// copied. Memory that only the device reads may share its cache lines with anything.
    ///
    /// # Errors
    /// * [`Error::ZeroLength`], [`Error::RangeWraps`];
    /// * [`Error::NotInDirectMap`], [`Error::NotInWindow`]: the machine or the bus does not know the memory;
    /// * [`Error::SharedLine`]: the device would write to cache lines that are not wholly `memory`'s;
    /// * the device's limits, as [`Limits::check`](crate::Limits::check) judges them.
    ///
    /// # Safety
    /// Until the handle, and every one that comes from it by being handed back, handed over again or split, is dropped by
    /// the CPU's owner; or, for one dropped while the device owned it, until its quarantine is released, which for one
    /// that the ledger counts as leaked is never:
    /// * `memory` is valid for reads, initialised and physically contiguous, and valid for writes if `D` lets the
    ///   device write or the handle that comes back is written through;
    /// * nobody else accesses it, and nobody writes to it at all while the device owns it.
    #[track_caller]
    pub unsafe fn lend_in_place<D: Direction>(
        &self,
        memory: NonNull<[u8]>,
    ) -> Result<DeviceOwned<M, D>, Error> {
        let phys = self.machine().direct_map().to_phys(memory)?;
        let dma = self.reach(phys)?;

        if D::DATA.device_writes() {
            self.owns_granules(memory, phys)?;
        }

        // SAFETY: the caller's promise; the addresses were translated from `memory`, and the granules checked.
        let buffer = unsafe { CpuOwned::new(self, memory, phys, dma, Holding::Nothing) };
        buffer.tell(Event::Borrowed, Location::caller());
        Ok(buffer.sync_for_device())
    }
}
