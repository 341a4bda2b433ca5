//! Semihosting by `SVC #0x123456`, as it is in ARM state.
#![expect(unsafe_code, reason = "the semihosting trap")]

use core::arch::asm;

use crate::image::board::arm_virt;

/// Ends the emulator. With 32-bit words SYS_EXIT takes no exit code; this takes a block, with one in it.
pub(super) const SYS_EXIT_EXTENDED: usize = 0x20;

/// Ends the emulator with this exit code.
pub(crate) fn exit(code: u8) -> ! {
    // SAFETY: the operation takes a reason and a code.
    unsafe { arm_virt::exit(call, SYS_EXIT_EXTENDED, code) }
}

/// One request.
///
/// # Safety
///
/// The block must be what the operation asks for, and what it points to valid for what the operation does.
pub(super) unsafe fn call(operation: usize, block: &mut [usize; 2]) -> usize {
    let result;
    // SAFETY: the operation has the block it asks for, by this function's contract. The emulator reads and
    // writes memory: no `nomem`. Where it lets the call be an exception, the link register of SVC mode is lost.
    unsafe {
        asm!(
            "svc #0x123456",
            inlateout("r0") operation => result,
            in("r1") block,
            out("lr") _,
            options(nostack),
        );
    }
    result
}
