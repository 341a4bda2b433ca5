//! The real instructions of MIPS32 and MIPS64, Release 1 to 5.
//!
//! No `asm!` here says `nomem`: each is a compiler barrier for all memory whose address has escaped.
//! The compiler may choose $1 for an operand, which the assembler otherwise keeps for itself (`.set noat`).
//! Manual: MIPS32 (MIPS64) Architecture for Programmers, volume II (instructions) and volume III (privileged resources).
#![expect(
    unsafe_code,
    reason = "instructions the compiler does not know of need asm!"
)]

use core::{arch::asm, ptr::NonNull};

use super::encoding::{HIT_INVALIDATE_D, HIT_WRITEBACK_D, HIT_WRITEBACK_INV_D};

/// CACHE Hit_Writeback_D: write the line of the primary data cache back that holds the byte at `line`; it stays.
///
/// Volume II, CACHE: not required of a processor. Kernel mode, or Status.CU0.
#[inline]
pub fn hit_writeback_d(line: *mut u8) {
    // SAFETY: memory keeps its values as the CPU sees them; where it is not mapped the instruction traps.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "cache {operation}, 0({line})",
            ".set pop",
            operation = const HIT_WRITEBACK_D,
            line = in(reg) line,
            options(nostack, preserves_flags),
        );
    }
}

/// CACHE Hit_Writeback_Inv_D: write the line of the primary data cache back that holds the byte at `line`, and
/// discard it.
///
/// Volume II, CACHE: required of every processor with a data cache. Kernel mode, or Status.CU0.
#[inline]
pub fn hit_writeback_inv_d(line: *mut u8) {
    // SAFETY: memory keeps its values as the CPU sees them; where it is not mapped the instruction traps.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "cache {operation}, 0({line})",
            ".set pop",
            operation = const HIT_WRITEBACK_INV_D,
            line = in(reg) line,
            options(nostack, preserves_flags),
        );
    }
}

/// CACHE Hit_Invalidate_D: discard the line of the primary data cache that holds the byte at `line`.
///
/// Volume II, CACHE: not required of a processor for data. Kernel mode, or Status.CU0.
///
/// # Safety
/// Stores to the line that have not reached memory are lost. The whole line belongs to the caller, who does without
/// them.
#[inline]
pub unsafe fn hit_invalidate_d(line: *mut u8) {
    // SAFETY: passed on to the caller.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "cache {operation}, 0({line})",
            ".set pop",
            operation = const HIT_INVALIDATE_D,
            line = in(reg) line,
            options(nostack, preserves_flags),
        );
    }
}

/// SYNC 0: every load, store and CACHE operation before it is performed before any after it begins.
///
/// Volume II, SYNC (stype 0, the completion barrier). Any mode.
#[inline]
pub fn sync() {
    // SAFETY: it only waits.
    unsafe { asm!("sync", options(nostack, preserves_flags)) };
}

/// The Config1 register: the geometry of the primary caches.
///
/// Volume III, Configuration Register 1 (CP0 Register 16, Select 1). Kernel mode, or Status.CU0.
#[inline]
#[must_use]
pub fn config1() -> u32 {
    let value: u32;
    // SAFETY: reading it changes nothing.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "mfc0 {value}, $16, 1",
            ".set pop",
            value = out(reg) value,
            options(nostack, preserves_flags),
        );
    }
    value
}

/// The Config2 register: the geometry of the outer caches. It exists if Config1.M is set.
///
/// Volume III, Configuration Register 2 (CP0 Register 16, Select 2). Kernel mode, or Status.CU0.
#[inline]
#[must_use]
pub fn config2() -> u32 {
    let value: u32;
    // SAFETY: reading it changes nothing.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "mfc0 {value}, $16, 2",
            ".set pop",
            value = out(reg) value,
            options(nostack, preserves_flags),
        );
    }
    value
}

/// No instruction: from here on the compiler must believe that others know the address, and that the memory has just
/// been read and written.
#[inline]
pub fn escape(memory: NonNull<u8>) {
    // SAFETY: there is no instruction.
    unsafe { asm!("# {}", in(reg) memory.as_ptr(), options(nostack, preserves_flags)) };
}
