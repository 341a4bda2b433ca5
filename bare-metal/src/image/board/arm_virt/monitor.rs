//! The monitor's state, and where its copies of the window are.
#![expect(
    unsafe_code,
    reason = "the state of a trap handler, and memory it owns"
)]

use super::memory::{CACHE_PHYS, COHERENT_LEN, DMA_WINDOW_LEN, DMA_WINDOW_PHYS, SYNCED_PHYS};
use crate::image::board::shadow::{Copies, Monitor};

/// In a section that the boot code does not zero behind the monitor's back.
#[unsafe(link_section = ".data.monitor")]
static mut MONITOR: Monitor = Monitor::new(COPIES);

// SAFETY: the linker script keeps everything out of the window and of both copies, which are RAM of the board's 256 MiB.
const COPIES: Copies = unsafe {
    Copies::new(
        DMA_WINDOW_PHYS as usize,
        DMA_WINDOW_PHYS as usize,
        CACHE_PHYS as usize,
        SYNCED_PHYS as usize,
        DMA_WINDOW_LEN,
        DMA_WINDOW_LEN + COHERENT_LEN,
    )
};

/// The state, for the trap handler.
///
/// # Safety
///
/// Only the one trap handler one level above the image calls this, once per trap, and it is not interrupted.
pub(crate) unsafe fn monitor() -> &'static mut Monitor {
    let monitor = &raw mut MONITOR;
    // SAFETY: nobody else has a reference, by this function's contract.
    unsafe { &mut *monitor }
}
