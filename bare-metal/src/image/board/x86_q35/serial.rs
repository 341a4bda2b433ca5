//! The console is COM1, a 16550, as the firmware left it.
#![expect(unsafe_code, reason = "writes device registers")]

use super::port::{in_8, out_8};

const COM1: u16 = 0x3f8;
/// Line status register; its bit 5 says that the transmit holding register is empty (PC16550D, section 8.4).
const LINE_STATUS: u16 = COM1 + 5;
const TRANSMIT_EMPTY: u8 = 1 << 5;

/// Sends `bytes`, each as soon as the port takes it.
pub(crate) fn console_write(bytes: &[u8]) {
    for &byte in bytes {
        // SAFETY: a register of COM1, whose reading changes only error bits that nobody looks at.
        while unsafe { in_8(LINE_STATUS) } & TRANSMIT_EMPTY == 0 {}
        // SAFETY: the transmit register of COM1, which takes any byte.
        unsafe { out_8(COM1, byte) };
    }
}
