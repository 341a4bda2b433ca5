//! The console is COM1, the first 16550 of the south bridge, as the loader left it.
#![expect(unsafe_code, reason = "writes device registers")]

/// COM1 at PCI I/O port 0x3f8.
const COM1_PHYS: u64 = 0x1800_03f8;
/// Line status register; its bit 5 says that the transmit holding register is empty (PC16550D, section 8.4).
const LINE_STATUS: usize = 5;
const TRANSMIT_EMPTY: u8 = 1 << 5;

/// Sends `bytes`, each as soon as the port takes it.
pub(crate) fn console_write(bytes: &[u8]) {
    let port = super::device_registers(COM1_PHYS, 8);
    // SAFETY: inside the port's eight registers.
    let line_status = unsafe { port.add(LINE_STATUS) };
    for &byte in bytes {
        // SAFETY: a register of COM1, whose reading changes only error bits that nobody looks at.
        while unsafe { line_status.read_volatile() } & TRANSMIT_EMPTY == 0 {}
        // SAFETY: the transmit register of COM1, which takes any byte.
        unsafe { port.write_volatile(byte) };
    }
}
