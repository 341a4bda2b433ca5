//! Semihosting by `HLT #0xf000`.
#![expect(unsafe_code, reason = "the semihosting trap")]

use core::arch::asm;

use crate::image::board::arm_virt;

/// Ends the emulator. With 64-bit words it takes a block, with an exit code in it.
pub(super) const SYS_EXIT: usize = 0x18;

/// Ends the emulator with this exit code.
pub(crate) fn exit(code: u8) -> ! {
    // SAFETY: the operation takes a reason and a code on AArch64.
    unsafe { arm_virt::exit(call, SYS_EXIT, code) }
}

/// One request.
///
/// # Safety
///
/// The block must be what the operation asks for, and what it points to valid for what the operation does.
pub(super) unsafe fn call(operation: usize, block: &mut [usize; 2]) -> usize {
    let result;
    // SAFETY: the operation has the block it asks for, by this function's contract. The emulator reads and
    // writes memory: no `nomem`.
    unsafe {
        asm!("hlt #0xf000", inlateout("x0") operation => result, in("x1") block, options(nostack));
    }
    result
}
