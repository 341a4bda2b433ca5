//! The atomics of the crate, by names under which a model checker puts its own in their place.

pub(crate) use core::hint::spin_loop as spin;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
