//! The board with the caches of Armv7-A.
#![expect(
    unsafe_code,
    reason = "the board promises what its processor's caches are"
)]

use arch_arm::Armv7Caches;
use conformance::Report;
use spin::Lazy;

use crate::image::board::arm_virt;

/// QEMU's `virt` with a 32-bit processor.
pub(crate) type Board = arm_virt::Board<Armv7Caches>;

static BOARD: Lazy<Board> = Lazy::new(|| {
    // SAFETY: the board has one core, whose caches maintenance by address reaches: a Cortex-A15's second level included.
    let caches = unsafe { Armv7Caches::probe() };
    let board = caches.and_then(arm_virt::boot);
    board.expect("the memory map is consistent")
});

/// The board.
pub(crate) fn machine() -> &'static Board {
    &BOARD
}

/// Runs the conformance suite.
pub(crate) fn conform(report: &mut impl Report) {
    arm_virt::conform(machine(), report);
}
