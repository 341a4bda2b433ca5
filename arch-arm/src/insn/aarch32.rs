//! The instructions of Armv7-A, in A32 or T32; sections are those of the Arm Architecture Reference Manual for Armv7-A
//! and Armv7-R, DDI 0406, by their titles.
//!
//! Maintenance is a write of the address to a CP15 register, at PL1 or above. No `asm!` here is `nomem`: each is a
//! compiler barrier, and those that are given a pointer are one for the memory it was derived from even if no other
//! pointer to that memory is known to the compiler.
#![expect(unsafe_code, reason = "instructions")]

use core::arch::asm;

/// DCCMVAC: cleans the line of `line` to the point of coherency ("Cache and branch predictor maintenance operations,
/// VMSA").
#[inline(always)]
pub(crate) fn dccmvac(line: *mut u8) {
    // SAFETY: a clean changes no byte that a program can read. Where `line` is not mapped it faults.
    unsafe {
        asm!("mcr p15, 0, {line}, c7, c10, 1", line = in(reg) line, options(nostack, preserves_flags))
    };
}

/// DCCIMVAC: cleans and invalidates the line of `line` to the point of coherency (the same section).
#[inline(always)]
pub(crate) fn dccimvac(line: *mut u8) {
    // SAFETY: nothing is discarded that is not written back first. Where `line` is not mapped it faults.
    unsafe {
        asm!("mcr p15, 0, {line}, c7, c14, 1", line = in(reg) line, options(nostack, preserves_flags))
    };
}

/// DCIMVAC: invalidates the line of `line` to the point of coherency (the same section).
///
/// # Safety
/// No byte of the line was stored to and not written back, except such as may be lost.
#[inline(always)]
pub(crate) unsafe fn dcimvac(line: *mut u8) {
    // SAFETY: passed on to the caller.
    unsafe {
        asm!("mcr p15, 0, {line}, c7, c6, 1", line = in(reg) line, options(nostack, preserves_flags))
    };
}

/// DSB SY: waits until earlier accesses, and the maintenance this core issued, are complete for the whole system ("Data
/// Synchronization Barrier").
#[inline(always)]
pub(crate) fn dsb_sy() {
    // SAFETY: a barrier changes no state.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}

/// DMB SY: orders earlier loads, stores and data cache maintenance before later ones, as all observers in the system see
/// them ("Data Memory Barrier").
#[inline(always)]
pub(crate) fn dmb_sy(memory: *mut u8) {
    // SAFETY: a barrier changes no state.
    unsafe {
        asm!("dmb sy @ {memory}", memory = in(reg) memory, options(nostack, preserves_flags))
    };
}

/// CTR: the cache type register ("CTR, Cache Type Register, VMSA").
#[inline(always)]
pub(crate) fn ctr() -> u32 {
    let ctr: u32;
    // SAFETY: reading the register changes no state.
    unsafe {
        asm!("mrc p15, 0, {ctr}, c0, c0, 1", ctr = out(reg) ctr, options(nostack, preserves_flags))
    };
    ctr
}
