//! The instructions, in 32-bit and 64-bit mode; each is described under its name in the Intel SDM, volume 2, and in the
//! AMD64 Architecture Programmer's Manual, volume 3.
//!
//! No `asm!` here is `nomem`: each is a compiler barrier, and those that are given a pointer are one for the memory it
//! was derived from even if no other pointer to that memory is known to the compiler.
#![expect(unsafe_code, reason = "instructions")]

use core::arch::asm;

use super::{Leaf, intrinsics};

/// No instruction: the compiler takes it that `memory` is read and written here, and moves no access across.
#[inline(always)]
pub(crate) fn compiler_barrier(memory: *mut u8) {
    // SAFETY: it executes nothing.
    unsafe { asm!("/* {memory} */", memory = in(reg) memory, options(nostack, preserves_flags)) };
}

/// CLFLUSH: cleans and invalidates the line of `line` in every cache of the coherence domain.
#[inline(always)]
pub(crate) fn clflush(line: *mut u8) {
    // SAFETY: nothing is discarded that is not written back first. Where `line` is not mapped it faults.
    unsafe { asm!("clflush [{line}]", line = in(reg) line, options(nostack, preserves_flags)) };
}

/// CLFLUSHOPT: the same, not ordered with other maintenance.
#[inline(always)]
pub(crate) fn clflushopt(line: *mut u8) {
    // SAFETY: as CLFLUSH.
    unsafe { asm!("clflushopt [{line}]", line = in(reg) line, options(nostack, preserves_flags)) };
}

/// CLWB: cleans the line of `line` in every cache of the coherence domain, which may keep it. Not ordered with other
/// maintenance.
#[inline(always)]
pub(crate) fn clwb(line: *mut u8) {
    // SAFETY: as CLFLUSH.
    unsafe { asm!("clwb [{line}]", line = in(reg) line, options(nostack, preserves_flags)) };
}

/// MFENCE: orders all earlier loads, stores and maintenance, of any memory type, before all later ones.
#[inline(always)]
pub(crate) fn mfence() {
    // SAFETY: a barrier changes no state.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) };
}

/// LFENCE: orders all earlier loads, of any memory type, before everything later.
#[inline(always)]
pub(crate) fn lfence() {
    // SAFETY: a barrier changes no state.
    unsafe { asm!("lfence", options(nostack, preserves_flags)) };
}

/// CPUID with that leaf in EAX and 0 in ECX.
#[inline]
pub(crate) fn cpuid(leaf: u32) -> Leaf {
    let result = intrinsics::__cpuid_count(leaf, 0);
    Leaf {
        eax: result.eax,
        ebx: result.ebx,
        ecx: result.ecx,
        edx: result.edx,
    }
}
