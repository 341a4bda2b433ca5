//! `without=shared-lines`: buffers lent where they are although they share lines, as many drivers do.
//!
//! The library refuses such a loan; here its steps are done by hand, in the right order and on whole lines. What is
//! wrong is only that other data lie in them: the CPU's stores there are discarded with the line, or written back
//! together with the rest of it, over what the device has written.
#![expect(
    unsafe_code,
    reason = "goes around the check that makes a loan sound, to see what it is there for"
)]

use core::ptr::NonNull;

use dma_api::{DmaAddr, DmaRange, DmaSync, Error, LineRange, Machine, PhysRange};

/// A buffer that the device may write to, in lines that are not all its own.
pub(crate) struct InPlace {
    memory: NonNull<[u8]>,
    phys: PhysRange,
    dma: DmaRange,
}

impl InPlace {
    /// Cleans the buffer's lines and gives it to a device that may write to it.
    ///
    /// # Errors
    ///
    /// As [`Device::lend_in_place`](dma_api::Device::lend_in_place) save for `SharedLine`.
    pub(crate) fn lend<M: Machine>(machine: &M, memory: NonNull<[u8]>) -> Result<Self, Error> {
        let phys = machine.direct_map().to_phys(memory)?;
        let dma = machine.bus().to_dma(phys)?;
        let lent = Self { memory, phys, dma };

        let sync = machine.sync();
        sync.clean(lent.lines());
        sync.complete();
        sync.before_doorbell(memory.cast());
        Ok(lent)
    }

    /// Where the device finds the first byte.
    pub(crate) const fn dma_addr(&self) -> DmaAddr {
        self.dma.start()
    }

    /// Takes the buffer back from the device and invalidates its lines.
    ///
    /// # Safety
    ///
    /// The device has finished. Whoever has other data in the lines does without what was stored there since
    /// [`lend`](Self::lend): nobody can promise that, which is the point.
    pub(crate) unsafe fn take_back<M: Machine>(self, machine: &M) {
        let sync = machine.sync();
        sync.after_completion(self.memory.cast());
        // SAFETY: passed on to the caller.
        unsafe { sync.invalidate(self.lines()) };
        sync.complete();
    }

    fn lines(&self) -> LineRange<'_> {
        // SAFETY: the direct map says that the memory is mapped, contiguous from `phys` on.
        unsafe { LineRange::new(self.memory, self.phys.start()) }
            .expect("the direct map has no empty ranges")
    }
}

// SAFETY: it is a place in memory, not bound to a thread.
unsafe impl Send for InPlace {}
