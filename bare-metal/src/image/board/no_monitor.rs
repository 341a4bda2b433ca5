//! A board whose image has no privilege level above it that could be spared for a monitor.

use crate::image::calls::{Answer, REFUSED};

/// Nobody waits.
pub(crate) const PATIENCE_MILLIS: usize = 0;

/// Every call is refused.
pub(crate) const fn hypercall(_call: [usize; 4]) -> Answer {
    [REFUSED, 0]
}

/// Never called, since no monitor begins.
pub(crate) fn shadow_window() {
    unreachable!("there is no monitor");
}
