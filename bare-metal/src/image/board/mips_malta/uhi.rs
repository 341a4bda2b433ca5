//! The emulator ends by the semihosting call `exit` of the MIPS Unified Hosting Interface (MD01069).
#![expect(unsafe_code, reason = "executes SDBBP")]

use core::arch::asm;

/// The operation number of `exit`, in `$25`.
const UHI_EXIT: u32 = 1;

/// Ends the emulator with exit code `code`; needs its option `-semihosting`.
pub(crate) fn exit(code: u8) -> ! {
    // SAFETY: a call out of the machine that does not come back, and reads no memory.
    unsafe {
        asm!(
            "sdbbp 1",
            in("$25") UHI_EXIT,
            in("$4") u32::from(code),
            options(nostack),
        );
    }
    // Without the option SDBBP is an exception; what comes back from that has nowhere to go.
    loop {
        core::hint::spin_loop();
    }
}
