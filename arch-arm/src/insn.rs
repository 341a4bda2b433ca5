//! The instructions this crate executes, one function each, and the only place that asks what it is compiled for.
//!
//! Where an operating system owns the caches the functions of both instruction sets write themselves down instead, so
//! that any test can assert the exact sequence.
#![expect(unsafe_code, reason = "invalidating discards")]

use core::fmt::Debug;

cfg_if::cfg_if! {
    if #[cfg(any(unix, windows))] {
        pub mod recorded;
        use recorded::{aarch32, aarch64};
    } else if #[cfg(target_arch = "aarch64")] {
        mod aarch64;
    } else if #[cfg(all(target_arch = "arm", target_has_atomic = "64"))] {
        // No stable `cfg` tells the profile, and assemblers take coprocessor instructions for M-profile cores too, whose
        // caches have registers in memory instead. LDREXD tells it: no M-profile core has one (DDI 0403 A7.7).
        mod aarch32;
    } else {
        compile_error!("arch-arm has no instructions for this target");
    }
}

/// What the caches of an architecture are maintained with: which instruction is which operation.
pub trait Instructions: Copy + Debug + Eq {
    /// What a loop over lines needs in front of it.
    fn before_loop() {}

    /// Cleans the line of `line`.
    fn clean(line: *mut u8);

    /// Cleans and invalidates the line of `line`.
    fn clean_and_invalidate(line: *mut u8);

    /// Invalidates the line of `line`.
    ///
    /// # Safety
    /// No byte of the line was stored to and not written back, except such as may be lost.
    unsafe fn invalidate(line: *mut u8);

    /// Waits for what was issued.
    fn complete();

    /// Orders earlier accesses and maintenance before later ones; `memory` points to some of what is accessed.
    fn order(memory: *mut u8);

    /// What the register says that tells the sizes of lines.
    fn cache_type() -> u64;
}

/// The instructions of AArch64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aarch64;

#[cfg(any(unix, windows, target_arch = "aarch64"))]
impl Instructions for Aarch64 {
    #[inline(always)]
    fn clean(line: *mut u8) {
        aarch64::dc_cvac(line);
    }
    #[inline(always)]
    fn clean_and_invalidate(line: *mut u8) {
        aarch64::dc_civac(line);
    }
    #[inline(always)]
    unsafe fn invalidate(line: *mut u8) {
        // SAFETY: passed on to the caller.
        unsafe { aarch64::dc_ivac(line) };
    }
    #[inline(always)]
    fn complete() {
        aarch64::dsb_sy();
    }
    #[inline(always)]
    fn order(memory: *mut u8) {
        aarch64::dmb_osh(memory);
    }
    #[inline(always)]
    fn cache_type() -> u64 {
        aarch64::ctr_el0()
    }
}

/// The instructions of Armv7-A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armv7;

#[cfg(any(unix, windows, all(target_arch = "arm", target_has_atomic = "64")))]
impl Instructions for Armv7 {
    #[inline(always)]
    fn clean(line: *mut u8) {
        aarch32::dccmvac(line);
    }
    #[inline(always)]
    fn clean_and_invalidate(line: *mut u8) {
        aarch32::dccimvac(line);
    }
    #[inline(always)]
    unsafe fn invalidate(line: *mut u8) {
        // SAFETY: passed on to the caller.
        unsafe { aarch32::dcimvac(line) };
    }
    #[inline(always)]
    fn complete() {
        aarch32::dsb_sy();
    }
    #[inline(always)]
    fn order(memory: *mut u8) {
        aarch32::dmb_sy(memory);
    }
    #[inline(always)]
    fn cache_type() -> u64 {
        aarch32::ctr().into()
    }
}

/// The instructions of Armv7-A for a Cortex-A9 of several cores: a DSB in front of each loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CortexA9;

#[cfg(any(unix, windows, all(target_arch = "arm", target_has_atomic = "64")))]
impl Instructions for CortexA9 {
    #[inline(always)]
    fn before_loop() {
        aarch32::dsb_sy();
    }
    #[inline(always)]
    fn clean(line: *mut u8) {
        Armv7::clean(line);
    }
    #[inline(always)]
    fn clean_and_invalidate(line: *mut u8) {
        Armv7::clean_and_invalidate(line);
    }
    #[inline(always)]
    unsafe fn invalidate(line: *mut u8) {
        // SAFETY: passed on to the caller.
        unsafe { Armv7::invalidate(line) };
    }
    #[inline(always)]
    fn complete() {
        Armv7::complete();
    }
    #[inline(always)]
    fn order(memory: *mut u8) {
        Armv7::order(memory);
    }
    #[inline(always)]
    fn cache_type() -> u64 {
        Armv7::cache_type()
    }
}
