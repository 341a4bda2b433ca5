//! Another observer of memory: KSEG1, which bypasses the cache, as every device of the board does.
#![expect(unsafe_code, reason = "it reads and writes memory that buffers lie in")]

use arch_mips::map::kseg1;
use conformance::{BusFault, Engine};
use dma_api::{DmaAddr, PhysAddr, PhysRange};

use super::{DMA_WINDOW_LEN, DMA_WINDOW_PHYS};

/// The DMA window through KSEG1. QEMU has no cache, so that it also sees what a device that snoops would see.
pub(super) struct Kseg1;

impl Kseg1 {
    /// Where the CPU sees device addresses of the window, uncached. They are physical addresses.
    fn pointer(start: DmaAddr, len: usize) -> Result<*mut u8, BusFault> {
        let range = |start, len| PhysRange::new(PhysAddr::new(start), len as u64);
        let window = range(DMA_WINDOW_PHYS, DMA_WINDOW_LEN).map_err(|_| BusFault)?;
        let wanted = range(start.get(), len).map_err(|_| BusFault)?;
        if !window.contains(wanted) {
            return Err(BusFault);
        }
        Ok(kseg1(wanted).map_err(|_| BusFault)?.as_ptr())
    }
}

impl Engine for Kseg1 {
    fn read(&mut self, from: DmaAddr, into: &mut [u8]) -> Result<(), BusFault> {
        let first = Self::pointer(from, into.len())?;
        for (index, byte) in into.iter_mut().enumerate() {
            let place = first.wrapping_add(index);
            // SAFETY: the place is in the DMA window, which KSEG1 maps whole.
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
