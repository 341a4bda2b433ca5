//! The real instructions of RV32 and RV64.
//!
//! No `asm!` here says `nomem`: each is a compiler barrier for all memory whose address has escaped.
//! Manual: the RISC-V Instruction Set Manual, volume I (unprivileged) and volume II (privileged).
#![expect(
    unsafe_code,
    reason = "instructions the compiler does not know of need asm!"
)]

use core::{arch::asm, ptr::NonNull};

use super::encoding::{CLEAN, FLUSH, FUNCT3, INVAL, MISC_MEM};

/// `cbo.clean`: write the block back that holds the byte at `block`; it may stay cached.
///
/// Volume I, "CMO" extensions, Zicbom. Below M-mode it traps unless menvcfg.CBCFE (and for U-mode senvcfg.CBCFE) is
/// set: volume II, "Machine Environment Configuration Register".
#[inline]
pub fn cbo_clean(block: *mut u8) {
    // SAFETY: memory keeps its values as the CPU sees them; where it is not mapped the instruction traps.
    unsafe {
        asm!(
            ".insn i {opcode}, {funct3}, x0, {block}, {operation}",
            opcode = const MISC_MEM,
            funct3 = const FUNCT3,
            block = in(reg) block,
            operation = const CLEAN,
            options(nostack, preserves_flags),
        );
    }
}

/// `cbo.flush`: write the block back that holds the byte at `block`, and discard it.
///
/// Volume I, "CMO" extensions, Zicbom; enabled as [`cbo_clean`] is.
#[inline]
pub fn cbo_flush(block: *mut u8) {
    // SAFETY: memory keeps its values as the CPU sees them; where it is not mapped the instruction traps.
    unsafe {
        asm!(
            ".insn i {opcode}, {funct3}, x0, {block}, {operation}",
            opcode = const MISC_MEM,
            funct3 = const FUNCT3,
            block = in(reg) block,
            operation = const FLUSH,
            options(nostack, preserves_flags),
        );
    }
}

/// `cbo.inval`: discard the block that holds the byte at `block`.
///
/// Volume I, "CMO" extensions, Zicbom. Below M-mode menvcfg.CBIE (and for U-mode senvcfg.CBIE) decides: 00 traps, 01
/// flushes instead, 11 invalidates: volume II, "Machine Environment Configuration Register".
///
/// # Safety
/// Stores to the block that have not reached memory are lost. The whole block belongs to the caller, who does without
/// them.
#[inline]
pub unsafe fn cbo_inval(block: *mut u8) {
    // SAFETY: passed on to the caller.
    unsafe {
        asm!(
            ".insn i {opcode}, {funct3}, x0, {block}, {operation}",
            opcode = const MISC_MEM,
            funct3 = const FUNCT3,
            block = in(reg) block,
            operation = const INVAL,
            options(nostack, preserves_flags),
        );
    }
}

/// `fence iorw, iorw`: every access before it, and every cache-block operation, before every one after it.
///
/// Volume I, "Memory Ordering Instructions"; cache-block operations are ordered as stores: "CMO" extensions,
/// "Memory Ordering".
#[inline]
pub fn fence_iorw_iorw() {
    // SAFETY: it only orders.
    unsafe { asm!("fence iorw, iorw", options(nostack, preserves_flags)) };
}

/// `fence rw, ow`: every access to memory before it, before every store after it to memory or a device.
///
/// Volume I, "Memory Ordering Instructions".
#[inline]
pub fn fence_rw_ow() {
    // SAFETY: it only orders.
    unsafe { asm!("fence rw, ow", options(nostack, preserves_flags)) };
}

/// `fence ir, rw`: every load before it, from memory or a device, before every access to memory after it.
///
/// Volume I, "Memory Ordering Instructions".
#[inline]
pub fn fence_ir_rw() {
    // SAFETY: it only orders.
    unsafe { asm!("fence ir, rw", options(nostack, preserves_flags)) };
}

/// No instruction: from here on the compiler must believe that others know the address, and that the memory has just
/// been read and written.
#[inline]
pub fn escape(memory: NonNull<u8>) {
    // SAFETY: there is no instruction.
    unsafe { asm!("# {}", in(reg) memory.as_ptr(), options(nostack, preserves_flags)) };
}
