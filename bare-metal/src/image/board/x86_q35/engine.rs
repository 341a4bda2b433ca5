//! Another observer of memory: since every device of a PC snoops, any access by the CPU sees what they see.
#![expect(unsafe_code, reason = "it reads and writes memory that buffers lie in")]

use conformance::{BusFault, Engine};
use dma_api::{DmaAddr, DmaRange};

use super::{COHERENT_LEN, DMA_WINDOW_LEN, DMA_WINDOW_PHYS, identity};

/// The DMA window through the identity map. QEMU has no cache, so that it also sees what a device that does not snoop
/// would see.
pub(super) struct Identity;

impl Identity {
    /// Where the CPU sees device addresses of the window. They are physical addresses.
    fn pointer(start: DmaAddr, len: usize) -> Result<*mut u8, BusFault> {
        let range = |start, len| DmaRange::new(start, len as u64).map_err(|_| BusFault);
        let window = range(DmaAddr::new(DMA_WINDOW_PHYS), DMA_WINDOW_LEN + COHERENT_LEN)?;
        if !window.contains(range(start, len)?) {
            return Err(BusFault);
        }
        Ok(identity(start.get()).as_ptr())
    }
}

impl Engine for Identity {
    fn read(&mut self, from: DmaAddr, into: &mut [u8]) -> Result<(), BusFault> {
        let first = Self::pointer(from, into.len())?;
        for (index, byte) in into.iter_mut().enumerate() {
            let place = first.wrapping_add(index);
            // SAFETY: the place is in the DMA window, which the page tables map whole.
            *byte = unsafe { place.read_volatile() };
        }
        Ok(())
    }

    fn write(&mut self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault> {
        let first = Self::pointer(to, bytes.len())?;
        for (index, byte) in bytes.iter().enumerate() {
            let place = first.wrapping_add(index);
            // SAFETY: as above; the suite names buffers that it has lent to this engine.
            unsafe { place.write_volatile(*byte) };
        }
        Ok(())
    }
}
