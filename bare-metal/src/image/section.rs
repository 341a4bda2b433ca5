//! Critical sections on a machine of one processor whose interrupts are never enabled: there is nothing to do.
#![expect(unsafe_code, reason = "the image promises that nothing interrupts it")]

use critical_section::{Impl, RawRestoreState, set_impl};

struct NothingInterrupts;

set_impl!(NothingInterrupts);

// SAFETY: the boot code parks all processors but one and enables no interrupt, so nothing runs beside this code.
unsafe impl Impl for NothingInterrupts {
    unsafe fn acquire() -> RawRestoreState {}

    unsafe fn release((): RawRestoreState) {}
}
