//! The instructions this crate executes, one function each, and the only place that asks what it is compiled for.
//!
//! Where an operating system owns the caches the functions write themselves down instead, so that any test can assert
//! the exact sequence.

cfg_if::cfg_if! {
    if #[cfg(any(unix, windows))] {
        pub mod recorded;
        pub(crate) use recorded::{ctr_el0, dc_civac, dc_cvac, dc_ivac, dmb_osh, dsb_sy};
    } else if #[cfg(target_arch = "aarch64")] {
        mod aarch64;
        pub(crate) use aarch64::{ctr_el0, dc_civac, dc_cvac, dc_ivac, dmb_osh, dsb_sy};
    } else {
        compile_error!("arch-arm has no instructions for this target");
    }
}
