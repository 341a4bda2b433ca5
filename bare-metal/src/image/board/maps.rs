//! What a board's machine knows of its memory: where the CPU sees it, and where devices do.

use dma_api::{BusMap, DirectMap, Error, Region, Window};
use heapless::Vec;

use crate::image::{board, words};

/// The word, first on the command line, of a run with a device that does not reach all memory.
const EDU: &str = "edu";

/// The direct map and the bus map.
pub(super) struct Maps {
    /// Invariant: ascending by physical address, without overlap; as many as `windows`.
    regions: Vec<Region, 2>,
    windows: Vec<Window, 2>,
}

impl Maps {
    /// The maps of the DMA window; of `upper` memory, which is behind it, only where the emulator is given so much.
    ///
    /// # Errors
    ///
    /// `upper`'s.
    pub(super) fn new(
        window: (Region, Window),
        upper: impl FnOnce() -> Result<(Region, Window), Error>,
    ) -> Result<Self, Error> {
        let mut maps = Self {
            regions: Vec::from_iter([window.0]),
            windows: Vec::from_iter([window.1]),
        };
        if has_upper_memory() {
            let (region, window) = upper()?;
            maps.regions.extend([region]);
            maps.windows.extend([window]);
        }
        Ok(maps)
    }

    /// Where the CPU sees the memory.
    ///
    /// # Errors
    ///
    /// [`Error::WindowOrder`] where the invariant does not hold.
    pub(super) fn direct_map(&self) -> Result<DirectMap<'_>, Error> {
        DirectMap::new(&self.regions)
    }

    /// Where devices see it.
    ///
    /// # Errors
    ///
    /// As [`direct_map`](Self::direct_map).
    pub(super) fn bus(&self) -> Result<BusMap<'_>, Error> {
        BusMap::new(&self.windows)
    }
}

/// Whether the emulator was given memory up to beyond what its edu device reaches.
pub(super) fn has_upper_memory() -> bool {
    words::task(board::command_line()) == Some(EDU)
}
