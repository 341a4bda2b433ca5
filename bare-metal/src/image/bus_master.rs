//! The monitor as a device: it reads and writes memory, whatever the caches hold.

use conformance::{BusFault, Engine};
use dma_api::DmaAddr;

use super::calls;

/// The conformance suite's engine on a board whose monitor has begun.
pub(crate) struct BusMaster;

impl Engine for BusMaster {
    fn read(&mut self, from: DmaAddr, into: &mut [u8]) -> Result<(), BusFault> {
        calls::dma_read(from.get(), into).map_err(|_| BusFault)
    }

    fn write(&mut self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault> {
        calls::dma_write(to.get(), bytes).map_err(|_| BusFault)
    }
}
