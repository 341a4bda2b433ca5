//! The same functions on a hosted operating system: each thread has a transcript of what it would have executed.
//!
//! ```
//! use arch_arm::Aarch64Caches;
//! use arch_arm::recorded::{CORTEX_A72, Executed, executed, set_ctr_el0};
//! use dma_api::DmaSync;
//!
//! set_ctr_el0(CORTEX_A72);
//! // SAFETY: nothing is maintained.
//! let caches = unsafe { Aarch64Caches::probe() }?;
//! caches.complete();
//! assert_eq!(executed(), [Executed::DsbSy]);
//! # Ok::<(), dma_api::Error>(())
//! ```
#![expect(unsafe_code, reason = "a dialect has the signatures of the others")]

use core::cell::{Cell, RefCell};
use std::thread_local;

/// One instruction of the transcript; cache maintenance with the address it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Executed {
    /// DC CVAC of AArch64: clean to the point of coherency.
    DcCvac(usize),
    /// DC CIVAC of AArch64: clean and invalidate to the point of coherency.
    DcCivac(usize),
    /// DC IVAC of AArch64: invalidate to the point of coherency.
    DcIvac(usize),
    /// DCCMVAC of Armv7: clean to the point of coherency.
    Dccmvac(usize),
    /// DCCIMVAC of Armv7: clean and invalidate to the point of coherency.
    Dccimvac(usize),
    /// DCIMVAC of Armv7: invalidate to the point of coherency.
    Dcimvac(usize),
    /// DSB SY.
    DsbSy,
    /// DMB OSH.
    DmbOsh,
    /// DMB SY.
    DmbSy,
}

/// CTR_EL0 of a Cortex-A72: lines and granule of 64 bytes (Cortex-A72 TRM, "Cache Type Register").
pub const CORTEX_A72: u64 = 0x8444_c004;

/// CTR of a Cortex-A9: lines and granule of 32 bytes (Cortex-A9 TRM, "Cache Type Register").
pub const CORTEX_A9: u32 = 0x8333_8003;

/// CTR of a Cortex-A15: lines and granule of 64 bytes (Cortex-A15 TRM, "Cache Type Register").
pub const CORTEX_A15: u32 = 0x8444_c004;

thread_local! {
    static TRANSCRIPT: RefCell<Vec<Executed>> = const { RefCell::new(Vec::new()) };
    static CTR_EL0: Cell<u64> = const { Cell::new(CORTEX_A72) };
    static CTR: Cell<u32> = const { Cell::new(CORTEX_A15) };
}

/// What this thread has executed since it last asked, in order.
#[must_use = "the transcript is gone once it was asked for"]
pub fn executed() -> Vec<Executed> {
    TRANSCRIPT.take()
}

/// Sets what this thread reads from AArch64's CTR_EL0 from now on; [`CORTEX_A72`] until then.
pub fn set_ctr_el0(value: u64) {
    CTR_EL0.set(value);
}

/// Sets what this thread reads from Armv7's CTR from now on; [`CORTEX_A15`] until then.
pub fn set_ctr(value: u32) {
    CTR.set(value);
}

fn record(instruction: Executed) {
    TRANSCRIPT.with_borrow_mut(|transcript| transcript.push(instruction));
}

/// The dialect of `aarch64.rs`.
pub(super) mod aarch64 {
    use core::hint::black_box;

    use super::{CTR_EL0, Executed, record};

    pub(crate) fn dc_cvac(line: *mut u8) {
        record(Executed::DcCvac(black_box(line).addr()));
    }

    pub(crate) fn dc_civac(line: *mut u8) {
        record(Executed::DcCivac(black_box(line).addr()));
    }

    /// # Safety
    /// That of the real instruction, which this one does not need.
    pub(crate) unsafe fn dc_ivac(line: *mut u8) {
        record(Executed::DcIvac(black_box(line).addr()));
    }

    pub(crate) fn dsb_sy() {
        record(Executed::DsbSy);
    }

    pub(crate) fn dmb_osh(memory: *mut u8) {
        black_box(memory);
        record(Executed::DmbOsh);
    }

    pub(crate) fn ctr_el0() -> u64 {
        CTR_EL0.get()
    }
}

/// The dialect of `aarch32.rs`.
pub(super) mod aarch32 {
    use core::hint::black_box;

    use super::{CTR, Executed, record};

    pub(crate) fn dccmvac(line: *mut u8) {
        record(Executed::Dccmvac(black_box(line).addr()));
    }

    pub(crate) fn dccimvac(line: *mut u8) {
        record(Executed::Dccimvac(black_box(line).addr()));
    }

    /// # Safety
    /// That of the real instruction, which this one does not need.
    pub(crate) unsafe fn dcimvac(line: *mut u8) {
        record(Executed::Dcimvac(black_box(line).addr()));
    }

    pub(crate) fn dsb_sy() {
        record(Executed::DsbSy);
    }

    pub(crate) fn dmb_sy(memory: *mut u8) {
        black_box(memory);
        record(Executed::DmbSy);
    }

    pub(crate) fn ctr() -> u32 {
        CTR.get()
    }
}
