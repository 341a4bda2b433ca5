//! The IN and OUT instructions.
#![expect(unsafe_code, reason = "executes IN and OUT")]

use core::arch::asm;

/// IN AL, DX.
///
/// # Safety
///
/// What the port does when it is read must not touch memory that Rust knows of.
pub(super) unsafe fn in_8(port: u16) -> u8 {
    let value;
    // SAFETY: the caller vouches for the port's effect.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack, preserves_flags)) };
    value
}

/// OUT DX, AL.
///
/// # Safety
///
/// What the port does with the value must not touch memory that Rust knows of.
pub(super) unsafe fn out_8(port: u16, value: u8) {
    // SAFETY: the caller vouches for the port's effect.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

/// IN EAX, DX.
///
/// # Safety
///
/// As for [`in_8`].
pub(super) unsafe fn in_32(port: u16) -> u32 {
    let value;
    // SAFETY: the caller vouches for the port's effect.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value, options(nostack, preserves_flags))
    };
    value
}

/// OUT DX, EAX.
///
/// # Safety
///
/// As for [`out_8`].
pub(super) unsafe fn out_32(port: u16, value: u32) {
    // SAFETY: the caller vouches for the port's effect.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags))
    };
}
