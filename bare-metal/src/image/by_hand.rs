//! Memory lent in place, or a copy of it.
#![expect(unsafe_code, reason = "lends memory to a device")]

use core::ptr::NonNull;

use dma_api::{Device, DeviceOwned, Direction, DmaRange, Error};

use super::board::Board;

type Machine = &'static Board;

/// Memory that a device has, or a copy of it.
pub(crate) struct Loan<D: Direction> {
    handle: DeviceOwned<Machine, D>,
    original: Option<NonNull<[u8]>>,
}

impl<D: Direction> Loan<D> {
    /// Hands memory over.
    ///
    /// # Safety
    /// As [`Device::lend_in_place`].
    pub(crate) unsafe fn new(
        device: &Device<Machine>,
        memory: NonNull<[u8]>,
    ) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        match unsafe { device.lend_in_place(memory) } {
            Ok(handle) => {
                return Ok(Self {
                    handle,
                    original: None,
                });
            }
            Err(
                Error::SharedLine { .. }
                | Error::NotInDirectMap { .. }
                | Error::AboveHighest { .. },
            ) => {}
            Err(error) => return Err(error),
        }
        let mut copy = device.allocate::<D>(memory.len())?;
        // SAFETY: valid, and nobody writes to it now.
        copy.as_mut_slice()
            .copy_from_slice(unsafe { memory.as_ref() });
        Ok(Self {
            handle: copy.sync_for_device(),
            original: Some(memory),
        })
    }

    pub(crate) fn segment(&self) -> DmaRange {
        self.handle.segment()
    }

    pub(crate) fn is_bounced(&self) -> bool {
        self.original.is_some()
    }

    /// Takes it back.
    ///
    /// # Safety
    /// The device has finished.
    pub(crate) unsafe fn sync_for_cpu(self) {
        // SAFETY: passed on to the caller.
        let mut copy = unsafe { self.handle.sync_for_cpu() };
        if let Some(mut original) = self.original
            && D::DATA.device_writes()
        {
            // SAFETY: valid, and nobody else uses it now.
            unsafe { original.as_mut() }.copy_from_slice(copy.as_mut_slice());
        }
    }
}
