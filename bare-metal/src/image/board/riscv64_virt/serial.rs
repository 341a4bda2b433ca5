//! The 16550 serial port. M-mode and S-mode reach it at the same address.
#![expect(unsafe_code, reason = "device registers are reached by their address")]

use core::ptr;

/// QEMU's hw/riscv/virt.c: VIRT_UART0. A write to the first register sends a byte.
const NS16550: usize = 0x1000_0000;

/// The line status register and its bit "transmitter holding register empty".
const LSR: usize = NS16550 + 5;
const THRE: u8 = 1 << 5;

/// Writes bytes to the host. QEMU's model sends without being given a baud rate.
pub(crate) fn console_write(bytes: &[u8]) {
    for &byte in bytes {
        while line_status() & THRE == 0 {
            core::hint::spin_loop();
        }
        let data = ptr::with_exposed_provenance_mut::<u8>(NS16550);
        // SAFETY: a register in mapped device memory, and there is room for the byte.
        unsafe { data.write_volatile(byte) };
    }
}

/// The line status register.
fn line_status() -> u8 {
    let status = ptr::with_exposed_provenance::<u8>(LSR);
    // SAFETY: a register in mapped device memory; reading it clears error bits nobody asks for.
    unsafe { status.read_volatile() }
}
