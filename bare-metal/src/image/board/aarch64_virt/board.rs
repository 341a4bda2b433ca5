//! The board with the caches of AArch64.
#![expect(
    unsafe_code,
    reason = "the board promises what its processor's caches are"
)]

use arch_arm::Aarch64Caches;
use conformance::Report;
use spin::Lazy;

use crate::image::board::arm_virt;

/// QEMU's `virt` with a 64-bit processor.
pub(crate) type Board = arm_virt::Board<Aarch64Caches>;

static BOARD: Lazy<Board> = Lazy::new(|| {
    // SAFETY: the board has one kind of core, and no cache behind the point of coherency.
    let caches = unsafe { Aarch64Caches::probe() };
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
