//! The emulator ends by its device isa-debug-exit, which turns the value `v` written to it into exit code `v << 1 | 1`.
#![expect(unsafe_code, reason = "writes the exit device's port and halts")]

use core::arch::asm;

use super::port::out_8;

/// The port the host gives the device by `-device isa-debug-exit,iobase=0xf4,iosize=4`.
const DEBUG_EXIT: u16 = 0xf4;

/// Ends the emulator with exit code `code`, which must be odd: the device can give no other.
pub(crate) fn exit(code: u8) -> ! {
    debug_assert!(code % 2 == 1);
    // SAFETY: the exit device's port; without the device nothing answers.
    unsafe { out_8(DEBUG_EXIT, code >> 1) };
    loop {
        // SAFETY: with interrupts off this waits for ever, which is the end of an image that cannot exit.
        unsafe { asm!("hlt", options(nomem, nostack, preserves_flags)) };
    }
}
