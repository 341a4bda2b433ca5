//! The test device ends the emulator. M-mode and S-mode reach it at the same address.
#![expect(unsafe_code, reason = "device registers are reached by their address")]

use core::ptr;

use super::memory::TEST_DEVICE_PHYS;

/// What the register takes for exit code 0 (QEMU's hw/misc/sifive_test.c).
const PASS: u32 = 0x5555;

/// What it takes for any other exit code, which is in the upper half.
pub(super) const FAIL: u32 = 0x3333;

/// Ends the emulator with this exit code.
pub(crate) fn exit(code: u8) -> ! {
    let end = match code {
        0 => PASS,
        code => u32::from(code) << 16 | FAIL,
    };
    let register = ptr::with_exposed_provenance_mut::<u32>(TEST_DEVICE_PHYS as usize);
    // SAFETY: a register in mapped device memory; nothing runs after the write.
    unsafe { register.write_volatile(end) };
    loop {
        core::hint::spin_loop();
    }
}
