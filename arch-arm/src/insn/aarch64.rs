//! The A64 instructions; sections are those of the Arm Architecture Reference Manual for A-profile, DDI 0487, with their
//! titles, since the numbers move from issue to issue.
//!
//! No `asm!` here is `nomem`: each is a compiler barrier, and those that are given a pointer are one for the memory it
//! was derived from even if no other pointer to that memory is known to the compiler.
#![expect(unsafe_code, reason = "instructions")]

use core::arch::asm;

/// DC CVAC: cleans the line of `line` to the point of coherency (C5.3, "DC CVAC").
#[inline(always)]
pub(crate) fn dc_cvac(line: *mut u8) {
    // SAFETY: a clean changes no byte that a program can read. Where `line` is not mapped it faults.
    unsafe { asm!("dc cvac, {line}", line = in(reg) line, options(nostack, preserves_flags)) };
}

/// DC CIVAC: cleans and invalidates the line of `line` to the point of coherency (C5.3, "DC CIVAC").
#[inline(always)]
pub(crate) fn dc_civac(line: *mut u8) {
    // SAFETY: nothing is discarded that is not written back first. Where `line` is not mapped it faults.
    unsafe { asm!("dc civac, {line}", line = in(reg) line, options(nostack, preserves_flags)) };
}

/// DC IVAC: invalidates the line of `line` to the point of coherency (C5.3, "DC IVAC"). Undefined at EL0.
///
/// # Safety
/// No byte of the line was stored to and not written back, except such as may be lost.
#[inline(always)]
pub(crate) unsafe fn dc_ivac(line: *mut u8) {
    // SAFETY: passed on to the caller.
    unsafe { asm!("dc ivac, {line}", line = in(reg) line, options(nostack, preserves_flags)) };
}

/// DSB SY: waits until earlier accesses, and the maintenance this core issued, are complete for the whole system
/// (B2, "Data Synchronization Barrier").
#[inline(always)]
pub(crate) fn dsb_sy() {
    // SAFETY: a barrier changes no state.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}

/// DMB OSH: orders earlier loads, stores and data cache maintenance before later ones, as all observers up to the
/// outer shareable domain see them (B2, "Data Memory Barrier").
#[inline(always)]
pub(crate) fn dmb_osh(memory: *mut u8) {
    // SAFETY: a barrier changes no state.
    unsafe {
        asm!("dmb osh // {memory}", memory = in(reg) memory, options(nostack, preserves_flags))
    };
}

/// CTR_EL0: the cache type register ("CTR_EL0, Cache Type Register").
#[inline(always)]
pub(crate) fn ctr_el0() -> u64 {
    let ctr: u64;
    // SAFETY: reading the register changes no state.
    unsafe { asm!("mrs {ctr}, ctr_el0", ctr = out(reg) ctr, options(nostack, preserves_flags)) };
    ctr
}
