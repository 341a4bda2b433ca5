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

use core::{
    cell::{Cell, RefCell},
    hint::black_box,
};
use std::thread_local;

/// One instruction of the transcript; cache maintenance with the address it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Executed {
    /// DC CVAC: clean to the point of coherency.
    DcCvac(usize),
    /// DC CIVAC: clean and invalidate to the point of coherency.
    DcCivac(usize),
    /// DC IVAC: invalidate to the point of coherency.
    DcIvac(usize),
    /// DSB SY.
    DsbSy,
    /// DMB OSH.
    DmbOsh,
}

/// CTR_EL0 of a Cortex-A72: lines and granule of 64 bytes (Cortex-A72 TRM, "Cache Type Register").
pub const CORTEX_A72: u64 = 0x8444_c004;

thread_local! {
    static TRANSCRIPT: RefCell<Vec<Executed>> = const { RefCell::new(Vec::new()) };
    static CTR_EL0: Cell<u64> = const { Cell::new(CORTEX_A72) };
}

/// What this thread has executed since it last asked, in order.
#[must_use = "the transcript is gone once it was asked for"]
pub fn executed() -> Vec<Executed> {
    TRANSCRIPT.take()
}

/// Sets what this thread reads from CTR_EL0 from now on; [`CORTEX_A72`] until then.
pub fn set_ctr_el0(value: u64) {
    CTR_EL0.set(value);
}

fn record(instruction: Executed) {
    TRANSCRIPT.with_borrow_mut(|transcript| transcript.push(instruction));
}

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
