//! The first PL011 serial port.
#![expect(unsafe_code, reason = "device registers are reached by their address")]

use core::ptr;

/// QEMU's hw/arm/virt.c: VIRT_UART.
const PL011: usize = 0x0900_0000;

/// Data register: PL011 technical reference manual (DDI 0183), 3.3.1.
const UARTDR: usize = PL011;

/// Flag register (DDI 0183, 3.3.3) and its bit "transmit FIFO full".
const UARTFR: usize = PL011 + 0x18;
const TXFF: u32 = 1 << 5;

/// Writes bytes to the host. QEMU's model sends without being enabled or given a baud rate.
pub(crate) fn console_write(bytes: &[u8]) {
    for &byte in bytes {
        while flags() & TXFF != 0 {
            core::hint::spin_loop();
        }
        let data = ptr::with_exposed_provenance_mut::<u32>(UARTDR);
        // SAFETY: a register in mapped device memory, and there is room for the byte.
        unsafe { data.write_volatile(u32::from(byte)) };
    }
}

/// The flag register.
fn flags() -> u32 {
    let flags = ptr::with_exposed_provenance::<u32>(UARTFR);
    // SAFETY: a register in mapped device memory, which may be read at any time without effect.
    unsafe { flags.read_volatile() }
}
